"""Runs that died without a word are ended, living ones never are."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from resources.platform import Platform
from sensors import lost_runs as module
from sensors.lost_runs import lost_runs


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", dt.timedelta(seconds=-5))


def _tick(instance: dg.DagsterInstance, platform: Platform) -> str | None:
    with dg.build_sensor_context(instance=instance, resources={"platform": platform}) as context:
        result = lost_runs(context)
    assert isinstance(result, dg.SkipReason)
    return result.skip_message


def _status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_started_run_without_a_process_is_ended_and_others_are_left_alone(
    instance_on_disk: dg.DagsterInstance, platform: Platform
) -> None:
    dead = create_run_for_test(instance_on_disk, job_name="scan", status=dg.DagsterRunStatus.STARTED)
    waiting = create_run_for_test(instance_on_disk, job_name="scan", status=dg.DagsterRunStatus.STARTING)

    assert _tick(instance_on_disk, platform) == "1 runs under way, 1 of them were dead and are ended now."

    assert _status(instance_on_disk, dead.run_id) == dg.DagsterRunStatus.FAILURE
    assert _status(instance_on_disk, waiting.run_id) == dg.DagsterRunStatus.STARTING
    assert _tick(instance_on_disk, platform) == "0 runs under way, 0 of them were dead and are ended now."


def test_a_run_at_work_is_alive_from_its_first_step_to_its_last_and_between_tries(
    instance_on_disk: dg.DagsterInstance, platform: Platform
) -> None:
    seen: list[str | None] = []

    @dg.op
    def work(context: dg.OpExecutionContext, platform: Platform) -> None:
        seen.append(_tick(instance_on_disk, platform))
        if context.retry_number == 0:
            raise dg.RetryRequested(max_retries=1)

    @dg.job(executor_def=dg.in_process_executor)
    def job() -> None:
        work()

    assert job.execute_in_process(instance=instance_on_disk, resources={"platform": platform}).success
    assert seen == ["1 runs under way, 0 of them were dead and are ended now."] * 2


def test_a_young_run_is_given_time_to_load_its_code(
    instance_on_disk: dg.DagsterInstance, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", dt.timedelta(minutes=2))
    young = create_run_for_test(instance_on_disk, job_name="scan", status=dg.DagsterRunStatus.STARTED)
    _tick(instance_on_disk, platform)
    assert _status(instance_on_disk, young.run_id) == dg.DagsterRunStatus.STARTED
