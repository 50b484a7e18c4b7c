"""What a sync of Teamwork promises, one promise a test; tests/faults/test_teamwork_truth.py: that it misses nothing."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import tables
from pydantic import SecretStr
from teamwork_mirror import differences
from teamwork_office import PLENTY, connected, in_haste

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.errors import ConfigurationError, VendorRefusedError, VendorUnavailableError
from ibhelm_pipelines.vendors.store import Store
from ibhelm_pipelines.vendors.teamwork.resources import PROJECTS, TAGS, TASKS_RESOURCE
from ibhelm_pipelines.vendors.teamwork.sync import Window, sync, sync_things
from ibhelm_pipelines.vendors.teamwork.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.demo.teamwork.state import Row
    from ibhelm_pipelines.settings import Settings

BY = 2336
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@dataclass
class Office:
    """The simulated office, and our tables of it."""

    teamwork: TeamworkSimulator
    settings: Settings

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.settings.require_database_url(), query, *values)

    def one(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value

    def pick(self, table: str, **values: Any) -> Row:
        office = self.teamwork.office
        rows = [row for row in office.live(table) if all(row.get(key) == value for key, value in values.items())]
        return next(row for row in rows if not office.in_archived_project(table, row))

    def cursors(self) -> list[tuple[Any, ...]]:
        return self.rows("select resource, watermark, synced_at, full_synced_at from ops.sync_cursors order by 1")

    @contextmanager
    def store(self) -> Iterator[Store]:
        url = self.settings.require_database_url()
        with connect(url, application="test", autocommit=True) as connection:
            yield Store(connection, TABLES, site="https://x")

    def assert_equals_teamwork(self) -> None:
        assert differences(self.settings, self.teamwork.truth()) == []


@pytest.fixture
def office(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """An office that was read once."""
    in_haste(monkeypatch)
    with TeamworkSimulator(tasks=150, rate_limit=PLENTY, window_seconds=1) as teamwork:
        office = Office(teamwork, connected(settings, teamwork))
        sync(office.settings)
        yield office


def test_everything_is_there_after_the_first_sync(office: Office) -> None:
    office.assert_equals_teamwork()
    assert office.one("select count(*) from tasks") == 150


def test_a_quick_sync_reads_only_what_changed(office: Office) -> None:
    task = office.pick("tasks", status="new")
    actions.edit(office.teamwork.office, "tasks", task, BY, name="Umgeplant: Lüftung 3. OG")
    report = sync(office.settings).assets["teamwork_tasks"]
    assert not report.full
    assert (report.counts.changed, report.counts.new, report.counts.deleted) == (1, 0, 0)
    assert office.one("select name from tasks where teamwork_id = %s", task["id"]) == "Umgeplant: Lüftung 3. OG"


@pytest.mark.parametrize(
    "key", ["tagIds", "assigneeUserIds", "assigneeTeamIds", "assigneeCompanyIds", "predecessorIds"]
)
def test_the_last_member_of_a_set_that_is_removed_is_gone(office: Office, key: str) -> None:
    task = office.pick("tasks")
    others = {"tagIds": "tags", "assigneeUserIds": "people", "assigneeTeamIds": "teams"}
    other = next(office.teamwork.office.live(others.get(key, "companies" if "Company" in key else "tasks")))
    actions.edit(office.teamwork.office, "tasks", task, BY, **{key: [other["id"]]})
    sync(office.settings)
    office.assert_equals_teamwork()
    actions.edit(office.teamwork.office, "tasks", task, BY, **{key: []})
    sync(office.settings)
    office.assert_equals_teamwork()


def test_the_last_custom_value_that_is_removed_is_gone(office: Office) -> None:
    task = next(row for row in office.teamwork.office.live("tasks") if row["_values"])
    for field in list(task["_values"]):
        actions.set_custom_value(office.teamwork.office, "tasks", task, field_id=field, value=None, by=BY)
    sync(office.settings)
    office.assert_equals_teamwork()


@pytest.mark.parametrize("singly", ["not_found", "row"])
@pytest.mark.parametrize("table", ["tasks", "comments", "time_entries", "task_lists", "milestones", "tags", "people"])
def test_what_is_deleted_shows_as_deleted_and_lives_again_when_it_is_restored(
    office: Office, table: str, singly: str
) -> None:
    office.teamwork.switches = office.teamwork.switches.changed({"deleted_rows_singly": singly})
    row = office.pick(table, **({"objectType": "task"} if table == "comments" else {}))
    actions.delete(office.teamwork.office, table, row, BY)
    sync(office.settings, full=True)
    office.assert_equals_teamwork()
    mine = {"comments": "task_comments"}.get(table, table)
    assert office.one(f"select deleted_at is not null from {mine} where teamwork_id = %s", row["id"])
    if table != "tags":  # the vendor has no way back for them
        actions.restore(office.teamwork.office, table, row, BY)
        sync(office.settings, full=True)
        office.assert_equals_teamwork()
        assert office.one(f"select deleted_at from {mine} where teamwork_id = %s", row["id"]) is None


def test_tasks_show_that_their_project_is_archived_deleted_or_back(office: Office) -> None:
    project = office.pick("projects")
    number = (
        "select state, count(*) from tasks t join projects p on p.id = t.project_id where p.teamwork_id = %s group by 1"
    )
    before = dict(office.rows(number, project["id"]))
    assert before.keys() <= {"open", "completed", "deleted"}
    actions.archive(office.teamwork.office, project, BY)
    sync(office.settings)
    assert dict(office.rows(number, project["id"])).keys() <= {"archived", "deleted"}
    actions.unarchive(office.teamwork.office, project, BY)
    actions.delete(office.teamwork.office, "projects", project, BY)
    sync(office.settings, full=True)
    assert dict(office.rows(number, project["id"])).keys() == {"deleted"}
    office.assert_equals_teamwork()
    actions.restore(office.teamwork.office, "projects", project, BY)
    sync(office.settings)
    assert dict(office.rows(number, project["id"])) == before


def test_an_expired_token_moves_no_cursor_and_deletes_nothing_and_the_next_sync_goes_on(office: Office) -> None:
    before, rows = office.cursors(), office.one("select count(*) from tasks where deleted_at is null")
    actions.edit(office.teamwork.office, "tasks", office.pick("tasks"), BY, name="Während der Token fehlte")
    office.teamwork.faults = office.teamwork.faults.changed({"token_expired": True})
    for full in (False, True):
        with pytest.raises(VendorRefusedError, match="IBHELM_TEAMWORK_TOKEN"):
            sync(office.settings, full=full)
    with pytest.raises(VendorRefusedError):
        sync_things(office.settings, [("task", office.pick("tasks")["id"])])
    assert office.cursors() == before
    assert office.one("select count(*) from tasks where deleted_at is null") == rows
    office.teamwork.faults = office.teamwork.faults.changed({"token_expired": False})
    sync(office.settings)
    office.assert_equals_teamwork()


def test_a_sync_that_fails_in_the_middle_moves_no_cursor_beyond_it(office: Office) -> None:
    before = {name: rest for name, *rest in office.cursors()}
    actions.edit(office.teamwork.office, "tasks", office.pick("tasks"), BY, name="Noch zu lesen")
    office.teamwork.faults = office.teamwork.faults.changed({"forbidden": ("/projects/api/v3/tasks",)})
    with pytest.raises(VendorRefusedError, match="403"):
        sync(office.settings, full=True)
    after = {name: rest for name, *rest in office.cursors()}
    assert {name for name in after if after[name] == before[name]} == {"tasks", "comments", "time_entries"}
    office.teamwork.faults = office.teamwork.faults.changed({"forbidden": ()})
    sync(office.settings)
    office.assert_equals_teamwork()


def test_one_thing_that_the_token_may_not_see_any_more_is_not_deleted(office: Office) -> None:
    task = office.pick("tasks")
    gone = office.pick("tags")
    actions.delete(office.teamwork.office, "tags", gone, BY)
    office.teamwork.faults = office.teamwork.faults.changed({"forbidden": (f"/projects/api/v3/tags/{gone['id']}",)})
    sync(office.settings, full=True)
    assert office.one("select deleted_at from tags where teamwork_id = %s", gone["id"]) is None
    assert office.one("select deleted_at from tasks where teamwork_id = %s", task["id"]) is None


def test_a_thing_that_teamwork_does_not_know_any_more_becomes_a_tombstone(office: Office) -> None:
    task = office.pick("tasks")
    actions.delete(office.teamwork.office, "tasks", task, BY)
    sync_things(office.settings, [("task", task["id"])])
    assert office.one("select deleted_at is not null from tasks where teamwork_id = %s", task["id"])
    assert office.one("select state from tasks where teamwork_id = %s", task["id"]) == "deleted"


def test_things_that_webhooks_name_are_read_again_and_told_in_the_outbox(office: Office) -> None:
    first, second = (row for row in [*office.teamwork.office.live("tasks")][:2])
    for row in (first, second):
        actions.edit(office.teamwork.office, "tasks", row, BY, name=f"Neu {row['id']}")
    before = office.teamwork.requests.total
    sync_things(office.settings, [("task", first["id"]), ("task", second["id"]), ("file", 7)])
    assert office.teamwork.requests.total - before == 1, "several tasks are one request"
    assert office.one("select count(*) from tasks where name like 'Neu %%'") == 2
    assert office.one("select sum((counts ->> 'changed')::int) from ops.outbox where asset = 'teamwork_tasks'") == 2


def test_a_child_that_arrives_before_its_parent_is_linked_when_the_parent_comes(settings: Settings) -> None:
    with TeamworkSimulator(tasks=60, rate_limit=PLENTY) as teamwork:
        office = Office(teamwork, connected(settings, teamwork))
        sync(office.settings, assets=["teamwork_time"])
        sync(office.settings, assets=["teamwork_comments"])
        assert office.one("select count(*) from time_entries where project_id is not null") == 0
        assert office.one("select count(*) from task_comments where task_id is not null") == 0
        sync(office.settings, assets=["teamwork_tasks"])
        sync(office.settings, assets=["teamwork_directory"])
        office.assert_equals_teamwork()


def test_a_task_in_a_list_that_is_new_is_in_its_project_at_once(office: Office) -> None:
    project = office.pick("projects")
    values = {"name": "Neu", "description": "", "projectId": project["id"], "milestoneId": None, "status": "new"}
    values |= {"displayOrder": 1, "isPrivate": 0, "createdAt": office.teamwork.office.now()}
    new = actions.create(office.teamwork.office, "task_lists", values, BY)
    task = office.pick("tasks")
    actions.move_task(office.teamwork.office, task, new["id"], BY)
    sync_things(office.settings, [("task", task["id"])])
    at_home = "select p.teamwork_id from tasks t join projects p on p.id = t.project_id where t.teamwork_id = %s"
    assert office.one(at_home, task["id"]) == project["id"]


def test_an_older_reading_never_replaces_a_newer_one(office: Office) -> None:
    task = office.pick("tasks")
    body = {"id": task["id"], "name": "alt", "tasklistId": task["tasklistId"]}
    with office.store() as store:
        store.put(TASKS_RESOURCE, [body], LONG_AGO)
    assert office.one("select name from tasks where teamwork_id = %s", task["id"]) == task["name"]


def test_a_page_that_was_asked_for_before_a_thing_was_gone_does_not_bring_it_back(office: Office) -> None:
    now, second = office.one("select clock_timestamp()"), dt.timedelta(seconds=1)
    live = "select name from tags where teamwork_id = %s and deleted_at is null"
    with office.store() as store:
        for number in (office.pick("tags")["id"], 99_999_999):
            store.bury(TAGS, [number], now)
            store.put(TAGS, [{"id": number, "name": "Geist"}], now - second)
            assert office.rows(live, number) == []
            store.put(TAGS, [{"id": number, "name": "Wieder da"}], now + second)
            assert office.rows(live, number) == [("Wieder da",)]


def test_a_row_that_is_not_understood_is_kept_with_its_reason_and_stops_nobody_else(office: Office) -> None:
    later = office.one("select clock_timestamp() + interval '1 s'")
    bad = {"id": 501, "name": "Unklar", "dueDate": "übermorgen"}
    with office.store() as store:
        counts = store.put(TASKS_RESOURCE, [bad, {"id": 502, "name": "Klar"}], later)
        assert (counts.failed, counts.new) == (1, 1)
        reason = office.one("select error from ops.raw_records where kind = 'tasks' and vendor_id = '501'")
        assert "übermorgen" in reason
        store.put(TASKS_RESOURCE, [bad | {"dueDate": "2027-01-31"}], later)
    assert office.rows("select error from ops.raw_records where error is not null") == []
    assert office.one("select due_on from tasks where teamwork_id = 501") == dt.date(2027, 1, 31)


def test_a_row_that_no_table_takes_stops_nobody_else_of_its_page(office: Office) -> None:
    later = office.one("select clock_timestamp() + interval '1 s'")
    rows: list[dict[str, Any]] = [{"id": number, "name": f"Aufgabe {number}"} for number in range(501, 511)]
    rows[3]["estimateMinutes"] = 10**12
    with office.store() as store:
        counts = store.put(TASKS_RESOURCE, rows, later)
    assert (counts.failed, counts.new) == (1, 9)
    [(number, reason)] = office.rows("select vendor_id, error from ops.raw_records where error is not null")
    assert (number, "out of range" in reason) == ("504", True)


def test_the_body_is_kept_as_it_came(office: Office) -> None:
    project = office.pick("projects")
    body = office.one("select body from ops.raw_records where kind = 'projects' and vendor_id = %s", str(project["id"]))
    assert body["type"] == project["type"], "a key that no column holds"


def test_more_than_may_vanish_at_once_needs_a_person(office: Office) -> None:
    tags = [*office.teamwork.office.live("tags")]
    assert len(tags) > 11
    for tag in tags[:11]:
        actions.delete(office.teamwork.office, "tags", tag, BY)
    report = sync(office.settings, full=True)
    assert report.refused == 11
    assert office.one("select count(*) from tags where deleted_at is not null") == 0
    assert office.one("select refused_deletions from ops.sync_cursors where resource = 'tags'") == 11
    assert sync(office.settings, full=True, confirm_deletions=True).refused == 0
    assert office.one("select count(*) from tags where deleted_at is not null") == 11
    assert office.one("select sum(refused_deletions) from ops.sync_cursors") == 0


def test_ten_may_vanish_without_a_question(office: Office) -> None:
    for tag in [*office.teamwork.office.live("tags")][:10]:
        actions.delete(office.teamwork.office, "tags", tag, BY)
    assert sync(office.settings).refused == 0
    office.assert_equals_teamwork()


def test_a_backfill_reads_chosen_projects_again_and_moves_no_cursor(office: Office) -> None:
    office.rows("update tasks set name = 'verstümmelt'")
    before, project = office.cursors(), office.pick("projects")
    sync(office.settings, assets=["teamwork_tasks"], window=Window(projects=(project["id"],)))
    right = """select count(*) from tasks t join projects p on p.id = t.project_id
               where p.teamwork_id {} %s and t.name {} 'verstümmelt'"""
    assert office.one(right.format("=", "="), project["id"]) == 0
    assert office.one(right.format("<>", "<>"), project["id"]) == 0
    assert office.cursors() == before


def test_a_backfill_of_a_range_of_days_reads_what_changed_in_it(office: Office) -> None:
    office.rows("update tasks set name = 'verstümmelt'")
    since, until = dt.date(2023, 1, 1), dt.date(2023, 12, 31)
    sync(office.settings, assets=["teamwork_tasks"], window=Window(since=since, until=until))
    inside = "updated_at between '2023-01-01' and '2024-01-01'"
    assert office.one(f"select count(*) from tasks where {inside} and name = 'verstümmelt'") == 0
    assert office.one(f"select count(*) from tasks where {inside}") > 0
    assert office.one(f"select count(*) from tasks where not {inside} and name <> 'verstümmelt'") == 0


@pytest.mark.parametrize("field", ["teamwork_excluded_projects", "teamwork_excluded_companies"])
def test_nothing_is_read_before_it_is_said_what_stays_out(office: Office, field: str) -> None:
    before = office.teamwork.requests.total
    with pytest.raises(ConfigurationError, match="none"):
        sync(office.settings.model_copy(update={field: None}))
    assert office.teamwork.requests.total == before


@pytest.mark.parametrize("entries", [("4711",), ("Privat",), ("none", "5")])
@pytest.mark.parametrize("field", ["teamwork_excluded_projects", "teamwork_excluded_companies"])
def test_an_exclusion_that_means_nothing_stops_everything(
    settings: Settings, field: str, entries: tuple[str, ...]
) -> None:
    with TeamworkSimulator(tasks=60, rate_limit=PLENTY) as teamwork:
        office = Office(teamwork, connected(settings, teamwork, **{field: entries}))
        with pytest.raises(ConfigurationError, match=field.upper()):
            sync(office.settings)
        assert office.one("select count(*) from projects") == 0
        with pytest.raises(ConfigurationError if entries != ("4711",) else VendorUnavailableError):
            sync(office.settings, assets=["teamwork_tasks"])
        assert office.one("select count(*) from tasks") == 0


def _private_rows(office: Office, projects: set[int]) -> list[tuple[Any, ...]]:
    """Everything in any table or raw body that belongs to these projects."""
    truth = office.teamwork.truth()
    ids = {kind: {row["id"] for row in truth[kind] if row.get("projectId") in projects} for kind in truth}
    ids["projects"] = projects
    ids["comments"] |= {row["id"] for row in truth["comments"] if row["objectId"] in ids["tasks"]}
    found = []
    for kind, table in {"comments": "task_comments"}.items() | {(each, each) for each in truth if each != "comments"}:
        found += office.rows(
            f"select '{table}', teamwork_id from {table} where teamwork_id = any(%s)", sorted(ids[kind])
        )
        query = (
            "select kind, vendor_id from ops.raw_records where kind = %s and vendor_id = any(%s) and body is not null"
        )
        found += office.rows(query, kind, [str(each) for each in ids[kind]])
    return found


@pytest.mark.parametrize("when", ["from the beginning", "later"])
@pytest.mark.parametrize("by", ["project", "company"])
def test_what_stays_out_is_nowhere(settings: Settings, by: str, when: str) -> None:
    with TeamworkSimulator(tasks=150, rate_limit=PLENTY) as teamwork:
        project = next(teamwork.office.live("projects"))
        excluded = {"teamwork_excluded_projects": (str(project["id"]),)}
        if by == "company":
            excluded = {"teamwork_excluded_companies": (str(project["companyId"]),)}
        private = {
            row["id"]
            for row in teamwork.truth()["projects"]
            if row["id"] == project["id"] or (by == "company" and row["companyId"] == project["companyId"])
        }
        office = Office(teamwork, connected(settings, teamwork))
        if when == "later":
            sync(office.settings)
            assert _private_rows(office, private) != []
        office.settings = connected(settings, teamwork, **excluded)
        sync(office.settings, full=True)
        assert _private_rows(office, private) == []
        task = next(row for row in teamwork.office.live("tasks") if teamwork.office.project_of("tasks", row) in private)
        sync_things(office.settings, [("project", project["id"]), ("task", task["id"])])
        assert _private_rows(office, private) == []
        assert office.one("select count(*) from tasks") > 0
        assert office.one("select count(*) from projects") == len(teamwork.truth()["projects"]) - len(private)


def test_a_task_type_follows_the_rules_and_a_person_wins(office: Office, owner_database_url: str) -> None:
    sync(office.settings)
    tag = """select t.teamwork_id from tasks t join task_tags b on b.task_id = t.id join tags g on g.id = b.tag_id
             where g.name = %s"""
    demanding, hints = ({number for (number,) in office.rows(tag, name)} for name in ("Anforderung", "Hinweis"))
    types = dict(office.rows("select teamwork_id, task_type from tasks"))
    assert demanding - hints
    assert {types[number] for number in demanding - hints} == {"Anforderung"}
    assert {types[number] for number in types.keys() - demanding - hints} <= {"Aufgabe", "Mangel", "Frage"}

    mine = min(demanding - hints)
    human = "update tasks set task_type = %s where teamwork_id = %s"
    tables.ask(owner_database_url, human, "Mangel", mine)
    sync(office.settings, full=True)
    chosen = "select task_type, task_type_source from tasks where teamwork_id = %s"
    assert office.rows(chosen, mine) == [("Mangel", "person")]
    tables.ask(owner_database_url, human, None, mine)
    sync(office.settings)
    assert office.rows(chosen, mine) == [("Anforderung", "rule")]

    rule = "insert into task_type_rules (tag, task_type, priority) values ('ANFORDERUNG', 'Frage', 99)"
    tables.ask(owner_database_url, rule)
    tables.ask(owner_database_url, "update task_types set name = 'Rückfrage' where name = 'Frage'")
    sync(office.settings)
    assert office.rows(chosen, mine) == [("Rückfrage", "rule")]


def test_two_syncs_at_once_do_not_read_the_same_list(office: Office) -> None:
    from ibhelm_pipelines.errors import BusyError

    with connect(office.settings.require_database_url(), application="test", autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtextextended('ibhelm teamwork read ' || %s, 0))", [PROJECTS.name])
        with pytest.raises(BusyError, match="projects"):
            sync(office.settings)


def test_nothing_is_sent_to_teamwork_but_questions(office: Office) -> None:
    sync(office.settings, full=True)
    sync_things(office.settings, [("task", office.pick("tasks")["id"])])
    assert set(office.teamwork.requests.by_status) == {200}


def test_without_a_token_there_is_a_sentence(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="IBHELM_TEAMWORK_TOKEN"):
        sync(settings)
    with pytest.raises(ConfigurationError, match="IBHELM_TEAMWORK_URL"):
        sync(settings.model_copy(update={"teamwork_token": SecretStr("x")}))
