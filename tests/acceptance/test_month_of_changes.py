"""A month of an office on a fake clock; then the NAS is lost, the database is lost, the bucket is lost, and each is
rebuilt from the other two: bytes, names and times equal the truth.
"""

from __future__ import annotations

import datetime as dt
import os
import random
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import databases
import pytest
import tables
from botocore.client import BaseClient
from changing_office import ChangingOffice, Truth, restored_in
from conftest import PIPELINE, PIPELINE_PASSWORD
from pydantic import SecretStr
from simulated_month import FIRST_DAY, HOURS, SimulatedMonth
from simulated_time import SimulatedTime

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.bucket_restore import restore_from_bucket
from ibhelm_pipelines.safety.database_restore import restore_database
from ibhelm_pipelines.safety.drill import drill
from ibhelm_pipelines.safety.restore import restore
from ibhelm_pipelines.safety.verification import verify_mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres
    from ibhelm_pipelines.settings import Settings


class Length(NamedTuple):
    """How long it goes on, and how much is changed in all."""

    seed: int
    days: int
    changes: int
    files: int
    retention_days: int


SMALL = Length(seed=5, days=30, changes=500, files=50, retention_days=12)
LARGE = [Length(seed=seed, days=30, changes=500, files=400, retention_days=12) for seed in (2, 3, 4)]


class Month(NamedTuple):
    """The month and what the test needs beside it."""

    days: SimulatedMonth
    length: Length
    dice: random.Random
    folder: Path

    def kept(self) -> list[dt.datetime]:
        """Return the moments of which nothing has been removed for being old."""
        horizon = FIRST_DAY + dt.timedelta(days=self.length.days - self.length.retention_days)
        return [moment for moment in self.days.truths if moment >= horizon]

    def target(self) -> Path:
        return self.folder / f"restored {self.dice.random()}"


@pytest.fixture
def month(settings: Settings, owner_database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Month:
    length: Length = request.param
    owner = {"owner_database_url": SecretStr(owner_database_url)}
    fields = {"max_deletion_percent": 40, "retention_days": length.retention_days, **owner}
    office = ChangingOffice(settings.nas_root or tmp_path, tmp_path / "aside", length.seed, FIRST_DAY)
    office.build(length.files)
    days = SimulatedMonth(settings.model_copy(update=fields), SimulatedTime(owner_database_url, FIRST_DAY), office)
    for day in range(length.days):
        if day == length.days // 3:
            days.lose_the_share(day)
        else:
            days.work(day, length.changes // (length.days - 1) + 1)
            days.night(day)
    return Month(days, length, random.Random(length.seed), tmp_path)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "month", [SMALL, *(pytest.param(each, marks=pytest.mark.soak) for each in LARGE)], indirect=True
)
def test_whatever_is_lost_is_rebuilt(month: Month, postgres: EmbeddedPostgres, s3_client: Any) -> None:
    assert_history(month)
    moments = month.dice.sample([moment for moment in month.kept() if moment.hour == HOURS[-1]], 3)
    for moment in moments:
        assert_restored(month, moment)
    assert drill(month.days.settings, now=month.days.clock.moment).state == "ok"
    with lost_database(month, postgres) as rebuilt:
        assert_restored(rebuilt, moments[0])
        lose_bucket(rebuilt, s3_client)


def assert_history(month: Month) -> None:
    """The versions say of every moment what was true then, but for files that went for being deleted long ago."""
    at = """select raw_path, content_hash, mtime_ns from file_versions
            where valid_from <= %s and (valid_to is null or valid_to > %s)"""
    kept = month.kept()
    for moment, truth in month.days.truths.items():
        found = {path: tuple(held) for path, *held in month.days.nas.rows(at, moment, moment)}
        wanted = {path: (held.sha256, held.mtime_ns) for path, held in truth.items()}
        assert found.items() <= wanted.items(), moment
        assert moment not in kept or found == wanted, moment


def assert_restored(month: Month, moment: dt.datetime) -> None:
    """Every folder, once by the tables and once by the bucket alone."""
    truth, settings = month.days.truths[moment], month.days.settings
    by_tables, by_bucket = month.target(), month.target()
    for folder in folders(truth):
        assert restore(settings, folder, at=moment, target=by_tables).complete
    assert restored_in(by_tables) == truth
    alone = settings.model_copy(update={"database_url": None, "owner_database_url": None, "nas_root": None})
    assert restore_from_bucket(alone, "", at=moment, target=by_bucket).complete
    assert restored_in(by_bucket) == truth


def folders(truth: Truth) -> set[str]:
    """Return the project folders, and the files that stand above them."""
    return {os.fsdecode(b"/".join(path.split(b"/")[:2])) for path in truth}


@contextmanager
def lost_database(month: Month, server: EmbeddedPostgres) -> Iterator[Month]:
    """Work on for half a day after the last backup, lose the database, and go on with the newest backup."""
    versions = "select file_id, raw_path, content_hash, mtime_ns, valid_from from file_versions"
    backed_up = set(month.days.nas.rows(versions))
    gone = month.days.nas.one("select coalesce(sum((removed ->> 'files')::int), 0) from ops.purges")
    assert gone > 0, month.days.nas.rows("select started_at, refused, removed from ops.purges order by 1")
    month.days.work(month.length.days, 20)
    run_step("store", month.days.settings)
    ids = dict(month.days.nas.rows("select raw_path, id from files where deleted_at is null"))
    old = month.days.settings.require_database_url().rpartition("/")[2]
    tables.close()
    databases.drop(server, old)
    name = f"rebuilt_{old}"
    databases.create(server, name, template="template0")
    try:
        days = rebuild_database(month.days, server, name)
        assert backed_up <= set(days.nas.rows(versions))
        known = {file_id for file_id, *_ in backed_up}
        now = dict(days.nas.rows("select raw_path, id from files where deleted_at is null"))
        assert {p: i for p, i in now.items() if i in known} == {p: i for p, i in ids.items() if i in known}
        yield month._replace(days=days)
    finally:
        tables.close()
        databases.drop(server, name)
        databases.create(server, old, template="template0")  # the fixture drops it


def rebuild_database(days: SimulatedMonth, server: EmbeddedPostgres, name: str) -> SimulatedMonth:
    """Restore the newest backup and scan: nothing is new, nothing is lost, nothing is uploaded twice."""
    owner = server.url(name)
    restore_database(days.settings, url=owner, now=days.clock.moment)
    pipeline = server.url(name, user=PIPELINE, password=PIPELINE_PASSWORD)
    urls = {"owner_database_url": SecretStr(owner), "database_url": SecretStr(pipeline)}
    rebuilt = days.on(days.settings.model_copy(update=urls))
    days.clock.install(owner)
    rebuilt.scan()
    assert uploads(lambda: run_step("store", rebuilt.settings)) == 0
    return rebuilt


def uploads(action: Callable[[], object]) -> int:
    """Count what is put into the bucket meanwhile."""
    calls: Counter[str] = Counter()
    real = BaseClient._make_api_call

    def counted(self: Any, operation: str, parameters: Any) -> Any:
        calls[operation] += 1
        return real(self, operation, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", counted)
        action()
    assert calls, "it asked the store for something"
    return calls["PutObject"] + calls["UploadPart"]


def lose_bucket(month: Month, client: Any) -> None:
    """Delete every object; the NAS fills the bucket again, and what only old versions held is lost by name."""
    settings, now = month.days.settings, month.days.clock.moment
    with ObjectStore(settings) as store:
        originals = {key.removeprefix("originals/") for key in store.list_keys("originals/")}
        for key in list(store.list_keys()):
            client.delete_object(Bucket=settings.s3_bucket, Key=key)
    assert verify_mirror(settings, now=now).refused, "nothing is concluded from an empty bucket"
    report = verify_mirror(settings, now=now, everything=True, rebuild=True)
    moment, truth = list(month.days.truths.items())[-1]
    held = {each.sha256 for each in truth.values()}
    open_problems = "select content_hash, paths from ops.open_object_problems"
    lost = dict(month.days.nas.rows(open_problems))
    assert lost.keys() == originals - held
    assert all(lost.values()), "by name"
    target = month.target()
    assert restore(settings, "", at=moment, target=target).complete
    assert restored_in(target) == truth
    assert (report.healed, report.open) == (len(originals & held), len(lost))
