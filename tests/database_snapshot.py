"""A database as it was, as often as a test wants it back: fault tests begin each of their attempts there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import tables
from psycopg import sql

from ibhelm_pipelines.local.postgres import EmbeddedPostgres


class Snapshot:
    """What the database of a test held. Get it from `snapshot`."""

    def __init__(self, server: EmbeddedPostgres, database: str) -> None:
        self._server, self._database, self._copy = server, database, f"snapshot_{uuid.uuid4().hex}"
        tables.close()
        self._make(self._copy, of=database)

    def restore(self) -> None:
        """Put the database back to what it held, whoever is connected to it."""
        self._drop(self._database)
        self._make(self._database, of=self._copy)

    def drop(self) -> None:
        """Throw the copy away."""
        self._drop(self._copy)

    def _make(self, database: str, *, of: str) -> None:
        create = sql.SQL("create database {} template {} strategy file_copy")
        self._execute(create.format(sql.Identifier(database), sql.Identifier(of)))

    def _drop(self, database: str) -> None:
        self._execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def snapshot(server: EmbeddedPostgres, database_url: str) -> Iterator[Snapshot]:
    """Remember what a database holds; the product must not be connected to it just now."""
    taken = Snapshot(server, database_url.rpartition("/")[2])
    try:
        yield taken
    finally:
        taken.drop()
