"""Puts a restored database into the place of one that has tables.

Invariant: the present one stays, under another name, until the admin drops it; and it stays where it is as long as the
restored one is not whole.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.safety import scratch_database
from ibhelm_pipelines.safety.backup_manifest import DATABASE
from ibhelm_pipelines.safety.database_restore import restore_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.safety.database_restore import DatabaseRestore
    from ibhelm_pipelines.settings import Settings

LONGEST_PART = 32
"""Of a database's name in the names beside it: Postgres cuts names off after 63 bytes without a word."""


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """What took whose place.

    Attributes:
        restored: the new one.
        former: how the former one is called now.
    """

    restored: DatabaseRestore
    former: str


def name_of(url: str) -> str:
    """Return the name of the database of a URL."""
    return str(conninfo_to_dict(url).get("dbname") or "postgres")


def make_if_missing(url: str) -> None:
    """Make the database of a URL, where the server has none of that name.

    Raises:
        ConfigurationError: the role may not.
        DatabaseUnavailableError: the server does not answer.
    """
    name = name_of(url)
    with scratch_database.server_of(url) as server:
        [(found,)] = server.execute(load_queries("backups")["has_database"], {"name": name}).fetchall()
        if not found:
            scratch_database.create(server, name)


def has_tables(url: str) -> bool:
    """Return whether the database of a URL has any table.

    Raises:
        DatabaseUnavailableError: the server does not answer, or has no such database.
    """
    with connect(url, application="restore", autocommit=True) as connection, translated_errors():
        return bool(connection.execute(load_queries("backups")["own_relations"]).fetchall())


def replace_database(
    settings: Settings,
    *,
    url: str,
    now: dt.datetime,
    key: str | None = None,
    database: str = DATABASE,
    on_progress: Callable[[str], None] | None = None,
) -> Replaced:
    """Restore beside a database and let the two change places; arguments and errors as of `restore_database`.

    Raises:
        ConfigurationError: somebody is connected to the database, or the role may not make or rename databases.
    """
    name, stamp = name_of(url), f"{now.astimezone(dt.UTC):%Y%m%d%H%M%S}"
    fresh, former = f"{name[:LONGEST_PART]}_restored_{stamp}", f"{name[:LONGEST_PART]}_before_{stamp}"
    with scratch_database.server_of(url) as server:
        _require_nobody(server, name)
        scratch_database.create(server, fresh)
        try:
            target = scratch_database.in_database(url, fresh)
            restored = restore_database(
                settings, url=target, now=now, key=key, database=database, on_progress=on_progress
            )
            _require_nobody(server, name)
        except BaseException:
            scratch_database.drop(server, fresh)
            raise
        with server.transaction():
            for old, new in ((name, former), (fresh, name)):
                statement = sql.SQL("alter database {} rename to {}")
                server.execute(statement.format(sql.Identifier(old), sql.Identifier(new)))
    return Replaced(restored=restored, former=former)


def _require_nobody(server: Connection, name: str) -> None:
    sessions = [str(who) for (who,) in server.execute(load_queries("backups")["sessions"], {"name": name})]
    if sessions:
        raise ConfigurationError(
            f"The database {name} is in use: {', '.join(sorted(set(sessions)))}.",
            next_step="Stop what uses it (`ibhelm down`, the containers, NocoDB), then try again.",
        )
