"""Connections to Postgres with the safety belts on.

Every session runs in UTC, gives up waiting for a lock, and is ended by the server when it idles inside a
transaction, so that a stuck client never blocks the office. Connection failures become `DatabaseUnavailableError`
here, once, so that callers branch on our types.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from ibhelm_pipelines.errors import ConfigurationError, DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection = psycopg.Connection[TupleRow]
Pool = ConnectionPool[Connection]

SESSION_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "timezone": "UTC",
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "10min",
    }.items()
)
CONNECT_TIMEOUT_SECONDS = 10
POOL_WAIT_SECONDS = 30.0
RECONNECT_SECONDS = 3.0
"""A pool doubles its pauses between attempts until it gives up; the next who asks for a connection starts afresh.

With psycopg's five minutes it may sleep for two more after Postgres is back.
"""


def _session(url: str, application: str) -> dict[str, Any]:
    _require_readable(url)
    return {
        "conninfo": url,
        "options": SESSION_OPTIONS,
        "application_name": f"ibhelm {application}",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    }


def _require_readable(url: str) -> None:
    """Refuse a malformed URL in our own words: libpq's quote the piece that it stumbles over, often the password."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            "The URL of a Postgres database cannot be read.",
            next_step="Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE in IBHELM_DATABASE_URL, signs such as"
            " % / @ and spaces in the password as %25, %2F, %40 and %20.",
        ) from None


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn a lost or refused connection into `DatabaseUnavailableError`; every other database error passes."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            f"Postgres does not answer, or gave up: {str(error).strip()}.",
            next_step="`ibhelm up` starts the embedded one; of another one, check address and password in"
            " IBHELM_DATABASE_URL.",
        ) from error


def connect(url: str, *, application: str, autocommit: bool = False) -> Connection:
    """Open one connection.

    Args:
        url: a libpq connection URL.
        application: what the connection is for; shown in pg_stat_activity.
        autocommit: whether each statement is its own transaction.

    Raises:
        DatabaseUnavailableError: the server refuses or does not answer within 10 seconds.
        ConfigurationError: the URL is none.
    """
    with translated_errors():
        return psycopg.connect(autocommit=autocommit, **_session(url, application))


@contextmanager
def open_pool(
    url: str, *, application: str, max_size: int = 4, wait_seconds: float = POOL_WAIT_SECONDS
) -> Iterator[Pool]:
    """Open a pool for the length of the block; connections are checked before they are lent.

    Args:
        url: a libpq connection URL.
        application: what the connections are for.
        max_size: most connections at the same moment.
        wait_seconds: who gets none within this time is told that Postgres does not answer.
    """
    session = _session(url, application)
    conninfo = session.pop("conninfo")
    with ConnectionPool(
        conninfo,
        kwargs=session,
        min_size=1,
        max_size=max_size,
        open=True,
        check=ConnectionPool.check_connection,
        reconnect_timeout=RECONNECT_SECONDS,
        timeout=wait_seconds,
    ) as pool:
        yield pool
