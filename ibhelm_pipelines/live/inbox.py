"""The workers' side of the inbox: what waits is leased, done, tried again later, or given up.

A lease is an owner and a time; a worker that dies is silent, and when the time is over anybody may take its items. Only
the owner of a lease can settle an item, and an item that changed while it was being worked on stays. So every event is
done, whatever is killed; what is done a second time after a kill finds nothing to do.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.share import LOOSE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.db.live import Source
    from ibhelm_pipelines.settings import Settings

LEASE_SECONDS = 60.0
"""How long a worker may be silent before others take what it had."""

MAX_ATTEMPTS = 5
"""Failures of one item before it is given up, the same number as for steps of contents."""

MAX_DEATHS = 20
"""Workers that died over one item before it is given up."""

PATHS_AT_ONCE = 500
STORM = 1000
"""From this many paths waiting in one folder on, a scan of the folder is cheaper."""

CONTENTS_AT_ONCE = 16
BYTES_AT_ONCE = 64 << 20
"""Bytes of contents taken together: what a batch of large ones may delay."""

THINGS_AT_ONCE = 50
"""Things of a vendor that one request may name."""

HOLD = dt.timedelta(seconds=5)
"""What a vendor names again and again is taken after so long all the same."""

Work = Literal["paths", "folder", "share", "contents", "things"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """A leased row of the inbox."""

    id: int
    kind: str
    key: bytes
    label: str
    folder: str | None
    weight: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one worker does at once.

    Attributes:
        items: for a scan of a folder or of the share, first the item that asked for it, then what it does by the way.
    """

    work: Work
    items: tuple[Item, ...]

    @property
    def ids(self) -> list[int]:
        return [item.id for item in self.items]

    @property
    def is_scan(self) -> bool:
        return self.work in ("folder", "share")

    @property
    def label(self) -> str:
        """What it is, for people."""
        first = self.items[0]
        more = f" and {len(self.items) - 1} more" if len(self.items) > 1 else ""
        return f"{first.kind} {first.label}{more}"

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.items) // 2
        return Batch(work=self.work, items=self.items[:middle]), Batch(work=self.work, items=self.items[middle:])


class Inbox:
    """One worker's hold on the inbox, over a connection that is made when it is needed and again when it was lost.

    Not for several threads at once. Every method commits, and raises DatabaseUnavailableError when Postgres is away.

    Args:
        settings: of this process.
        owner: name of the worker, no other worker's name.
        lease_seconds: how long a lease lasts unless it is renewed.
    """

    def __init__(self, settings: Settings, *, owner: str, lease_seconds: float = LEASE_SECONDS) -> None:
        self._url = settings.require_database_url()
        self._owner = owner
        self._values: dict[str, Any] = {
            "owner": owner,
            "lease": dt.timedelta(seconds=lease_seconds),
            "loose": LOOSE,
            "storm": STORM,
        }
        self._sql = load_queries("inbox")
        self._connection: Connection | None = None

    def close(self) -> None:
        """Let go of the connection; the leases stay."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def claim_nas(self, *, max_weight: int | None = None) -> Batch | None:
        """Take paths of one folder, or a scan with all that waits below it; never of a folder where others work.

        Args:
            max_weight: only paths that are at most so large.
        """
        with self._transaction() as connection:
            connection.execute(self._sql["lock_nas_claims"])
            chosen = self._rows("choose_nas", max_weight=max_weight)
            if not chosen:
                return None
            kind, folder, waiting = chosen[0]
            if kind == "share":
                return self._take_scan("share", None)
            if waiting > STORM:
                self._rows("call_for_folder", folder=folder)
            if max_weight is None and self._rows("folder_is_due", folder=folder)[0][0]:
                return self._take_scan("folder", folder)
            return _batch("paths", self._rows("take_paths", folder=folder, max_weight=max_weight, limit=PATHS_AT_ONCE))

    def _take_scan(self, work: Literal["folder", "share"], folder: str | None) -> Batch | None:
        rows = self._rows("take_scan", folder=folder)
        rows.sort(key=lambda row: row[1] != work)
        return _batch(work, rows) if rows and rows[0][1] == work else None

    def claim_contents(self, *, max_weight: int | None = None) -> Batch | None:
        """Take the smallest contents, or one folder of which all that is missing is wanted.

        Args:
            max_weight: only contents that are at most so large.
        """
        with self._transaction():
            values = {"max_weight": max_weight, "limit": CONTENTS_AT_ONCE, "bytes": BYTES_AT_ONCE}
            rows = self._rows("take_contents", **values)
        return _batch("folder" if rows and rows[0][1] == "folder" else "contents", rows)

    def claim_things(
        self,
        source: Source,
        *,
        only: str | None = None,
        never: str | None = None,
        quiet_seconds: float = 0,
        limit: int = THINGS_AT_ONCE,
    ) -> Batch | None:
        """Take what webhooks of a vendor named, once its directory was read, and while no other worker has such things.

        Args:
            source: the vendor.
            only: this kind alone.
            never: all kinds but this.
            quiet_seconds: leave what was named within so many seconds, unless it has waited for long.
            limit: so many at most.
        """
        values: dict[str, Any] = {"source": source, "only": only, "never": never, "limit": limit}
        values |= {"quiet": dt.timedelta(seconds=quiet_seconds), "hold": HOLD}
        with self._transaction():
            self._rows("lock_thing_claims", source=source)
            rows = self._rows("take_things", **values)
        return _batch("things", rows)

    def until_due(self, source: Source) -> float | None:
        """Return in how many seconds the next item can be taken, None when nothing waits."""
        with self._transaction():
            [(seconds,)] = self._rows("until_due", source=source)
        return None if seconds is None else float(seconds)

    def renew(self, ids: Sequence[int]) -> None:
        """Keep the leases of these items."""
        self._settle("renew", ids)

    def done(self, ids: Sequence[int]) -> None:
        """These are done; those that changed meanwhile wait again."""
        self._settle("done", ids)

    def release(self, ids: Sequence[int] | None = None) -> None:
        """Give back these items, or all that this worker has, as if they had not been taken."""
        self._settle("release", ids)

    def defer(self, ids: Sequence[int], *, seconds: float, reason: str | None) -> None:
        """Try these again later; it was not their fault. Without a reason nothing went wrong at all."""
        self._settle("defer", ids, pause=dt.timedelta(seconds=seconds), error=reason)

    def fail(self, ids: Sequence[int], *, reason: str, permanent: bool) -> int:
        """Record a failure of these items; return how many are given up now."""
        rows = self._settle("fail", ids, error=reason, permanent=permanent, max_attempts=MAX_ATTEMPTS)
        return sum(hopeless for (hopeless,) in rows)

    def give_up_deadly(self) -> None:
        """Give up items over which one worker after the other died."""
        self._settle("give_up_deadly", None, deaths=MAX_DEATHS)

    def scan_later(self, folders: Sequence[str], *, seconds: float) -> None:
        """Ask for scans of these folders in a while."""
        with self._transaction():
            for folder in sorted(folders):
                self._rows("enqueue_later", folder=folder, pause=dt.timedelta(seconds=seconds))

    def left(self, sources: Sequence[Source]) -> dict[str, int]:
        """Return how many items wait, by source; those given up are not among them."""
        with self._transaction():
            return dict(self._rows("left", sources=list(sources)))

    def _settle(self, name: str, ids: Sequence[int] | None, **values: Any) -> list[tuple[Any, ...]]:
        with self._transaction():
            return self._rows(name, ids=None if ids is None else list(ids), **values)

    def _rows(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        assert self._connection is not None
        cursor = self._connection.execute(self._sql[name], self._values | values)
        return cursor.fetchall() if cursor.description is not None else []

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        connection = self._connection or connect(self._url, application="worker", autocommit=True)
        self._connection = connection
        try:
            with translated_errors(), connection.transaction():
                yield connection
        except DatabaseUnavailableError:
            self.close()
            raise


def _batch(work: Work, rows: Sequence[tuple[Any, ...]]) -> Batch | None:
    names = ("id", "kind", "key", "label", "folder", "weight")
    items = tuple(Item(**dict(zip(names, row, strict=True))) for row in rows)
    return Batch(work=work, items=items) if items else None
