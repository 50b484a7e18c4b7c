"""`ops.backups`: what was tried and what came of it, kept in line with what the bucket really has.

Invariants: whoever makes or expires backups holds `single_run.BACKUP`; what a killed one left is cleared before the
next; a dump is deleted only if the table knows it as one of ours that failed or expired.
"""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import TYPE_CHECKING

import structlog

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.redaction import Redactor
from ibhelm_pipelines.safety.backup_list import find_backups
from ibhelm_pipelines.safety.backup_manifest import PREFIX, SUFFIX, Manifest, dump_key, manifest_key

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.objects.store import ObjectStore
    from ibhelm_pipelines.safety.backup_list import Backup
    from ibhelm_pipelines.settings import Settings


def free_moment(connection: Connection, store: ObjectStore, database: str, *, now: dt.datetime) -> dt.datetime:
    """Return the first moment, second by second from now on, whose name nothing has and no backup ever had.

    Args:
        connection: that holds the lock of backups.
        store: the bucket.
        database: whose backup is to be named.
        now: the time to go by.

    Raises:
        ObjectStoreUnavailableError, ConfigurationError: the bucket cannot be asked.
        DatabaseUnavailableError: Postgres does not answer.
    """
    with translated_errors():
        tried = {key for (key,) in connection.execute(load_queries("backups")["tried_keys"])}
    keys = tried.union(store.list_keys(PREFIX))
    # By the manifest, for an encrypted dump and a plain one of the same second would share it.
    taken = {key if key.endswith(SUFFIX) else manifest_key(key) for key in keys}
    moments = (now + dt.timedelta(seconds=seconds) for seconds in count())
    return next(each for each in moments if manifest_key(dump_key(database, each, encrypted=False)) not in taken)


def begin(connection: Connection, database: str, key: str, *, now: dt.datetime) -> None:
    """Note that a backup is under way; before it, for what is killed must be known."""
    values = {"database": database, "key": key, "started_at": now, "encrypted": key.endswith(".age")}
    with translated_errors():
        connection.execute(load_queries("backups")["begin_backup"], values)


def end(connection: Connection, manifest: Manifest) -> None:
    """Note that it is there, whole."""
    with translated_errors():
        connection.execute(load_queries("backups")["end_backup"], _values(manifest))


def fail(connection: Connection, settings: Settings, key: str, error: BaseException, *, now: dt.datetime) -> None:
    """Note why there is no such backup. Where Postgres is away nothing is noted; whoever looks finds it too old."""
    reason = Redactor(settings).text(str(error) or f"It was interrupted ({type(error).__name__}).")
    try:
        with translated_errors():
            connection.execute(load_queries("backups")["fail_backup"], {"key": key, "error": reason, "now": now})
    except DatabaseUnavailableError as away:
        structlog.get_logger().warning("failed_backup_not_noted", key=key, reason=away.problem)


def bring_in_line(connection: Connection, store: ObjectStore, settings: Settings, *, now: dt.datetime) -> list[Backup]:
    """Let the table say what the bucket says, clear what killed backups left, and return all backups, newest first.

    Args:
        connection: that holds the lock of backups.
        store: the bucket.
        settings: of this process.
        now: the time to go by.

    Raises:
        ObjectStoreUnavailableError, ConfigurationError: the bucket cannot be asked.
        DatabaseUnavailableError: Postgres does not answer.
    """
    sql = load_queries("backups")
    backups = find_backups(store, settings)
    whole = {backup.key: backup.manifest for backup in backups if backup.manifest and not backup.problem}
    with translated_errors():
        known = {key for (key,) in connection.execute(sql["known_keys"])}
        connection.execute(sql["note_gone"], {"keys": sorted(known - whole.keys()), "now": now})
        for key in whole.keys() - known:
            connection.execute(sql["adopt_backup"], _values(whole[key]))
        interrupted = [key for (key,) in connection.execute(sql["interrupted_backups"])]
    for key in interrupted:
        store.abort_unfinished(key)
        fail(connection, settings, key, InterruptedError("Its process was killed."), now=now)
    _delete_leftovers(connection, store, {backup.manifest_key for backup in backups})
    return backups


def drilled_backups(settings: Settings) -> dict[str, str]:
    """Return what the last drill of each backup found, by the key of the dump.

    Raises:
        ConfigurationError, DatabaseUnavailableError: the table cannot be asked.
    """
    url = settings.require_database_url()
    with connect(url, application="backups", autocommit=True) as connection, translated_errors():
        return dict(connection.execute(load_queries("backups")["newest_drills"]).fetchall())


def delete_backup(connection: Connection, store: ObjectStore, key: str, *, now: dt.datetime) -> None:
    """Delete a backup: the manifest, which makes it one, first. A kill in between leaves a dump that is known as none.

    Raises:
        ObjectStoreUnavailableError, ConfigurationError, DatabaseUnavailableError: the rest goes next time.
    """
    store.delete(manifest_key(key))
    with translated_errors():
        connection.execute(load_queries("backups")["note_gone"], {"keys": [key], "now": now})
    store.delete(key)


def _delete_leftovers(connection: Connection, store: ObjectStore, manifests: set[str]) -> None:
    """Delete dumps without a manifest that are known to be none: an unknown one may be somebody's last hope."""
    dumps = {key for key in store.list_keys(PREFIX) if not key.endswith(SUFFIX)}
    alone = [key for key in dumps if manifest_key(key) not in manifests]
    with translated_errors():
        rows = connection.execute(load_queries("backups")["useless_dumps"], {"keys": alone}).fetchall()
    for (key,) in rows:
        store.delete(key)


def _values(manifest: Manifest) -> dict[str, object]:
    return {
        "database": manifest.database,
        "key": manifest.key,
        "started_at": manifest.taken_at,
        "finished_at": manifest.finished_at,
        "size_bytes": manifest.size_bytes,
        "sha256": manifest.sha256,
        "encrypted": bool(manifest.recipients),
        "tables": len(manifest.tables),
        "row_count": manifest.rows,
    }
