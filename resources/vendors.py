"""What runs, schedules and alerts have to know of each vendor that is read: its job, its assets, whether it is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.vendors.missive import sync as missive
from ibhelm_pipelines.vendors.teamwork import sync as teamwork
from resources.lanes import MISSIVE_ASSETS, MISSIVE_SYNC_JOB, TEAMWORK_ASSETS, TEAMWORK_SYNC_JOB

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One vendor.

    Attributes:
        name: as in the tables and settings.
        job: that reads it.
        op: of that job.
        assets: whose work the job does.
        windows: settings of the op that make a run a backfill of a part.
    """

    name: str
    job: str
    op: str
    assets: frozenset[str]
    windows: tuple[str, ...]
    is_connected: Callable[[Settings], bool]
    switch_off: Callable[[Settings], None]

    @property
    def off(self) -> str:
        """Return why nothing is read when it is off."""
        return f"{self.name.capitalize()} is off: IBHELM_{self.name.upper()}_TOKEN is not set."

    def is_on(self, settings: Settings) -> bool:
        """Return whether it is connected; if not, write that down: then nothing of it is late.

        Raises:
            DatabaseUnavailableError: Postgres does not answer.
        """
        if self.is_connected(settings):
            return True
        self.switch_off(settings)
        return False


TEAMWORK = Vendor(
    name="teamwork",
    job=TEAMWORK_SYNC_JOB,
    op="read_teamwork",
    assets=TEAMWORK_ASSETS,
    windows=("projects", "since", "until"),
    is_connected=teamwork.is_connected,
    switch_off=teamwork.switch_off,
)
MISSIVE = Vendor(
    name="missive",
    job=MISSIVE_SYNC_JOB,
    op="read_missive",
    assets=MISSIVE_ASSETS,
    windows=("months",),
    is_connected=missive.is_connected,
    switch_off=missive.switch_off,
)
VENDORS = (TEAMWORK, MISSIVE)
