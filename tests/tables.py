"""What the tables of a test say, over one connection that lasts as long as the test: a new one for every question would
cost more than the question."""

from __future__ import annotations

from threading import Lock
from typing import Any

import psycopg

_connections: dict[str, psycopg.Connection] = {}
_lock = Lock()


def ask(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask or change something and commit; over a new connection when a restart of Postgres ended the last one."""
    with _lock:
        old = _connections.get(url)
        if old is not None:
            try:
                return _rows(old, query, values)
            except psycopg.OperationalError:
                if not old.broken:
                    raise
                old.close()
        _connections[url] = psycopg.connect(url, autocommit=True)
        return _rows(_connections[url], query, values)


def close() -> None:
    """Let go of all connections, at the end of a test or because nobody may be connected."""
    with _lock:
        while _connections:
            _connections.popitem()[1].close()


def _rows(connection: psycopg.Connection, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    cursor = connection.execute(query, values)  # type: ignore[arg-type]  # psycopg asks for literals; tests build theirs
    return cursor.fetchall() if cursor.description is not None else []
