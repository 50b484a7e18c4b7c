"""Writes what was read of Missive, but nothing of people who were forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.forgotten import Forgotten
from ibhelm_pipelines.vendors.missive.tables import TABLES
from ibhelm_pipelines.vendors.store import Counts, Store

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.vendors.tables import Kind, Row


class MissiveStore(Store):
    """A store of Missive's rows; whoever is forgotten is looked up behind the lock of the one writer."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, TABLES)

    def put(self, kind: Kind, rows: Sequence[Row], read_at: dt.datetime) -> Counts:
        """Store what was read; bodies of forgotten people are left out, and their names in others'."""
        if not rows:
            return Counts()
        with self.writing():
            forgotten = Forgotten.load(self.connection)
            kept = [cleaned for row in rows if (cleaned := forgotten.clean(kind.name, row)) is not None]
            return super().put(kind, kept, read_at) + Counts(left_out=len(rows) - len(kept))
