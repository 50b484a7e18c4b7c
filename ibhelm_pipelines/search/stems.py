"""Words and numbers as they are compared: one form for all spellings and inflections of a word, and for a number."""

from __future__ import annotations

import datetime as dt
import re
import threading
import unicodedata
from functools import lru_cache

import snowballstemmer

from ibhelm_pipelines.search.compounds import agent, split
from ibhelm_pipelines.search.folds import folded

MAX_LEXEME_CHARS = 100
"""Of a word or number; no real one is longer. Postgres takes 2,046 bytes."""

_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})|(\d\d)\.(\d\d)\.(\d\d)|((?:19|20)\d\d)(\d\d)(\d\d)")
_ENGLISH_PLURAL = re.compile(r"(?<=..[pwy])s$")
"""Which the German stemmer leaves: pumps, screws, relays."""
_AGENT_ENDINGS = ("er", "ern", "ers")


class _Stemmers(threading.local):
    """A stemmer for each thread: it keeps the word that it is at in itself."""

    def __init__(self) -> None:
        self.german = snowballstemmer.stemmer("german")


_STEMMERS = _Stemmers()


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The lexeme of a word, in lower case: its stem, or a noun in -er for which that would be another word."""
    plain = folded(word)[:MAX_LEXEME_CHARS]
    if plain.endswith(_AGENT_ENDINGS):
        last = (split(plain) or (plain,))[-1]
        if name := agent(last):
            return plain[: -len(last)] + name
    return _ENGLISH_PLURAL.sub("", str(_STEMMERS.german.stemWord(plain)))


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


def phone_number(digits: str, *, is_international: bool) -> str:
    """The lexeme of a phone number: +49 (0)30 123456, 0049 30 123456 and 030 123456 are one; empty where it is none."""
    if is_international or digits.startswith("00"):
        country = digits.removeprefix("00")
        digits = "0" + country[2:].lstrip("0") if country.startswith("49") else "00" + country
    return digits if digits.startswith("0") and 8 <= len(digits) <= 16 else ""


def _day(match: re.Match[str]) -> str:
    """The date in ISO 8601; empty where it is none, as of section 31.02.20."""
    day, month, year = match.group(1, 2, 3) if match[3] else match.group(4, 5, 6) if match[6] else match.group(9, 8, 7)
    try:
        return dt.date(int(year) + 2000 * (len(year) == 2), int(month), int(day)).isoformat()
    except ValueError:
        return ""
