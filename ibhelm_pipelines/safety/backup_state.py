"""How things stand with backups, for `ibhelm doctor`: programs, keys, the newest one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from ibhelm_pipelines.alerts.message import local_time
from ibhelm_pipelines.errors import ConfigurationError, ObjectStoreUnavailableError
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.encryption import opens_all, read_identities, read_recipients
from ibhelm_pipelines.safety.postgres_tools import tools_version

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

OLDEST = dt.timedelta(hours=26)


def describe_backups(settings: Settings) -> str:
    """Say with what backups are made, for whom they are encrypted, and when the newest was made.

    Raises:
        ConfigurationError: a key cannot be used, the key here does not open what is encrypted, the newest backup is
            damaged or too old.
    """
    return f"pg_dump {tools_version()}; {_keys(settings)}; {_newest(settings)}"


def _keys(settings: Settings) -> str:
    count, identities = len(read_recipients(settings)), read_identities(settings)
    if not count:
        return "not encrypted: whoever reads the bucket reads everything (IBHELM_BACKUP_RECIPIENTS)"
    if identities and not opens_all(settings):
        raise ConfigurationError(
            "The key in IBHELM_BACKUP_IDENTITY_FILE does not open the backups that are made now.",
            next_step="Add its public part (`age-keygen -y FILE`) to IBHELM_BACKUP_RECIPIENTS, or name the right file.",
        )
    here = "the key here opens them" if identities else "no key here, so the drill compares hashes only"
    return f"encrypted for {count} keys, {here}"


def _newest(settings: Settings) -> str:
    if settings.s3_endpoint is None:
        return "no bucket is known"
    try:
        backups = list_backups(settings)
    except (ObjectStoreUnavailableError, ConfigurationError):  # of S3 itself doctor speaks elsewhere
        return "the bucket cannot be asked, so the newest is not known"
    if not backups:
        return "there is none yet"
    newest = backups[0]
    manifest = newest.whole()
    if manifest.taken_at < dt.datetime.now(dt.UTC) - OLDEST:
        raise ConfigurationError(
            f"The newest of {len(backups)} backups is from {local_time(manifest.taken_at)}.",
            next_step="Run `ibhelm backup`, and see in the Dagster UI why the daily ones failed.",
        )
    return f"the newest of {len(backups)} is from {local_time(manifest.taken_at)}, {manifest.size_bytes / 1e6:,.1f} MB"
