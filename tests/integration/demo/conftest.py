"""A simulated Teamwork.com whose clock stands still until a test moves it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from teamwork_asker import Asker

from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator


@dataclass
class Clock:
    """Says a time, and goes on when it is told to."""

    now: dt.datetime = dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def tick(self, seconds: float = 1) -> str:
        self.now += dt.timedelta(seconds=seconds)
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def teamwork(clock: Clock) -> Iterator[TeamworkSimulator]:
    with TeamworkSimulator(
        projects=6, tasks=300, clock=clock, rate_limit=100_000, webhook_retry_seconds=(0.01, 0.01)
    ) as simulator:
        yield simulator


@pytest.fixture
def asker(teamwork: TeamworkSimulator) -> Asker:
    return Asker(teamwork)
