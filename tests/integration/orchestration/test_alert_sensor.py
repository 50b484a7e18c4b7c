"""Failed runs as alerts: one for each piece of work that failed and that nobody has done since; never a run, never a
loop."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg
import pytest
from alert_office import Mailbox, open_mailbox
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.test_utils import create_run_for_test

from ibhelm_pipelines.alerts.conditions import Condition
from ibhelm_pipelines.alerts.evaluate import evaluate_if_stale, open_run_alerts_since
from ibhelm_pipelines.definitions import defs
from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.settings import Settings
from resources.failures import dagster_failures
from resources.lanes import DEEP_TAG, FOLDER_ASSETS, FULL_TAG, SCAN_JOB
from resources.partitions import FOLDERS
from resources.platform import Platform
from resources.vendors import MISSIVE, TEAMWORK, Vendor
from sensors.alerts import alerts
from sensors.run_failures import ASSET_JOB, run_conditions

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
GOOD, BAD = DagsterEventType.PIPELINE_SUCCESS, DagsterEventType.PIPELINE_FAILURE


@dataclass
class Runs:
    """Runs of the past, as their events made them."""

    instance: dg.DagsterInstance

    def add(self, end: DagsterEventType | None, *, minutes_ago: float, **values: Any) -> str:
        """Make a run that took a minute, or is still at work when it has no end; return its id."""
        run_id = create_run_for_test(self.instance, **{"job_name": SCAN_JOB, **values}).run_id
        ended = NOW - dt.timedelta(minutes=minutes_ago)
        self._event(run_id, DagsterEventType.PIPELINE_START, ended - dt.timedelta(minutes=1))
        if end is not None:
            self._event(run_id, end, ended)
        return run_id

    def _event(self, run_id: str, kind: DagsterEventType, moment: dt.datetime) -> None:
        event = DagsterEvent(event_type_value=kind.value, job_name="any")
        self.instance.report_dagster_event(event, run_id, timestamp=moment.timestamp())

    def keys(self, **when: Any) -> list[str]:
        return [condition.key for condition in self.conditions(**when)]

    def conditions(self, **when: Any) -> tuple[Condition, ...]:
        return run_conditions(self.instance, **{"now": NOW, **when})


@pytest.fixture
def runs(instance_on_disk: dg.DagsterInstance) -> Runs:
    return Runs(instance_on_disk)


def scan(*, deep: bool = False, folders: list[str] | None = None) -> dict[str, Any]:
    config: dict[str, Any] = {"deep": deep, **({} if folders is None else {"folders": folders})}
    return {
        "run_config": {"ops": {"scan_and_derive": {"config": config}}},
        "tags": {DEEP_TAG: "true"} if deep else {},
    }


def asset(name: str, folder: str = "") -> dict[str, Any]:
    return {
        "job_name": ASSET_JOB,
        "asset_selection": {dg.AssetKey(name)},
        "tags": {"dagster/partition": folder} if folder else {},
    }


def sync(vendor: Vendor = TEAMWORK, **config: Any) -> dict[str, Any]:
    return {
        "job_name": vendor.job,
        "run_config": {"ops": {vendor.op: {"config": config}}},
        "tags": {FULL_TAG: "true"} if config.get("full") else {},
    }


def mail(**config: Any) -> dict[str, Any]:
    return sync(MISSIVE, **config)


def test_work_that_fails_again_and_again_is_one_condition(runs: Runs) -> None:
    for minutes_ago in (45, 30, 15):
        runs.add(BAD, minutes_ago=minutes_ago, **scan())
    [condition] = runs.conditions()
    assert (condition.key, condition.title) == ("run:scan", "Run failed: scan")
    assert "3 times since" in condition.body


@pytest.mark.parametrize(
    ("failed", "done", "over"),
    [
        (scan(), scan(), True),
        (scan(), scan(deep=True), True),  # a deep scan does what a quick one does
        (scan(deep=True), scan(), False),
        (scan(deep=True), scan(deep=True), True),
        (scan(), scan(folders=["a"]), False),
        (scan(folders=["a"]), scan(), True),
        (scan(folders=["a", "b"]), scan(folders=["a"]), False),
        (asset("nas_files", "a"), asset("nas_files", "a"), True),
        (asset("nas_files", "a"), asset("nas_files", "b"), False),
        (asset("nas_files", "a"), asset("thumbnails", "a"), False),
        (asset("thumbnails", "a"), scan(), True),  # a scan of the share does the work of every folder
        (asset("thumbnails", "a"), scan(folders=["a"]), False),
        (asset("of_another_room", "a"), scan(), False),
        (sync(), sync(), True),
        (sync(), sync(full=True), True),
        (sync(full=True), sync(), False),
        (sync(projects=[1]), sync(projects=[1]), True),
        (sync(projects=[1]), sync(), False),  # what was to be read again has not changed
        (sync(projects=[1]), sync(full=True), True),
        (sync(), sync(projects=[1]), False),
        (asset("teamwork_tasks"), sync(), True),
        (asset("teamwork_tasks"), sync(projects=[1]), False),
        (asset("teamwork_tasks"), scan(), False),
        (asset("nas_files", "a"), sync(), False),
        (mail(), mail(), True),
        (mail(), sync(), False),
        (mail(full=True), mail(), False),
        (mail(months=["2026-05"]), mail(), False),
        (mail(months=["2026-05"]), mail(months=["2026-05"]), True),
        (mail(months=["2026-05"]), mail(full=True), True),
        (asset("missive_directory"), mail(), True),
        (asset("missive_emails", "2026-05-01"), mail(), False),  # it was to be read again
        (asset("missive_emails", "2026-05-01"), mail(full=True), True),
        (asset("email_attachments", "2026-05-01"), mail(full=True), True),
        ({"job_name": "retention"}, {"job_name": "retention"}, True),
        ({"job_name": "retention"}, scan(), False),
    ],
)
def test_a_failed_run_is_over_when_its_work_was_done_later_and_not_before(
    runs: Runs, failed: dict[str, Any], done: dict[str, Any], over: bool
) -> None:
    runs.add(GOOD, minutes_ago=60, **done)
    runs.add(BAD, minutes_ago=30, **failed)
    assert len(runs.conditions()) == 1
    runs.add(GOOD, minutes_ago=10, **done)
    assert (runs.conditions() == ()) is over


def test_a_good_run_that_began_before_the_failed_one_has_not_done_its_work(runs: Runs) -> None:
    run_id = runs.add(None, minutes_ago=60, **scan())
    runs.add(BAD, minutes_ago=30, **scan())
    runs._event(run_id, GOOD, NOW)
    assert runs.keys() == ["run:scan"]


def test_a_failed_run_whose_retry_is_under_way_is_no_alert_until_that_failed_too(runs: Runs) -> None:
    first = runs.add(BAD, minutes_ago=30, **scan())
    assert runs.keys() == ["run:scan"]
    family = {"root_run_id": first, "parent_run_id": first, "tags": {"dagster/root_run_id": first}}
    retry = runs.add(None, minutes_ago=20, **{**scan(), **family})
    assert runs.keys() == []
    runs._event(retry, BAD, NOW - dt.timedelta(minutes=20))
    assert runs.keys() == ["run:scan"]
    runs.add(GOOD, minutes_ago=10, **{**scan(folders=["a part of it"]), **family})
    assert runs.keys() == []


def test_a_retry_that_is_announced_is_waited_for_ten_minutes(runs: Runs) -> None:
    run_id = runs.add(BAD, minutes_ago=5, **scan())
    runs.instance.add_run_tags(run_id, {"dagster/will_retry": "true"})
    assert runs.keys() == []
    assert runs.keys(now=NOW + dt.timedelta(minutes=6)) == ["run:scan"]


def test_a_failure_grows_old_only_when_no_alert_about_it_is_open(runs: Runs) -> None:
    runs.add(BAD, minutes_ago=5, **scan(deep=True))
    in_ten_days = NOW + dt.timedelta(days=10)
    assert runs.keys(now=in_ten_days) == []
    assert runs.keys(now=in_ten_days, open_since=NOW) == ["run:scan (deep)"]


def test_many_folders_make_a_short_key_of_their_own(runs: Runs) -> None:
    for ending in ("x", "y"):
        runs.add(BAD, minutes_ago=5, **scan(folders=[f"projekte/{number:03}" for number in range(90)] + [ending]))
    first, second = runs.keys()
    assert first != second
    assert len(first) < 200


def test_a_full_sync_and_a_quick_one_that_fail_are_one_alert_to_people(runs: Runs) -> None:
    runs.add(BAD, minutes_ago=40, **sync(full=True))
    for minutes_ago in (30, 20):
        runs.add(BAD, minutes_ago=minutes_ago, **sync())
    assert runs.keys() == ["run:sync_teamwork"]
    for number in range(60):  # more than are looked through
        runs.add(GOOD, minutes_ago=19 - number / 10, **sync())
    assert runs.keys() == ["run:sync_teamwork"], "the full one is still missing"
    runs.add(GOOD, minutes_ago=10, **sync(full=True))
    for number in range(60):
        runs.add(GOOD, minutes_ago=9 - number / 10, **sync())
    assert runs.keys() == []


def test_the_names_of_the_folder_assets_are_those_of_the_assets_with_folders() -> None:
    assert {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs() if spec.partitions_def == FOLDERS} == (
        FOLDER_ASSETS
    )


# --- the sensor -------------------------------------------------------------------------------------------------------


@dg.job(name=SCAN_JOB, executor_def=dg.in_process_executor)
def failing() -> None:
    """A scan of a share that is away for good."""

    @dg.op
    def look() -> None:
        with dagster_failures(retry_number=3, first_pause_seconds=0):
            raise ShareUnavailableError("The share is away.", next_step="Mount it.")

    look()


@dg.job(name="retention", executor_def=dg.in_process_executor)
def surprising() -> None:
    """A mistake in the code, whose message holds what stands in a document."""

    @dg.op
    def fall() -> None:
        raise ValueError("Sehr geehrte Frau Geheim")

    fall()


def _tick(instance: dg.DagsterInstance, platform: Platform) -> str | None:
    with dg.build_sensor_context(instance=instance, resources={"platform": platform}) as context:
        result = alerts(context)
    assert isinstance(result, dg.SkipReason)
    return result.skip_message


def _told(platform: Platform, mailbox: Mailbox) -> Platform:
    return Platform(overrides={**platform.overrides, "alert_urls": mailbox.url})


def _alerts(settings: Settings) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.require_database_url()) as connection:
        query = "select key, closed_at is not null from ops.alerts order by id"
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("ticks", [30, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_a_permanent_failure_is_one_run_one_alert_and_one_message_over_all_ticks(
    instance: dg.DagsterInstance, platform: Platform, settings: Settings, ticks: int
) -> None:
    failing.execute_in_process(instance=instance, raise_on_error=False)
    with open_mailbox() as mailbox:
        said = {_tick(instance, _told(platform, mailbox)) for _ in range(ticks)}
    assert said == {
        "1 alerts are open, 1 of them new; 0 are over.",
        "1 alerts are open, 0 of them new; 0 are over.",
    }
    assert len(instance.get_runs()) == 1
    assert _alerts(settings) == [("run:scan", False)]
    [message] = mailbox.messages
    assert "Tried 4 times. The share is away. Mount it." in message["message"]


def test_of_an_error_that_nobody_expected_only_the_kind_is_told(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    surprising.execute_in_process(instance=instance, raise_on_error=False)
    with open_mailbox() as mailbox:
        _tick(instance, _told(platform, mailbox))
    [message] = mailbox.messages
    assert "ValueError" in message["message"]
    assert "Geheim" not in str(message)


def test_a_tick_without_a_database_is_skipped_with_a_sentence(instance: dg.DagsterInstance) -> None:
    nowhere = Platform(overrides={"database_url": "postgresql://ibhelm_pipeline@127.0.0.1:1/ibhelm"})
    assert str(_tick(instance, nowhere)).startswith("Postgres does not answer")


def test_a_worker_looks_when_the_sensor_is_silent_and_neither_touches_the_alerts_about_runs(
    instance: dg.DagsterInstance, platform: Platform, settings: Settings
) -> None:
    failing.execute_in_process(instance=instance, raise_on_error=False)
    _tick(instance, platform)
    now = dt.datetime.now(dt.UTC)
    assert evaluate_if_stale(settings, now + dt.timedelta(minutes=1)) is None

    silent = [evaluate_if_stale(settings, now + dt.timedelta(minutes=minutes)) for minutes in (3, 4, 6)]

    assert [report and report.opened for report in silent] == [("dagster:sensors_silent",), None, ()]
    assert _alerts(settings) == [("run:scan", False), ("dagster:sensors_silent", False)]
    _tick(instance, platform)
    assert _alerts(settings) == [("run:scan", False), ("dagster:sensors_silent", True)]
    assert open_run_alerts_since(settings) is not None


def test_a_sensor_that_never_looked_is_silent_from_the_first_time_that_somebody_asks(settings: Settings) -> None:
    assert evaluate_if_stale(settings, NOW) is None
    assert evaluate_if_stale(settings, NOW + dt.timedelta(minutes=1)) is None
    report = evaluate_if_stale(settings, NOW + dt.timedelta(minutes=3))
    assert report is not None
    assert report.opened == ("dagster:sensors_silent",)
