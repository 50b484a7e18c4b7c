"""From a webhook of Teamwork to the row: within seconds, never lost, and silent where the runs tell of the trouble."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
import tables
from live_desk import Desk, Workers, becomes, item
from tampering_proxy import Given, proxy
from teamwork_office import PLENTY, connected, in_haste

from ibhelm_pipelines.db.checks import LIVE_QUESTIONS
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.live.worker import drain
from ibhelm_pipelines.vendors.teamwork.sync import switch_off, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings

BY = 2336


@dataclasses.dataclass
class Office:
    """A simulated Teamwork that was read once, and our inbox."""

    teamwork: TeamworkSimulator
    settings: Settings
    desk: Desk

    def edited(self, name: str) -> int:
        """Change a task there; return its id."""
        simulated = self.teamwork.office
        task = next(row for row in simulated.live("tasks") if not simulated.in_archived_project("tasks", row))
        actions.edit(simulated, "tasks", task, BY, name=name)
        return int(task["id"])

    def hook(self, kind: str, number: int | str) -> None:
        self.desk.put(item("teamwork", kind, str(number)))

    def one(self, query: str, *values: Any) -> Any:
        [(value,)] = tables.ask(self.desk.url, query, *values)
        return value

    def name(self, task: int) -> str:
        return str(self.one("select name from tasks where teamwork_id = %s", task))

    def failed_questions(self) -> set[str]:
        with connect(self.desk.url, application="test", autocommit=True) as connection:
            return {q.name for q in LIVE_QUESTIONS if not ask(connection, q.at_any_moment()).passed}


@pytest.fixture
def office(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    in_haste(monkeypatch)
    with TeamworkSimulator(tasks=60, rate_limit=PLENTY, window_seconds=1) as teamwork:
        settings = connected(settings, teamwork)
        sync(settings)
        yield Office(teamwork, settings, Desk(settings))


@pytest.fixture
def workers(office: Office, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(office.settings, tmp_path / "workers.log", lease_seconds=2)
    yield workers
    for process in list(workers.processes):
        workers.kill(process)


def test_a_worker_brings_what_a_webhook_names_into_the_tables_and_tells_of_it(office: Office, workers: Workers) -> None:
    workers.start()
    task = office.edited("Heizkreis 3 umplanen")
    office.hook("task", task)
    becomes(lambda: office.name(task) == "Heizkreis 3 umplanen", because=workers.log)
    becomes(office.desk.is_empty, because=workers.log)
    assert office.desk.rows("select asset, folder, counts ->> 'changed' from ops.outbox") == [
        ("teamwork_tasks", "", "1")
    ]
    assert workers.stop() == [0]


def test_a_drain_does_all_that_waits_and_what_nobody_mirrors_waits_for_nobody(office: Office) -> None:
    simulated = office.teamwork.office
    tasks = list(simulated.live("tasks"))[:55]
    for number, row in enumerate(tasks):
        actions.edit(simulated, "tasks", row, BY, name=f"Aufgabe {number}")
        office.hook("task", row["id"])
    comment = next(iter(simulated.live("comments")))
    actions.delete(simulated, "comments", comment, BY)
    for kind, number in (("comment", comment["id"]), ("file", 4711), ("link", 5), ("task", 99_999_999)):
        office.hook(kind, number)
    report = drain(office.settings)
    assert (report.done, report.failed, report.left, report.problem) == (59, 0, {}, None)
    assert office.one("select count(*) from tasks where name like 'Aufgabe %%' and updated_at is not null") >= 54
    assert office.one("select deleted_at is not null from task_comments where teamwork_id = %s", comment["id"])


def test_with_an_expired_token_everything_waits_and_the_lane_is_silent(office: Office, workers: Workers) -> None:
    office.teamwork.faults = Faults(token_expired=True)
    task = office.edited("Während der Token abgelaufen war")
    office.hook("task", task)
    report = drain(office.settings)
    assert (report.done, report.failed, report.left, report.problem) == (0, 0, {"teamwork": 1}, None)
    workers.start()
    office.desk.make_due()
    becomes(lambda: office.one("select lease_until is null and due_at > now() from ops.inbox"), because=workers.log)
    [(attempts, error)] = office.desk.rows("select attempts, error from ops.inbox")
    assert (attempts, "refuses our token (401)" in error) == (0, True)
    deferred = "select due_at - interval '15 seconds' from ops.inbox"
    becomes(lambda: office.one(f"select bool_or(beat_at > ({deferred})) from ops.heartbeats"), because=workers.log)
    office.desk.rows("update ops.inbox set first_event_at = now() - interval '1 hour'")
    office.desk.rows("update ops.sync_cursors set synced_at = now() - interval '1 hour'")
    assert office.failed_questions() == set(), "the failed runs tell of it"

    office.teamwork.faults = Faults()
    office.desk.make_due()
    becomes(office.desk.is_empty, because=workers.log)
    assert office.name(task) == "Während der Token abgelaufen war"


def test_what_waits_although_the_runs_go_well_is_told_to_be_late(office: Office) -> None:
    office.hook("task", 4711)
    office.desk.rows("update ops.inbox set first_event_at = now() - interval '6 minutes'")
    assert office.failed_questions() == set(), "the runs have gone well for a moment only"
    office.desk.rows("update ops.sync_cursors set steady_since = now() - interval '6 minutes'")
    assert office.failed_questions() == {"live_queue_lag"}


@pytest.mark.parametrize("why", ["no token", "never read"])
def test_without_a_token_or_before_the_first_reading_items_are_kept_and_nobody_is_alerted(
    office: Office, why: str
) -> None:
    office.hook("task", office.edited("Vorher"))
    office.desk.rows(
        """update ops.inbox set first_event_at = now() - interval '1 day', due_at = now() - interval '1 day'"""
    )
    settings = office.settings
    if why == "no token":
        settings = settings.model_copy(update={"teamwork_token": None})
    else:
        office.desk.rows("delete from ops.sync_cursors")
    assert drain(settings).done == 0
    assert office.desk.rows("select attempts, error from ops.inbox") == [(0, None)], "nobody even tried"
    if why == "no token":
        switch_off(settings)
    assert office.failed_questions() == set()
    sync(office.settings)
    assert drain(office.settings).done == 1


def test_a_thing_that_has_no_good_answer_is_given_up_alone_and_a_full_reading_makes_up_for_it(office: Office) -> None:
    task, broken = office.edited("Geht"), next(iter(office.teamwork.office.live("comments")))["id"]
    office.hook("comment", broken)
    office.hook("task", task)
    with proxy(office.teamwork.url) as between:
        between.before = lambda asked: Given(502, b"") if f"/comments/{broken}.json" in asked.path else None
        settings = office.settings.model_copy(update={"teamwork_url": between.url})
        for _ in range(6):
            drain(settings)
            office.desk.make_due()
    assert office.name(task) == "Geht"
    assert office.desk.labels("poisoned_at is not null") == {str(broken)}
    assert office.failed_questions() == {"poisoned_events"}
    sync(office.settings, full=True)
    assert office.failed_questions() == set()


def test_while_teamwork_is_away_everything_waits_and_nothing_is_given_up(office: Office) -> None:
    task = office.edited("Nach dem Ausfall")
    for number in (task, 99_999_999):
        office.hook("task", number)
    office.teamwork.faults = Faults(bad_gateway=1)
    for _ in range(6):
        assert drain(office.settings).left == {"teamwork": 2}
        office.desk.make_due()
    assert office.desk.rows("select distinct attempts, poisoned_at from ops.inbox") == [(0, None)]
    office.teamwork.faults = Faults()
    assert drain(office.settings).done == 2
    assert office.name(task) == "Nach dem Ausfall"


def test_what_teamwork_hides_from_us_stays_as_it_is_and_stops_nothing(office: Office) -> None:
    task, hidden = office.edited("Sichtbar"), next(iter(office.teamwork.office.live("comments")))["id"]
    office.hook("comment", hidden)
    office.hook("task", task)
    office.teamwork.faults = Faults(forbidden=(f"/projects/api/v3/comments/{hidden}",))
    assert drain(office.settings).done == 2
    assert office.name(task) == "Sichtbar"
    assert not office.one("select deleted_at is not null from task_comments where teamwork_id = %s", hidden)
