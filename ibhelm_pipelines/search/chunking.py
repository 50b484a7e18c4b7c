"""Cuts a text into the parts that are found by their meaning: by pages, headings, parts of mails, paragraphs
and sentences.

A chunk is a passage of the text as it stands, so that what was found can be shown; it ends at no other place than
between two words. Two chunks overlap by whole sentences, so that what is said across a border stands whole in one of
them. Pure functions; the same text gives the same chunks.

Lengths are characters: 900 of German prose are 210 tokens of e5 (measured), of columns of numbers 450, and every model
of interest reads 512.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION = "1"
"""Another one makes all vectors anew, beside the old ones (search/embedding.py)."""

TARGET = 900
LONGEST = 1100
"""The last chunk of a page may be so long, rather than leave a rest of a sentence."""

SHORTEST = 450
"""No border is sought before that, however good it would be."""

OVERLAP = 135

MOST_CHUNKS = 300
"""Of one text. A full one (200,000 characters, search/composing.py) has 260; a book of nearly empty pages could have
thousands, and each would compete with all that the office wrote. What stands behind them is found by its words."""

LONGEST_TITLE = 200

PAGE_MARK = "\f"

_UNIT = re.compile(
    r"""
    (?<=[a-zäöüß]{3}[.!?])[ ]+(?=[A-ZÄÖÜ„"(])   # the end of a sentence; not of `z. B.`, `Nr. 5` or `12. März`
    | \n\s*                                     # the end of a line
    """,
    re.VERBOSE,
)
_NUMBERED = re.compile(r"\d{1,2}(?:\.\d{1,2})*\.?\s+[A-ZÄÖÜ].{0,80}")
_MAIL_PART = re.compile(r">|--\s*$|_{5,}|-{5,}|(?:Von|From|Gesendet|Sent):\s")
_SENTENCE_END = re.compile(r"[.!?;:,]\W*$")
_WORD = re.compile(r"\W*[^\W\d_]+(?:[-/&.'’][^\W\d_]+)*\W*")
_LONG_PART = re.compile(r"[^\W\d_]{4,}")
_NOT_SPACE = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W\d_]+")
_VOWELS = frozenset("aeiouyäöüAEIOUYÄÖÜ")

LONGEST_HEADING = 80
LONGEST_WORD = 45
LEAST_WORDS = 2
LEAST_SHARE = 0.3
"""Of the characters must be those of words."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A passage of a text.

    Attributes:
        ordinal: its place among the chunks of the text, from 0.
        page: on which page it stands, from 1; None where the text has no pages.
        start: where it begins, in characters from 0.
        length: in characters; 0: it is the title alone.
    """

    ordinal: int
    page: int | None
    start: int
    length: int

    def of(self, text: str) -> str:
        """Return the passage."""
        return text[self.start : self.start + self.length]


class _Border(IntEnum):
    """What a unit begins; the higher, the better a passage begins there."""

    WORD = 0
    SENTENCE = 1
    LINE = 2
    PARAGRAPH = 3
    PART = 4
    """A heading, or a part of a mail: quoted text, signature."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence or line, which is not cut again."""

    start: int
    end: int
    border: _Border


def chunks(text: str) -> list[Chunk]:
    """Return the chunks of a text that are worth a vector, in their order, at most `MOST_CHUNKS`."""
    worthy: list[Chunk] = []
    for chunk in passages(text):
        if is_worth_a_vector(chunk.of(text)):
            worthy.append(replace(chunk, ordinal=len(worthy)))
            if len(worthy) == MOST_CHUNKS:
                break
    return worthy


def title_chunk(title: str) -> list[Chunk]:
    """Return the one chunk, of no length, of what has a telling title and nothing else; none where it tells nothing."""
    tells = any(_is_word(part) for part in _LONG_PART.findall(title))
    return [Chunk(ordinal=0, page=None, start=0, length=0)] if tells else []


def embedded_text(title: str, passage: str) -> str:
    """Return what the model reads of a chunk: the title says what it is about where the passage does not."""
    return f"{title[:LONGEST_TITLE]}\n{passage}".rstrip()


def passages(text: str) -> Iterator[Chunk]:
    """Yield passages that together hold every word of the text, worth a vector or not."""
    has_pages = PAGE_MARK in text
    ordinal, begin = 0, 0
    for number, page in enumerate(text.split(PAGE_MARK), start=1):
        for start, end in _packed(list(_units(page))):
            yield Chunk(ordinal=ordinal, page=number if has_pages else None, start=begin + start, length=end - start)
            ordinal += 1
        begin += len(page) + len(PAGE_MARK)


def is_worth_a_vector(passage: str) -> bool:
    """Return whether there is something to understand: not columns of numbers, noise of a scan or encoded bytes."""
    words = passage.split()
    telling = [word for word in words if _is_word(word)]
    return len(telling) >= LEAST_WORDS and sum(map(len, telling)) >= LEAST_SHARE * sum(map(len, words))


def _is_word(word: str) -> bool:
    """Return whether it could be one of a language, which `aGVsbG8`, `l1|` and `38,50` are not."""
    if len(word) > LONGEST_WORD or _WORD.fullmatch(word) is None:
        return False
    parts = _LETTERS.findall(word)
    if any(part[1:] != part[1:].lower() and part != part.upper() for part in parts):  # true of scripts without capitals
        return False
    return len(max(parts, key=len)) > 1 and (not word.isascii() or not _VOWELS.isdisjoint(word))


def _units(page: str) -> Iterator[_Unit]:
    """Cut a page into sentences and lines."""
    start, border = 0, _Border.PART
    for match in _UNIT.finditer(page):
        yield from _whole_or_cut(page, start, match.start(), border)
        start, border = match.end(), _border(page, match)
    yield from _whole_or_cut(page, start, len(page), border)


def _border(page: str, match: re.Match[str]) -> _Border:
    """Judge the border that this match is, by what it is and by the line behind it."""
    if not match[0].startswith("\n"):
        return _Border.SENTENCE
    line = page[match.end() : match.end() + LONGEST_HEADING + 1].partition("\n")[0]
    is_short = len(line) <= LONGEST_HEADING
    is_quoted = page[page.rfind("\n", 0, match.start()) + 1 : match.start()].startswith(">")
    if _MAIL_PART.match(line) and not (is_quoted and line.startswith(">")):
        return _Border.PART
    if is_short and _NUMBERED.fullmatch(line):
        return _Border.PART
    if match[0].count("\n") == 1:
        return _Border.LINE
    return _Border.PART if is_short and line and not _SENTENCE_END.search(line) else _Border.PARAGRAPH


def _whole_or_cut(page: str, start: int, end: int, border: _Border) -> Iterator[_Unit]:
    """Yield it as a unit, or, where it is too long, as some that end between two words; nothing of what is blank."""
    first = last = None
    for word in _NOT_SPACE.finditer(page, start, end):
        if first is not None and last is not None and word.end() - first > TARGET:
            yield _Unit(first, last, border)
            first, border = None, _Border.WORD
        first, last = word.start() if first is None else first, word.end()
    if first is not None and last is not None:
        yield _Unit(first, last, border)


def _packed(units: Sequence[_Unit]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of passages that hold all units, each as near to `TARGET` as a good border allows."""
    first, told = 0, 0  # told: units that stand in an earlier passage
    while told < len(units):
        end = _cut(units, first, told)
        yield units[first].start, units[end - 1].end
        first, told = _overlap(units, end), end


def _cut(units: Sequence[_Unit], first: int, told: int) -> int:
    """Return before which unit the passage ends that begins with `first` and says more than what is told."""
    begin = units[first].start
    if units[-1].end - begin <= LONGEST:
        return len(units)
    full = told + 1
    while full < len(units) and units[full].end - begin <= TARGET:
        full += 1
    good = [i for i in range(told + 1, min(full + 1, len(units))) if units[i].start - begin >= SHORTEST]
    return max(good, key=lambda i: (units[i].border, i), default=full)


def _overlap(units: Sequence[_Unit], end: int) -> int:
    """Return with which unit the next passage begins: with the last whole ones of this, but for a new part."""
    first = end
    if end == len(units) or units[end].border == _Border.PART:
        return first
    while (
        first > 0
        and units[end - 1].end - units[first - 1].start <= OVERLAP
        and units[end].end - units[first - 1].start <= TARGET
        and units[first].border != _Border.PART
    ):
        first -= 1
    return first
