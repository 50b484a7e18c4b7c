"""Databases that exist for a while: made beside a real one, renamed or dropped. What a killed process left is dropped
by the next, told by its name.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.db.connect import Connection

MAINTENANCE = "postgres"


def in_database(url: str, name: str) -> str:
    """Return the URL of another database of the same server, for the same role."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name, safe='')}"))


@contextmanager
def server_of(url: str) -> Iterator[Connection]:
    """Connect to the server of a database, beside all databases that we make or drop.

    Raises:
        DatabaseUnavailableError: it does not answer.
    """
    maintenance = in_database(url, MAINTENANCE)
    with connect(maintenance, application="restore", autocommit=True) as connection, translated_errors():
        yield connection


def create(connection: Connection, name: str) -> None:
    """Create an empty database. A role that may not make the extension `vector` finds it, if it is in template1.

    Raises:
        ConfigurationError: the role may not.
    """
    try:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"The role {connection.info.user} may not create databases.",
            next_step="Let a superuser run `alter role ... createdb`. Or set IBHELM_DRILL_DATABASE_URL for the drill;"
            " restore --into an empty database that is there.",
        ) from error


def drop(connection: Connection, name: str) -> None:
    """Drop a database, whoever is connected to it; one that is not there is no error."""
    connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def drop_left(connection: Connection, prefix: str) -> list[str]:
    """Drop the databases whose names begin so; return their names."""
    found = [name for (name,) in connection.execute(load_queries("backups")["scratch_databases"], {"prefix": prefix})]
    for name in found:
        drop(connection, name)
    return found
