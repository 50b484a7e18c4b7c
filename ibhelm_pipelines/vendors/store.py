"""Writes what was read of a vendor into the tables: one page, one transaction.

What is stored is what the vendor said last: of two readings of the same thing the one that was asked later stays,
whatever arrives first. Nothing is deleted to be inserted again; sets are compared with what is there, the empty set
included. A row that is seen and not deleted is live, whatever it was before.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.live import NO_FOLDER, tell
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.vendors import statements

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.vendors.tables import Bridge, Kind, Record, Row, Table, VendorId


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a piece of work did, in rows.

    Attributes:
        seen: read and understood.
        left_out: what the settings leave out.
        failed: not understood; see ops.raw_records.error.
    """

    seen: int = 0
    new: int = 0
    changed: int = 0
    deleted: int = 0
    restored: int = 0
    left_out: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        mine, others = vars(self), vars(other)
        return Counts(**{name: mine[name] + others[name] for name in mine})

    @property
    def changes(self) -> int:
        return self.new + self.changed + self.deleted + self.restored


class Store:
    """Writes over one connection, in autocommit mode; not for several threads at once.

    Args:
        connection: of the pipeline.
        tables: all of the vendor.
        site: address of the vendor, for links that people click.
        tell: whether what is written is also told in the outbox of the live lane, in the same transaction.
    """

    def __init__(
        self, connection: Connection, tables: tuple[Table, ...], *, site: str = "", tell: bool = False
    ) -> None:
        self.connection = connection
        self._tables, self._site, self._tell = tables, site, tell
        self._vendor = tables[0].vendor
        self._sql = load_queries("vendors")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold a transaction and the lock of the one writer for the length of the block; may be nested."""
        with translated_errors(), self.connection.transaction():
            self._run("lock_writing")
            yield

    def put(self, kind: Kind, rows: Sequence[Row], read_at: dt.datetime) -> Counts:
        """Store what was read.

        Args:
            kind: of things.
            rows: bodies as they came, each with its `id`.
            read_at: when it was asked for.
        """
        if not rows:
            return Counts()
        with self.writing():
            return self._put(kind, self._fresh(kind, rows, read_at), read_at)

    def _put(self, kind: Kind, rows: dict[VendorId, Row], read_at: dt.datetime) -> Counts:
        """Store all of them, or, where a row is in the way that no table takes, all but that one."""
        try:
            with self.connection.transaction():
                return self._write(kind, rows, read_at)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(rows) == 1:
                reasons = dict.fromkeys(rows, _said(error))
                return self._refuse(kind, rows, reasons, read_at)
        ids = sorted(rows)
        halves = ids[: len(ids) // 2], ids[len(ids) // 2 :]
        parts = [self._put(kind, {each: rows[each] for each in half}, read_at) for half in halves]
        return parts[0] + parts[1]

    def _write(self, kind: Kind, rows: dict[VendorId, Row], read_at: dt.datetime) -> Counts:
        records, reasons = self._read(kind, rows)
        refused = self._refuse(kind, {each: rows[each] for each in reasons}, reasons, read_at) if reasons else Counts()
        self._keep(kind, {each: row for each, row in rows.items() if each not in reasons}, {}, read_at)
        counts = self._upsert(kind.table, records)
        self._put_members(kind.table, records)
        self._link(kind.table)
        counts += Counts(seen=len(records))
        self._tell_of(kind, counts)
        return counts + refused

    def _refuse(
        self, kind: Kind, rows: dict[VendorId, Row], reasons: dict[VendorId, str], read_at: dt.datetime
    ) -> Counts:
        """Keep what could not be understood with the reason; the row it may have had stays."""
        self._keep(kind, rows, reasons, read_at)
        for number, reason in reasons.items():
            structlog.get_logger().warning("row_not_understood", kind=kind.name, id=number, reason=reason)
        counts = Counts(failed=len(rows))
        self._tell_of(kind, counts)
        return counts

    def bury(self, kind: Kind, ids: Collection[VendorId], read_at: dt.datetime) -> Counts:
        """Mark as deleted what Teamwork does not know any more; it may come back."""
        if not ids:
            return Counts()
        with self.writing():
            stale = self._newer(kind, ids, read_at)
            gone = sorted(set(ids) - stale)
            self._run("keep_gone", kind=kind.name, ids=list(map(str, gone)), read_at=read_at)
            buried = self.connection.execute(statements.bury(kind.table), {"ids": gone}).fetchall()
            counts = Counts(deleted=len(buried))
            self._tell_of(kind, counts)
        return counts

    def now(self) -> dt.datetime:
        """Return the time by Postgres' clock, which orders the readings of all processes."""
        with translated_errors():
            [(now,)] = self.connection.execute("select clock_timestamp()").fetchall()
        return now  # type: ignore[no-any-return]  # by the statement

    def count_live(self, table: Table) -> int:
        """Return how many rows there are that are not deleted."""
        with translated_errors():
            [(count,)] = self.connection.execute(statements.count_live(table)).fetchall()
        return int(count)

    def _tell_of(self, kind: Kind, counts: Counts) -> None:
        if self._tell:
            tell(self.connection, kind.asset, {NO_FOLDER: vars(counts)})

    def _fresh(self, kind: Kind, rows: Sequence[Row], read_at: dt.datetime) -> dict[VendorId, Row]:
        """Return the rows by id, without those that somebody read later than we did."""
        by_id = {self._vendor.id_of(row["id"]): row for row in rows}
        stale = self._newer(kind, by_id, read_at)
        return {number: row for number, row in sorted(by_id.items()) if number not in stale}

    def _newer(self, kind: Kind, ids: Collection[VendorId], read_at: dt.datetime) -> set[VendorId]:
        newer = self._run("newer_than", kind=kind.name, ids=list(map(str, ids)), read_at=read_at)
        return {self._vendor.id_of(written) for (written,) in newer}

    def _read(self, kind: Kind, rows: dict[VendorId, Row]) -> tuple[list[Record], dict[VendorId, str]]:
        records, failed = [], {}
        for number, row in rows.items():
            try:
                records.append(kind.read(row, self._site))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                failed[number] = f"{type(error).__name__}: {error}"
                structlog.get_logger().warning("row_not_understood", kind=kind.name, id=number, reason=failed[number])
        return records, failed

    def _keep(self, kind: Kind, rows: dict[VendorId, Row], failed: dict[VendorId, str], read_at: dt.datetime) -> None:
        raw = [{"id": str(number), "body": row, "error": failed.get(number)} for number, row in rows.items()]
        self._run("keep_raw", kind=kind.name, raw=storable_json(raw), read_at=read_at)

    def _upsert(self, table: Table, records: Sequence[Record]) -> Counts:
        rows = [{self._vendor.id_column: record.vendor_id, **record.values} for record in records]
        written = self.connection.execute(statements.upsert(table), {"rows": storable_json(rows)}).fetchall()
        new = deleted = restored = 0
        for is_new, was_deleted, is_deleted in written:
            new += is_new
            deleted += not is_new and is_deleted is not None and was_deleted is None
            restored += not is_new and is_deleted is None and was_deleted is not None
        return Counts(new=new, changed=len(written) - new - deleted - restored, deleted=deleted, restored=restored)

    def _put_members(self, table: Table, records: Sequence[Record]) -> None:
        if not table.bridges:
            return
        values = {"ids": [record.vendor_id for record in records]}
        own: dict[VendorId, int] = dict(self.connection.execute(statements.own_ids(table), values).fetchall())
        for bridge in table.bridges:
            owners = [record for record in records if bridge.table in record.members]
            self._put_members_of(bridge, {own[record.vendor_id]: record.members[bridge.table] for record in owners})

    def _put_members_of(self, bridge: Bridge, sets: Mapping[int, Sequence[Row]]) -> None:
        members = [{bridge.owner: owner, **member} for owner, members in sets.items() for member in members]
        values = {"owners": list(sets), "members": storable_json(members)}
        self.connection.execute(statements.drop_members(bridge), values)
        self.connection.execute(statements.add_members(bridge), values)

    def _link(self, table: Table) -> None:
        """Over partial indexes of what is not linked yet: a statement costs a fraction of a millisecond."""
        for statement in statements.links_around(table, self._tables):
            self.connection.execute(statement)

    def _run(self, name: str, **values: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        return self.connection.execute(self._sql[name], {"source": self._vendor.name, **values})


def _said(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip()


def storable_json(value: Any) -> str:
    """Return JSON as Postgres takes it: no NUL characters, no halves of surrogate pairs; times in ISO."""
    written = _json(value)
    return _json(_storable(value)) if _NOT_STORABLE.search(written) else written


_NOT_STORABLE = re.compile(r"\\u0000|[\ud800-\udfff]")
"""In written JSON. Rare: looking for it costs a fraction of taking it out of everything."""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list | tuple) else value
