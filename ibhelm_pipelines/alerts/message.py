"""What people read: all that is new, still wrong or over, in one message; times as the office has them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")

QUIET = dt.timedelta(minutes=10)
"""How long something must be gone before it is over."""

REPEAT = dt.timedelta(days=1)
"""How often people are reminded of what stays."""

MOST_LISTED = 20
"""Alerts of one kind in one message; a broken night may bring hundreds."""

What = Literal["new", "still", "over"]

_HEADINGS: dict[What, str] = {"new": "New", "still": "Still wrong", "over": "Over"}


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One alert of which people are told, as the table has it."""

    id: int
    what: What
    severity: str
    title: str
    body: str
    opened_at: dt.datetime
    closed_at: dt.datetime | None

    def text(self) -> str:
        since = local_time(self.opened_at)
        if self.what == "over":
            until = "" if self.closed_at is None else local_time(self.closed_at)
            return f"- {self.title}: from {since} to {until}"
        return f"- {self.title} ({self.severity}, since {since})\n  {self.body}"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message about any number of alerts."""

    title: str
    body: str
    good_news: bool


def compose(notices: list[Notice]) -> Message:
    """Put all that is to be told into one message."""
    parts = {what: [notice for notice in notices if notice.what == what] for what in _HEADINGS}
    wrong = [*parts["new"], *parts["still"]]
    sections = [_section(_HEADINGS[what], some) for what, some in parts.items() if some]
    sections.append("`ibhelm status` shows what is wrong now.")
    return Message(title=_title(parts), body="\n\n".join(sections), good_news=not wrong)


def local_time(moment: dt.datetime) -> str:
    """Return a time as people in the office write it."""
    return moment.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M")


def _title(parts: dict[What, list[Notice]]) -> str:
    wrong, over = [*parts["new"], *parts["still"]], parts["over"]
    if len(wrong) == 1 and not over:
        return f"IBHelm: {wrong[0].title}"
    if len(over) == 1 and not wrong:
        return f"IBHelm: over: {over[0].title}"
    counts = {"new": len(parts["new"]), "still wrong": len(parts["still"]), "over": len(over)}
    return "IBHelm: " + ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _section(heading: str, notices: list[Notice]) -> str:
    lines = [notice.text() for notice in notices[:MOST_LISTED]]
    if len(notices) > MOST_LISTED:
        lines.append(f"- and {len(notices) - MOST_LISTED} more")
    return "\n".join([f"{heading}:", *lines])
