"""Which items may be linked otherwise now than they were last: those of which anything that decides has changed.

For each item a digest of all of it stands in ops.linked_items: what is written on it, the rules, the names of projects,
the buildings of its project, what persons decided. A digest is taken before the item is read, so that what changes in
between is found by the next run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.register.judging import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.register.buildings import ProjectBuildings
    from ibhelm_pipelines.register.writing import ItemKind

VERSION = "1"
"""Of the code that decides. Raised when that changes, so that everything is decided again."""


class Stale:
    """Finds stale items over one connection in autocommit mode.

    Args:
        connection: the one that links.
        everything: whether all items are taken for stale.
    """

    def __init__(self, connection: Connection, *, everything: bool) -> None:
        self._connection = connection
        self._sql = load_queries("register")
        row = connection.execute(self._sql["basis"], {"version": VERSION}).fetchone()
        rules, names = row or ("", "")
        self._values = {"everything": everything, "rules": rules, "names": names}

    def batches(self, kind: ItemKind, buildings: ProjectBuildings) -> Iterator[list[int]]:
        """Yield the ids of stale items of a kind, in their order; each batch is to be linked before the next."""
        self._connection.execute(self._sql["drop_found"])
        digests = [{"project_id": project, "digest": digest} for project, digest in buildings.digests()]
        self._connection.execute(self._sql[f"find_{kind}s"], {**self._values, "buildings": Jsonb(digests)})
        self._connection.execute(self._sql["index_found"])
        after = 0
        while ids := self._next(after):
            yield ids
            after = ids[-1]

    def _next(self, after: int) -> list[int]:
        rows = self._connection.execute(self._sql["next_found"], {"after": after, "size": BATCH})
        return [number for (number,) in rows]

    def note(self, kind: ItemKind, ids: Sequence[int]) -> None:
        """These items are linked; in the transaction that did it."""
        self._connection.execute(self._sql["note_linked"], {"item": kind, "ids": list(ids)})

    def forget(self) -> None:
        """Forget the digests of items that are gone for good."""
        self._connection.execute(self._sql["forget_linked"])
