"""Retention: what is deleted for long enough goes for good, with all that hangs on it; nothing else ever does."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from mirrored_office import Mirror

from ibhelm_pipelines.safety.purge import purge
from ibhelm_pipelines.settings import Settings


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def mirror(settings: Settings, s3_client: Any) -> Mirror:
    return Mirror(Settings.model_validate({**settings.model_dump(), "max_deletion_percent": 100}), s3_client)


def test_what_is_deleted_for_ten_years_goes_with_all_that_hangs_on_it(mirror: Mirror) -> None:
    mirror.fill(3)
    mirror.nas.path("projekte/A/1.txt").unlink()
    mirror.store()
    mirror.rows("update files set deleted_at = now() - interval '3651 days' where path like '%%/1.txt'")
    planned = purge(mirror.settings, now=now(), dry_run=True)
    report = purge(mirror.settings, now=now(), dry_run=False)
    assert planned.paths == ["projekte/A/1.txt"]
    assert (report.files, report.versions, report.contents, report.objects) == (1, 1, 1, 1)
    assert (planned.files, planned.versions, planned.contents, planned.objects) == (1, 1, 1, 1)
    assert set(mirror.objects()) == {mirror.key(0), mirror.key(2)}
    mirror.assert_whole()
