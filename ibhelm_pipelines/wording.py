"""Dates, numbers, sizes and names as a German office reads them: in pages, and in texts that are made of headers.

Invariant: what `visible` returns hides nothing and turns nothing, whatever a stranger named his file.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import datetime as dt

OFFICE_TIME = ZoneInfo("Europe/Berlin")

TURNING = frozenset(
    "\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""Signs that turn the direction of writing, so that `exe.fdp` is read as a PDF, or that nobody sees."""

_UNITS = ("Byte", "kB", "MB", "GB", "TB")


def visible(text: str) -> str:
    """Return text in which signs that nobody would see stand as their numbers."""
    if text.isprintable() and not TURNING.intersection(text):
        return text
    return "".join(_number_of(sign) if is_hidden(sign) else sign for sign in text)


def one_line(text: str) -> str:
    """Return text in one line, in which signs that nobody would see, or that end a line, stand as their numbers."""
    return "".join(_number_of(sign) if sign in "\n\t\f" else sign for sign in visible(text))


def _number_of(sign: str) -> str:
    return f"⟨U+{ord(sign):04X}⟩"


def is_hidden(sign: str) -> bool:
    """Return whether nobody would see a sign; tabs, line ends and form feeds are seen by what they do."""
    return sign in TURNING or (unicodedata.category(sign) in {"Cc", "Cs", "Co"} and sign not in "\n\t\f")


def day(moment: dt.datetime) -> str:
    """Return a date as the office writes it, such as 24.12.2025."""
    return moment.astimezone(OFFICE_TIME).strftime("%d.%m.%Y")


def minute(moment: dt.datetime) -> str:
    """Return a date with its time of day, such as 24.12.2025, 17:03; one without a zone as it stands."""
    shown = moment.astimezone(OFFICE_TIME) if moment.tzinfo else moment
    return shown.strftime("%d.%m.%Y, %H:%M")


def number(value: int) -> str:
    """Return a number with points between thousands."""
    return f"{value:,}".replace(",", ".")


def size(count: int) -> str:
    """Return a number of bytes in the largest unit of which there is at least one."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    digits = 1 if unit > 1 and amount < 100 else 0
    return f"{amount:.{digits}f} {_UNITS[unit]}".replace(".", ",")
