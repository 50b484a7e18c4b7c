"""The simulated Teamwork.com answers as shared/facts/apis.md, section 2, says that the real one does."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from random import Random

import pytest
from teamwork_asker import EVERYTHING, V3, Asker, everything

from ibhelm_pipelines.demo.model import make_projects
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.rows import FIELD_NAMES
from ibhelm_pipelines.demo.teamwork.seed import seed_office
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.state import Office, Row
from ibhelm_pipelines.demo.teamwork.switches import Switches
from ibhelm_pipelines.demo.teamwork.truth import truth

ADDS_VALUES = {
    "includeCustomFields",
    "includeRelatedTasks",
    "includeCompletedPredecessors",
    "includeCompletedSubtasks",
}
"""Flags that add values to rows, not rows."""


def _truth(teamwork: TeamworkSimulator, table: str) -> dict[int, Row]:
    return {row["id"]: row for row in teamwork.truth()[table]}


def _plain_task(teamwork: TeamworkSimulator, **values: object) -> Row:
    """A task that every list shows."""
    office = teamwork.office
    with office.lock:
        for row in office.live("tasks"):
            tasklist = office.tables["task_lists"][row["tasklistId"]]
            is_plain = row["status"] == "new" and not row["parentTaskId"] and tasklist["status"] == "new"
            if (
                is_plain
                and not office.in_archived_project("tasks", row)
                and all(row[k] == v for k, v in values.items())
            ):
                return row
    raise AssertionError(f"no task with {values}")


def _by(teamwork: TeamworkSimulator) -> int:
    return next(iter(teamwork.office.tables["people"]))


def test_the_projects_are_those_of_the_demo_nas(teamwork, asker):
    nas = make_projects(6, Random("7 projects"))
    assert [row["name"] for row in asker.rows("projects", **everything("projects"), orderBy="id")] == [
        project.title for project in nas
    ]


def test_a_seed_makes_the_same_office_each_time():
    def made(seed: int) -> object:
        office = Office(clock=lambda: dt.datetime(2026, 11, 3, tzinfo=dt.UTC))
        seed_office(office, seed=seed, projects=6, tasks=100)
        return truth(office)

    assert made(1) == made(1)
    assert made(1) != made(2)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{V3}/tasks.json", "errors"),
        ("/teams.json", "MESSAGE"),
    ],
)
@pytest.mark.parametrize("auth", [None, ("wrong", "x")])
def test_nobody_gets_in_without_the_key(asker, path, body, auth):
    answer = asker.send("GET", path, auth=auth)
    assert answer.status_code == 401
    assert body in answer.json()


def test_the_key_is_a_bearer_token_too(teamwork, asker):
    headers = {"Authorization": f"Bearer {teamwork.token}"}
    assert asker.send("GET", f"{V3}/tasks.json", auth=None, headers=headers).status_code == 200


def test_what_is_not_there_is_404_without_a_body_in_v3(asker):
    answer = asker.get(f"{V3}/tasks/999.json")
    assert (answer.status_code, answer.content) == (404, b"")


def test_pages_have_fifty_rows_and_tell_whether_more_follow(asker):
    first = asker.page("tasks", **everything("tasks"))
    assert len(first["tasks"]) == 50
    assert first["meta"]["page"] == {"pageOffset": 0, "pageSize": 50, "count": 300, "hasMore": True}
    last = asker.page("tasks", **everything("tasks"), pageSize=100, page=3)
    assert last["meta"]["page"] == {"pageOffset": 2, "pageSize": 100, "count": 300, "hasMore": False}
    assert asker.page("tasks", **everything("tasks"), page=99)["tasks"] == []


def test_pages_of_more_than_500_are_refused(asker):
    assert asker.get(f"{V3}/tasks.json", pageSize=501).status_code == 400
    assert asker.get(f"{V3}/tasks.json", pageSize=500).status_code == 200


def test_without_counts_the_count_is_a_lower_bound(asker):
    page = asker.page("tasks", **everything("tasks"), skipCounts="true")["meta"]["page"]
    assert page["hasMore"]
    assert page["count"] == 51


def test_misspelt_parameters_are_ignored_without_a_word(asker):
    assert asker.ids("tasks", includecompletedtask="true", Foo="bar") == asker.ids("tasks")


@pytest.mark.parametrize("resource", sorted(EVERYTHING))
def test_with_all_flags_a_list_has_every_row_of_the_truth(teamwork, asker, resource):
    table = {"tasklists": "task_lists", "time": "time_entries", "customfields": "custom_fields"}.get(resource, resource)
    assert asker.all_ids(resource) == set(_truth(teamwork, table))


@pytest.mark.parametrize("resource", [resource for resource, flags in EVERYTHING.items() if flags])
def test_each_flag_is_off_unless_it_is_sent(teamwork, asker, resource):
    _something_hidden(teamwork)
    everywhere = everything(resource)
    for flag in set(EVERYTHING[resource].split()) - ADDS_VALUES:
        without = {name: value for name, value in everywhere.items() if name != flag}
        assert asker.ids(resource, **without) < asker.ids(resource, **everywhere), flag


def _something_hidden(teamwork: TeamworkSimulator) -> None:
    """Make sure that there is something behind each flag: an archived project, an empty list, a deleted field."""
    office, by = teamwork.office, _by(teamwork)
    with office.lock:
        tasks = list(office.live("tasks"))
        project = next(
            row for row in office.live("projects") if any(office.project_of("tasks", t) == row["id"] for t in tasks)
        )
        actions.archive(office, project, by)
        stones = [row for row in office.live("milestones") if row["projectId"] != project["id"]]
        actions.delete(office, "milestones", stones[0], by)
        actions.complete(office, "milestones", stones[1], by)
        actions.complete(
            office, "milestones", next(r for r in office.live("milestones") if r["projectId"] == project["id"]), by
        )
        others = [row for row in office.live("projects") if row["id"] != project["id"]]
        actions.complete(office, "projects", others[0], by)
        model = next(iter(office.live("task_lists")))
        empty = {key: value for key, value in model.items() if key != "id"} | {
            "projectId": others[1]["id"],
            "status": "new",
        }
        actions.create(office, "task_lists", empty, by)
        actions.delete(office, "custom_fields", next(iter(office.live("custom_fields"))), by)


def test_a_task_names_its_list_but_never_its_project(teamwork, asker):
    page = asker.page("tasks", include="tasklists,projects")
    for task in page["tasks"]:
        assert "projectId" not in task
        tasklist = page["included"]["tasklists"][str(task["tasklistId"])]
        assert str(tasklist["projectId"]) in page["included"]["projects"]


def test_sideloaded_rows_follow_paths_and_stand_under_their_ids(asker):
    page = asker.page(
        "tasks", **everything("tasks"), pageSize=500, include="projects.companies,users,tags,teams,parentTasks"
    )
    included = page["included"]
    assert {str(row["companyId"]) for row in included["projects"].values()} == set(included["companies"])
    assert {str(tag) for task in page["tasks"] for tag in task["tagIds"]} == set(included["tags"])
    parents = {str(task["parentTaskId"]) for task in page["tasks"] if task["parentTaskId"]}
    assert parents == set(included["tasks"])


def test_custom_values_come_beside_the_tasks(teamwork, asker):
    page = asker.page("tasks", **everything("tasks"), pageSize=500)
    expected = {
        value["id"]: (task["id"], value["customfieldId"], value["value"])
        for task in _truth(teamwork, "tasks").values()
        for value in task["customFieldValues"]
    }
    values = page["included"]["customfieldTasks"].values()
    assert {value["id"]: (value["taskId"], value["customfieldId"], value["value"]) for value in values} == expected
    assert len(expected) > 10
    assert "customfieldTasks" not in asker.page("tasks").get("included", {})
    task = next(row for row in teamwork.office.live("tasks") if row["_values"])
    own = asker.get(f"{V3}/tasks/{task['id']}/customfields.json").json()["customfieldTasks"]
    assert {row["customfieldId"]: row["value"] for row in own} == {
        field: value["value"] for field, value in task["_values"].items()
    }


def test_predecessors_and_subtasks_have_to_be_asked_for_and_completed_ones_again(teamwork, asker):
    plain = {name: value for name, value in everything("tasks").items() if "elated" not in name}
    assert all("predecessorIds" not in row for row in asker.rows("tasks", **plain))
    some = {name: value for name, value in everything("tasks").items() if "CompletedPre" not in name}
    all_of_them = {row["id"]: row["predecessorIds"] for row in asker.rows("tasks", **everything("tasks"))}
    assert all_of_them == {row["id"]: row["predecessorIds"] for row in _truth(teamwork, "tasks").values()}
    assert {row["id"]: row["predecessorIds"] for row in asker.rows("tasks", **some)} != all_of_them
    teamwork.switches = replace(teamwork.switches, related_leave_out_completed=False)
    assert {row["id"]: row["predecessorIds"] for row in asker.rows("tasks", **some)} == all_of_them


def test_v1_knows_predecessors_with_ids_as_texts(teamwork, asker):
    task = next(row for row in teamwork.office.live("tasks") if row["predecessorIds"])
    answer = asker.get(f"/tasks/{task['id']}/predecessors.json").json()
    assert [row["id"] for row in answer["predecessors"]] == [str(each) for each in task["predecessorIds"]]


@pytest.mark.parametrize("inclusive", [True, False])
def test_updated_after_is_inclusive_or_exclusive(teamwork, asker, clock, inclusive):
    teamwork.switches = replace(teamwork.switches, updated_after_inclusive=inclusive)
    moment = clock.tick()
    task = _plain_task(teamwork)
    actions.edit(teamwork.office, "tasks", task, _by(teamwork), name="Neu")
    assert (task["id"] in asker.ids("tasks", updatedAfter=moment)) == inclusive
    assert task["id"] in asker.ids("tasks", updatedAfter="2026-11-03T08:59:59Z")
    assert asker.ids("tasks", updatedAfter="2026-11-04T00:00:00Z") == set()


def test_a_time_whose_plus_became_a_blank_is_refused(teamwork, asker):
    url = f"{V3}/tasks.json?updatedAfter=2026-11-03T10:00:00"
    assert asker.get(f"{url}+01:00").status_code == 400
    assert asker.get(f"{url}%2B01:00").status_code == 200


@pytest.mark.parametrize("moves", [True, False])
def test_deleting_moves_the_time_of_change_or_not(teamwork, asker, clock, moves):
    teamwork.switches = replace(teamwork.switches, deletion_moves_updated_at=moves)
    moment = clock.tick()
    task = _plain_task(teamwork)
    actions.delete(teamwork.office, "tasks", task, _by(teamwork))
    assert (task["id"] in asker.all_ids("tasks", updatedAfter=moment)) == moves
    assert task["id"] in asker.all_ids("tasks", deletedAfter=moment)


@pytest.mark.parametrize("supported", [True, False])
def test_deleted_after_works_or_is_ignored(teamwork, asker, supported):
    teamwork.switches = replace(teamwork.switches, deleted_after_supported=supported)
    assert (asker.all_ids("tasks", deletedAfter="2030-01-01T00:00:00Z") == set()) == supported


def test_only_deleted_tasks_can_be_asked_for(teamwork, asker):
    rows = asker.rows("tasks", **everything("tasks"), deletedOnly="true")
    assert {row["status"] for row in rows} == {"deleted"}
    assert all(row["deletedAt"] > "2019" for row in rows)


@pytest.mark.parametrize(("answer", "status"), [("row", 200), ("not_found", 404)])
def test_a_single_deleted_task_is_a_row_or_404(teamwork, asker, answer, status):
    teamwork.switches = replace(teamwork.switches, deleted_rows_singly=answer)
    task = _plain_task(teamwork)
    actions.delete(teamwork.office, "tasks", task, _by(teamwork))
    found = asker.get(f"{V3}/tasks/{task['id']}.json")
    assert found.status_code == status
    assert status == 404 or found.json()["task"]["status"] == "deleted"


@pytest.mark.parametrize(
    ("answer", "listed", "status"), [("listed", True, 200), ("singly", False, 200), ("gone", False, 404)]
)
def test_tasks_of_a_deleted_project_drop_out_and_come_back_unchanged(teamwork, asker, clock, answer, listed, status):
    teamwork.switches = replace(teamwork.switches, rows_of_deleted_projects=answer)
    task = _plain_task(teamwork)
    before = _truth(teamwork, "tasks")[task["id"]]
    project = teamwork.office.tables["projects"][before["projectId"]]
    clock.tick()
    assert asker.send("DELETE", f"/projects/{project['id']}.json").status_code == 200
    assert project["id"] not in asker.all_ids("projects")
    assert asker.get(f"{V3}/projects/{project['id']}.json").status_code == 404
    assert (task["id"] in asker.all_ids("tasks")) == listed
    assert asker.get(f"{V3}/tasks/{task['id']}.json").status_code == status
    gone = _truth(teamwork, "tasks")[task["id"]]
    assert (gone["deleted"], gone["project_deleted"], gone["readable"]) == (answer == "gone", True, answer != "gone")
    clock.tick()
    assert asker.send("PUT", f"/trashcan/projects/{project['id']}/restore.json").status_code == 200
    assert task["id"] in asker.all_ids("tasks")
    assert _truth(teamwork, "tasks")[task["id"]] == before


def test_archiving_a_project_and_deleting_a_list_leave_the_tasks_alone(teamwork, asker, clock):
    task = _plain_task(teamwork)
    before = _truth(teamwork, "tasks")[task["id"]]
    moment = clock.tick()
    office = teamwork.office
    actions.delete(office, "task_lists", office.tables["task_lists"][task["tasklistId"]], _by(teamwork))
    actions.archive(office, office.tables["projects"][before["projectId"]], _by(teamwork))
    assert task["id"] not in asker.ids("tasks")
    assert task["id"] not in asker.all_ids("tasks", includeTasksFromDeletedLists="false")
    assert task["id"] in asker.all_ids("tasks")
    assert task["id"] not in asker.all_ids("tasks", updatedAfter=moment)
    assert _truth(teamwork, "tasks")[task["id"]] == before


@pytest.mark.parametrize(("answer", "expected"), [("list", []), ("null", None), ("missing", "no such key")])
def test_a_row_says_in_three_ways_that_it_has_none_of_something(teamwork, asker, answer, expected):
    teamwork.switches = replace(teamwork.switches, empty_lists=answer)
    task = _plain_task(teamwork, tagIds=[])
    row = asker.get(f"{V3}/tasks/{task['id']}.json").json()["task"]
    assert row.get("tagIds", "no such key") == expected


@pytest.mark.parametrize(("answer", "expected"), [("date", "2026-12-24"), ("datetime", "2026-12-24T00:00:00Z")])
def test_dates_come_with_or_without_midnight(teamwork, asker, answer, expected):
    teamwork.switches = replace(teamwork.switches, dates_as=answer)
    task = _plain_task(teamwork)
    actions.edit(teamwork.office, "tasks", task, _by(teamwork), dueDate="2026-12-24")
    assert asker.get(f"{V3}/tasks/{task['id']}.json").json()["task"]["dueDate"] == expected


def test_what_is_not_there_is_a_zero_id_and_the_year_1(teamwork, asker):
    task = _plain_task(teamwork)
    row = asker.get(f"{V3}/tasks/{task['id']}.json").json()["task"]
    assert (row["parentTaskId"], row["completedAt"]) == (0, "0001-01-01T00:00:00Z")
    teamwork.switches = replace(teamwork.switches, zero_times=False)
    assert asker.get(f"{V3}/tasks/{task['id']}.json").json()["task"]["completedAt"] is None


def test_tasks_come_by_due_date_unless_another_order_is_asked_for(asker):
    assert [row["dueDate"] or "9999" for row in asker.rows("tasks")] == sorted(
        row["dueDate"] or "9999" for row in asker.rows("tasks")
    )
    newest_first = [row["updatedAt"] for row in asker.rows("tasks", orderBy="updatedat", orderMode="desc")]
    assert newest_first == sorted(newest_first, reverse=True)
    assert len(set(newest_first)) > 10


@pytest.mark.parametrize("honoured", [True, False])
def test_other_lists_honour_an_order_or_do_not(teamwork, asker, honoured):
    teamwork.switches = replace(teamwork.switches, order_by_beyond_tasks=honoured)
    times = [row["updatedAt"] for row in asker.rows("tasklists", **everything("tasklists"), orderBy="updatedat")]
    assert (times == sorted(times)) == honoured


def test_fields_ids_and_parents_narrow_a_list(teamwork, asker):
    task = _plain_task(teamwork)
    assert asker.rows("tasks", ids=task["id"], **{"fields[tasks]": "id,updatedAt"}) == [
        {"id": task["id"], "updatedAt": task["updatedAt"]}
    ]
    rows = _truth(teamwork, "tasks").values()
    project = next(iter(rows))["projectId"]
    of_project = {row["id"] for row in rows if row["projectId"] == project}
    assert asker.all_ids("tasks", projectIds=project) == of_project
    below = asker.page(f"projects/{project}/tasks", **everything("tasks"), pageSize=500)
    assert {row["id"] for row in below["tasks"]} == of_project
    of_list = {row["id"] for row in rows if row["tasklistId"] == task["tasklistId"]}
    assert asker.all_ids("tasks", tasklistIds=task["tasklistId"]) == of_list


@pytest.mark.parametrize(
    ("resource", "table", "key"),
    [
        ("tasks", "tasks", "task"),
        ("tasklists", "task_lists", "tasklist"),
        ("projects", "projects", "project"),
        ("milestones", "milestones", "milestone"),
        ("comments", "comments", "comments"),
        ("time", "time_entries", "timelog"),
        ("people", "people", "person"),
        ("companies", "companies", "company"),
        ("tags", "tags", "tag"),
    ],
)
def test_a_single_row_stands_under_its_own_key(teamwork, asker, resource, table, key):
    row = next(iter(teamwork.office.live(table)))
    assert asker.get(f"{V3}/{resource}/{row['id']}.json").json()[key]["id"] == row["id"]


def test_comments_on_tasks_can_be_told_from_others(teamwork, asker):
    kinds = {row["objectType"] for row in asker.rows("comments", objectTypes="tasks", includeArchivedProjects="true")}
    assert kinds == {"task"}
    with teamwork.office.lock:
        comment = next(iter(teamwork.office.live("comments")))
        actions.delete(teamwork.office, "comments", comment, _by(teamwork))
    assert comment["id"] in asker.ids("comments", includeArchivedProjects="true")
    teamwork.switches = replace(teamwork.switches, deleted_comments_listed=False)
    assert comment["id"] not in asker.ids("comments", includeArchivedProjects="true")
    assert comment["id"] in asker.all_ids("comments")


def test_teams_and_deleted_people_stand_in_v1_with_ids_as_texts(teamwork, asker):
    teams = asker.get("/teams.json")
    assert {row["id"] for row in teams.json()["teams"]} == {str(row["id"]) for row in teamwork.truth()["teams"]}
    assert teams.headers["X-Records"] == "3"
    gone = [str(row["id"]) for row in teamwork.truth()["people"] if row["deleted"]]
    assert [row["id"] for row in asker.get("/people/deleted.json").json()["people"]] == gone


def test_sideloaded_rows_may_be_missing_but_never_custom_values(teamwork, asker):
    whole = asker.page("tasks", **everything("tasks"), include="tasklists", pageSize=500)["included"]
    teamwork.switches = replace(teamwork.switches, included_rows_missing=True)
    less = asker.page("tasks", **everything("tasks"), include="tasklists", pageSize=500)["included"]
    assert less["tasklists"].keys() < whole["tasklists"].keys()
    assert less["customfieldTasks"] == whole["customfieldTasks"]


def test_a_task_can_be_created_edited_completed_and_deleted(teamwork, asker):
    tasklist = _plain_task(teamwork)["tasklistId"]
    made = asker.send("POST", f"{V3}/tasklists/{tasklist}/tasks.json", json={"task": {"name": "Prüfen 🔥"}})
    assert made.status_code == 201
    task = made.json()["task"]["id"]
    assert asker.send("POST", f"{V3}/tasklists/{tasklist}/tasks.json", json={"task": {}}).status_code == 422
    asker.send("PATCH", f"{V3}/tasks/{task}.json", json={"task": {"name": "Geprüft", "dueDate": "2026-12-01"}})
    asker.send("PUT", f"/tasks/{task}/complete.json")
    row = _truth(teamwork, "tasks")[task]
    assert (row["name"], row["dueDate"], row["status"]) == ("Geprüft", "2026-12-01", "completed")
    asker.send("DELETE", f"/tasks/{task}.json")
    assert _truth(teamwork, "tasks")[task]["deleted"]
    asker.send("PUT", f"/trashcan/tasks/{task}/restore.json")
    assert not _truth(teamwork, "tasks")[task]["deleted"]


def test_a_query_ends_after_50000_records():
    with TeamworkSimulator(tasks=50_100, rate_limit=10_000) as teamwork:
        asker = Asker(teamwork)
        last = asker.page("tasks", **everything("tasks"), pageSize=500, page=100, orderBy="id")
        assert (len(last["tasks"]), last["meta"]["page"]["hasMore"]) == (500, False)
        assert asker.page("tasks", **everything("tasks"), pageSize=500, page=101, orderBy="id")["tasks"] == []


def test_every_table_of_the_truth_has_a_name_in_the_api(teamwork):
    assert teamwork.truth().keys() == FIELD_NAMES.keys()


def test_switches_can_be_drawn_and_refuse_what_they_do_not_know():
    drawn = [Switches.drawn(Random(seed)) for seed in range(60)]
    for name, choices in Switches.answers().items():
        assert {getattr(each, name) for each in drawn} == set(choices)
