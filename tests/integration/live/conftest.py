"""The inbox of one test, and the workers that work it off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_desk import Desk, Workers
from nas_tree import Nas

from ibhelm_pipelines.settings import Settings


@pytest.fixture
def desk(settings: Settings) -> Desk:
    return Desk(settings)


@pytest.fixture
def nas(settings: Settings) -> Nas:
    return Nas(settings)


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(settings, tmp_path / "workers.log", lease_seconds=2)
    yield workers
    for process in list(workers.processes):
        workers.kill(process)
