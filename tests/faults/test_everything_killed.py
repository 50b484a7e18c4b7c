"""kill -9 at any statement or S3 request of the whole chain: scan, upload, previews and texts, both vendors, manifests,
backup, verification, retention and restore. Nothing is lost, nothing is double, no object is left over.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from changing_office import ChangingOffice
from database_snapshot import snapshot
from killed_child import run_in_child
from killed_office import KilledOffice, assert_same, sources
from nightly_chain import by_day, by_night
from simulated_time import SimulatedTime
from teamwork_office import in_haste

from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive import sync as missive_sync

LIVES_IN_CI, KILLS_PER_LIFE_IN_CI = 2, 4
LIVES, KILLS_PER_LIFE = 40, 5
SEED = 20_261_123
NOW = dt.datetime.now(dt.UTC)
"""The vendors, and the times of objects, have no simulated clock: the day on which all is killed is today."""

BEFORE = NOW - dt.timedelta(days=40)


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
    people.build(20, projects=3)
    with sources(SEED) as vendors:
        connected = vendors.connected(settings.model_copy(update={"max_deletion_percent": 50, "content_workers": 1}))
        assert run_in_child(lambda: chain(connected, BEFORE), die_at=None)
        clock.set(NOW)
        people.work(25, NOW)
        vendors.change(SEED)
        with snapshot(postgres, owner_database_url) as database:
            yield KilledOffice(connected, vendors, database, clock, s3_client)


def chain(settings: Settings, now: dt.datetime) -> None:
    by_day(settings)
    by_night(settings, now)


def live_a_life(office: KilledOffice, points: list[int]) -> list[str]:
    """Begin, be killed at each of these points, and begin again until it is done."""
    office.restore()
    for point in points:
        run_in_child(lambda: chain(office.settings, NOW), die_at=point, requests=True)
        office.assert_sound()
    calls = run_in_child(lambda: chain(office.settings, NOW), die_at=None, requests=True)
    assert calls is not None
    office.assert_nothing_lost()
    return calls


def check_lives(office: KilledOffice, *, lives: int, kills: int) -> None:
    calls = len(live_a_life(office, []))
    expected = office.essence()
    dice = random.Random(SEED)
    for _ in range(lives):
        points = [dice.randint(1, calls) for _ in range(kills)]
        live_a_life(office, points)
        assert_same(office.essence(), expected, f"killed at {points}")


def test_whatever_is_killed_ends_as_if_it_had_not_been(office: KilledOffice) -> None:
    check_lives(office, lives=LIVES_IN_CI, kills=KILLS_PER_LIFE_IN_CI)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_two_hundred_kills_end_as_if_they_had_not_been(office: KilledOffice) -> None:
    check_lives(office, lives=LIVES, kills=KILLS_PER_LIFE)
