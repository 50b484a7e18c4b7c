"""A database as it was, as often as a test wants it back: fault tests begin each of their attempts there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import databases
import tables

from ibhelm_pipelines.local.postgres import EmbeddedPostgres


class Snapshot:
    """What the database of a test held. Get it from `snapshot`."""

    def __init__(self, server: EmbeddedPostgres, database: str) -> None:
        self._server, self._database, self._copy = server, database, f"snapshot_{uuid.uuid4().hex}"
        tables.close()
        databases.create(server, self._copy, template=database)

    def restore(self) -> None:
        """Put the database back to what it held, whoever is connected to it."""
        databases.drop(self._server, self._database)
        databases.create(self._server, self._database, template=self._copy)

    def drop(self) -> None:
        """Throw the copy away."""
        databases.drop(self._server, self._copy)


@contextmanager
def snapshot(server: EmbeddedPostgres, database_url: str) -> Iterator[Snapshot]:
    """Remember what a database holds; the product must not be connected to it just now."""
    taken = Snapshot(server, database_url.rpartition("/")[2])
    try:
        yield taken
    finally:
        taken.drop()
