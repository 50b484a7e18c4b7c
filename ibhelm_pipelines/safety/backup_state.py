"""How things stand with backups, for `ibhelm doctor`: programs, keys, the newest one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from ibhelm_pipelines.alerts.message import local_time
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError, DatabaseUnavailableError, ObjectStoreUnavailableError
from ibhelm_pipelines.local.doctor import Advice
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.encryption import opens_all, read_identities, read_recipients
from ibhelm_pipelines.safety.postgres_tools import tools_version

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

OLDEST = dt.timedelta(hours=26)


def describe_encryption(settings: Settings) -> str | Advice:
    """Say for whom backups are encrypted.

    Raises:
        ConfigurationError: a key cannot be used, or the key here does not open what is encrypted.
    """
    count, identities = len(read_recipients(settings)), read_identities(settings)
    if not count:
        return Advice(
            "none: whoever reads the bucket reads every mail.",
            next_step="Make a key and set IBHELM_BACKUP_RECIPIENTS; docs/backup.md shows how.",
        )
    if identities and not opens_all(settings):
        raise ConfigurationError(
            "The key in IBHELM_BACKUP_IDENTITY_FILE does not open the backups that are made now.",
            next_step="Add its public part (`age-keygen -y FILE`) to IBHELM_BACKUP_RECIPIENTS, or name the right file.",
        )
    here = "the key here opens them" if identities else "no key here, so the drill compares hashes only"
    return f"for {count} keys, {here}"


def describe_backups(settings: Settings) -> str:
    """Say with what backups are made, and when the newest was.

    Raises:
        ConfigurationError: the newest backup is damaged or too old, or there is none after the first day.
    """
    tool = f"pg_dump {tools_version()}"
    if settings.s3_endpoint is None:
        return f"{tool}; no bucket is known"
    try:
        backups = list_backups(settings)
    except (ObjectStoreUnavailableError, ConfigurationError):  # of S3 itself doctor speaks elsewhere
        return f"{tool}; the bucket cannot be asked, so the newest is not known"
    if not backups:
        return _without_any(settings, tool)
    manifest = backups[0].whole()
    if manifest.taken_at < dt.datetime.now(dt.UTC) - OLDEST:
        raise ConfigurationError(
            f"The newest of {len(backups)} backups is from {local_time(manifest.taken_at)}.",
            next_step="Run `ibhelm backup`, and see in the Dagster UI why the daily ones failed.",
        )
    size = f"{manifest.size_bytes / 1e6:,.1f} MB"
    return f"{tool}; the newest of {len(backups)} is from {local_time(manifest.taken_at)}, {size}"


def _without_any(settings: Settings, tool: str) -> str:
    """Say that there is none, which is as it should be only on the first day."""
    since = _since(settings)
    if since is None or since >= dt.datetime.now(dt.UTC) - OLDEST:
        return f"{tool}; there is none yet"
    raise ConfigurationError(
        f"There is no backup, though the database is there since {local_time(since)}.",
        next_step="Run `ibhelm backup` now, and see in the Dagster UI why the daily ones failed or never began.",
    )


def _since(settings: Settings) -> dt.datetime | None:
    """Return since when there is something to back up; None where nobody knows."""
    if settings.database_url is None:
        return None
    sql, url = load_queries("backups"), settings.require_database_url()
    try:
        with translated_errors(), connect(url, application="doctor", autocommit=True) as connection:
            [(is_ours,)] = connection.execute(sql["is_ours"]).fetchall()
            rows: list[tuple[dt.datetime | None]] = connection.execute(sql["set_up"]).fetchall() if is_ours else []
    except (DatabaseUnavailableError, ConfigurationError):  # of Postgres itself doctor speaks elsewhere
        return None
    return rows[0][0] if rows else None
