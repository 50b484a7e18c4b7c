"""The clean-up of Dagster's own database: old logs go, the state of assets, partitions and checks stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import psycopg
import pytest

from assets.retention import retention_job
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform

ASSET = dg.AssetKey("nas_files")
FOLDERS = dg.StaticPartitionsDefinition(["A", "B"])
CHECK = dg.AssetCheckKey(ASSET, "bit_rot_open")

AGE_EVERYTHING = """
update event_logs set timestamp = timestamp - make_interval(days => %(days)s);
update asset_check_executions set create_timestamp = create_timestamp - make_interval(days => %(days)s);
"""


@pytest.fixture
def instance(empty_database_url: str, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster on a real Postgres, as dagster.yaml has it."""
    url = urlsplit(empty_database_url)
    storage = {
        "scheme": "postgresql+psycopg2",
        "hostname": url.hostname,
        "port": url.port,
        "username": url.username,
        "password": url.password or "",
        "db_name": url.path.lstrip("/"),
    }
    overrides = {"storage": {"postgres": {"postgres_db": storage}}}
    with dg.instance_for_test(overrides=overrides, temp_dir=str(tmp_path)) as instance:
        yield instance


@dg.asset(name="nas_files", partitions_def=FOLDERS)
def files() -> dg.MaterializeResult[None]:
    """A stand-in for the asset: events are all that matters here."""
    print("a line for the compute log")  # noqa: T201
    return dg.MaterializeResult(metadata={"seen": 1})


@dg.asset_check(asset=files, name="bit_rot_open")
def check() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="Rotten.")


def _materialize(instance: dg.DagsterInstance, folder: str) -> str:
    return dg.materialize([files, check], instance=instance, partition_key=folder).run_id


def _clean_up(instance: dg.DagsterInstance, platform: Platform) -> None:
    assert retention_job.execute_in_process(instance=instance, resources={"platform": platform}).success


def _age(url: str, days: int) -> None:
    with psycopg.connect(url) as connection:
        for statement in AGE_EVERYTHING.strip().splitlines():
            connection.execute(statement, {"days": days})  # type: ignore[arg-type]


def _events(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        query = """select coalesce(dagster_event_type, 'log'), count(*) from event_logs
                   where event not like '%%"retention"%%' group by 1"""  # which tells of itself
        return dict(connection.execute(query).fetchall())


def test_after_the_clean_up_every_partition_and_check_has_the_state_that_it_had(
    instance: dg.DagsterInstance, empty_database_url: str, platform: Platform
) -> None:
    for folder in ("A", "B", "A"):
        _materialize(instance, folder)
    before = _events(empty_database_url)
    _age(empty_database_url, 400)

    _clean_up(instance, platform)

    assert instance.get_materialized_partitions(ASSET) == {"A", "B"}
    latest = instance.get_latest_materialization_event(ASSET)
    assert latest is not None
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.metadata["seen"].value == 1
    [record] = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK]).values()
    assert record.evaluation is not None
    assert (record.evaluation.passed, record.evaluation.description) == (False, "Rotten.")
    assert before["ASSET_MATERIALIZATION"] == 3
    after = _events(empty_database_url)
    assert after["ASSET_MATERIALIZATION"] == 2  # the older one of folder A was a point of a plot
    assert after["ASSET_CHECK_EVALUATION"] == 1


def test_logs_older_than_thirty_days_go_and_younger_ones_stay(
    instance: dg.DagsterInstance, empty_database_url: str, platform: Platform
) -> None:
    old = _materialize(instance, "A")
    _age(empty_database_url, 31)
    young = _materialize(instance, "B")
    logs = Path(instance.storage_directory())

    def has_logs(run_id: str) -> bool:
        return (logs / run_id).exists()

    assert has_logs(old)
    kept = len(instance.all_logs(young))

    _clean_up(instance, platform)

    assert {e.dagster_event_type for e in instance.all_logs(old)} <= {
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    }
    assert len(instance.all_logs(young)) == kept
    assert (has_logs(old), has_logs(young)) == (False, True)


def test_points_of_the_plots_are_kept_for_a_year(
    instance: dg.DagsterInstance, empty_database_url: str, platform: Platform
) -> None:
    for _ in range(2):
        _materialize(instance, "A")
    _age(empty_database_url, 364)
    _clean_up(instance, platform)
    assert _events(empty_database_url)["ASSET_MATERIALIZATION"] == 2


def test_elsewhere_than_in_postgres_it_refuses_with_a_sentence(
    instance_on_disk: dg.DagsterInstance, platform: Platform
) -> None:
    result = retention_job.execute_in_process(
        instance=instance_on_disk, resources={"platform": platform}, raise_on_error=False
    )
    failure = result.failure_data_for_node("delete_old_events")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "Use the dagster.yaml" in (failure.user_failure_data.description or "")


def test_the_job_deletes_old_bookkeeping_of_the_platform_too(
    instance: dg.DagsterInstance, platform: Platform, settings: Settings
) -> None:
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute(
            "insert into ops.alerts (key, severity, title, body, closed_at)"
            " values ('old', 'error', '', '', now() - interval '400 days')"
        )
    _clean_up(instance, platform)
    with psycopg.connect(settings.require_database_url()) as connection:
        assert connection.execute("select count(*) from ops.alerts").fetchone() == (0,)
