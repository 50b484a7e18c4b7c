"""All that the platform does with an office from morning to night, as stages that the drills run, kill and repeat."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.steps import open_steps, run_step
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.safety.backup import back_up
from ibhelm_pipelines.safety.backup_keeping import expire_backups
from ibhelm_pipelines.safety.bucket_restore import restore_from_bucket
from ibhelm_pipelines.safety.manifests import write_manifests
from ibhelm_pipelines.safety.purge import purge
from ibhelm_pipelines.safety.restore import restore
from ibhelm_pipelines.safety.verification import verify_mirror
from ibhelm_pipelines.vendors.missive import sync as missive
from ibhelm_pipelines.vendors.teamwork import sync as teamwork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings

    Stage = Callable[[Settings, dt.datetime, Path], object]


HOUR = dt.timedelta(hours=1)


def derive(settings: Settings) -> None:
    """Make previews and read texts."""
    with open_steps(settings) as steps:
        steps.run("thumbnail")
        steps.run("text")


def read_missive(settings: Settings) -> None:
    """Read all of Missive, and what has changed meanwhile."""
    due = missive.sync(settings, full=True, confirm_deletions=True).due
    while due:
        due = missive.sync(settings).due


BY_DAY: dict[str, Stage] = {
    "scan": lambda settings, _now, _folder: scan(settings),
    "store": lambda settings, _now, _folder: run_step("store", settings),
    "derive": lambda settings, _now, _folder: derive(settings),
    "teamwork": lambda settings, _now, _folder: teamwork.sync(settings, full=True, confirm_deletions=True),
    "missive": lambda settings, _now, _folder: read_missive(settings),
}
BY_NIGHT: dict[str, Stage] = {
    "manifests": lambda settings, now, _folder: write_manifests(settings, now=now),
    "backup": lambda settings, now, _folder: back_up(settings, now=now),
    "expiry": lambda settings, now, _folder: expire_backups(settings, now=now),
    "verification": lambda settings, now, _folder: verify_mirror(settings, now=now),
    "retention": lambda settings, now, _folder: purge(settings, now=now, dry_run=False),
}
RESTORES: dict[str, Stage] = {
    "restore": lambda settings, now, folder: restore(settings, "", at=now + HOUR, target=folder / "tables"),
    "bucket restore": lambda settings, _, folder: restore_from_bucket(settings, "", at=None, target=folder / "bucket"),
}
"""As of the end of what was done just now."""
