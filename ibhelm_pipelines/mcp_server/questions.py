"""SQL that an assistant writes: one SELECT, as a role that only reads, within limits of time, rows, bytes and memory.

Who writes it has read mails of strangers, so it is taken for hostile. What keeps it harmless, from the outside in: the
rights of ibhelm_reader (sql/migrations/0020_reader.sql), looked at before every question; a connection of its own, in
a transaction that cannot write; Postgres' own grammar, which takes one SELECT and nothing else for a cursor.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.db.reader import connect_as_reader, may_beyond_reading
from ibhelm_pipelines.errors import BusyError, ConfigurationError, PermanentError
from ibhelm_pipelines.mcp_server import answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

MOST_ROWS = 200
MOST_BYTES = 100_000
"""Of JSON: some 30,000 tokens, which is much for an assistant already."""

AT_ONCE = 4
"""Questions; of 20 connections that the role may have."""

WAIT_SECONDS = 10.0

MOST_MEMORY_BYTES = 256 * 1024**2
"""Postgres has no limit for one query: `array_agg(repeat(...))` takes half a gigabyte a second (measured)."""

CONNECTION_ENDED = ("08", "57P")
"""SQLSTATEs, by their beginnings: not the query is to blame, but that Postgres stops or went away."""

_LOOK_SECONDS = 0.05
_LOCAL = ("127.0.0.1", "::1", "localhost", "")


class Reader:
    """Asks as the role that only reads; any number of threads may ask at once.

    Args:
        settings: with IBHELM_READER_DATABASE_URL.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sql = load_queries("mcp")
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def ask(self, query: str, limit: int) -> answers.SqlAnswer:
        """Return the rows of a query.

        Raises:
            PermanentError: Postgres does not take it, or it asks for too much.
            ConfigurationError: there is no reader, or it is none.
            DatabaseUnavailableError, BusyError: it can be tried again.
        """
        query = query.strip().rstrip(";").rstrip()
        if not query or "\0" in query:
            raise _refused("The query is empty, or holds a NUL.")
        with self._connected() as connection, _Watch(connection) as watch, _told(watch):
            connection.execute(self._built("is_one_query", query), binary=True)  # binary: one statement at most
            lines = connection.execute(self._built("answer", query, limit=limit + 1), binary=True).fetchall()
        return _answer(lines, limit)

    def schema(self, table: str | None) -> answers.SchemaAnswer:
        """Return what can be asked: all tables with their columns' names, or one with all about its columns.

        Raises:
            PermanentError: there is no such table.
            ConfigurationError, DatabaseUnavailableError, BusyError: as `ask`.
        """
        with self._connected() as connection, connection.cursor(row_factory=namedtuple_row) as cursor:
            if table is None:
                rows = cursor.execute(self._sql["tables"]).fetchall()
            else:
                rows = cursor.execute(self._sql["table"], {"names": [table.removeprefix("public.")]}).fetchall()
        if table is not None and not rows:
            raise PermanentError(f"There is no table `{table[:100]}`.", next_step="`schema` without a name lists all.")
        return answers.SchemaAnswer(tables=tuple(answers.Table(**row._asdict()) for row in rows))

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Lend a new connection: nothing that one question did to its session reaches the next."""
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise BusyError(f"{AT_ONCE} queries are running already.", next_step="Ask again in a moment.")
        try:
            with connect_as_reader(self._settings, application="mcp sql") as connection, translated_errors():
                connection.read_only = True
                connection.execute(self._sql["limit_session"])
                _refuse_excess(connection)
                yield connection
                connection.rollback()
        finally:
            self._places.release()

    def _built(self, name: str, query: str, *, limit: int = 0) -> sql.Composed:
        """Put the query into a statement of ours, where Postgres sees to it that it stays a query."""
        given = sql.SQL(query)  # the one place where SQL of others is meant to be run
        return sql.SQL(self._sql[name]).format(query=given, limit=limit, most=MOST_BYTES)


class _Watch:
    """Cancels what takes too much memory, where the server is on this machine.

    Args:
        connection: whose query is watched during the block.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory of a query", daemon=True)
        self.has_cancelled = False

    def __enter__(self) -> _Watch:
        if self._connection.info.host in _LOCAL or self._connection.info.host.startswith("/"):
            self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            if _memory_of(self._connection.info.backend_pid) > MOST_MEMORY_BYTES:
                self.has_cancelled = True
                self._connection.cancel_safe()
                return


def _memory_of(pid: int) -> int:
    """Return what a server process holds for itself; 0 where it is not to be seen (in a container, say)."""
    try:
        process = psutil.Process(pid)
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - memory.shared) if process.name().startswith("postgres") else 0


@contextmanager
def _told(watch: _Watch) -> Iterator[None]:
    """Turn what Postgres says against a query into a sentence; what ends a connection passes."""
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        limit = f"{MOST_MEMORY_BYTES // 1024**2} MB of memory" if watch.has_cancelled else "5 seconds"
        raise _refused(f"The query takes more than {limit} and was stopped.") from error
    except psycopg.DatabaseError as error:
        if error.sqlstate is None or error.sqlstate.startswith(CONNECTION_ENDED):
            raise
        raise _refused(f"Postgres does not take the query: {_reason(error)}.") from error


def _reason(error: psycopg.Error) -> str:
    hint = f" ({error.diag.message_hint.rstrip('.')})" if error.diag.message_hint else ""
    return f"{error.diag.message_primary}{hint}"


def _refused(problem: str) -> PermanentError:
    return PermanentError(
        problem,
        next_step="Send one SELECT (or WITH ... SELECT), as narrow as may be; `schema` names tables and columns.",
    )


def _refuse_excess(connection: Connection) -> None:
    grave = [excess.what for excess in may_beyond_reading(connection) if excess.is_grave]
    if grave:
        raise ConfigurationError(
            f"The role of IBHELM_READER_DATABASE_URL is no mere reader: it {', '.join(grave)}.",
            next_step="Name the role ibhelm_reader there, with no further rights; `ibhelm doctor` looks at them.",
        )


def _answer(lines: list[tuple[Any, ...]], limit: int) -> answers.SqlAnswer:
    rows: list[_Object] = []
    size = 0
    for line, line_bytes in lines[:limit]:
        size += line_bytes
        if line is None and not rows:
            raise _refused(
                f"A row has {line_bytes:,} bytes; at most {MOST_BYTES:,} are given: cut it, left(text, 2000)."
            )
        if size > MOST_BYTES:
            return _rows_answer(rows, f"More than {MOST_BYTES:,} bytes: ask for fewer columns, or cut texts.")
        rows.append(json.loads(line, object_pairs_hook=_Object))
    return _rows_answer(rows, f"More than {limit} rows." if len(lines) > limit else None)


class _Object(list[tuple[str, Any]]):
    """An object of JSON as pairs: two columns may have one name."""


def _rows_answer(rows: list[_Object], cut_because: str | None) -> answers.SqlAnswer:
    return answers.SqlAnswer(
        columns=tuple(name for name, _ in rows[0]) if rows else (),
        rows=tuple(tuple(_plain(value) for _, value in row) for row in rows),
        is_complete=cut_because is None,
        cut_because=cut_because,
    )


def _plain(value: Any) -> Any:
    """Return JSON with its objects as they usually are."""
    if isinstance(value, _Object):
        return {name: _plain(each) for name, each in value}
    return [_plain(each) for each in value] if isinstance(value, list) else value
