"""What text is searched by: one way to take it apart for the index, for queries and for what is highlighted.

A word gives lexemes: its stem, whole, and the parts of a compound. It is folded before: case, umlauts in every spelling
(Lüftung, Lueftung, Luftung), accents, soft hyphens, a hyphen at a line's end. Letters and digits part where they meet,
a number is whole with its points and commas (`434` is neither in `2434` nor in `434,50`). What is written together or
belongs together has one more lexeme, the same on each of its words: `dn50` for DN 50, DN50 and DN-50, and the stem of
Brandschutzklappe for Brandschutz-Klappe. Function words have no lexemes, but a place.

Whatever is changed here changes what is found: raise VERSION, and everything is indexed again.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from ibhelm_pipelines.search.compounds import parts, split
from ibhelm_pipelines.search.folds import as_written, folded
from ibhelm_pipelines.search.stems import MAX_LEXEME_CHARS, number_lexemes, phone_number, stem
from ibhelm_pipelines.search.stop_words import STOP_WORDS

VERSION = "4"
Weight = Literal["A", "B", "C", "D"]

MAX_POSITION = 16383
MAX_POSITIONS = 255
"""Of one lexeme; Postgres keeps no more."""
MAX_TSVECTOR_BYTES = 900_000
"""Postgres takes 1 MiB; what a text would need beyond is not indexed."""
FIELD_GAP = 8
"""Places between two fields, so that no phrase reaches from one into the next."""

PREFIXES = {
    "kgr": "kg", "kostengruppe": "kg",
    **{each: each for each in (
        "dn", "pn", "kg", "ral", "din", "en", "iso", "vde", "vdi", "dvgw", "nym", "nyy", "ei", "rei", "f", "r", "t",
        "ip", "o", "lph",
    )},
}  # fmt: skip
"""What is one thing with the number that follows, folded, and how that is called (`o` is the sign of diameters)."""
UNITS = frozenset({
    "mm", "cm", "m", "m2", "m3", "km", "kg", "t", "l", "w", "kw", "mw", "kwh", "mwh", "v", "kv", "a", "ma", "kva", "hz",
    "pa", "kpa", "bar", "mbar", "k", "c", "db", "lx", "lm", "s", "h", "min", "va", "eur",
})  # fmt: skip
"""What is one thing with the number before it, folded."""

_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u0300-\u036f"
_HYPHENS = "-\u2010\u2011"
_LETTERS = rf"[^\W_]+(?:[{_INVISIBLE}]+[^\W_]*)*"
_HYPHEN_AT_END = rf"(?:[{_HYPHENS}\u00ad]|(?<=\u00ad))[ \t]{{0,8}}\r?\n\s{{0,40}}"
_LINE_END = rf"{_HYPHEN_AT_END}(?=[^\W\d_])(?=[^A-ZÄÖÜ])(?!(?:und|oder|bzw|sowie|and|or)\b)"
_RUNS = re.compile(rf"(⌀|{_LETTERS}(?:(?:{_LINE_END}|[{_HYPHENS}.,]){_LETTERS})*)")
_WORD = re.compile(rf"\d+(?:[.,]\d+)*|⌀|(?:[^\W\d_](?:{_LINE_END}|[{_INVISIBLE}]+)?)+")
_UPPER = "A-ZÄÖÜ"
_LOWER = rf"[^\W\d_{_UPPER}]"
_CAMEL = re.compile(
    rf"(?<={_LOWER}{_LOWER})(?=[{_UPPER}]{_LOWER}{_LOWER})|(?<={_LOWER}{_LOWER}{_LOWER})(?=[{_UPPER}][{_UPPER}])"
    rf"|(?<=[{_UPPER}][{_UPPER}])(?=[{_UPPER}]{_LOWER}{_LOWER})"
)
_GAPS = frozenset({"", " ", "  ", "\u00a0", "\u202f", "_", ".", ". ", ": ", ":"})
"""What may stand inside of DN 50."""
_PHONE_GAPS = frozenset({" ", "/", " / ", "-", " - ", "\u00a0", " (", "(", ") ", ")", "/-"})
_MAX_PHONE_RUNS = 6


class Token(NamedTuple):
    """A word of a text.

    Attributes:
        lexemes: the stem of the whole word, then its parts and what it is a part of; none for a function word.
        word: as it is written, but in lower case and without what is invisible.
        start, end: characters of the text.
        joined: the lexeme of what it makes with its neighbours, if anything: `dn50`. One of its lexemes, too.
        spellings: how many of its lexemes, from the first, stand for the whole word: `1.234` is `1234`, too.
    """

    lexemes: tuple[str, ...]
    word: str
    start: int
    end: int
    joined: str = ""
    spellings: int = 1


class Analysed(NamedTuple):
    """What of a document is indexed.

    Attributes:
        tsvector: for `::tsvector`, with positions and labels.
        lexemes: all that are in it.
        words: of letters, as they are written, for suggestions; without function words.
    """

    tsvector: str
    lexemes: frozenset[str]
    words: frozenset[str]


class _Run(NamedTuple):
    """What is written without blanks: `Brandschutz-Klappe`, `2301-HZ-004`, most often one word.

    Attributes:
        tokens: their places counted from its start.
        groups: lexemes of each of them.
        words: for suggestions.
        leads: which prefix it ends with; `number`, that it begins with, makes one thing of it.
        trailing_number: that it ends with; `unit`, which it is, makes one thing of it.
        is_digits: whether it is a part of a phone number, maybe.
    """

    tokens: tuple[Token, ...]
    groups: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    leads: str
    number: str
    trailing_number: str
    unit: str
    is_digits: bool


def tokens(text: str) -> Iterator[Token]:
    """Take a text apart."""
    pieces = _RUNS.split(text)
    runs = [_run(piece) for piece in pieces[1::2]]
    neighbours = _neighbours(pieces, runs)
    at = 0
    for number, run in enumerate(runs):
        at += len(pieces[2 * number])
        for token in neighbours.get(number, run.tokens):
            yield token._replace(start=at + token.start, end=at + token.end)
        at += len(pieces[2 * number + 1])


def places(text: str, lexemes: frozenset[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    """Where any of these lexemes may be, from where to where, and which: fast, for long texts.

    What a word makes with the one behind a blank (DN 50) is not looked at.
    """
    # Most words are dropped without being taken apart, which for new ones is slow: a stem is a part of its folded word.
    letters = "|".join(re.escape(lexeme) for lexeme in lexemes if lexeme.isalpha())
    may_hold = re.compile(letters or r"\b\B")
    has_numbers = not all(lexeme.isalpha() for lexeme in lexemes)
    pieces = _RUNS.split(text)
    wanted = {
        piece: held
        for piece in set(pieces[1::2])
        if (may_hold.search(folded(as_written(piece))) or (has_numbers and not piece.isalpha()))
        and (held := _held(piece, lexemes))
    }
    ends = itertools.accumulate(map(len, pieces))
    found = [(end - len(piece), wanted[piece]) for piece, end in zip(pieces, ends, strict=True) if piece in wanted]
    return [(at + start, at + end, held) for at, each in found for start, end, held in each]


def _held(piece: str, lexemes: frozenset[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    return [
        (token.start, token.end, held)
        for token in _run(piece).tokens
        if (held := tuple(lexeme for lexeme in token.lexemes if lexeme in lexemes))
    ]


def analyse(fields: Sequence[tuple[Weight, str]]) -> Analysed:
    """Return what of a document is indexed; what comes first has the first places, of which there are 16,383."""
    held: dict[str, list[str]] = defaultdict(list)
    words: set[str] = set()
    at = 0
    for weight, text in fields:
        pieces = _RUNS.split(text)
        runs = [_run(piece) for piece in pieces[1::2]]
        groups = [run.groups for run in runs]
        for number, joined in _neighbours(pieces, runs).items():
            groups[number] = tuple([token.lexemes for token in joined])
        for place, lexemes in zip(_labels(weight, at), itertools.chain.from_iterable(groups), strict=False):
            for lexeme in lexemes:
                held[lexeme].append(place)
        for piece in set(pieces[1::2]):
            words.update(_run(piece).words)
        at += sum(map(len, groups)) + FIELD_GAP
    if at > MAX_POSITION:
        held = {lexeme: list(dict.fromkeys(labels)) for lexeme, labels in held.items()}
    kept = _within_limit({lexeme: ",".join(labels[:MAX_POSITIONS]) for lexeme, labels in held.items()})
    written = " ".join([f"'{lexeme}':{labels}" for lexeme, labels in kept.items()])
    return Analysed(written, frozenset(kept), frozenset(words))


@lru_cache(maxsize=4)
def _all_labels(weight: Weight) -> list[str]:
    label = "" if weight == "D" else weight
    return [f"{place}{label}" for place in range(1, MAX_POSITION + 1)]


def _labels(weight: Weight, at: int) -> Iterator[str]:
    """The places behind one, the last one for ever."""
    labels = _all_labels(weight)
    return itertools.chain(itertools.islice(labels, at, None), itertools.repeat(labels[-1]))


def _within_limit(held: dict[str, str]) -> dict[str, str]:
    """What Postgres takes of it: a lexeme and its places are no larger there than in writing."""
    sizes = itertools.accumulate(len(lexeme.encode()) + len(labels) + 4 for lexeme, labels in held.items())
    if sum(map(len, held)) + sum(map(len, held.values())) < MAX_TSVECTOR_BYTES // 8:
        return held
    return {lexeme: held[lexeme] for lexeme, size in zip(held, sizes, strict=True) if size < MAX_TSVECTOR_BYTES}


def _neighbours(pieces: list[str], runs: list[_Run]) -> dict[int, tuple[Token, ...]]:
    """The words of those runs that are one thing with the run before or behind: `DN 50`, `2,5 kW`."""
    found: dict[int, tuple[Token, ...]] = {}
    for at in [number for number, run in enumerate(runs) if run.number or run.unit]:
        run, before = runs[at], runs[at - 1]
        if not at or pieces[2 * at] not in _GAPS:
            continue
        first, second = found.get(at - 1, before.tokens), run.tokens
        if before.leads and run.number:
            pair = before.leads + run.number
            whole = before.leads + (second[0].joined or run.number)
        elif before.trailing_number and run.unit and not first[-1].joined:
            pair = whole = before.trailing_number + run.unit
        else:
            continue
        found[at - 1] = (*first[:-1], _with(first[-1], pair, whole))
        found[at] = (_with(second[0], pair, whole), *(_with(each, whole) for each in second[1:]))
    _phones(pieces, runs, found)
    return found


def _phones(pieces: list[str], runs: list[_Run], found: dict[int, tuple[Token, ...]]) -> None:
    """Put its lexeme to the words of a phone number, however it is written."""
    last = -1
    for at in [number for number, run in enumerate(runs) if run.is_digits]:
        is_international = pieces[2 * at].endswith("+")
        if at <= last or not (is_international or runs[at].number.startswith("0")):
            continue
        last = at
        while (
            last + 1 < len(runs)
            and runs[last + 1].is_digits
            and pieces[2 * last + 2] in _PHONE_GAPS
            and last - at < _MAX_PHONE_RUNS
        ):
            last += 1
        group = [found.get(number, runs[number].tokens) for number in range(at, last + 1)]
        digits = "".join(token.word for each in group for token in each)
        phone = phone_number(digits, is_international=is_international)
        if phone:
            found.update(
                (at + number, tuple([_with(token, phone) for token in each])) for number, each in enumerate(group)
            )


def _with(token: Token, *joined: str) -> Token:
    return token._replace(lexemes=tuple(dict.fromkeys((*token.lexemes, *joined))), joined=joined[-1])


@lru_cache(maxsize=1 << 17)
def _run(text: str) -> _Run:
    found: list[Token] = []
    for glued in _glued(text):
        found += _joined(glued)
    if not found:
        return _Run((), (), (), "", "", "", "", is_digits=False)
    head, tail = found[0], found[-1]
    unit = folded(head.word)
    return _Run(
        tokens=tuple(found),
        groups=tuple([token.lexemes for token in found]),
        words=tuple([token.word for token in found if _is_vocabulary(token)]),
        leads=PREFIXES.get(folded(tail.word), ""),
        number=head.lexemes[0] if _is_number(head) else "",
        trailing_number=tail.lexemes[0] if _is_number(tail) else "",
        unit=unit if len(found) == 1 and unit in UNITS else "",
        is_digits=all(token.word.isdecimal() for token in found),
    )


def _is_number(token: Token) -> bool:
    return token.word[0].isdecimal()


def _is_vocabulary(token: Token) -> bool:
    return 2 < len(token.word) <= MAX_LEXEME_CHARS and token.word.isalpha() and bool(token.lexemes)


def _glued(text: str) -> Iterator[list[Token]]:
    """The words of a run, those together that nothing or a hyphen parts."""
    held: list[Token] = []
    for match in _WORD.finditer(text):
        token = _token(match)
        if held and (gap := text[held[-1].end : token.start]) and gap not in _HYPHENS:
            yield held
            held = []
        held.append(token)
    if held:
        yield held


def _token(match: re.Match[str]) -> Token:
    text = match[0]
    if text[0].isdecimal():
        lexemes = number_lexemes(text)
        return Token(lexemes, text, match.start(), match.end(), spellings=len(lexemes))
    word = as_written(text)
    return Token(_word_lexemes(text, word), word or text, match.start(), match.end())


def _joined(glued: list[Token]) -> list[Token]:
    """Words with the lexeme of what they are together, and of a prefix and its number among them."""
    if len(glued) == 1:
        return glued
    whole = _together(glued)
    found = list(glued)
    for at in range(1, len(glued)):
        name = PREFIXES.get(folded(glued[at - 1].word))
        if name and _is_number(glued[at]):
            pair = name + glued[at].lexemes[0]
            found[at - 1], found[at] = _with(found[at - 1], pair), _with(found[at], pair)
            whole = pair if len(glued) == 2 else whole
    for first, last in _without_hyphens(glued):
        inner = _together(glued[first:last])
        found[first:last] = [_with(each, inner) for each in found[first:last]]
    return [_with(each, whole) for each in found] if whole else glued


def _without_hyphens(glued: list[Token]) -> Iterator[tuple[int, int]]:
    """Where there is more than one word between two hyphens: CO2 in CO2-Fühler."""
    starts = [at for at, token in enumerate(glued) if not at or glued[at - 1].end < token.start]
    for first, last in itertools.pairwise([*starts, len(glued)]):
        if len(starts) > 1 and last - first > 1:
            yield first, last


def _together(glued: list[Token]) -> str:
    """The lexeme of the whole: that of the word without its hyphens, which stay between two numbers."""
    if not any(_is_number(token) for token in glued):
        return stem("".join(token.word for token in glued))
    together = ""
    for token in glued:
        name = token.lexemes[0] if _is_number(token) else folded(token.word)
        together += "-" + name if together and together[-1].isdecimal() and _is_number(token) else name
    return together[:MAX_LEXEME_CHARS]


def _word_lexemes(text: str, word: str) -> tuple[str, ...]:
    if not folded(word) or word in STOP_WORDS:
        return ()
    found = [stem(word), *(stem(part) for part in _parts(text, word) if part not in STOP_WORDS)]
    return tuple(dict.fromkeys(found))


def _parts(text: str, word: str) -> Iterable[str]:
    """The parts of a compound, and of what is written as `GrundrissEG`."""
    if text.islower() or text.isupper() or len(camel := _CAMEL.split(text)) == 1:
        return parts(folded(word))
    single = [as_written(part) for part in camel]
    return [*single, *(part for each in single for part in parts(folded(each)))]


def halves(text: str) -> list[tuple[str, str]]:
    """The ways to part a compound in two: Trink|wasserleitung, Trinkwasser|leitung."""
    single = split(folded(as_written(text)))
    return [("".join(single[:at]), "".join(single[at:])) for at in range(1, len(single))]
