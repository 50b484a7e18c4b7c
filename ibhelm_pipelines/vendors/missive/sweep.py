"""Lists the conversations of a mailbox, newest first, and remembers what of it is still to be listed.

Missive has no "since": a sweep begins at the top and ends where the sweep before began, a little deeper. With each page
the tables say what is missing: the watermark is the newest activity that was seen, and everything below it is stored
but for the gaps. So a sweep that is interrupted goes on where it was, after what has come on top meanwhile. Of the
rows that move to the top while a sweep passes them some are seen twice; the next sweep sees those that were missed.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.vendors.missive.fields import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.vendors.missive.api import Api, Page
    from ibhelm_pipelines.vendors.store import Store
    from ibhelm_pipelines.vendors.tables import Row

MAILBOXES = ("all", "trashed", "junked")
"""`all` leaves out trash and spam."""

OVERLAP = dt.timedelta(minutes=10)
"""How far below the last watermark a sweep goes: activities may become visible later than their time says."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A part of a list that was not read yet.

    Attributes:
        opened_at: when the sweep began, by our database's clock.
        full: whether that sweep is to see everything.
        floor: down to this activity; None to the end.
        ceiling: from this activity; None from the top.
        scope: what the settings let in when it began.
    """

    opened_at: dt.datetime
    full: bool
    floor: dt.datetime | None
    ceiling: dt.datetime | None
    scope: str


@dataclass(frozen=True, kw_only=True)
class Month:
    """Conversations whose last activity lies within.

    Attributes:
        start, end: the first moment of it, and of the next one.
    """

    start: dt.datetime
    end: dt.datetime

    @classmethod
    def of(cls, text: str) -> Month:
        """Read a month, as 2026-11 or as any day of it.

        Raises:
            ValueError: it is none.
        """
        start = dt.datetime.strptime(text[:7], "%Y-%m").replace(tzinfo=dt.UTC)
        return cls(start=start, end=(start + dt.timedelta(days=32)).replace(day=1))


def month_of(conversation: Row) -> str:
    """Return the first day of the month of its last activity, by UTC; empty where that is not said."""
    when = moment(conversation.get("last_activity_at"))
    return f"{when:%Y-%m}-01" if when else ""


class Sweep:
    """Lists one mailbox.

    Args:
        api: to ask.
        store: whose connection holds the gaps.
        mailbox: one of MAILBOXES.
        scope: what the settings let in.
        put: stores a page.
    """

    def __init__(self, api: Api, store: Store, mailbox: str, scope: str, put: Callable[[Page], None]) -> None:
        self._api, self._store, self._mailbox, self._scope, self._put = api, store, mailbox, scope, put
        self._resource = f"conversations {mailbox}"
        self._sql = load_queries("missive")

    def run(self, *, full: bool) -> None:
        """List what is new, and what earlier sweeps left; everything with `full`, or where another scope was read last.

        With `full` it begins anew: what was listed in an earlier part of a sweep may be gone by now.

        Raises: as `Api`; what was listed before is stored, and the next sweep goes on from there.
        """
        watermark, scope = self._cursor()
        gaps = self._gaps()
        under_way = any(gap.full and gap.scope == self._scope for gap in gaps)
        full = full or (not under_way and (watermark is None or scope != self._scope))
        if full:
            self._run("drop_gaps")
            gaps = []
        floor = None if full or watermark is None else watermark - OVERLAP
        top = Gap(opened_at=self._store.now(), full=full, floor=floor, ceiling=None, scope=self._scope)
        for gap in [top, *gaps]:
            self._read(gap)
        self._run("finish", full_at=None, scope=None)

    def _read(self, gap: Gap) -> None:
        until = int(gap.ceiling.timestamp()) if gap.ceiling else None
        for page in self._api.conversations(self._mailbox, until):
            with self._store.writing():
                self._put(page)
                if gap.ceiling is None:
                    self._move_watermark(page)
                gap = replace(gap, ceiling=moment(page.until))
                if gap.ceiling is None or (gap.floor is not None and gap.ceiling < gap.floor):
                    self._close(gap)
                    return
                self._keep(gap)

    def _move_watermark(self, page: Page) -> None:
        times = [when for row in page.rows if (when := moment(row.get("last_activity_at"))) is not None]
        if times:
            self._run("move_watermark", watermark=max(times))

    def _keep(self, gap: Gap) -> None:
        values = {"opened_at": gap.opened_at, "full": gap.full, "floor": gap.floor, "ceiling": gap.ceiling}
        self._run("keep_gap", **values, scope=gap.scope)

    def _close(self, gap: Gap) -> None:
        self._run("close_gap", opened_at=gap.opened_at)
        if gap.full:
            self._run("finish", full_at=gap.opened_at, scope=gap.scope)

    def _cursor(self) -> tuple[dt.datetime | None, str | None]:
        row = self._run("cursor").fetchone()
        return (row[0], row[2]) if row is not None else (None, None)

    def _gaps(self) -> list[Gap]:
        names = ("opened_at", "full", "floor", "ceiling", "scope")
        return [Gap(**dict(zip(names, row, strict=True))) for row in self._run("gaps").fetchall()]

    def _run(self, name: str, **values: Any) -> Any:
        with translated_errors():
            return self._store.connection.execute(self._sql[name], {"resource": self._resource, **values})
