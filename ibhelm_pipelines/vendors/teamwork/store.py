"""Writes what was read of Teamwork into the tables: one page, one transaction.

What is stored is what Teamwork said last: of two readings of the same thing the one that was asked later stays,
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
from ibhelm_pipelines.vendors.teamwork import statements

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.vendors.teamwork.fields import Row
    from ibhelm_pipelines.vendors.teamwork.records import Record
    from ibhelm_pipelines.vendors.teamwork.resources import Resource
    from ibhelm_pipelines.vendors.teamwork.tables import Bridge, Table


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a piece of work did, in rows.

    Attributes:
        seen: read and understood.
        left_out: of projects that the settings exclude.
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
        site: address of Teamwork, for links that people click.
        tell: whether what is written is also told in the outbox of the live lane, in the same transaction.
    """

    def __init__(self, connection: Connection, site: str, *, tell: bool = False) -> None:
        self.connection = connection
        self._site = site
        self._tell = tell
        self._sql = load_queries("teamwork")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold a transaction and the lock of the one writer for the length of the block; may be nested."""
        with translated_errors(), self.connection.transaction():
            self.connection.execute(self._sql["lock_writing"])
            yield

    def put(self, resource: Resource, rows: Sequence[Row], read_at: dt.datetime) -> Counts:
        """Store what was read.

        Args:
            resource: of what kind it is.
            rows: bodies as they came, each with its `id`.
            read_at: when it was asked for.
        """
        with self.writing():
            return self._put(resource, self._fresh(resource, rows, read_at), read_at)

    def _put(self, resource: Resource, rows: dict[int, Row], read_at: dt.datetime) -> Counts:
        """Store all of them, or, where a row is in the way that no table takes, all but that one."""
        try:
            with self.connection.transaction():
                return self._write(resource, rows, read_at)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(rows) == 1:
                reasons = dict.fromkeys(rows, _said(error))
                return self._refuse(resource, rows, reasons, read_at)
        ids = sorted(rows)
        halves = ids[: len(ids) // 2], ids[len(ids) // 2 :]
        parts = [self._put(resource, {each: rows[each] for each in half}, read_at) for half in halves]
        return parts[0] + parts[1]

    def _write(self, resource: Resource, rows: dict[int, Row], read_at: dt.datetime) -> Counts:
        records, reasons = self._read(resource, rows)
        refused = self._refuse(resource, {each: rows[each] for each in reasons}, reasons, read_at)
        self._keep(resource, {each: row for each, row in rows.items() if each not in reasons}, {}, read_at)
        counts = self._upsert(resource.table, records)
        for bridge in resource.table.bridges:
            self._put_members(resource.table, bridge, records)
        self._link(resource.table)
        counts += Counts(seen=len(records))
        self._tell_of(resource, counts)
        return counts + refused

    def _refuse(
        self, resource: Resource, rows: dict[int, Row], reasons: dict[int, str], read_at: dt.datetime
    ) -> Counts:
        """Keep what could not be understood with the reason; the row it may have had stays."""
        self._keep(resource, rows, reasons, read_at)
        for number, reason in reasons.items():
            structlog.get_logger().warning("row_not_understood", kind=resource.name, id=number, reason=reason)
        counts = Counts(failed=len(rows))
        self._tell_of(resource, counts)
        return counts

    def bury(self, resource: Resource, ids: Collection[int], read_at: dt.datetime) -> Counts:
        """Mark as deleted what Teamwork does not know any more; it may come back."""
        if not ids:
            return Counts()
        with self.writing():
            stale = self._newer(resource, ids, read_at)
            gone = sorted(set(ids) - stale)
            self.connection.execute(self._sql["keep_gone"], {"kind": resource.name, "ids": gone, "read_at": read_at})
            buried = self.connection.execute(statements.bury(resource.table), {"ids": gone}).fetchall()
            counts = Counts(deleted=len(buried))
            self._tell_of(resource, counts)
        return counts

    def derive(self) -> None:
        """Recompute what follows from several rows: projects, states and types of tasks."""
        with self.writing():
            self.connection.execute(self._sql["derive_tasks"])
            self.connection.execute(self._sql["derive_task_types"])

    def count_live(self, resource: Resource) -> int:
        """Return how many rows there are that are not deleted."""
        with translated_errors():
            [(count,)] = self.connection.execute(statements.count_live(resource.table)).fetchall()
        return int(count)

    def _tell_of(self, resource: Resource, counts: Counts) -> None:
        if self._tell:
            tell(self.connection, resource.asset, {NO_FOLDER: vars(counts)})

    def _fresh(self, resource: Resource, rows: Sequence[Row], read_at: dt.datetime) -> dict[int, Row]:
        """Return the rows by id, without those that somebody read later than we did."""
        by_id = {int(row["id"]): row for row in rows}
        stale = self._newer(resource, by_id, read_at)
        return {number: row for number, row in sorted(by_id.items()) if number not in stale}

    def _newer(self, resource: Resource, ids: Collection[int], read_at: dt.datetime) -> set[int]:
        values = {"kind": resource.name, "ids": [str(each) for each in ids], "read_at": read_at}
        return {number for (number,) in self.connection.execute(self._sql["newer_than"], values)}

    def _read(self, resource: Resource, rows: dict[int, Row]) -> tuple[list[Record], dict[int, str]]:
        records, failed = [], {}
        for number, row in rows.items():
            try:
                records.append(resource.read(row, self._site))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                failed[number] = f"{type(error).__name__}: {error}"
                structlog.get_logger().warning(
                    "row_not_understood", kind=resource.name, id=number, reason=failed[number]
                )
        return records, failed

    def _keep(self, resource: Resource, rows: dict[int, Row], failed: dict[int, str], read_at: dt.datetime) -> None:
        raw = [{"id": str(number), "body": row, "error": failed.get(number)} for number, row in rows.items()]
        values = {"kind": resource.name, "raw": storable_json(raw), "read_at": read_at}
        self.connection.execute(self._sql["keep_raw"], values)

    def _upsert(self, table: Table, records: Sequence[Record]) -> Counts:
        rows = [{"teamwork_id": record.teamwork_id, **record.values} for record in records]
        written = self.connection.execute(statements.upsert(table), {"rows": storable_json(rows)}).fetchall()
        new = deleted = restored = 0
        for is_new, was_deleted, is_deleted in written:
            new += is_new
            deleted += not is_new and is_deleted is not None and was_deleted is None
            restored += not is_new and is_deleted is None and was_deleted is not None
        return Counts(new=new, changed=len(written) - new - deleted - restored, deleted=deleted, restored=restored)

    def _put_members(self, table: Table, bridge: Bridge, records: Sequence[Record]) -> None:
        owners = [record.teamwork_id for record in records if bridge.table in record.members]
        members = [
            {bridge.owner: record.teamwork_id, **member}
            for record in records
            for member in record.members.get(bridge.table, ())
        ]
        values = {"owners": owners, "members": storable_json(members)}
        self.connection.execute(statements.drop_members(table, bridge), values)
        self.connection.execute(statements.add_members(table, bridge), values)

    def _link(self, table: Table) -> None:
        """Over partial indexes of what is not linked yet: a statement costs a fraction of a millisecond."""
        for statement in statements.links_around(table):
            self.connection.execute(statement)


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
