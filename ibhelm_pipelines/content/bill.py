"""A bill of quantities as all spellings of GAEB say it: groups, items and notes in order, each with its number."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from ibhelm_pipelines.content.limits import fact
from ibhelm_pipelines.content.outcome import Facts
from ibhelm_pipelines.plain_text import tidy

PRICED_PHASES = ("84", "86", "89")
"""Phases in which the bidder speaks: offer, order, invoice."""

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})|(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@dataclass
class Entry:
    """A group, an item or a note."""

    number: str = ""
    short: str = ""
    long: str = ""
    quantity: str = ""
    unit: str = ""
    price: str = ""
    total: str = ""

    @property
    def is_item(self) -> bool:
        return bool(self.quantity or self.unit or self.price or self.total)

    def lines(self) -> str:
        """Return it as text: number, short text, quantity and prices on one line, the long text below."""
        amount = " ".join(part for part in (self.quantity, self.unit) if part)
        prices = [f"{name} {value}" for name, value in (("EP", self.price), ("GP", self.total)) if value]
        head = " | ".join(part for part in (f"{self.number} {self.short}".strip(), amount, *prices) if part)
        return "\n".join(filter(None, (head, self.long if self.long != self.short else "")))

    def row(self) -> list[str]:
        """Return it as a line of the table that a preview shows."""
        return [self.number, self.short or self.long.partition("\n")[0], self.quantity, self.unit, self.price]


@dataclass
class Bill:
    """What was read of a bill; `full` says when that is enough.

    Attributes:
        phase: of the exchange, such as 83 for the request for offers.
        stopped: there is more in the file.
    """

    full: Callable[[int], bool]
    project: str = ""
    title: str = ""
    client: str = ""
    bidder: str = ""
    program: str = ""
    phase: str = ""
    day: str = ""
    clock: str = ""
    entries: list[Entry] = field(default_factory=list)
    chars: int = 0
    stopped: bool = False

    def add(self, entry: Entry) -> None:
        """Add an entry, unless nothing is in it."""
        entry.short, entry.long = tidy(entry.short).replace("\n", " "), tidy(entry.long)
        if entry.short or entry.long or entry.number:
            self.entries.append(entry)
            self.chars += len(entry.short) + len(entry.long) + 40
            self.stopped = self.stopped or self.full(self.chars)

    def facts(self) -> Facts:
        """Return what the bill says of itself."""
        speaker = self.bidder if self.phase[:2] in PRICED_PHASES else self.client
        return Facts(
            title=fact(self.title or self.project),
            author=fact(speaker or self.client),
            program=fact(self.program),
            written_at=moment(self.day, self.clock),
        )

    def text(self) -> str:
        """Return all of it as text."""
        about = dict.fromkeys(tidy(line) for line in (self.project, self.title, self.client, self.bidder))
        return "\n".join([*(line for line in about if line), *(entry.lines() for entry in self.entries)])

    def rows(self, count: int) -> list[list[str]]:
        """Return its first lines as a table."""
        return [entry.row() for entry in self.entries[:count]]


def german(value: str, decimals: int) -> str:
    """Return a number as it is written in Germany; what is none as it stands."""
    plain = value.strip()
    if "," in plain:
        plain = plain.replace(".", "").replace(",", ".")
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return value.strip()
    if not number.is_finite() or abs(number) >= 10**15:
        return value.strip()
    return f"{number:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


def fixed_point(digits: str, decimals: int) -> str:
    """Return a number that was written without its comma; nothing where there is none."""
    digits = digits.strip()
    return german(f"{digits}E-{decimals}", decimals) if digits.lstrip("-").isdigit() else ""


def moment(day: str, clock: str) -> dt.datetime | None:
    """Return the moment that a day (2024-03-12, 12.03.2024, 12.03.24) and a time of day name."""
    found = _DAY.search(day)
    if found is None:
        return None
    parts = found.groups()
    year, month, date = parts[:3] if parts[0] else (parts[5], parts[4], parts[3])
    century = 0 if len(year) == 4 else 1900 if int(year) >= 80 else 2000
    time = _CLOCK.search(clock)
    hour, minute, second = (int(part or 0) for part in time.groups()) if time else (0, 0, 0)
    with suppress(ValueError):
        return dt.datetime(int(year) + century, int(month), int(date), hour, minute, second)  # noqa: DTZ001 - it names no zone
    return None
