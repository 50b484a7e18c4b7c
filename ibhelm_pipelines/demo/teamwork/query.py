"""What a request asks for, as Teamwork.com reads it: unknown parameters count for nothing and nobody says so.

What cannot be read (a page of 501, a time that is none) is refused with 400.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.teamwork.state import iso
from ibhelm_pipelines.demo.vendor.exchange import BadQuery, Parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PAGE_SIZE = 500
MAX_RECORDS = 50_000
"""Of one query, over all its pages."""


class Query(Parameters):
    """The parameters of one request to Teamwork.com."""

    def ids(self, name: str) -> frozenset[int] | None:
        """Return a list of ids, or None where nobody asked."""
        words = self.words(name)
        if not all(word.isdigit() for word in words):
            raise BadQuery(f"{name} must be a list of integers")
        return frozenset(map(int, words)) or None

    def time(self, name: str) -> str | None:
        """Return a time; a plus sign that was not percent-encoded has become a blank and makes it unreadable."""
        value = self.text(name)
        if not value:
            return None
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError as error:
            raise BadQuery(f"{name} is not a valid date-time") from error
        return iso(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a list."""

    number: int
    size: int
    skip_counts: bool

    @classmethod
    def of(cls, query: Query, default_size: int) -> Page:
        """Read which page is asked for.

        Raises:
            BadQuery: there is no such page.
        """
        return cls(
            number=query.number("page", 1, least=1, most=10**9),
            size=query.number("pageSize", default_size, least=1, most=MAX_PAGE_SIZE),
            skip_counts=query.flag("skipCounts"),
        )

    def cut(self, ids: Sequence[int]) -> tuple[Sequence[int], dict[str, Any]]:
        """Return the part and what the vendor says about it."""
        start = (self.number - 1) * self.size
        part = ids[start : start + self.size]
        more = start + self.size < len(ids)
        count = start + len(part) + more if self.skip_counts and part else len(ids)
        page = {"pageOffset": self.number - 1, "pageSize": self.size, "count": count, "hasMore": more}
        return part, {"page": page}
