"""What was typed, understood: words, phrases, what to leave out, and filters.

Nothing that is typed is an error: what is no syntax is a word, and what can't be used is told in `problems`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ibhelm_pipelines.search.analysis import Token, halves, tokens
from ibhelm_pipelines.search.stems import stem

MAX_CHARS = 2_000
"""Longer queries are cut: a pasted page is no query."""
MAX_CLAUSES = 40

FIELDS = {
    "projekt": "projekt", "project": "projekt",
    "kg": "kg", "kgr": "kg", "kostengruppe": "kg",
    "typ": "typ", "type": "typ",
    "art": "art", "kind": "art",
    "ext": "ext", "endung": "ext", "extension": "ext",
    "von": "von", "from": "von",
    "an": "an", "to": "an",
    "person": "person",
    "firma": "firma", "company": "firma",
    "ort": "ort", "place": "ort",
    "seit": "seit", "since": "seit",
    "bis": "bis", "until": "bis",
    "jahr": "jahr", "year": "jahr",
    "ordner": "ordner", "folder": "ordner",
    "sprache": "sprache", "language": "sprache",
}  # fmt: skip
"""Names of filters, as they are typed, and the one that each of them is."""

_CLOSING = {'"': '"”“', "„": '“”"', "“": '”“"', "”": '”"', "«": "»", "»": "«", "‟": "”"}
_OPEN = "".join(_CLOSING)
_INCH = r'(?<=\d)"(?=[\s,;)]|$)'
_PART = re.compile(
    rf"""(?P<minus>(?<!\S)[-−–](?=[^\s-]))?
         (?:(?P<field>[^\W\d_]+):(?=[^\s/\\]))?
         (?:(?P<bare>(?:[^\s{_OPEN}]|{_INCH})+)|(?P<quote>[{_OPEN}]))""",
    re.VERBOSE,
)
_EITHER = frozenset({"or", "oder", "|", "||"})
_GLUE = re.compile(r"|[-‐‑_.@:'’\\]|://|\.\.?/")
_HYPHENATED = re.compile(r"[^\W\d_]+([-‐‑][^\W\d_]+)+")
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Word:
    """Holds where any of its lexemes is; one without lexemes (a function word) holds anywhere, inside of a phrase.

    Attributes:
        text: as it was typed.
        word: the same in lower case, as in search.vocabulary.
    """

    text: str
    lexemes: tuple[str, ...]
    word: str = ""


@dataclass(frozen=True)
class Phrase:
    """Words that follow each other.

    Attributes:
        of_parts: they are the parts of a compound that was typed as one word.
    """

    words: tuple[Word, ...]
    of_parts: bool = False


Alternative = Word | Phrase
Clause = tuple[Alternative, ...]
"""One of them must hold."""


@dataclass(frozen=True)
class Filter:
    """A field's value that is asked for, or must not be.

    Attributes:
        field: its German name.
        start, end: where it stands in the query's text, with its minus.
    """

    field: str
    value: str
    is_excluded: bool
    start: int
    end: int


@dataclass(frozen=True)
class Query:
    """What was typed.

    Attributes:
        text: as it was typed, cut to what is usable.
        clauses: all of them must hold.
        problems: what was not understood, in German.
        plain: its words without syntax and filters.
    """

    text: str
    clauses: tuple[Clause, ...]
    excluded: tuple[Alternative, ...]
    filters: tuple[Filter, ...]
    problems: tuple[str, ...]
    plain: str


@dataclass(frozen=True)
class _Part:
    text: str
    field: str = ""
    is_quoted: bool = False
    is_excluded: bool = False
    is_open: bool = False
    start: int = 0
    end: int = 0

    @property
    def is_either(self) -> bool:
        return not (self.is_quoted or self.is_excluded or self.field) and self.text.lower() in _EITHER


def parse(text: str) -> Query:
    """Understand what was typed."""
    usable = _UNUSABLE.sub(" ", text)[:MAX_CHARS]
    parts = tuple(_parts(usable))
    filters = tuple(
        Filter(FIELDS[part.field], part.text, part.is_excluded, part.start, part.end) for part in parts if part.field
    )
    sought = [part for part in parts if not part.field]
    joined, problems = _clauses([part for part in sought if not part.is_excluded])
    clauses = [clause for each in joined for clause in _apart(each)]
    excluded = tuple(each for part in sought if part.is_excluded for clause in _of_part(part) for each in clause)
    plain = " ".join(part.text for part in sought if not part.is_excluded and not part.is_either)
    problems += _problems(text, parts, clauses)
    return Query(usable, tuple(clauses[:MAX_CLAUSES]), excluded, filters, tuple(problems), " ".join(plain.split()))


def _parts(text: str) -> Iterator[_Part]:
    at = 0
    while match := _PART.search(text, at):
        at = match.end()
        field = (match["field"] or "").lower()
        before = ""
        if field not in FIELDS:
            before, field = text[match.start("field") : match.end("field") + 1] if field else "", ""
        is_excluded = bool(match["minus"])
        if match["quote"]:
            if before:
                yield _Part(before, is_excluded=is_excluded)
            end = _closed_at(text, at, _CLOSING[match["quote"]])
            inner = text[at:end].strip()
            is_open = end == len(text)
            at = end + 1
            if inner:
                yield _Part(inner, field, True, is_excluded, is_open, match.start(), min(at, len(text)))
        else:
            yield _Part(before + match["bare"], field, False, is_excluded, False, match.start(), at)


def _closed_at(text: str, start: int, closing: str) -> int:
    for at in range(start, len(text)):
        if text[at] in closing:
            return at
    return len(text)


def _clauses(parts: list[_Part]) -> tuple[list[Clause], list[str]]:
    """The clauses, and what is wrong with them: neighbours of an OR are one."""
    found: list[Clause] = []
    problems: list[str] = []
    is_either = False
    for part in _bare_together(parts):
        if part.is_either:
            is_either = bool(found)
            continue
        clauses = _of_part(part)
        if is_either and clauses:
            found[-1] = (*found[-1], *clauses.pop(0))
        found += clauses
        is_either = False
    if is_either or (parts and (parts[0].is_either or parts[-1].is_either)):
        problems.append("„ODER“ braucht ein Wort davor und eines dahinter.")
    return found, problems


def _bare_together(parts: Iterable[_Part]) -> Iterator[_Part]:
    """Bare words that follow each other as one text: `DN 50` is one thing."""
    held: list[str] = []
    for part in parts:
        if not part.is_quoted and not part.is_either:
            held.append(part.text)
            continue
        if held:
            yield _Part(" ".join(held))
            held = []
        yield part
    if held:
        yield _Part(" ".join(held))


def _of_part(part: _Part) -> list[Clause]:
    found = list(tokens(part.text))
    if part.is_quoted:
        phrase = _phrase(part.text, found)
        return [(phrase,)] if phrase else []
    units = _units(part.text, found)
    clauses = [_of_unit(part.text, unit) for unit in units]
    return [clause for clause in clauses if clause]


def _units(text: str, found: list[Token]) -> Iterator[list[Token]]:
    """What was typed as one, or is one: `anna@lindenhof.de`, `DN 50`."""
    held: list[Token] = []
    for token in found:
        if held and not _belongs(text, held[-1], token):
            yield held
            held = []
        held.append(token)
    if held:
        yield held


def _belongs(text: str, before: Token, token: Token) -> bool:
    if before.joined and before.joined == token.joined:
        return True
    gap = text[before.end : token.start]
    return bool(_GLUE.fullmatch(gap)) or (gap == "/" and before.word[0].isdecimal() and token.word[0].isdecimal())


def _of_unit(text: str, unit: list[Token]) -> Clause:
    if len(unit) == 1:
        return _of_word(unit[0], text) if unit[0].lexemes else ()
    whole = unit[0].joined
    phrase = _phrase(text, unit)
    if whole and all(token.joined == whole for token in unit):
        written = text[unit[0].start : unit[-1].end]
        joined = Word(written, (whole,), written.lower())
        return (joined, phrase) if phrase and phrase != joined else (joined,)
    return (phrase,) if phrase else ()


def _apart(clause: Clause) -> list[Clause]:
    """Return the words of `Kita-Lüftung` as clauses of their own, each of which the whole fulfils, too.

    People put hyphens where others write two words, or one. Short parts are none (U-Wert), and codes stay whole.
    """
    if len(clause) != 2 or not isinstance(clause[0], Word) or not isinstance(clause[1], Phrase) or clause[1].of_parts:
        return [clause]
    whole, words = clause[0], clause[1].words
    is_apart = _HYPHENATED.fullmatch(whole.text) and all(word.lexemes and len(word.text) > 2 for word in words)
    return [(word, whole) for word in words] if is_apart else [clause]


def _of_word(token: Token, text: str) -> Clause:
    """A word; a compound's parts side by side do as well: Klappe (im) Brandschutz."""
    found: list[Alternative] = [_word(token, text)]
    for half, other in halves(text[token.start : token.end]):
        first, last = Word(half, (stem(half),), half), Word(other, (stem(other),), other)
        found += [Phrase(words, of_parts=True) for words in ((first, last), (last, first), (last, _ANY, first))]
    return tuple(found)


_ANY = Word("", ())


def _word(token: Token, text: str) -> Word:
    return Word(text[token.start : token.end], token.lexemes[: token.spellings], token.word)


def _phrase(text: str, found: list[Token]) -> Alternative | None:
    words = [_word(token, text) for token in found]
    while words and not words[0].lexemes:
        words.pop(0)
    while words and not words[-1].lexemes:
        words.pop()
    if not words:
        return None
    return words[0] if len(words) == 1 else Phrase(tuple(words))


def _problems(text: str, parts: tuple[_Part, ...], clauses: list[Clause]) -> list[str]:
    found = []
    if len(text) > MAX_CHARS or len(clauses) > MAX_CLAUSES:
        found.append("Die Anfrage ist sehr lang; gesucht wird nur mit ihrem Anfang.")
    if any(part.is_open for part in parts):
        found.append("Ein Anführungszeichen ist nicht geschlossen; alles dahinter gilt als Wortfolge.")
    words = [part for part in parts if not part.field and not part.is_excluded and not part.is_either]
    if words and not clauses:
        found.append("Die Anfrage enthält nur Füllwörter oder Zeichen; gesucht wird sie nur in Namen.")
    return found


def clause_tsquery(clause: Clause) -> str:
    """A clause for `::tsquery`: any of its alternatives."""
    return f"({' | '.join(dict.fromkeys(map(operand_tsquery, clause)))})"


def operand_tsquery(operand: Alternative) -> str:
    """One alternative for `::tsquery`."""
    if isinstance(operand, Word):
        return f"({' | '.join(_quoted(lexeme) for lexeme in operand.lexemes)})"
    written = ""
    distance = 0
    for word in operand.words:
        distance += 1
        if not word.lexemes:
            continue
        written += f" <{distance}> {operand_tsquery(word)}" if written else operand_tsquery(word)
        distance = 0
    return f"({written})"


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
