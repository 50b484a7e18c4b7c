"""The fallback: one run does what nobody took, and a trouble that lasts is no loop of runs."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.events import PIPELINE_RUN_STATUS_TO_EVENT_TYPE, DagsterEvent
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from live_desk import Desk, item
from nas_tree import Nas

from assets.drain_job import drain_job
from ibhelm_pipelines.live.inbox import Inbox
from ibhelm_pipelines.settings import Settings
from resources.lanes import DRAIN_JOB
from resources.platform import Platform
from sensors.inbox_drain import inbox_drain
from sensors.schedules import IN_FLIGHT

ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="ibhelm"), "ibhelm"),
    DRAIN_JOB,
)
"""Where a run comes from; Dagster queues none without it."""


class Fallback:
    """The sensor, and the runs that it asks for."""

    def __init__(self, instance: dg.DagsterInstance, platform: Platform) -> None:
        self.instance, self.platform = instance, platform
        self.runs: list[dg.ExecuteInProcessResult] = []

    def tick(self) -> str | None:
        """Evaluate the sensor once and run what it asks for; its sentence when it asks for nothing."""
        with dg.build_sensor_context(instance=self.instance, resources={"platform": self.platform}) as context:
            result = inbox_drain(context)
        if isinstance(result, dg.SkipReason):
            return result.skip_message
        assert isinstance(result, dg.RunRequest)
        self.runs.append(
            drain_job.execute_in_process(
                instance=self.instance, resources={"platform": self.platform}, raise_on_error=False
            )
        )
        return None


@pytest.fixture
def desk(settings: Settings) -> Desk:
    return Desk(settings)


@pytest.fixture
def fallback(instance: dg.DagsterInstance, platform: Platform) -> Fallback:
    return Fallback(instance, platform)


def wait_a_minute(desk: Desk, minutes: float = 1.1) -> None:
    """Make everything in the inbox so much older."""
    desk.rows(
        """update ops.inbox set first_event_at = first_event_at - %s * interval '1 minute',
                                due_at = due_at - %s * interval '1 minute'""",
        minutes,
        minutes,
    )


def test_what_waited_a_minute_is_done_by_one_run_down_to_preview_text_and_original(
    desk: Desk, fallback: Fallback, nas: Nas
) -> None:
    nas.write("projekte/A/notiz.txt", "Sehr geehrte Damen und Herren")
    desk.paths("projekte/A/notiz.txt")
    assert fallback.tick() == "Nothing in the inbox has waited for more than a minute."
    wait_a_minute(desk)
    assert fallback.tick() is None
    assert fallback.runs[0].success
    nas.assert_equals_disk()
    assert nas.rows("select text from content_texts") == [("Sehr geehrte Damen und Herren",)]
    told = nas.rows("select asset, sum(coalesce(counts ->> 'new', counts ->> 'done')::int) from ops.outbox group by 1")
    assert dict(told) == {"nas_files": 1, "stored_originals": 1, "thumbnails": 1, "extracted_text": 1}
    assert desk.labels() == set()
    assert fallback.tick() == "Nothing in the inbox has waited for more than a minute."


def test_what_a_worker_has_taken_and_what_nobody_can_do_asks_for_no_run(
    desk: Desk, fallback: Fallback, settings: Settings
) -> None:
    desk.paths("projekte/A/1")
    desk.put(item("teamwork", "task", "4711"))
    wait_a_minute(desk, 100)
    worker = Inbox(settings, owner="worker")
    worker.claim_nas()
    assert fallback.tick() == "Nothing in the inbox has waited for more than a minute."
    worker.close()


@pytest.mark.parametrize("status", IN_FLIGHT, ids=[status.value for status in IN_FLIGHT])
def test_no_run_is_asked_for_while_one_is_in_flight(
    desk: Desk, instance_on_disk: dg.DagsterInstance, platform: Platform, status: dg.DagsterRunStatus
) -> None:
    desk.paths("projekte/A/1")
    wait_a_minute(desk)
    run = create_run_for_test(instance_on_disk, job_name=DRAIN_JOB, remote_job_origin=ORIGIN)
    if status is not dg.DagsterRunStatus.NOT_STARTED:
        kind = PIPELINE_RUN_STATUS_TO_EVENT_TYPE[status].value
        instance_on_disk.report_dagster_event(DagsterEvent(event_type_value=kind, job_name=DRAIN_JOB), run.run_id)
    sentence = f"A drain is {status.value.lower()} already (run {run.run_id})."
    assert Fallback(instance_on_disk, platform).tick() == sentence


@pytest.mark.parametrize("ticks", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_permanent_failure_is_one_run_however_many_ticks_follow(desk: Desk, fallback: Fallback, ticks: int) -> None:
    desk.paths("../outside the share")  # no path below the root, and never will be
    wait_a_minute(desk)
    for _ in range(ticks):
        fallback.tick()
        wait_a_minute(desk, 15 / 60)
    assert [run.success for run in fallback.runs] == [True]
    [(error,)] = desk.rows("select error from ops.inbox where poisoned_at is not null")
    assert error


def test_a_share_that_is_away_for_a_night_is_a_run_every_ten_minutes_and_then_all_is_done(
    desk: Desk, fallback: Fallback, nas: Nas
) -> None:
    nas.write("projekte/A/notiz.txt", "Notiz")
    nas.path(".ibhelm-share").rename(nas.path(".away"))
    desk.paths("projekte/A/notiz.txt")
    for _ in range(4 * 31):  # half an hour of ticks
        fallback.tick()
        wait_a_minute(desk, 15 / 60)
    assert 3 <= len(fallback.runs) <= 4
    assert not any(run.success for run in fallback.runs)
    nas.path(".away").rename(nas.path(".ibhelm-share"))
    desk.make_due()
    wait_a_minute(desk, 11)
    fallback.tick()
    assert fallback.runs[-1].success
    nas.assert_equals_disk()
    assert desk.labels() == set()
