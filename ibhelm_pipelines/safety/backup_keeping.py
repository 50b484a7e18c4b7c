"""Which backups are kept: of the newest days, weeks and months (grandfather, father, son), by the calendar of Berlin.

Counted are days, weeks and months of which there is a backup, not the time that has passed since: a clock that jumps
ten years ahead makes one backup the newest and expires no more than any other day does. What is dated in the future was
made by a clock that was wrong; it is neither deleted nor counted.

Invariants: the newest good backup stays, whatever the settings; nothing is deleted while the newest attempt failed; a
manifest goes before its dump, so that every backup that is listed is whole.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BackupDamagedError
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety import backup_ledger as ledger
from ibhelm_pipelines.safety.single_run import BACKUP, single_run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.safety.backup_manifest import Manifest
    from ibhelm_pipelines.settings import Settings

BERLIN = ZoneInfo("Europe/Berlin")

AHEAD = dt.timedelta(hours=2)
"""Clocks of two machines that make backups may differ a little."""


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Of how many days, weeks and months the newest backup is kept."""

    days: int
    weeks: int
    months: int


def superfluous(taken: Collection[dt.datetime], keeping: Keeping, *, now: dt.datetime) -> set[dt.datetime]:
    """Return which backups go.

    Args:
        taken: when the good ones were made, with time zones.
        keeping: the rules.
        now: the time to go by.
    """
    past = sorted((moment for moment in taken if moment <= now + AHEAD), reverse=True)
    rules: tuple[tuple[Callable[[dt.date], Hashable], int], ...] = (
        (lambda day: day, max(1, keeping.days)),
        (lambda day: day.isocalendar()[:2], keeping.weeks),
        (lambda day: (day.year, day.month), keeping.months),
    )
    kept: set[dt.datetime] = set()
    for period, count in rules:
        newest: dict[Hashable, dt.datetime] = {}
        for moment in past:
            newest.setdefault(period(moment.astimezone(BERLIN).date()), moment)
        kept.update(islice(newest.values(), count))
    return set(past) - kept


def expire_backups(settings: Settings, *, now: dt.datetime) -> list[str]:
    """Delete the backups that the rules no longer keep, and return the keys of their dumps.

    Args:
        settings: with the rules and the bucket.
        now: the time to go by.

    Raises:
        BusyError: a backup is under way.
        BackupDamagedError: the newest backup is not all there; nothing of that database was deleted.
        ObjectStoreUnavailableError, DatabaseUnavailableError: what was not deleted yet goes next time.
    """
    keeping = Keeping(
        days=settings.backup_keep_daily, weeks=settings.backup_keep_weekly, months=settings.backup_keep_monthly
    )
    expired: list[str] = []
    with single_run(settings, BACKUP) as connection, ObjectStore(settings) as store:
        store.check()
        good: dict[str, list[Manifest]] = {}
        for backup in ledger.bring_in_line(connection, store, settings, now=now):
            if backup.manifest is not None and not backup.problem:
                good.setdefault(backup.manifest.database, []).append(backup.manifest)
        for database, manifests in good.items():
            if _newest_state(connection, database) == "ok":
                expired += _expire(connection, store, manifests, keeping, now=now)
    return expired


def _newest_state(connection: Connection, database: str) -> str:
    with translated_errors():
        rows = connection.execute(load_queries("backups")["newest_state"], {"database": database}).fetchall()
    return str(rows[0][0]) if rows else ""


def _expire(
    connection: Connection, store: ObjectStore, manifests: list[Manifest], keeping: Keeping, *, now: dt.datetime
) -> list[str]:
    by_time = {manifest.taken_at: manifest for manifest in manifests}
    going = superfluous(by_time, keeping, now=now)
    if going:
        _require_there(store, by_time[max(by_time.keys() - going)])
    keys = [by_time[moment].key for moment in sorted(going)]
    for key in keys:
        ledger.delete_backup(connection, store, key, now=now)
    return keys


def _require_there(store: ObjectStore, manifest: Manifest) -> None:
    stored = store.head(manifest.key)
    if stored is None or stored.size != manifest.size_bytes:
        raise BackupDamagedError(
            f"Of the newest backup {manifest.key} {stored.size if stored else 0:,} of {manifest.size_bytes:,} bytes are"
            " there; so no older one is deleted.",
            next_step="Run `ibhelm backup`, and see who deletes from the bucket.",
        )
