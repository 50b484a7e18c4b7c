"""Teamwork through Dagster: what is stored, what is told, how a run ends that Teamwork refuses, and how that heals."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alert_office import Mailbox, open_mailbox
from dagster._core.events import PIPELINE_RUN_STATUS_TO_EVENT_TYPE, DagsterEvent
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test
from teamwork_mirror import differences
from teamwork_office import PLENTY, connected, in_haste
from vendor_desk import VendorDesk, is_full

from assets.sync_job import teamwork_sync_job
from assets.teamwork import UPSTREAM, teamwork_directory, teamwork_tasks
from ibhelm_pipelines.db.checks import TEAMWORK_QUESTIONS
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.resources import ASSETS
from resources.lanes import FULL_TAG, TEAMWORK_ASSETS, TEAMWORK_SYNC_JOB
from resources.platform import Platform
from sensors.alerts import alerts
from sensors.schedules import IN_FLIGHT, teamwork_full_sync, teamwork_quick_sync

BY = 2336
NUMBERS = {"seen", "new", "changed", "deleted", "restored", "left_out", "failed", "dagster/row_count", "requests",
           "seconds", "full", "refused"}  # fmt: skip
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="ibhelm"), "ibhelm"),
    TEAMWORK_SYNC_JOB,
)
"""Where a run comes from; Dagster queues none without it."""


class Office(VendorDesk):
    """A simulated Teamwork, our tables of it, and the job that reads it."""

    questions = TEAMWORK_QUESTIONS

    def __init__(
        self, teamwork: TeamworkSimulator, settings: Settings, instance: dg.DagsterInstance, platform: Platform
    ) -> None:
        super().__init__(settings, instance, platform)
        self.teamwork = teamwork

    def sync(self, **config: Any) -> dg.ExecuteInProcessResult:
        return teamwork_sync_job.execute_in_process(
            instance=self.instance,
            resources={"platform": self.platform},
            run_config={"ops": {"read_teamwork": {"config": config}}},
            tags={FULL_TAG: "true"} if config.get("full") else {},
            raise_on_error=False,
        )

    def edit(self, name: str) -> dict[str, Any]:
        office = self.teamwork.office
        task = next(row for row in office.live("tasks") if not office.in_archived_project("tasks", row))
        actions.edit(office, "tasks", task, BY, name=name)
        return task

    def failed_checks(self, *, at_any_moment: bool = False) -> set[str]:
        return set(self.answers(at_any_moment=at_any_moment))

    def without_token(self) -> Platform:
        hidden = {name: value for name, value in self.platform.overrides.items() if name != "teamwork_token"}
        return Platform(overrides=hidden, first_pause_seconds=0)


@pytest.fixture
def office(
    settings: Settings, instance: dg.DagsterInstance, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    in_haste(monkeypatch)
    with TeamworkSimulator(tasks=60, rate_limit=PLENTY, window_seconds=1) as teamwork:
        settings = connected(settings, teamwork)
        overrides = {
            **platform.overrides,
            "teamwork_url": teamwork.url,
            "teamwork_token": teamwork.token,
            "teamwork_excluded_projects": "none",
            "teamwork_excluded_companies": "none",
            "teamwork_requests_per_minute": str(PLENTY),
        }
        yield Office(teamwork, settings, instance, Platform(overrides=overrides, first_pause_seconds=0))


def _told(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """The numbers of each asset that was told of."""
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in result.asset_materializations_for_node("read_teamwork")
    }


def test_one_run_makes_the_tables_equal_teamwork_and_tells_of_every_asset_with_its_numbers(office: Office) -> None:
    result = office.sync()
    assert result.success
    assert differences(office.settings, office.teamwork.truth()) == []
    told = _told(result)
    assert set(told) == set(ASSETS) == TEAMWORK_ASSETS == set(UPSTREAM)
    assert all(set(numbers) == NUMBERS for numbers in told.values())
    tasks = told["teamwork_tasks"]
    assert (tasks["new"], tasks["full"]) == (60, 1)
    assert tasks["dagster/row_count"] == office.one("select count(*) from tasks where deleted_at is null")
    assert office.failed_checks() == set()


def test_a_quick_run_tells_only_of_what_changed_and_a_full_one_of_everything(office: Office) -> None:
    assert len(office.sync().get_asset_check_evaluations()) == len(TEAMWORK_QUESTIONS)
    result = office.sync()
    assert _told(result) == {}
    assert result.get_asset_check_evaluations() == [], "that all is still well is no news"
    office.edit("Umgeplant")
    told = _told(office.sync())
    assert {asset: n["changed"] for asset, n in told.items()} == {"teamwork_tasks": 1}
    assert set(_told(office.sync(full=True))) == set(ASSETS)


def test_a_backfill_reads_a_part_again_and_moves_no_cursor(office: Office) -> None:
    office.sync()
    office.rows("update tasks set name = 'veraltet' returning 1")
    office.rows("delete from ops.raw_records returning 1")
    before = office.cursors()
    [(project,)] = office.rows(
        """select p.teamwork_id from tasks t join projects p on p.id = t.project_id
           group by 1 order by count(*) desc limit 1"""
    )
    assert set(_told(office.sync(projects=[project], since="2000-01-01"))) == set(ASSETS)
    assert office.cursors() == before
    stale = office.rows(
        "select distinct p.teamwork_id = %s, t.name = 'veraltet' from tasks t join projects p on p.id = t.project_id",
        project,
    )
    assert set(stale) == {(True, False), (False, True)}


@pytest.mark.parametrize("config", [{"since": "gestern"}, {"full": True, "projects": [1]}])
def test_what_cannot_be_meant_is_refused_with_a_sentence(
    office: Office, config: dict[str, Any], tmp_path: Path
) -> None:
    result = office.sync(**config, report_path=str(tmp_path / "summary.json"))
    assert not result.success
    assert json.loads((tmp_path / "summary.json").read_text())["error"]
    assert office.cursors() == []


def test_a_button_in_the_ui_reads_one_asset(office: Office) -> None:
    for asset in (teamwork_directory, teamwork_tasks):
        result = dg.materialize([asset], instance=office.instance, resources={"platform": office.platform})
        [event] = result.asset_materializations_for_node(asset.key.to_user_string())
        assert set(event.metadata) == NUMBERS
    assert office.one("select count(*) from tasks") == 60
    assert office.one("select count(*) from time_entries") == 0


def test_without_a_token_the_assets_say_so_and_nothing_is_late(office: Office) -> None:
    office.sync()
    office.age("3 days")
    assert office.failed_checks() == {"teamwork_stale", "teamwork_not_reconciled"}
    off = office.without_token()
    result = dg.materialize([teamwork_tasks], instance=office.instance, resources={"platform": off})
    [event] = result.asset_materializations_for_node("teamwork_tasks")
    assert "IBHELM_TEAMWORK_TOKEN is not set" in str(event.metadata["off"].value)
    assert office.failed_checks() == set()
    assert teamwork_sync_job.execute_in_process(instance=office.instance, resources={"platform": off}).success
    assert office.sync().success, "switched on again, it goes on"
    assert office.one("select count(*) from ops.sync_cursors where switched_off_at is not null") == 0


# --- trouble ----------------------------------------------------------------------------------------------------------


def _tick(office: Office, mailbox: Mailbox) -> None:
    platform = Platform(overrides={**office.platform.overrides, "alert_urls": mailbox.url})
    with dg.build_sensor_context(instance=office.instance, resources={"platform": platform}) as context:
        alerts(context)


def _alerts(office: Office) -> list[tuple[Any, ...]]:
    return office.rows("select key, closed_at is null from ops.alerts order by id")


def test_an_expired_token_is_one_alert_moves_nothing_and_is_over_after_the_next_good_run(office: Office) -> None:
    office.sync()
    index_documents(office.settings)
    before, rows = office.cursors(), office.one("select count(*) from tasks where deleted_at is null")
    task = office.edit("Während der Token abgelaufen war")
    office.teamwork.faults = Faults(token_expired=True)
    with open_mailbox() as mailbox:
        for full in (False, True, False):
            assert not office.sync(full=full).success
            _tick(office, mailbox)
        office.age("3 hours")
        _tick(office, mailbox)
    assert _alerts(office) == [("run:sync_teamwork", True)]
    [message] = mailbox.messages
    assert "Teamwork refuses our token (401)" in message["message"]
    assert "IBHELM_TEAMWORK_TOKEN" in message["message"]
    office.age("-3 hours")
    assert office.cursors() == before
    assert office.one("select count(*) from tasks where deleted_at is null") == rows

    office.teamwork.faults = Faults()
    assert office.sync(full=True).success
    with open_mailbox() as mailbox:
        _tick(office, mailbox)
    assert _alerts(office) == [("run:sync_teamwork", False)]
    assert office.one("select name from tasks where teamwork_id = %s", task["id"]) == "Während der Token abgelaufen war"
    assert differences(office.settings, office.teamwork.truth()) == []


def test_a_failed_full_reading_is_not_healed_by_a_quick_one(office: Office) -> None:
    office.teamwork.faults = Faults(token_expired=True)
    office.sync(full=True)
    office.teamwork.faults = Faults()
    for full, is_open in ((False, True), (True, False)):
        assert office.sync(full=full).success
        with open_mailbox() as mailbox:
            _tick(office, mailbox)
        assert _alerts(office) == [("run:sync_teamwork", is_open)]


def test_what_fails_stops_only_what_is_built_on_it_and_a_retry_does_not_begin_from_the_beginning(
    office: Office, tmp_path: Path
) -> None:
    office.sync()
    with connect(office.settings.require_database_url(), application="test", autocommit=True) as another:
        another.execute(load_queries("teamwork")["try_lock_resource"], {"resource": "comments"})
        result = office.sync(full=True, report_path=str(tmp_path / "summary.json"))
    assert not result.success, "another run reads the comments, and goes on reading them"
    told = [event.asset_key.to_user_string() for event in result.asset_materializations_for_node("read_teamwork")]
    assert told == ["teamwork_directory", "teamwork_tasks", "teamwork_time"], "each once, in spite of three retries"
    assert [e.event_type_value for e in result.all_events].count("STEP_RESTARTED") == 3
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["assets"]) == set(told)
    assert "comments" in summary["error"]


def test_refused_deletions_fail_the_check_until_a_person_confirms_them(office: Office) -> None:
    simulated = office.teamwork.office
    tags = [
        actions.create(simulated, "tags", {"name": f"Abschnitt {n}", "color": "#fff", "projectId": None}, BY)
        for n in range(11)
    ]
    office.sync()
    for tag in tags:
        actions.delete(simulated, "tags", tag, BY)
    result = office.sync(full=True)
    assert _told(result)["teamwork_directory"]["refused"] == 11
    assert office.failed_checks() == {"teamwork_deletions_refused"}
    assert office.sync().success
    assert office.failed_checks() == {"teamwork_deletions_refused"}, "a quick reading says nothing of it"
    assert office.sync(full=True, confirm_deletions=True).success
    assert office.failed_checks() == set()
    assert differences(office.settings, office.teamwork.truth()) == []


def test_what_is_not_understood_fails_the_check(office: Office) -> None:
    office.sync()
    office.rows("update ops.raw_records set error = 'KeyError: x' where kind = 'tasks' returning 1")
    assert office.failed_checks() == {"teamwork_rows_not_understood"}


# --- schedules --------------------------------------------------------------------------------------------------------


def _is_full(request: object) -> bool:
    return is_full(request, job=TEAMWORK_SYNC_JOB, op="read_teamwork")


def test_a_quick_sync_is_quick_and_makes_up_for_a_full_one_that_is_missing_at_most_once_an_hour(
    office: Office, instance_on_disk: dg.DagsterInstance
) -> None:
    assert _is_full(office.scheduled(teamwork_quick_sync, instance_on_disk)), "nothing was ever read"
    office.sync()
    assert not _is_full(office.scheduled(teamwork_quick_sync, instance_on_disk))
    assert _is_full(office.scheduled(teamwork_full_sync, instance_on_disk))
    office.age("26 hours")
    assert _is_full(office.scheduled(teamwork_quick_sync, instance_on_disk))
    create_run_for_test(
        instance_on_disk, job_name=TEAMWORK_SYNC_JOB, tags={FULL_TAG: "true"}, status=dg.DagsterRunStatus.FAILURE
    )
    assert not _is_full(office.scheduled(teamwork_quick_sync, instance_on_disk))


@pytest.mark.parametrize("status", IN_FLIGHT, ids=[status.value for status in IN_FLIGHT])
def test_a_quick_sync_is_skipped_while_one_is_in_flight_and_a_full_one_waits_behind_it(
    office: Office, instance_on_disk: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    office.sync()
    run = create_run_for_test(instance_on_disk, job_name=TEAMWORK_SYNC_JOB, remote_job_origin=ORIGIN)
    if status is not dg.DagsterRunStatus.NOT_STARTED:
        kind = PIPELINE_RUN_STATUS_TO_EVENT_TYPE[status].value
        event = DagsterEvent(event_type_value=kind, job_name=TEAMWORK_SYNC_JOB)
        instance_on_disk.report_dagster_event(event, run.run_id)
    sentence = f"A sync is {status.value.lower()} already (run {run.run_id}); the next tick looks again."
    assert office.scheduled(teamwork_quick_sync, instance_on_disk) == sentence
    assert _is_full(office.scheduled(teamwork_full_sync, instance_on_disk))


def test_without_a_token_no_run_is_asked_for_and_nothing_is_late(
    office: Office, instance_on_disk: dg.DagsterInstance
) -> None:
    office.sync()
    office.age("3 days")
    for schedule in (teamwork_quick_sync, teamwork_full_sync):
        said = office.scheduled(schedule, instance_on_disk, office.without_token())
        assert said == "Teamwork is off: IBHELM_TEAMWORK_TOKEN is not set."
    assert office.failed_checks() == set()
