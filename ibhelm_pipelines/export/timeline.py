"""What happened when: a page of months with how much of what, and each month's events, each leading to its item."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.export.pages import PAGES, write_page
from ibhelm_pipelines.export.paging import Series, write_series
from ibhelm_pipelines.wording import OFFICE_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.export.output import Output
    from ibhelm_pipelines.export.paging import Group
    from ibhelm_pipelines.export.reading import Reader, Row

TIMELINE = f"{PAGES}/verlauf.html"
PER_PAGE = 400
KINDS = {"files": "Dateien", "mails": "Mails", "tasks": "Aufgaben", "other": "Zeiten und Entscheidungen"}
_PLACES = {"file": "file_page"}
_HEIGHT = 100
"""Of the tallest month, in per cent."""


@dataclass(frozen=True, kw_only=True)
class Month:
    """One month of the project.

    Attributes:
        month: as 2025-03.
        path: where its events begin.
        total: how many there are.
        counts: of each kind.
        bars: of each kind that there is, per cent of the tallest month.
    """

    month: str
    path: str
    total: int
    counts: Counter[str]
    bars: Sequence[tuple[str, float]]


def write_timeline(reader: Reader, output: Output) -> list[Month]:
    """Write the events by month, oldest first, and the page of all months; return the months."""
    counts: dict[str, Counter[str]] = {}
    series = Series(
        stem="ereignisse", title="Ereignisse", template="events", per_page=PER_PAGE, back=(TIMELINE, "Verlauf")
    )
    groups = write_series(output, series, _events(reader, output, counts))
    tallest = max((each.count for each in groups), default=1)
    months = [_month(each, counts[each.label], tallest) for each in groups]
    write_page(output, TIMELINE, "timeline", title="Verlauf", months=months, kinds=KINDS)
    return months


def _month(group: Group, counts: Counter[str], tallest: int) -> Month:
    bars = [(kind, _HEIGHT * counts[kind] / tallest) for kind in KINDS if counts[kind]]
    return Month(month=group.label, path=group.path, total=group.count, counts=counts, bars=bars)


def _events(reader: Reader, output: Output, counts: dict[str, Counter[str]]) -> Iterator[tuple[str, Row]]:
    for row in reader.stream("timeline"):
        month = f"{row['at'].astimezone(OFFICE_TIME):%Y-%m}"
        kind = _kind(row["kind"])
        counts.setdefault(month, Counter())[kind] += 1
        item = str(row["item"])
        path = output.book.where(_PLACES.get(item, item), row["item_id"])
        yield month, {**row, "group": kind, "path": path}


def _kind(kind: str) -> str:
    if kind.startswith("file"):
        return "files"
    if kind.startswith("email") or kind == "attachment":
        return "mails"
    return "tasks" if kind.startswith("task") else "other"
