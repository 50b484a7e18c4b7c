"""Nights of the platform when the S3 server answers 503 for ten minutes, and when the clock leaps: each is said, and
nothing is purged, expired, doubled or lost for it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from changing_office import ChangingOffice, restored_in
from nightly_chain import BY_DAY, BY_NIGHT
from pydantic import SecretStr
from scripted_server import ScriptedServer, reply
from simulated_month import FIRST_DAY, SimulatedMonth
from simulated_time import SimulatedTime

from ibhelm_pipelines.errors import ObjectStoreUnavailableError
from ibhelm_pipelines.objects import store as store_module
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.backup_keeping import expire_backups
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.bucket_restore import restore_from_bucket
from ibhelm_pipelines.safety.purge import purge
from ibhelm_pipelines.safety.restore import restore

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.objects.client import Patience
    from ibhelm_pipelines.settings import Settings

DAYS = 2
MINUTE = dt.timedelta(minutes=1)
LEAPS = (-10 * MINUTE, 10 * MINUTE, 60 * MINUTE, dt.timedelta(days=3653))


@pytest.fixture
def month(settings: Settings, owner_database_url: str, tmp_path: Path) -> SimulatedMonth:
    """Days with their nights; more than one version of many files, and some that are deleted."""
    fields = {"max_deletion_percent": 60, "owner_database_url": SecretStr(owner_database_url)}
    office = ChangingOffice(settings.nas_root or tmp_path, tmp_path / "aside", 11, FIRST_DAY)
    office.build(12, projects=3)
    clock = SimulatedTime(owner_database_url, FIRST_DAY)
    month = SimulatedMonth(settings.model_copy(update=fields), clock, office)
    for day in range(DAYS):
        month.work(day, 14)
        month.night(day)
    return month


def kept(month: SimulatedMonth) -> set[Any]:
    """What nobody may take away: every object, every file and every version."""
    with ObjectStore(month.settings) as store:
        keys = {key for key in store.list_keys() if key.startswith(("originals/", "backups/"))}
    files = month.nas.rows("select id from files")
    return keys | set(files) | set(month.nas.rows("select file_id, raw_path, valid_from from file_versions"))


def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    real = store_module.new_client

    def once(settings: Settings, *, connections: int, patience: Patience) -> Any:
        return real(settings, connections=connections, patience=replace(patience, attempts=1))

    monkeypatch.setattr(store_module, "new_client", once)


def test_ten_minutes_of_503_are_said_and_caught_up_with(
    month: SimulatedMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_haste(monkeypatch)
    before = kept(month)
    with ScriptedServer([reply(503)]) as server:
        away = month.on(month.settings.model_copy(update={"s3_endpoint": server.url}))
        begun = month.set(DAYS, 12)
        for minute in (0, 3, 6, 9):
            month.clock.set(begun + minute * MINUTE)
            month.office.work(6, month.clock.moment)
            month.scan()
            for stage in (BY_DAY["store"], *BY_NIGHT.values()):
                with pytest.raises(ObjectStoreUnavailableError, match="503"):
                    stage(away.settings, month.clock.moment, tmp_path)
    assert kept(month) >= before
    assert month.nas.rows("select reason from ops.step_results where state = 'failed'") == [], "no file is blamed"
    failed = "select error from ops.backups where state = 'failed'"
    assert all("503" in error for (error,) in month.nas.rows(failed))
    month.clock.set(begun + 11 * MINUTE)
    month.night(DAYS)
    assert len([backup for backup in list_backups(month.settings) if not backup.problem]) == DAYS + 1
    assert restore_from_bucket(month.settings, "", at=None, target=tmp_path / "restored").complete
    assert restored_in(tmp_path / "restored") == list(month.truths.values())[-1]


def test_a_clock_that_leaps_takes_nothing_away(month: SimulatedMonth, tmp_path: Path) -> None:
    before = kept(month)
    right = month.clock.moment + dt.timedelta(hours=2)
    for leap in LEAPS:
        month.clock.set(right + leap)
        month.scan()
        for stage in (BY_DAY["store"], *BY_NIGHT.values()):
            stage(month.settings, right + leap, tmp_path)
        assert kept(month) >= before, leap
        right += dt.timedelta(hours=3)
        set_right(month, right, before, is_doubted=leap > dt.timedelta(days=1))
    month.clock.set(right + dt.timedelta(hours=1))
    assert restore(month.settings, "", at=month.clock.moment, target=tmp_path / "restored").complete
    assert restored_in(tmp_path / "restored") == list(month.truths.values())[-1]


def set_right(month: SimulatedMonth, right: dt.datetime, before: set[Any], *, is_doubted: bool) -> None:
    """Somebody has set the clock right."""
    month.clock.set(right)
    month.scan()
    assert expire_backups(month.settings, now=right) == []
    report = purge(month.settings, now=right, dry_run=False)
    assert (report.files, report.contents, report.orphans) == (0, 0, 0)
    assert ("wrong clock" in report.refused) == is_doubted, "it is said"
    assert kept(month) >= before
