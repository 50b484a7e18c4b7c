"""Whatever Teamwork and the way to it do: one reconcile, and the tables say exactly what Teamwork says.

Each seed draws an office, a combination of everything that nobody knows about the vendor for certain, and faults. The
office lives while it is read, rows move between pages, readings are killed, webhooks are lost, doubled, late and out of
order. In between anything may be out of date; after one reconcile nothing may, row by row and column by column.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import pytest
from killed_child import run_in_child
from teamwork_mirror import differences
from teamwork_office import PLENTY, connected, in_haste
from webhook_mailbox import mailbox

from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.switches import Switches
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.errors import BusyError, VendorUnavailableError
from ibhelm_pipelines.live.webhook_formats import read_teamwork
from ibhelm_pipelines.vendors import reply
from ibhelm_pipelines.vendors.teamwork.sync import KINDS, sync, sync_things

if TYPE_CHECKING:
    from teamwork_asker import Mailbox

    from ibhelm_pipelines.settings import Settings

PASSING = (VendorUnavailableError, BusyError)
"""What ends a reading until the next: Teamwork is away, or Postgres has not noticed yet that a killed one is dead."""

SAMPLE, ALL = 20, 200
ROUNDS = 3
HOOKED = ("TASK", "TASKLIST", "PROJECT", "MILESTONE", "COMMENT", "TIME", "USER", "COMPANY")
WHAT = ("CREATED", "UPDATED", "DELETED", "COMPLETED", "REOPENED", "MOVED", "TAGGED", "UNTAGGED", "ARCHIVED")


def drawn_faults(dice: Random) -> Faults:
    """Some of them, in some strength; a reading has about twenty requests."""

    def sometimes(most: float) -> float:
        return dice.choice((0.0, most / 4, most))

    return Faults(
        too_many_requests=sometimes(0.05),
        too_many_requests_seconds=0.1,
        server_error=sometimes(0.05),
        bad_gateway=sometimes(0.05),
        unavailable=sometimes(0.02),
        truncated_json=sometimes(0.05),
        cut=sometimes(0.05),
        reset=sometimes(0.05),
        moving_rows=sometimes(0.5),
        clock_skew_seconds=dice.choice((0, -7200, 86_400, 600)),
        webhook_duplicate=sometimes(0.5),
        webhook_late=sometimes(0.3),
        webhook_late_seconds=0.3,
        webhook_reordered=sometimes(0.5),
        webhook_missing=sometimes(0.5),
    )


class Chaos:
    """One seed at work."""

    def __init__(self, settings: Settings, teamwork: TeamworkSimulator, hooks: Mailbox, dice: Random) -> None:
        self.settings, self.teamwork, self.hooks, self.dice = settings, teamwork, hooks, dice

    def round(self) -> None:
        self.teamwork.mutate(seed=self.dice.random(), count=self.dice.randrange(10, 40))
        actions = [self.read, self.read, self.kill, self.follow_hooks]
        for action in self.dice.sample(actions, k=3):
            action()

    def read(self) -> None:
        """A quick reading or a whole one; it may fail, and must then leave nothing wrong."""
        full = self.dice.random() < 0.3
        with suppress(*PASSING):
            sync(self.settings, full=full)

    def kill(self) -> None:
        """kill -9 in the middle of a reading."""
        run_in_child(self.read, die_at=self.dice.randrange(5, 400))

    def follow_hooks(self) -> None:
        posts, self.hooks.posts = self.hooks.posts, []
        deliveries = [
            read_teamwork({name.lower(): value for name, value in headers.items()}, body) for headers, body in posts
        ]
        things = [(each.kind, int(each.object_id)) for each in deliveries if each.kind in KINDS]
        with suppress(*PASSING):
            sync_things(self.settings, things)

    def reconcile(self) -> None:
        """One that succeeds; those that the faults end do not count."""
        for _ in range(50):
            try:
                sync(self.settings, full=True, confirm_deletions=True)
            except PASSING:
                time.sleep(0.05)
                continue
            return
        raise AssertionError("no reading ever came through")


@pytest.mark.parametrize(
    "seed", [*range(SAMPLE), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(SAMPLE, ALL))]
)
def test_one_reconcile_makes_the_tables_equal_teamwork(
    settings: Settings, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_haste(monkeypatch)
    monkeypatch.setattr(reply, "LONGEST_PAUSE_SECONDS", 0.1)
    dice = Random(f"{seed} chaos")
    switches, faults = Switches.drawn(dice), drawn_faults(dice)
    with (
        mailbox() as hooks,
        TeamworkSimulator(
            seed=seed, projects=4, tasks=120, switches=switches, faults=faults, rate_limit=PLENTY, window_seconds=1
        ) as teamwork,
    ):
        for kind, what in product(HOOKED, WHAT):
            teamwork.webhooks.add(event=f"{kind}.{what}", url=hooks.url, version="2", token="x")
        chaos = Chaos(connected(settings, teamwork), teamwork, hooks, dice)
        for _ in range(ROUNDS):
            chaos.round()
        teamwork.faults = faults.changed({"moving_rows": 0.0})
        chaos.reconcile()
        assert differences(chaos.settings, teamwork.truth()) == [], f"{switches} {faults}"
