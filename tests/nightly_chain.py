"""All that the platform does with an office from morning to night, as functions of the moment: what the drills run,
kill and repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.content.steps import open_steps, run_step
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.vendors.missive import sync as missive
from ibhelm_pipelines.vendors.teamwork import sync as teamwork

if TYPE_CHECKING:
    import datetime as dt

    from ibhelm_pipelines.settings import Settings


def by_day(settings: Settings) -> None:
    """See what changed, derive what people look at, read all that the vendors say."""
    scan(settings)
    with open_steps(settings) as steps:
        for step in ("store", "thumbnail", "text"):
            steps.run(step)
    teamwork.sync(settings, full=True, confirm_deletions=True)
    while missive.sync(settings, full=True, confirm_deletions=True).due:
        pass


def by_night(settings: Settings, now: dt.datetime) -> None:
    """Make sure that nothing is lost, and that what may go goes."""
    run_step("store", settings)
