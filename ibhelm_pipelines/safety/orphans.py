"""Objects that no row names: left by an upload that was killed before its row, or by a database that was restored from
an older backup. They are noted when they are first seen and deleted after the grace period.

Invariants: nothing is deleted that a row names, asked again under the locks of whoever makes such rows; nothing is
deleted on the day on which it is first seen, for after a restored database what looks like an orphan may be the only
copy of a file; nothing outside of originals/ and thumbnails/ is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.safety.bucket_listing import PREFIXES, compare

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.objects.store import ObjectStore
    from ibhelm_pipelines.safety.bucket_listing import Found, Row

CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class Orphans:
    """How many there are, and how many of them are past their grace."""

    seen: int
    due: int
    due_bytes: int


def list_orphans(
    connection: Connection, store: ObjectStore, *, now: dt.datetime, before: dt.datetime, write: bool
) -> tuple[Orphans, int]:
    """List the bucket; return its orphans and how many objects there are.

    Args:
        connection: in autocommit mode.
        store: the bucket.
        now: what time it is.
        before: when an object must have been put and noted to be past its grace.
        write: whether to note what is seen, and to delete superseded versions; else this only looks.

    Raises:
        ObjectStoreUnavailableError: the listing broke off; nothing was concluded.
    """
    listing = _Listing(connection, store, now=now, before=before, write=write)
    for row, found in compare(connection, store):
        listing.add(row, found)
    return listing.close()


class _Listing:
    """One look at the whole bucket."""

    def __init__(
        self, connection: Connection, store: ObjectStore, *, now: dt.datetime, before: dt.datetime, write: bool
    ) -> None:
        self._connection, self._store, self._now, self._before, self._write = connection, store, now, before, write
        self._sql = load_queries("purge")
        self._waiting: list[Found] = []
        self._seen = self._listed = 0

    def add(self, row: Row | None, found: Found | None) -> None:
        self._listed += found is not None
        if found is not None and row is None:
            self._seen += 1
            self._waiting.append(found)
        elif found is not None and row is not None and self._write:
            self._delete_superseded(row, found)
        if len(self._waiting) == CHUNK:
            self._note()

    def close(self) -> tuple[Orphans, int]:
        self._note()
        if self._write:
            self._connection.execute(self._sql["drop_other_orphans"], {"now": self._now})
        [(due, size)] = self._connection.execute(self._sql["count_orphans"], {"before": self._before}).fetchall()
        return Orphans(seen=self._seen, due=due, due_bytes=size), self._listed

    def _note(self) -> None:
        if self._write and self._waiting:
            values = {
                "now": self._now,
                "keys": [found.key for found in self._waiting],
                "sizes": [found.size or 0 for found in self._waiting],
                "times": [found.modified_at for found in self._waiting],
            }
            self._connection.execute(self._sql["note_orphans"], values)
        self._waiting.clear()

    def _delete_superseded(self, row: Row, found: Found) -> None:
        """Delete earlier versions of an object whose current one was read back and was right since; before that, an
        earlier one may be the good one."""
        current = next((version for version in found.versions if version.is_current and not version.is_marker), None)
        if current is None or row.verified_at is None or not current.modified_at < row.verified_at:
            return
        if current.modified_at > self._before:
            return
        for version in found.versions:
            if not version.is_current:
                self._store.versions.delete(version)


def delete_orphans(
    connection: Connection, store: ObjectStore, *, before: dt.datetime, on_deleted: Callable[[int], object]
) -> None:
    """Delete the noted objects that are past their grace.

    Args:
        connection: in autocommit mode.
        store: the bucket.
        before: as of `list_orphans`.
        on_deleted: is told the size of each, in the transaction that strikes it off the list.

    Raises:
        ObjectStoreUnavailableError: the store does not answer; what is left stays noted.
    """
    after = ""
    while rows := connection.execute(
        load_queries("purge")["next_orphans"], {"after": after, "before": before, "limit": CHUNK}
    ).fetchall():
        for key, size in rows:
            _delete(connection, store, key, size, on_deleted)
        after = rows[-1][0]


def _delete(
    connection: Connection, store: ObjectStore, key: str, size: int, on_deleted: Callable[[int], object]
) -> None:
    sql = load_queries("purge")
    with connection.transaction():
        connection.execute(load_queries("contents")["lock_content_steps"], {"hashes": [_hash_of(key)]})
        [(has_row,)] = connection.execute(sql["has_row"], {"key": key}).fetchall()
        if not has_row:
            store.delete(key)
            on_deleted(size)
        connection.execute(sql["orphan_is_gone"], {"key": key})


def _hash_of(key: str) -> str:
    """The content under whose locks such an object is made."""
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key.removesuffix(".webp")
