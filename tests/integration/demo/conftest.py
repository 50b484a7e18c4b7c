"""Simulated vendors whose clock stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from missive_asker import MissiveAsker
from simulated_clock import Clock
from teamwork_asker import Asker

from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator


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


@pytest.fixture
def missive(clock: Clock) -> Iterator[MissiveSimulator]:
    with MissiveSimulator(clock=clock, rate_limit=False, webhook_retry_seconds=(0.01, 0.01)) as simulator:
        yield simulator


@pytest.fixture
def missive_asker(missive: MissiveSimulator) -> MissiveAsker:
    return MissiveAsker(missive)
