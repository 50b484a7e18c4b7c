"""Reads the rows of a project: in one snapshot, a few at a time."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from psycopg import IsolationLevel
from psycopg.rows import dict_row

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ibhelm_pipelines.db.connect import Connection

Row = dict[str, Any]

ROWS_AT_ONCE = 500
BODIES_AT_ONCE = 50
"""A mail may have megabytes."""


class Reader:
    """Asks for one project. One thread; a question may be asked while another one's rows are still coming."""

    def __init__(self, connection: Connection, project: int) -> None:
        self._connection, self._scope = connection, {"project": project}
        self._sql = load_queries("export")

    def all(self, name: str, **values: object) -> list[Row]:
        """Return all rows of a question, which are few."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._sql[name], {**self._scope, **values}).fetchall()

    def stream(self, name: str, **values: object) -> Iterator[Row]:
        """Yield the rows of a question, of which few are in memory."""
        with self._connection.cursor(name=name, row_factory=dict_row) as cursor:
            cursor.itersize = ROWS_AT_ONCE
            yield from cursor.execute(self._sql[name], {**self._scope, **values})

    def details(self, name: str, ids: Iterable[int]) -> Iterator[Row]:
        """Yield the rows of these ids, in their order; an id without a row is left out."""
        remaining = iter(ids)
        while some := list(islice(remaining, BODIES_AT_ONCE)):
            found = {row["id"]: row for row in self.all(name, ids=some)}
            yield from (found[each] for each in some if each in found)


@contextmanager
def snapshot(url: str, project: int) -> Iterator[Reader]:
    """Read for the length of the block what was true at its beginning.

    Raises:
        DatabaseUnavailableError: it does not answer.
    """
    with connect(url, application="export") as connection, translated_errors():
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        reader = Reader(connection, project)
        reader.all("be_patient")
        yield reader
