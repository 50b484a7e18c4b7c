"""Long lists as pages of bounded length, one after the other, with headings that may go on over several pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.export.pages import PAGES, write_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ibhelm_pipelines.export.output import Output

Row = Mapping[str, Any]


@dataclass(kw_only=True)
class Group:
    """A heading of a list: where it begins, and what stands under it."""

    label: str
    path: str
    count: int = 0
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Section:
    """The part of a group that stands on one page."""

    label: str
    anchor: str
    goes_on: bool
    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Series:
    """A list that is to become pages.

    Args:
        stem: the name of the first page without its ending.
        title: of all pages.
        template: that shows a page.
        per_page: rows of one page.
        back: the page above, and what it is called.
        values: what the template shows beside the rows.
        on_row: told of each row on which page it stands.
    """

    stem: str
    title: str
    template: str = "listing"
    per_page: int = 200
    back: tuple[str, str] = ("index.html", "Übersicht")
    values: Mapping[str, object] = field(default_factory=dict)
    on_row: Callable[[Row, str], object] = lambda _row, _path: None

    def path(self, number: int) -> str:
        """Return where a page stands."""
        return f"{PAGES}/{self.stem}.html" if number == 1 else f"{PAGES}/{self.stem}-{number}.html"


def write_series(output: Output, series: Series, rows: Iterable[tuple[str, Row]]) -> list[Group]:
    """Write the pages of a list; return its headings.

    Args:
        output: where they go.
        series: what they are.
        rows: each with the heading under which it stands; those of one heading one after the other.
    """
    groups: list[Group] = []
    for number, chunk, has_more in _chunks(rows, series.per_page):
        path = series.path(number)
        for _, row in chunk:
            series.on_row(row, path)
        sections = list(_sections(chunk, path, groups))
        turning = {"previous": series.path(number - 1) if number > 1 else None,
                   "next": series.path(number + 1) if has_more else None}  # fmt: skip
        write_page(
            output, path, series.template, title=series.title, number=number, back=series.back, sections=sections,
            **turning, **series.values,
        )  # fmt: skip
    return groups


def _sections(chunk: Sequence[tuple[str, Row]], path: str, groups: list[Group]) -> Iterator[Section]:
    """Yield the headings of a page; the first may go on from the page before."""
    for label, members in groupby(chunk, key=lambda pair: pair[0]):
        rows = [row for _, row in members]
        goes_on = bool(groups) and groups[-1].label == label
        anchor = f"g{len(groups) if goes_on else len(groups) + 1}"
        if not goes_on:
            groups.append(Group(label=label, path=f"{path}|{anchor}"))
        groups[-1].count += len(rows)
        groups[-1].size += sum(int(row.get("bytes") or 0) for row in rows)
        yield Section(label=label, anchor=anchor, goes_on=goes_on, rows=rows)


def _chunks(rows: Iterable[tuple[str, Row]], length: int) -> Iterator[tuple[int, Sequence[tuple[str, Row]], bool]]:
    """Yield number, rows, and whether there are more; one page without rows where there are none."""
    remaining = iter(rows)
    number, chunk = 1, list(islice(remaining, length))
    while True:
        following = list(islice(remaining, length))
        yield number, chunk, bool(following)
        if not following:
            return
        number, chunk = number + 1, following
