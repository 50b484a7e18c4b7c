"""Applies `sql/migrations/NNNN_name.sql` in order, each once, each in a transaction of its own.

Safe to run twice and by two processes at once: an advisory lock makes the second one wait and then find nothing to
do. A file that was changed after it ran is refused, because the database would no longer be what the files say.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.access import grant_rights
from ibhelm_pipelines.db.connect import Connection, connect
from ibhelm_pipelines.errors import ConfigurationError, PermanentError
from ibhelm_pipelines.packaged import packaged_path

if TYPE_CHECKING:
    from pathlib import Path

import psycopg

_FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 0x1B_4E_10  # any constant: the advisory lock that migrating processes meet at

_CREATE_LEDGER = """
create schema if not exists ops;
create table if not exists ops.migrations (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
);
comment on table ops.migrations is 'Which migration files have run, and the checksum that each had';
"""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One migration file."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """Return the migrations of a folder in their order.

    Raises:
        ConfigurationError: a file name does not fit, or two files carry one number.
    """
    folder = folder or packaged_path("sql") / "migrations"
    files = sorted(folder.glob("*.sql"))
    numbers = [match.group(1) for file in files if (match := _FILE_NAME.match(file.name))]
    if len(numbers) != len(files) or len(set(numbers)) != len(numbers):
        raise ConfigurationError(
            f"The migrations in {folder} are not numbered NNNN_name.sql, each number once.", next_step="Rename them."
        )
    return [Migration(name=file.stem, sql=file.read_text(encoding="utf-8")) for file in files]


def migrate(url: str, *, folder: Path | None = None) -> list[str]:
    """Bring the database up to date and return the names of the migrations that ran now.

    Args:
        url: a connection URL of the owner role.
        folder: where the migration files are; by default the ones of this installation.

    Raises:
        PermanentError: a migration failed (it left nothing behind) or a file was changed after it ran.
        DatabaseUnavailableError: the server does not answer.
    """
    with connect(url, application="migrate", autocommit=True) as connection:
        connection.execute("set lock_timeout = 0")  # the second process waits for the first
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        if not _has_ledger(connection):  # asked first, so that a role without DDL rights may find nothing to do
            connection.execute(_CREATE_LEDGER)
        done = _read_ledger(connection)
        applied = [m.name for m in read_migrations(folder) if _apply(connection, m, done.get(m.name))]
        if folder is None:
            grant_rights(connection)  # a database that came from a dump has the tables, but not these
        return applied


def pending(connection: Connection) -> list[str]:
    """Return the names of the migrations of this installation that this database has not seen."""
    done = _read_ledger(connection) if _has_ledger(connection) else {}
    return [migration.name for migration in read_migrations() if migration.name not in done]


def _has_ledger(connection: Connection) -> bool:
    row = connection.execute("select to_regclass('ops.migrations') is not null").fetchone()
    return row is not None and bool(row[0])


def _read_ledger(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("select name, sha256 from ops.migrations").fetchall())


def _apply(connection: Connection, migration: Migration, applied_sha256: str | None) -> bool:
    if applied_sha256 == migration.sha256:
        return False
    if applied_sha256 is not None:
        raise PermanentError(
            f"Migration {migration.name} was changed after it ran.",
            next_step="Restore the file and write a new migration instead.",
        )
    try:
        with connection.transaction():
            connection.execute(migration.sql)
            connection.execute(
                "insert into ops.migrations (name, sha256) values (%s, %s)", [migration.name, migration.sha256]
            )
    except psycopg.DatabaseError as error:
        raise PermanentError(
            f"Migration {migration.name} failed and left nothing behind: {str(error).strip()}.",
            next_step="Correct the cause and run `ibhelm migrate` again.",
        ) from error
    return True
