"""Restores a backup into an empty database.

Invariants: the dump's hash is checked before pg_restore sees a byte of it; it is restored whole, in one transaction, or
not at all; the result is counted and compared with the manifest; nothing but the bucket and the key file is needed. On
the disk lies only what lies in the bucket: the plain dump of an encrypted backup is nowhere but in the pipe.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from psycopg import sql

from ibhelm_pipelines.db.access import grant_rights, make_roles
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BackupDamagedError, ConfigurationError, PermanentError, TransientError
from ibhelm_pipelines.objects.fetching import Fetched, fetch
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.backup_ledger import bring_in_line
from ibhelm_pipelines.safety.backup_list import newest_backup
from ibhelm_pipelines.safety.backup_manifest import DATABASE
from ibhelm_pipelines.safety.encryption import decrypt, read_identities
from ibhelm_pipelines.safety.postgres_tools import require_not_newer, running
from ibhelm_pipelines.safety.restored_copy import compare

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from pyrage import x25519

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.safety.backup_manifest import Manifest
    from ibhelm_pipelines.safety.encryption import Sink
    from ibhelm_pipelines.safety.restored_copy import Comparison
    from ibhelm_pipelines.settings import Settings

READ_BYTES = 1024 * 1024

_NOT_RESTORED = (" DEFAULT ACL ", " ACL pg_catalog ", " ACL - LANGUAGE ", " COMMENT - EXTENSION ")
"""Entries of a dump that name the former owner or need a superuser; db.access says the same again."""


@dataclass(frozen=True, kw_only=True)
class DatabaseRestore:
    """What was restored.

    Attributes:
        manifest: the backup.
        comparison: of the result with it.
        seconds: it took.
    """

    manifest: Manifest
    comparison: Comparison
    seconds: float


def restore_database(
    settings: Settings,
    *,
    url: str,
    now: dt.datetime,
    key: str | None = None,
    database: str = DATABASE,
    on_progress: Callable[[str], None] | None = None,
) -> DatabaseRestore:
    """Restore a backup into an empty database and let it know the backups that there are.

    Args:
        settings: with the bucket and the key file.
        url: of the empty database, as the role that is to own all in it.
        now: the time to go by.
        key: of the dump; the newest one when left out.
        database: of which a backup is looked for.
        on_progress: told what is being done.

    Raises:
        PermanentError: there is no such backup, pg_restore failed, or the result is not what was dumped.
        BackupDamagedError: the backup is not what it was; nothing was restored.
        ConfigurationError: the database is not empty, or the key is missing or another one.
        TransientError: a server went away or a disk is full; nothing was restored.
    """
    backup = newest_backup(settings, key=key, database=database)
    restored = restore_backup(settings, backup.whole(), url=url, on_progress=on_progress)
    if restored.comparison.problems:
        raise PermanentError(
            f"The restored database is not what was dumped: {' '.join(restored.comparison.problems)}",
            next_step="Do not use it: drop it and restore another backup (`ibhelm backups`).",
        )
    _make_usable(settings, url, now=now)
    return restored


def restore_backup(
    settings: Settings, manifest: Manifest, *, url: str, on_progress: Callable[[str], None] | None = None
) -> DatabaseRestore:
    """Restore a backup into an empty database, and compare; arguments and errors as of `restore_database`."""
    tell, begun = on_progress or (lambda _: None), time.monotonic()
    identities = _identities(settings, manifest)
    with connect(url, application="restore", autocommit=True) as connection:
        require_not_newer(connection.info.server_version)
        require_empty(connection)
        with _fetched(settings, manifest, tell) as file:
            _make_roles(connection, manifest)
            tell("restoring")
            _restore(url, file, identities)
        tell("comparing")
        comparison = compare(connection, manifest)
    return DatabaseRestore(manifest=manifest, comparison=comparison, seconds=time.monotonic() - begun)


def fetch_and_verify(settings: Settings, manifest: Manifest) -> None:
    """Read a whole dump from the bucket and make sure that it is what was stored; errors as of `restore_database`."""
    with _fetched(settings, manifest, lambda _: None):
        return


def require_empty(connection: Connection) -> None:
    """Make sure that a database has no tables.

    Raises:
        ConfigurationError: it has.
    """
    with translated_errors():
        tables = [name for (name,) in connection.execute(load_queries("backups")["own_relations"])]
    if tables:
        raise ConfigurationError(
            f"The database {connection.info.dbname} is not empty: it has {len(tables)} tables, such as {tables[0]}.",
            next_step="Name an empty one, or say --replace: the present one is kept under another name then.",
        )


def _identities(settings: Settings, manifest: Manifest) -> list[x25519.Identity]:
    identities = read_identities(settings)
    if manifest.recipients and not identities:
        raise ConfigurationError(
            f"The backup {manifest.key} is encrypted for {', '.join(manifest.recipients)}, and no key is known here.",
            next_step="Set IBHELM_BACKUP_IDENTITY_FILE to the file with the secret key.",
        )
    return identities if manifest.recipients else []


@contextmanager
def _fetched(settings: Settings, manifest: Manifest, tell: Callable[[str], None]) -> Iterator[IO[bytes]]:
    """Give the dump as a file, as it is stored, after its size and hash were found to be right."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.state_dir) as file:
        try:
            found = _fetch(settings, manifest, file, tell)
        except OSError as error:
            raise TransientError(
                f"The backup cannot be put into {settings.state_dir}: {error.strerror}.",
                next_step=f"It takes {manifest.size_bytes / 1e6:,.0f} MB there; free some, or set IBHELM_STATE_DIR.",
            ) from error
        if found is not Fetched.WHOLE:
            raise BackupDamagedError(
                f"The backup {manifest.key} is {found.value}: it is not what was stored at {manifest.finished_at}.",
                next_step="Nothing was restored. Take another one: `ibhelm backups` lists them.",
            )
        file.seek(0)
        yield file


def _fetch(settings: Settings, manifest: Manifest, file: IO[bytes], tell: Callable[[str], None]) -> Fetched:
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        tell(f"fetched {done / 1e6:,.0f} of {manifest.size_bytes / 1e6:,.0f} MB")

    with ObjectStore(settings) as store:
        found = fetch(
            store,
            manifest.key,
            cast("BinaryIO", file),
            sha256=manifest.sha256,
            size=manifest.size_bytes,
            on_bytes=on_bytes,
        )
    file.flush()
    return found


def _make_roles(connection: Connection, manifest: Manifest) -> None:
    """Make the roles to whom the dump gives rights; who they are to the server, the admin says."""
    with translated_errors():
        make_roles(connection)
        known = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for role in sorted(manifest.grants.keys() - known - {"public"}):
            connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(role)))


def _restore(url: str, file: IO[bytes], identities: list[x25519.Identity]) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".list") as entries:
        entries.writelines(line for line in _entries(file, identities) if not any(e in line for e in _NOT_RESTORED))
        entries.flush()
        file.seek(0)
        options = ("--single-transaction", "--exit-on-error", "--no-owner", f"--use-list={entries.name}")
        with running("pg_restore", *options, url=url, reads=True) as tool:
            _feed(file, tool.stdin, identities)
            tool.finish()


def _entries(file: IO[bytes], identities: list[x25519.Identity]) -> list[str]:
    """Return the dump's table of contents; pg_restore stops reading behind it."""
    with (
        tempfile.TemporaryFile() as said,
        running("pg_restore", "--list", url="", reads=True, output=said) as tool,
    ):
        _feed(file, tool.stdin, identities)
        tool.finish()
        said.seek(0)
        return said.read().decode().splitlines(keepends=True)


def _feed(file: IO[bytes], sink: BinaryIO, identities: list[x25519.Identity]) -> None:
    """Pass the plain dump on. A program that wants no more of it says by its status whether that is well."""
    with suppress(BrokenPipeError):
        if identities:
            decrypt(file, sink, identities)
        else:
            _copy(file, sink)


def _copy(file: IO[bytes], sink: Sink) -> None:
    while data := file.read(READ_BYTES):
        sink.write(data)


def _make_usable(settings: Settings, url: str, *, now: dt.datetime) -> None:
    """Say who may do what, let the planner know the tables, and take over the backups made since."""
    with connect(url, application="restore", autocommit=True) as connection, translated_errors():
        grant_rights(connection)
        connection.execute("analyze")
        [(knows_backups,)] = connection.execute("select to_regclass('ops.backups') is not null").fetchall()
        if knows_backups:
            with ObjectStore(settings) as store:
                bring_in_line(connection, store, settings, now=now)
