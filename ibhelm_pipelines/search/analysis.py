"""What text is searched by: one way to take it apart for the index, for queries and for what is highlighted.

A word gives lexemes: its stem, whole, and the parts of a compound. It is folded before: case, umlauts in every spelling
(Lüftung, Lueftung, Luftung), accents, soft hyphens, a hyphen at a line's end. Letters and digits part where they meet,
a number is whole with its points and commas (`434` is neither in `2434` nor in `434,50`). What is written together or
belongs together has one more lexeme, the same on each of its words: `dn50` for DN 50, DN50 and DN-50, and the stem of
Brandschutzklappe for Brandschutz-Klappe. Function words have no lexemes, but a place.

Whatever is changed here changes what is found: raise VERSION, and everything is indexed again.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import snowballstemmer

from ibhelm_pipelines.search.compounds import parts, split
from ibhelm_pipelines.search.stop_words import STOP_WORDS

VERSION = "1"
Weight = Literal["A", "B", "C", "D"]

MAX_POSITION = 16383
MAX_POSITIONS = 255
"""Of one lexeme; Postgres keeps no more."""
MAX_LEXEME_CHARS = 100
MAX_TSVECTOR_BYTES = 900_000
"""Postgres takes 1 MiB; what a text would need beyond is not indexed."""
FIELD_GAP = 8
"""Places between two fields, so that no phrase reaches from one into the next."""

PREFIXES = {
    **{
        each: each
        for each in (
            "dn", "pn", "ral", "din", "en", "iso", "vde", "vdi", "dvgw", "nym", "nyy", "ei", "rei", "f", "r", "t",
            "ip", "kg", "o", "lph",
        )
    },
    "kgr": "kg", "kostengruppe": "kg",
}  # fmt: skip
"""What a number follows and is one thing with, folded, and how it is called (`o` is the sign of diameters)."""
UNITS = frozenset({
    "mm", "cm", "m", "m2", "m3", "km", "kg", "t", "l", "w", "kw", "mw", "kwh", "mwh", "v", "kv", "a", "ma", "kva", "hz",
    "pa", "kpa", "bar", "mbar", "k", "c", "db", "lx", "lm", "s", "h", "min", "va", "eur",
})  # fmt: skip
"""What follows a number and is one thing with it."""

_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u0300-\u036f"
_LETTERS = rf"[^\W_]+(?:[{_INVISIBLE}]+[^\W_]*)*"
_LINE_END = r"[-\u00ad\u2010][ \t]{0,8}\r?\n\s{0,40}(?=[^\W\d_])(?=[^A-ZÄÖÜ])(?!(?:und|oder|bzw|sowie|and|or)\b)"
_RUN = re.compile(rf"⌀|{_LETTERS}(?:(?:[-.,\u2010\u2011]|{_LINE_END}){_LETTERS})*")
_PIECE = re.compile(rf"\d+(?:[.,]\d+)*|⌀|(?:[^\W\d_](?:[{_INVISIBLE}]+|{_LINE_END})?)+")
_CAMEL = re.compile(
    r"(?<=[^\W\d_A-ZÄÖÜ]{3})(?=[A-ZÄÖÜ]{2})|(?<=[^\W\d_A-ZÄÖÜ]{2})(?=[A-ZÄÖÜ][^\W\d_A-ZÄÖÜ]{2})|(?<=[A-ZÄÖÜ]{2})(?=[A-ZÄÖÜ][^\W\d_A-ZÄÖÜ]{2})"
)
_GAPS = frozenset({" ", "  ", "\u00a0", "\u202f", "_", ".", ". ", ": ", ":"})
_NOT_PLAIN = re.compile(r"[\W_]+")
_WRITTEN_OUT = re.compile(r"ae|oe|(?<![qaeiouyäöü])ue")
_UMLAUTS = str.maketrans(
    {"ä": "a", "ö": "o", "ü": "u", "ß": "ss", "æ": "a", "œ": "o", "ø": "o", "ł": "l", "đ": "d", "⌀": "o"}
)
_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})|(\d\d)\.(\d\d)\.(\d\d)|(\d{4})(\d\d)(\d\d)")
_STEMMER = snowballstemmer.stemmer("german")


class Token(NamedTuple):
    """A word of a text.

    Attributes:
        lexemes: the stem of the whole word, then its parts and what it is a part of; none for a function word.
        word: as it is written, folded; umlauts stay.
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
    """What stands between blanks, with places counted from its start.

    Attributes:
        leads: name of the prefix that it ends with, if it does.
        number: that it begins with.
        unit: that it is.
        last_number: that it ends with.
    """

    tokens: tuple[Token, ...]
    leads: str
    number: str
    unit: str
    last_number: str


def tokens(text: str) -> Iterator[Token]:
    """Take a text apart."""
    for start, run in _runs(text):
        for token in run:
            yield token._replace(start=start + token.start, end=start + token.end)


def analyse(fields: Sequence[tuple[Weight, str]]) -> Analysed:
    """Return what of a document is indexed; what comes first has the first places, of which there are 16,383."""
    places: dict[str, list[str]] = {}
    words: set[str] = set()
    at = 0
    for weight, text in fields:
        label = "" if weight == "D" else weight
        for _, run in _runs(text):
            for token in run:
                at += 1
                place = f"{at if at < MAX_POSITION else MAX_POSITION}{label}"
                for lexeme in token.lexemes:
                    held = places.get(lexeme)
                    if held is None:
                        places[lexeme] = [place]
                    elif len(held) < MAX_POSITIONS and held[-1] != place:
                        held.append(place)
                words.add(token.word)
        at += FIELD_GAP
    kept = _within_limit(places)
    vocabulary = frozenset(word for word in words if len(word) > 2 and word.isalpha() and word not in STOP_WORDS)
    return Analysed(" ".join(kept.values()), frozenset(kept), vocabulary)


def _within_limit(places: dict[str, list[str]]) -> dict[str, str]:
    kept = {}
    size = 0
    for lexeme, held in places.items():
        size += len(lexeme.encode()) + 2 * len(held) + 4
        if size > MAX_TSVECTOR_BYTES:
            break
        kept[lexeme] = f"'{lexeme}':{','.join(held)}"
    return kept


def _runs(text: str) -> list[tuple[int, tuple[Token, ...]]]:
    found: list[tuple[int, tuple[Token, ...]]] = []
    before: _Run | None = None
    before_end = 0
    for match in _RUN.finditer(text):
        start = match.start()
        run = _run(match[0])
        found.append((start, run.tokens))
        if before is not None and ((before.leads and run.number) or (before.last_number and run.unit)):
            gap = text[before_end:start]
            if gap in _GAPS and (run.number or not found[-2][1][-1].joined):
                _join_neighbours(found, before, run)
        before, before_end = run, match.end()
    return found


def _join_neighbours(found: list[tuple[int, tuple[Token, ...]]], before: _Run, run: _Run) -> None:
    """Put the lexeme of `DN 50` or `2,5 kW` to its two words."""
    (first_start, first), (start, second) = found[-2:]
    name, number = before.leads, run.number
    if not (name and number):
        name, number = before.last_number, run.unit
    pair = name + number
    whole = name + second[0].joined if second[0].joined and before.leads and run.number else pair
    found[-2:] = [
        (first_start, (*first[:-1], _with(first[-1], pair, whole))),
        (start, (_with(second[0], pair, whole), *(_with(each, whole, whole) for each in second[1:]))),
    ]


def _with(token: Token, *joined: str) -> Token:
    lexemes = tuple(dict.fromkeys((*token.lexemes, *joined)))
    return token._replace(lexemes=lexemes, joined=joined[-1])


@lru_cache(maxsize=1 << 18)
def _run(text: str) -> _Run:
    pieces = [_token(match) for match in _PIECE.finditer(text)]
    found: list[Token] = []
    first = 0
    for at in range(1, len(pieces) + 1):
        if at == len(pieces) or text[pieces[at - 1].end : pieces[at].start] not in ("", "-", "\u2010", "\u2011"):
            found += _chained(pieces[first:at])
            first = at
    if not found:
        return _Run((), "", "", "", "")
    head, tail = found[0], found[-1]
    is_single = len(found) == 1
    return _Run(
        tuple(found),
        PREFIXES.get(folded(tail.word), ""),
        head.lexemes[0] if head.word[0].isdecimal() else "",
        (folded(head.word) if is_single and folded(head.word) in UNITS else ""),
        tail.lexemes[0] if tail.word[0].isdecimal() else "",
    )


def _chained(pieces: list[Token]) -> list[Token]:
    """The words of what is written together, or with hyphens: they have its lexeme as well."""
    if len(pieces) == 1:
        return pieces
    whole = _joined(pieces)
    found = list(pieces)
    for at in range(1, len(pieces)):
        name = PREFIXES.get(folded(pieces[at - 1].word))
        if name and pieces[at].word[0].isdecimal():
            pair = name + pieces[at].lexemes[0]
            found[at - 1], found[at] = _with(found[at - 1], pair), _with(found[at], pair)
            if len(pieces) == 2:
                whole = pair
    return [_with(each, whole) for each in found] if whole else pieces


def _joined(pieces: list[Token]) -> str:
    """The lexeme of the whole: that of the word without its hyphens, which stay between two numbers."""
    if all(not piece.word[0].isdecimal() for piece in pieces):
        return _stem("".join(folded(piece.word) for piece in pieces))[:MAX_LEXEME_CHARS]
    joined = ""
    for piece in pieces:
        name = piece.lexemes[0] if piece.word[0].isdecimal() else folded(piece.word)
        joined += "-" + name if joined and joined[-1].isdecimal() and name[0].isdecimal() else name
    return joined[:MAX_LEXEME_CHARS]


def _token(match: re.Match[str]) -> Token:
    raw = match[0]
    if raw[0].isdecimal():
        lexemes = _number_lexemes(raw)
        return Token(lexemes, raw, match.start(), match.end(), spellings=len(lexemes))
    word = as_written(raw)
    return Token(_word_lexemes(raw, word), word or raw, match.start(), match.end())


def as_written(raw: str) -> str:
    """A word in lower case, composed, without what is invisible and without the hyphen of a line's end."""
    return "ø" if raw == "⌀" else _NOT_PLAIN.sub("", unicodedata.normalize("NFKC", raw).lower())


def folded(word: str) -> str:
    """What words are compared by."""
    return _folded(word)


@lru_cache(maxsize=1 << 16)
def _folded(word: str) -> str:
    if not word.isascii():
        decomposed = unicodedata.normalize("NFKD", word.lower().translate(_UMLAUTS))
        word = _NOT_PLAIN.sub("", decomposed.casefold().translate(_UMLAUTS))
    return _WRITTEN_OUT.sub(lambda match: match[0][0], word.lower())


def _word_lexemes(raw: str, word: str) -> tuple[str, ...]:
    plain = folded(word)
    if not plain or word in STOP_WORDS:
        return ()
    found = [_stem(plain)]
    found += [_stem(folded(part)) for part in _parts(raw, word) if part not in STOP_WORDS]
    return tuple(dict.fromkeys(lexeme[:MAX_LEXEME_CHARS] for lexeme in found))


def _parts(raw: str, word: str) -> Iterable[str]:
    camel = [as_written(part) for part in _CAMEL.split(raw)] if not (raw.islower() or raw.isupper()) else [word]
    for part in camel:
        if len(camel) > 1:
            yield part
        yield from parts(part)


def word_parts(raw: str) -> list[tuple[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]]]:
    """The ways to part a compound in two, each side as text and lexemes: Trink|wasserleitung, Trinkwasser|leitung."""
    single = split(as_written(raw))
    sides = [("".join(single[:at]), "".join(single[at:])) for at in range(1, len(single))]
    return [((first, (_stem(folded(first)),)), (last, (_stem(folded(last)),))) for first, last in sides]


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    return str(_STEMMER.stemWord(word))


def _number_lexemes(raw: str) -> tuple[str, ...]:
    """Of a number: `1.234,56` is `1234.56`, 24.12.2025 is `2025-12-24`; what could be either is both."""
    raw = raw[:MAX_LEXEME_CHARS]
    if not raw.isascii():
        raw = "".join(each if each in ".," else str(unicodedata.decimal(each)) for each in raw)
    day = _day(raw)
    if day:
        return (day,) if len(raw) == 10 or ("." in raw and len(raw) > 8) else (raw, day)
    marks = [each for each in raw if each in ".,"]
    if not marks:
        return (raw,)
    groups = re.split("[.,]", raw)
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
        return ("".join(groups[:-1]) + "." + groups[-1],)
    whole = raw.replace(",", ".")
    if all(len(group) == 3 for group in groups[1:]) and len(groups[0]) < 4 and groups[0][0] != "0":
        return (whole, "".join(groups))
    return (whole,)


def _day(raw: str) -> str:
    match = _DATE.fullmatch(raw)
    if not match:
        return ""
    day, month, year, day_2, month_2, year_2, year_3, month_3, day_3 = match.groups()
    try:
        found = dt.date(
            int(year or year_3 or "20" + year_2), int(month or month_2 or month_3), int(day or day_2 or day_3)
        )
    except ValueError:
        return ""
    return found.isoformat() if 1900 <= found.year < 2100 else ""
