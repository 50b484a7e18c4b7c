"""The backups that there are, as the bucket has them. It alone is asked: on the day of need there is no database."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import BackupDamagedError, PermanentError
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.backup_manifest import DATABASE, MOST_BYTES, PREFIX, SUFFIX, Manifest

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Backup:
    """One backup of one database.

    Attributes:
        key: the dump in the bucket.
        manifest_key: what is written beside it.
        manifest: what that says; None when it is damaged.
        problem: why it cannot be relied on; empty when nothing speaks against it.
        expires_at: until when the rules keep it at most; None when it is damaged, for such a one is never deleted.
    """

    key: str
    manifest_key: str
    manifest: Manifest | None
    problem: str = ""
    expires_at: dt.datetime | None = None

    @property
    def taken_at(self) -> dt.datetime | None:
        return None if self.manifest is None else self.manifest.taken_at

    @property
    def is_encrypted(self) -> bool:
        return self.key.endswith(".age")

    def whole(self) -> Manifest:
        """Return the manifest.

        Raises:
            BackupDamagedError: it is damaged, or the dump is not there.
        """
        if self.manifest is None or self.problem:
            raise BackupDamagedError(
                f"The backup {self.key} cannot be used: {self.problem}.",
                next_step="Take another one: `ibhelm backups` lists them.",
            )
        return self.manifest


def list_backups(settings: Settings, *, database: str | None = DATABASE) -> list[Backup]:
    """Return the backups that the bucket has, the newest first.

    Args:
        settings: with the bucket.
        database: of which; None for all.

    Raises:
        ObjectStoreUnavailableError, ConfigurationError: the bucket cannot be asked.
    """
    with ObjectStore(settings) as store:
        store.check()
        return find_backups(store, settings, database=database)


def find_backups(store: ObjectStore, settings: Settings, *, database: str | None = None) -> list[Backup]:
    """Return them likewise from an open store."""
    keys = set(store.list_keys(PREFIX))
    found = [_look(store, settings, key, keys) for key in keys if key.endswith(SUFFIX)]
    wanted = [backup for backup in found if database is None or _database(backup) == database]
    return sorted(wanted, key=lambda backup: backup.manifest_key, reverse=True)


def newest_backup(settings: Settings, *, key: str | None = None, database: str = DATABASE) -> Backup:
    """Return the newest backup, or the one under a key.

    Raises:
        PermanentError: there is none.
        ObjectStoreUnavailableError, ConfigurationError: the bucket cannot be asked.
    """
    for backup in list_backups(settings, database=database):
        if key is None or key in (backup.key, backup.manifest_key):
            return backup
    raise PermanentError(
        f"There is no backup of the database {database} in the bucket {settings.s3_bucket}"
        + (f" under {key}." if key else "."),
        next_step="`ibhelm backups` lists those that there are, `ibhelm backup` makes one.",
    )


def read_manifest(store: ObjectStore, key: str) -> Manifest:
    """Read one manifest.

    Raises:
        BackupDamagedError: it is not there, or not what was written.
        ObjectStoreUnavailableError, ConfigurationError: the bucket cannot be asked.
    """
    found = store.open(key)
    if found is None:
        raise BackupDamagedError(f"The manifest {key} is not there.", next_step="`ibhelm backups` lists what there is.")
    try:
        parts = iter(lambda: found.read(1024 * 1024), b"")
        return Manifest.from_bytes(b"".join(parts) if found.stored.size <= MOST_BYTES else b"", key=key)
    finally:
        found.close()


def _look(store: ObjectStore, settings: Settings, key: str, keys: set[str]) -> Backup:
    try:
        manifest = read_manifest(store, key)
    except BackupDamagedError as error:
        base = key.removesuffix(SUFFIX)
        dump = next((name for name in (f"{base}.dump", f"{base}.dump.age") if name in keys), f"{base}.dump")
        return Backup(key=dump, manifest_key=key, manifest=None, problem=error.problem.removesuffix("."))
    return Backup(
        key=manifest.key,
        manifest_key=key,
        manifest=manifest,
        problem="" if manifest.key in keys else "its dump is no longer in the bucket",
        expires_at=manifest.taken_at + _longest(settings),
    )


def _longest(settings: Settings) -> dt.timedelta:
    """Return how long any backup is kept at most, while one is made every day."""
    months = dt.timedelta(days=31) * (settings.backup_keep_monthly + 1)
    weeks = dt.timedelta(weeks=settings.backup_keep_weekly + 1)
    return max(months, weeks, dt.timedelta(days=settings.backup_keep_daily + 1))


def _database(backup: Backup) -> str:
    if backup.manifest is not None:
        return backup.manifest.database
    _, _, name = backup.manifest_key.removeprefix(PREFIX).removesuffix(SUFFIX).partition(".")
    return name or DATABASE
