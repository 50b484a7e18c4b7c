"""The inbox of one test."""

from __future__ import annotations

import pytest
from live_desk import Desk

from ibhelm_pipelines.settings import Settings


@pytest.fixture
def desk(settings: Settings) -> Desk:
    return Desk(settings)
