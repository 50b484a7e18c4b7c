"""Backups that are no longer kept go, manifest first; none goes when the newest one is not good."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from typing import Any

import pytest
import tables

from ibhelm_pipelines.errors import BackupDamagedError, ObjectStoreUnavailableError
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.backup_keeping import expire_backups
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.backup_manifest import Manifest, dump_key, manifest_key
from ibhelm_pipelines.safety.table_counts import TableCount
from ibhelm_pipelines.settings import Settings

NEWEST = dt.datetime(2026, 3, 20, 4, 15, tzinfo=dt.UTC)
DUMP = b"PGDMP as far as anybody knows"

MANIFEST = Manifest(
    database="ibhelm", key="", taken_at=NEWEST, finished_at=NEWEST, size_bytes=len(DUMP),
    sha256=hashlib.sha256(DUMP).hexdigest(), recipients=(), server_version="18.6", tool_version="18.6",
    database_bytes=1, migrations=(), seed="", tables={"t": TableCount(rows=1, drawn=1, below="g", checksum="")},
    grants={}, newest={},
)  # fmt: skip


@pytest.fixture
def office(settings: Settings, s3_client: Any) -> Settings:
    """Backups of the last twelve days, of which four are kept."""
    for age in range(12):
        _add(s3_client, settings, NEWEST - dt.timedelta(days=age))
    return settings.model_copy(update={"backup_keep_daily": 3, "backup_keep_weekly": 2, "backup_keep_monthly": 0})


def _add(client: Any, settings: Settings, taken_at: dt.datetime, database: str = "ibhelm") -> str:
    key = dump_key(database, taken_at, encrypted=False)
    manifest = replace(MANIFEST, key=key, database=database, taken_at=taken_at)
    client.put_object(Bucket=settings.s3_bucket, Key=key, Body=DUMP)
    client.put_object(Bucket=settings.s3_bucket, Key=manifest_key(key), Body=manifest.to_bytes())
    return key


def _days(settings: Settings) -> list[int]:
    return [backup.manifest.taken_at.day for backup in list_backups(settings) if backup.manifest]


def test_what_is_no_longer_kept_goes_with_its_manifest(office: Settings, s3_client: Any) -> None:
    other = _add(s3_client, office, NEWEST - dt.timedelta(days=300), "dagster")
    gone = expire_backups(office, now=NEWEST)
    assert len(gone) == 8
    assert _days(office) == [20, 19, 18, 15]  # the 15th: Sunday of the week before
    keys = [entry["Key"] for entry in s3_client.list_objects_v2(Bucket=office.s3_bucket)["Contents"]]
    assert len(keys) == 10
    assert other in keys
    rows = "select count(*) filter (where gone_at is null), count(*) from ops.backups where database = 'ibhelm'"
    assert tables.ask(office.require_database_url(), rows) == [(4, 12)]
    assert expire_backups(office, now=NEWEST) == []


def test_nothing_goes_after_a_backup_that_failed(office: Settings) -> None:
    tables.ask(
        office.require_database_url(),
        "insert into ops.backups (database, key, state, started_at, encrypted)"
        " values ('ibhelm', 'k', 'failed', %s, false)",
        NEWEST + dt.timedelta(days=1),
    )
    assert expire_backups(office, now=NEWEST + dt.timedelta(days=1)) == []
    assert len(_days(office)) == 12


@pytest.mark.parametrize("fault", ["cut off", "not there", "manifest damaged"])
def test_nothing_goes_that_is_needed_because_the_newest_is_damaged(
    office: Settings, s3_client: Any, fault: str
) -> None:
    key = dump_key("ibhelm", NEWEST, encrypted=False)
    if fault == "cut off":
        s3_client.put_object(Bucket=office.s3_bucket, Key=key, Body=DUMP[:-1])
        with pytest.raises(BackupDamagedError, match="no older one is deleted"):
            expire_backups(office, now=NEWEST)
        assert len(_days(office)) == 12
        return
    if fault == "not there":
        s3_client.delete_object(Bucket=office.s3_bucket, Key=key)
    else:
        s3_client.put_object(Bucket=office.s3_bucket, Key=manifest_key(key), Body=b"{}")
    expire_backups(office, now=NEWEST)
    assert [
        backup.manifest.taken_at.day for backup in list_backups(office) if not backup.problem and backup.manifest
    ] == [
        *(19, 18, 17, 15)  # as if the newest had never been
    ]


def test_one_that_was_deleted_halfway_is_no_backup_and_the_rest_goes_next_time(
    office: Settings, s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = ObjectStore.delete, []

    def delete(self: ObjectStore, key: str) -> None:
        calls.append(key)
        if len(calls) == 2:
            raise ObjectStoreUnavailableError("The S3 server does not answer.")
        real(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "delete", delete)
        with pytest.raises(ObjectStoreUnavailableError):
            expire_backups(office, now=NEWEST)
    assert calls == ["backups/database/20260309T041500Z.json", "backups/database/20260309T041500Z.dump"]
    assert 9 not in _days(office)
    assert all(not backup.problem for backup in list_backups(office))
    expire_backups(office, now=NEWEST)
    assert _days(office) == [20, 19, 18, 15]
    keys = [entry["Key"] for entry in s3_client.list_objects_v2(Bucket=office.s3_bucket)["Contents"]]
    assert len(keys) == 8
