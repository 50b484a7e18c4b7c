"""Whatever Missive and the way to it do: one sweep of everything, and the tables say exactly what Missive says.

Each seed draws an office, a combination of everything that nobody knows about the vendor for certain, and faults. The
office lives while it is read, rows move between pages, readings are killed, webhooks are lost, doubled, late and out of
order. In between anything may be out of date; after one sweep nothing may, row by row and column by column.
"""

from __future__ import annotations

import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import pytest
from killed_child import run_in_child
from missive_mirror import differences
from missive_office import connected
from teamwork_office import in_haste

from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.switches import Switches
from ibhelm_pipelines.errors import BusyError, ConfigurationError, VendorUnavailableError
from ibhelm_pipelines.vendors import reply
from ibhelm_pipelines.vendors.missive import sync as module
from ibhelm_pipelines.vendors.missive.sync import sync, sync_conversations

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

PASSING = (VendorUnavailableError, BusyError, ConfigurationError)
"""What ends a reading until the next: Missive is away, Postgres has not noticed yet that a killed one is dead, or a
team that the settings name has gone, or has not come yet."""

SAMPLE, ALL = 20, 200
ROUNDS = 3


def drawn_faults(dice: Random) -> MissiveFaults:
    """Some of them, in some strength; a reading has about a hundred requests."""

    def sometimes(most: float) -> float:
        return dice.choice((0.0, most / 4, most))

    return MissiveFaults(
        too_many_requests=sometimes(0.03),
        too_many_requests_seconds=0.1,
        server_error=sometimes(0.03),
        bad_gateway=sometimes(0.03),
        unavailable=sometimes(0.02),
        truncated_json=sometimes(0.03),
        cut=sometimes(0.03),
        reset=sometimes(0.03),
        moving_rows=sometimes(0.5),
        clock_skew_seconds=dice.choice((0, -7200, 86_400, 600)),
    )


class Chaos:
    """One seed at work."""

    def __init__(self, settings: Settings, missive: MissiveSimulator, dice: Random) -> None:
        self.settings, self.missive, self.dice = settings, missive, dice

    def round(self) -> None:
        self.missive.mutate(seed=self.dice.random(), count=self.dice.randrange(10, 40))
        actions = [self.read, self.read, self.kill, self.follow_hooks]
        for action in self.dice.sample(actions, k=3):
            action()

    def read(self) -> None:
        """A quick reading or a whole one; it may fail, and must then leave nothing wrong."""
        full = self.dice.random() < 0.3
        with suppress(*PASSING):
            sync(self.allowed(), full=full)

    def kill(self) -> None:
        """kill -9 in the middle of a reading."""
        run_in_child(self.read, die_at=self.dice.randrange(5, 1500))

    def follow_hooks(self) -> None:
        """Some of what changed, and some of what is not there any more."""
        ids = sorted(self.missive.office.tables["conversations"])
        with suppress(*PASSING):
            sync_conversations(self.allowed(), self.dice.sample(ids, k=3))

    def allowed(self) -> Settings:
        """Teams and labels come and go: the settings let in those that are there."""
        return connected(self.settings, self.missive)

    def reconcile(self) -> None:
        """One that succeeds; those that the faults end do not count."""
        for _ in range(50):
            try:
                report = sync(self.allowed(), full=True, confirm_deletions=True)
            except PASSING:
                time.sleep(0.05)
                continue
            if not report.due:
                return
        raise AssertionError("no reading ever came through")


@pytest.mark.parametrize(
    "seed", [*range(SAMPLE), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(SAMPLE, ALL))]
)
def test_one_sweep_makes_the_tables_equal_missive(
    settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_haste(monkeypatch)
    monkeypatch.setattr(reply, "LONGEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(module, "YOUNG_DAYS", 100_000)
    dice = Random(f"{seed} chaos")
    switches, faults = Switches.drawn(dice), drawn_faults(dice)
    with MissiveSimulator(
        seed=seed,
        contents_seed=7,
        projects=3,
        conversations=100 if seed % 10 == 0 else 24,
        ties=70 if seed % 10 == 0 else 0,
        switches=switches,
        faults=faults,
        rate_limit=False,
    ) as missive:
        chaos = Chaos(settings, missive, dice)
        for _ in range(ROUNDS):
            chaos.round()
        missive.faults = faults.changed({"moving_rows": 0.0})
        chaos.reconcile()
        found = differences(settings, missive.truth())
        assert not found, "\n".join([*found[:20], str(switches), str(faults)])
