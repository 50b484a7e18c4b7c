"""Somebody who has the password of the role that only reads, and means harm."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

READER = "ibhelm_reader"
PASSWORD = "password of the reader"


def reader_url(owner_url: str) -> str:
    """Let the reader log in, and return its URL of the same database."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(sql.SQL("alter role {} login password {}").format(sql.Identifier(READER), PASSWORD))
    parts = psycopg.conninfo.conninfo_to_dict(owner_url)
    password = PASSWORD.replace(" ", "%20")
    return f"postgresql://{READER}:{password}@{parts['host']}:{parts['port']}/{parts['dbname']}"


@contextmanager
def unbound_reader(owner_url: str) -> Iterator[psycopg.Connection]:
    """A session that has put off every limit that a session may put off."""
    with psycopg.connect(reader_url(owner_url), autocommit=True) as connection:
        for limit in ("default_transaction_read_only = off", "statement_timeout = 0", "lock_timeout = 0"):
            connection.execute(f"set {limit}".encode())
        yield connection
