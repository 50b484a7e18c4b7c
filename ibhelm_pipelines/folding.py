"""How names are compared: not by their bytes (lessons 15 and 23), and never by a part of a word or of a number.

A word is a run of letters or a number. Letters and digits part where they meet, so that `KGR434`, `KGR_434` and
`KG-434` hold the word 434; a number is whole with its points and commas, so that neither `1.434`, `2434` nor
`434,50` holds it, and `1.04` is one word. Everything else (blanks, `_`, brackets, dashes) only stands between words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_WORD = re.compile(r"\d++(?:[.,]\d++)*+|[^\W\d_]++")
_INVISIBLE = dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF, *range(0x0300, 0x0370)]
)
"""Soft hyphens, blanks without width, marks of direction, and accents for which no letter exists."""


class Word(NamedTuple):
    """A word of a text, folded, and where it stands in `Words.text`."""

    text: str
    start: int
    end: int

    @property
    def is_number(self) -> bool:
        return self.text[0].isdecimal()


class Words(NamedTuple):
    """A text in NFC, without what is invisible, and its words."""

    text: str
    words: tuple[Word, ...]

    def gap(self, before: int) -> str:
        """What stands between a word and the one before it."""
        return self.text[self.words[before - 1].end : self.words[before].start]

    def is_glued(self, at: int) -> bool:
        """Whether nothing stands between a word and the one before it: a number and letters."""
        return 0 < at < len(self.words) and self.words[at - 1].end == self.words[at].start


def folded(text: str) -> str:
    """Return what is compared: NFC, without regard to case, umlauts written out, spaces as one."""
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(lowered.translate(_UMLAUTS).split())


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, folded: runs of letters, and numbers (digits of any script as 0 to 9)."""
    return tuple(word.text for word in split(text).words)


def split(text: str) -> Words:
    """Return the words of a text with their places in it."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(_INVISIBLE)
    found = _WORD.finditer(text)
    return Words(text, tuple([Word(_folded_word(match[0]), match.start(), match.end()) for match in found]))


def _folded_word(word: str) -> str:
    if not word[0].isdecimal():
        return _folded_letters(word)
    return word if word.isascii() else "".join(map(_plain_digit, word))


@lru_cache(maxsize=1 << 16)
def _folded_letters(word: str) -> str:
    return folded(word)


def _plain_digit(character: str) -> str:
    return character if character in ".," else str(unicodedata.decimal(character))
