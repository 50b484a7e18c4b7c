"""What a request asks for, as Teamwork.com reads it: unknown parameters count for nothing and nobody says so.

What cannot be read (a page of 501, a time that is none) is refused with 400.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.teamwork.state import iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_PAGE_SIZE = 500
MAX_RECORDS = 50_000
"""Of one query, over all its pages."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a request is answered with; a body of None is an empty one."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class BadQuery(ValueError):  # noqa: N818 - it is the client's error, answered with 400
    """The request cannot be read; the message is for the vendor's error body."""


class Query:
    """The parameters of one request."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = params

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter as it is."""
        return self._params.get(name, default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return whether a flag is set; all are off unless the vendor says otherwise."""
        value = self._params.get(name)
        return default if value is None else value.lower() in {"true", "1", "yes"}

    def words(self, name: str) -> list[str]:
        """Return a list with commas in it."""
        return [word.strip() for word in self._params.get(name, "").split(",") if word.strip()]

    def ids(self, name: str) -> frozenset[int] | None:
        """Return a list of ids, or None where nobody asked."""
        words = self.words(name)
        if not all(word.isdigit() for word in words):
            raise BadQuery(f"{name} must be a list of integers")
        return frozenset(map(int, words)) or None

    def time(self, name: str) -> str | None:
        """Return a time; a plus sign that was not percent-encoded has become a blank and makes it unreadable."""
        value = self._params.get(name)
        if not value:
            return None
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError as error:
            raise BadQuery(f"{name} is not a valid date-time") from error
        return iso(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a number within bounds."""
        value = self._params.get(name, str(default))
        if not value.isdigit() or not least <= int(value) <= most:
            raise BadQuery(f"{name} must be between {least} and {most}")
        return int(value)

    def without(self, *names: str) -> tuple[tuple[str, str], ...]:
        """Return all parameters but these, to know a query again on its next page."""
        return tuple(sorted((name, value) for name, value in self._params.items() if name not in names))


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
