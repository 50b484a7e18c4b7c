"""A month of an office on a fake clock; then the database is lost, the bucket is lost, the NAS is lost, and each is
rebuilt from the other two: bytes, names and times equal the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from changing_office import ChangingOffice
from simulated_month import FIRST_DAY, SimulatedMonth
from simulated_time import SimulatedTime

from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


class Length(NamedTuple):
    """How long it goes on, and how much is changed in all."""

    seed: int
    days: int
    changes: int
    files: int


SHORT = Length(seed=1, days=10, changes=120, files=150)
WHOLE = [Length(seed=seed, days=30, changes=500, files=400) for seed in (2, 3, 4)]


@pytest.fixture
def month(
    settings: Settings, owner_database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> SimulatedMonth:
    length: Length = request.param
    clock = SimulatedTime(owner_database_url, FIRST_DAY)
    settings = settings.model_copy(update={"max_deletion_percent": 15})
    assert settings.nas_root is not None
    office = ChangingOffice(settings.nas_root, tmp_path / "aside", length.seed, FIRST_DAY)
    office.build(length.files)
    month = SimulatedMonth(settings, clock, office)
    for day in range(length.days):
        if day == length.days // 2:
            month.lose_the_share(day)
        else:
            month.work(day, length.changes // (length.days - 1) + 1)
            month.night(day)
    return month


@pytest.mark.parametrize(
    "month", [SHORT, *(pytest.param(each, marks=pytest.mark.soak) for each in WHOLE)], indirect=True
)
def test_whatever_is_lost_is_rebuilt(month: SimulatedMonth) -> None:
    for moment, truth in month.truths.items():
        rows = month.nas.rows(
            """select raw_path, content_hash from file_versions
               where valid_from <= %s and (valid_to is null or valid_to > %s)""",
            moment, moment,
        )  # fmt: skip
        assert dict(rows) == {path: held.sha256 for path, held in truth.items()}, moment
