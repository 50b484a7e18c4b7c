"""Words and numbers as they are compared: one form for all spellings and inflections of a word, and for a number."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from functools import lru_cache

import snowballstemmer

MAX_LEXEME_CHARS = 100
"""Of a word or number; no real one is longer. Postgres takes 2,046 bytes."""

_NO_LETTER = re.compile(r"[\W_]+")
_WRITTEN_OUT = re.compile(r"ae|oe|(?<![qaeiouyäöü])ue")
_UMLAUTS = str.maketrans({
    "ä": "a", "ö": "o", "ü": "u", "ß": "ss", "æ": "a", "œ": "o", "ø": "o", "ł": "l", "đ": "d", "⌀": "o",
})  # fmt: skip
_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})|(\d\d)\.(\d\d)\.(\d\d)|((?:19|20)\d\d)(\d\d)(\d\d)")
_STEMMER = snowballstemmer.stemmer("german")


def as_written(text: str) -> str:
    """A word in lower case, composed, without what is invisible and without the hyphen of a line's end."""
    if text.isascii() and text.isalnum():
        return text.lower()
    return "ø" if text == "⌀" else _NO_LETTER.sub("", unicodedata.normalize("NFKC", text).lower())


def folded(word: str) -> str:
    """A word of `as_written` as it is compared: Lüftung is Lueftung and Luftung, Straße is Strasse, Café is Cafe.

    `ue` stays where it is none: Steuer, neue, Quelle.
    """
    if not word.isascii():
        decomposed = unicodedata.normalize("NFKD", word.translate(_UMLAUTS))
        word = _NO_LETTER.sub("", decomposed.casefold().translate(_UMLAUTS))
    return _WRITTEN_OUT.sub(lambda match: match[0][0], word)


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The lexeme of a word of `as_written`."""
    return str(_STEMMER.stemWord(folded(word)))[:MAX_LEXEME_CHARS]


def number_lexemes(text: str) -> tuple[str, ...]:
    """The lexemes of a number: `1234.56` of `1.234,56`, `2025-12-24` of 24.12.2025. What could be either is both."""
    text = text[:MAX_LEXEME_CHARS]
    if not text.isascii():
        text = "".join(each if each in ".," else str(unicodedata.decimal(each)) for each in text)
    match = _DATE.fullmatch(text)
    if match and (day := _day(match)):
        return (day,) if match[3] else (text, day)
    groups = re.split("[.,]", text)
    marks = [each for each in text if each in ".,"]
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
        return ("".join(groups[:-1]) + "." + groups[-1],)
    written = text.replace(",", ".")
    is_grouped = marks and groups[0][0] != "0" and len(groups[0]) < 4 and all(len(each) == 3 for each in groups[1:])
    return (written, "".join(groups)) if is_grouped else (written,)


def _day(match: re.Match[str]) -> str:
    """The date in ISO 8601; empty where it is none, as of section 31.02.20."""
    day, month, year = match.group(1, 2, 3) if match[3] else match.group(4, 5, 6) if match[6] else match.group(9, 8, 7)
    try:
        return dt.date(int(year) + 2000 * (len(year) == 2), int(month), int(day)).isoformat()
    except ValueError:
        return ""
