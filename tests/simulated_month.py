"""Days of an office on a simulated clock: what people change, the scans, and what the platform does at night.

Every scan is followed by a look at the disk, so that for each of these moments the truth is known.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from changing_office import ChangingOffice, Truth, truth_of
from nas_tree import Nas
from nightly_chain import BY_DAY, BY_NIGHT

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.nas.scan import scan

if TYPE_CHECKING:
    from simulated_time import SimulatedTime

    from ibhelm_pipelines.settings import Settings

HOURS = (12, 19)
"""Of the scans, UTC."""

FIRST_DAY = dt.datetime(2035, 3, 12, tzinfo=dt.UTC)
"""The month has the Sunday in it on which the clocks of Berlin go forward."""


@dataclass
class SimulatedMonth:
    """The office, its clock, and what was true when."""

    settings: Settings
    clock: SimulatedTime
    office: ChangingOffice
    truths: dict[dt.datetime, Truth] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)

    def on(self, settings: Settings) -> SimulatedMonth:
        """Return the same month with another database or bucket."""
        return replace(self, settings=settings)

    @property
    def nas(self) -> Nas:
        return Nas(self.settings)

    def set(self, day: int, hour: int) -> dt.datetime:
        """Let it be this hour of this day; returns the moment."""
        moment = FIRST_DAY + dt.timedelta(days=day, hours=hour)
        self.clock.set(moment)
        return moment

    def work(self, day: int, changes: int) -> None:
        """People change something, scans see it."""
        for number, hour in enumerate(HOURS):
            moment = self.set(day, hour)
            self.kinds.update(self.office.work((changes + number) // len(HOURS), moment - dt.timedelta(hours=2)))
            self.scan()

    def scan(self) -> None:
        """See everything, and note what is true from now on."""
        report = scan(self.settings)
        assert report.state == "complete", report
        self.nas.assert_equals_disk()
        self.truths[self.clock.moment + dt.timedelta(minutes=30)] = truth_of(self.office.root)

    def lose_the_share(self, day: int) -> None:
        """The share is away for a day, then it is there but empty; a night passes over each."""
        before = self.nas.live()
        self.office.unmount()
        self.set(day, 12)
        with pytest.raises(ShareUnavailableError):
            scan(self.settings)
        self.set(day, 19)
        (self.office.root / ".ibhelm-share").write_text("an empty share")
        assert scan(self.settings).deletions_refused == len(before)
        self.night(day)
        (self.office.root / ".ibhelm-share").unlink()
        self.office.mount()
        assert self.nas.live() == before

    def night(self, day: int) -> None:
        """What the schedules do at night; a share that is away stops what needs it and nothing else."""
        for hour, stage in enumerate((BY_DAY["store"], *BY_NIGHT.values()), 20):
            moment = self.set(day, hour)
            with suppress(ShareUnavailableError):
                stage(self.settings, moment, self.office.root)
