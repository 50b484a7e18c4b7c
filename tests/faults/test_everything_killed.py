"""kill -9 at any statement or S3 request of the whole chain: scan, upload, previews and texts, both vendors, manifests,
backup, verification, retention and restore. Nothing is lost, nothing is double, no object is left over.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from changing_office import ChangingOffice
from database_snapshot import snapshot
from killed_child import run_in_child
from killed_office import KilledOffice, assert_same, sources
from nightly_chain import BY_DAY, BY_NIGHT, RESTORES
from pydantic import SecretStr
from simulated_time import SimulatedTime
from teamwork_office import in_haste

from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive import sync as missive_sync

STAGES = BY_DAY | BY_NIGHT | RESTORES
BEGUN_WITH = ("scan", "store", "derive", "teamwork", "missive", "manifests", "backup")
"""What has run on an earlier day."""

KILLS_IN_CI, KILLS = 8, 200
IN_A_ROW = (0, 1, 1, 2)
LAST = 3
SEED = 20_261_123
NOW = dt.datetime.now(dt.UTC)
"""The vendors, and the times of objects, have no simulated clock: the day on which all is killed is today."""

DAY = dt.timedelta(days=1)
BEFORE = NOW - 20 * DAY
RETENTION_DAYS = 15


@pytest.fixture
def office(
    settings: Settings,
    owner_database_url: str,
    postgres: EmbeddedPostgres,
    s3_client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[KilledOffice]:
    in_haste(monkeypatch)
    monkeypatch.setattr(missive_sync, "YOUNG_DAYS", 100_000)  # mails of all ages change here
    clock = SimulatedTime(owner_database_url, BEFORE)
    assert settings.nas_root is not None
    people = ChangingOffice(settings.nas_root, tmp_path / "aside", SEED, BEFORE)
    people.build(12, projects=3)
    with sources(SEED) as vendors:
        owner = {"owner_database_url": SecretStr(owner_database_url)}
        fields = {"max_deletion_percent": 50, "content_workers": 1, "retention_days": RETENTION_DAYS, **owner}
        settings = settings.model_copy(update=fields)
        connected = vendors.connected(settings)
        for stage in (STAGES[name] for name in BEGUN_WITH):
            assert run_in_child(partial(stage, connected, BEFORE, tmp_path / "before"), die_at=None) is not None
        clock.set(BEFORE + DAY)
        people.work(15, BEFORE + DAY)
        for stage in ("scan", "store"):
            run_in_child(partial(STAGES[stage], connected, BEFORE + DAY, tmp_path), die_at=None)
        clock.set(NOW)
        people.work(25, NOW)
        vendors.change(SEED)
        connected = vendors.connected(settings)  # labels and teams come and go
        with snapshot(postgres, owner_database_url) as database:
            yield KilledOffice(connected, vendors, database, clock, s3_client, tmp_path / "restored")


def run(office: KilledOffice, stage: str, *, attempt: int, die_at: int | None = None) -> int | None:
    """Run a stage; returns of how many calls it consisted, None when it was killed."""
    office.runs += 1
    now = NOW + attempt * DAY + dt.timedelta(seconds=0 if stage in RESTORES else office.runs)
    office.clock.set(now)
    action = partial(STAGES[stage], office.settings, now, office.target / str(attempt))
    calls = run_in_child(action, die_at=die_at, requests=True)
    return calls if calls is None else len(calls)


def undisturbed(office: KilledOffice) -> dict[str, int]:
    """Run everything from the beginning; returns the calls of each stage."""
    office.restore()
    calls = {stage: run(office, stage, attempt=LAST) or 0 for stage in STAGES}
    clear_away(office)
    office.assert_nothing_lost(LAST)
    return calls


def disturbed(office: KilledOffice, calls: dict[str, int], dice: random.Random, rounds: int) -> list[str]:
    """Begin anew; for some rounds each stage is killed up to twice and left so, then all of them run.

    Only a restore is killed and goes on at the same time and place: another round is asked for another moment.
    """
    office.restore()
    killed = []
    for attempt in range(rounds):
        for stage, count in calls.items():
            killed += kill(office, stage, [dice.randint(1, count) for _ in range(dice.choice(IN_A_ROW))], attempt)
    for stage, count in calls.items():
        if stage in RESTORES:
            killed += kill(office, stage, [dice.randint(1, count)], LAST)
        run(office, stage, attempt=LAST)
    clear_away(office)
    office.assert_nothing_lost(LAST)
    return killed


def kill(office: KilledOffice, stage: str, points: list[int], attempt: int) -> list[str]:
    """Run a stage up to each of these points; returns at which it was not over before."""
    killed = []
    for point in points:
        if run(office, stage, attempt=attempt, die_at=point) is None:
            killed.append(f"{stage} at {point}")
            office.assert_sound()
    return killed


def clear_away(office: KilledOffice) -> None:
    """Wait until nobody can be at work any more on what a kill left."""
    now = NOW + LAST * DAY + office.settings.orphan_grace_days * DAY + DAY
    office.clock.set(now)
    for stage in ("expiry", "retention"):
        run_in_child(partial(STAGES[stage], office.settings, now, office.target), die_at=None)


def run_some(office: KilledOffice, points: dict[str, int | None], *, attempt: int) -> list[str]:
    """Run stages, some of them up to a point; returns which were killed there."""
    killed = []
    for stage, point in points.items():
        if run(office, stage, attempt=attempt, die_at=point) is None:
            killed.append(f"{stage} at {point}")
            office.assert_sound()
    return killed


def check_kills(office: KilledOffice, kills: int, *, rounds: int) -> None:
    calls = undisturbed(office)
    expected = office.essence()
    dice, killed, begun = random.Random(SEED), 0, time.monotonic()
    while killed < kills:
        points = disturbed(office, calls, dice, rounds)
        killed += len(points)
        logging.getLogger(__name__).warning("%s kills, %.0f s: %s", killed, time.monotonic() - begun, points)
        assert_same(office.essence(), expected, f"killed {points}")


def test_whatever_is_killed_ends_as_if_it_had_not_been(office: KilledOffice) -> None:
    check_kills(office, KILLS_IN_CI, rounds=1)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_two_hundred_kills_end_as_if_they_had_not_been(office: KilledOffice) -> None:
    check_kills(office, KILLS, rounds=2)
