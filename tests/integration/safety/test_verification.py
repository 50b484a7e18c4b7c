"""The mirror in S3 is read again: what is missing or damaged is found, healed and reported; nothing else is touched."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from mirrored_office import Mirror

from ibhelm_pipelines.safety.verification import verify_mirror
from ibhelm_pipelines.settings import Settings

DAY = dt.timedelta(days=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def mirror(settings: Settings, s3_client: Any) -> Mirror:
    return Mirror(settings, s3_client)


def test_a_flipped_bit_is_found_at_once_when_everything_is_read_and_healed_from_the_nas(mirror: Mirror) -> None:
    mirror.fill(12)
    mirror.spoil(mirror.key(7))
    report = verify_mirror(mirror.settings, now=now(), everything=True)
    assert (report.listed, report.objects, report.damaged, report.healed, report.open) == (12, 11, 1, 1, 0)
    assert mirror.problems() == [(mirror.key(7), "rotten", True)]
    assert mirror.rows("select how from ops.object_problems") == [("uploaded again from the NAS",)]
    mirror.assert_whole()
    again = verify_mirror(mirror.settings, now=now(), everything=True)
    assert (again.objects, again.damaged, again.refused) == (12, 0, "")
