"""When scans are requested: never two of a kind at once, and every night once, summer time or not."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.events import PIPELINE_RUN_STATUS_TO_EVENT_TYPE, DagsterEvent
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from dagster._utils.schedules import schedule_execution_time_iterator

from ibhelm_pipelines.definitions import defs
from resources.lanes import DEEP_TAG, SCAN_JOB
from sensors.schedules import (
    IN_FLIGHT,
    backup_schedule,
    deep_scan,
    manifests_schedule,
    mirror_check,
    quick_scan,
    retention_schedule,
)

BERLIN = ZoneInfo("Europe/Berlin")
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="ibhelm"), "ibhelm"),
    SCAN_JOB,
)
"""Where a run comes from; Dagster queues none without it."""

IDS = [status.value for status in IN_FLIGHT]


def _run_in(status: dg.DagsterRunStatus, instance: dg.DagsterInstance, tags: dict[str, str] | None = None) -> str:
    """Make a scan run and bring it into this state as Dagster does, by its event; return its id."""
    run = create_run_for_test(instance, job_name=SCAN_JOB, tags=tags, remote_job_origin=ORIGIN)
    if status is not dg.DagsterRunStatus.NOT_STARTED:
        kind = PIPELINE_RUN_STATUS_TO_EVENT_TYPE[status]
        instance.report_dagster_event(DagsterEvent(event_type_value=kind.value, job_name=SCAN_JOB), run.run_id)
    return run.run_id


def _tick(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance) -> dg.RunRequest | str | None:
    """The run that the schedule asks for now, or why it asks for none."""
    now = dt.datetime(2026, 11, 23, 2, 0, tzinfo=BERLIN)
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=defs.get_repository_def()
    ) as context:
        data = schedule.evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else data.skip_message


def test_a_quick_scan_is_asked_for_when_no_scan_is_in_flight(instance_on_disk: dg.DagsterInstance) -> None:
    create_run_for_test(instance_on_disk, job_name=SCAN_JOB, status=dg.DagsterRunStatus.SUCCESS)
    create_run_for_test(instance_on_disk, job_name="retention", status=dg.DagsterRunStatus.STARTED)

    request = _tick(quick_scan, instance_on_disk)

    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {"ops": {"scan_and_derive": {"config": {"deep": False}}}}


@pytest.mark.parametrize("status", IN_FLIGHT, ids=IDS)
def test_a_quick_scan_is_skipped_with_a_sentence_while_any_scan_is_in_flight(
    instance_on_disk: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run_id = _run_in(status, instance_on_disk, {DEEP_TAG: "true"})
    state = status.value.lower()
    assert _tick(quick_scan, instance_on_disk) == (
        f"A scan is {state} already (run {run_id}); the next tick looks again."
    )


def test_a_deep_scan_waits_in_the_queue_behind_a_quick_one_and_is_skipped_only_for_another_deep_one(
    instance_on_disk: dg.DagsterInstance,
) -> None:
    _run_in(dg.DagsterRunStatus.STARTED, instance_on_disk)
    request = _tick(deep_scan, instance_on_disk)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {"ops": {"scan_and_derive": {"config": {"deep": True}}}}
    assert request.tags[DEEP_TAG] == "true"

    deep = _run_in(dg.DagsterRunStatus.QUEUED, instance_on_disk, {DEEP_TAG: "true"})
    assert deep in str(_tick(deep_scan, instance_on_disk))


def test_what_the_schedules_ask_for_is_a_run_that_the_job_accepts() -> None:
    job = defs.get_repository_def().get_job(SCAN_JOB)
    for deep in (False, True):
        assert dg.validate_run_config(job, {"ops": {"scan_and_derive": {"config": {"deep": deep}}}})


def _times(schedule: dg.ScheduleDefinition, start: dt.datetime, days: int) -> list[dt.datetime]:
    end = start + dt.timedelta(days=days)
    times = []
    for time in schedule_execution_time_iterator(
        start.timestamp(), schedule.cron_schedule, schedule.execution_timezone
    ):
        if time >= end:
            return times
        times.append(time.astimezone(BERLIN))
    raise AssertionError("a schedule never ends")


def test_quick_scans_come_every_quarter_of_an_hour_but_for_the_one_that_is_the_deep_one() -> None:
    day = dt.datetime(2026, 11, 23, tzinfo=BERLIN)
    quick, deep = _times(quick_scan, day, 1), _times(deep_scan, day, 1)
    assert sorted(quick + deep) == [day + dt.timedelta(minutes=15 * n) for n in range(96)]
    assert [time.hour for time in deep] == [2]


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_what_runs_at_night_runs_once_on_the_days_when_the_clocks_change(change: str) -> None:
    start = dt.datetime.fromisoformat(change).replace(tzinfo=BERLIN) - dt.timedelta(days=1)
    nightly = (deep_scan, retention_schedule, manifests_schedule, backup_schedule, mirror_check)
    for schedule in nightly:
        assert [time.day - start.day for time in _times(schedule, start, 3)] == [0, 1, 2]
