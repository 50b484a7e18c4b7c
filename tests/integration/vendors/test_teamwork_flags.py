"""Every parameter that Teamwork is asked with does something: it ignores misspelt ones without a word.

Each test leaves one out, and something of the simulated office is missed or comes out wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import tables
from teamwork_mirror import differences
from teamwork_office import PLENTY, connected

from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.switches import Switches
from ibhelm_pipelines.vendors.teamwork import reading
from ibhelm_pipelines.vendors.teamwork import sync as sync_module
from ibhelm_pipelines.vendors.teamwork.api import Api
from ibhelm_pipelines.vendors.teamwork.fields import first
from ibhelm_pipelines.vendors.teamwork.records import CREATED, UPDATED
from ibhelm_pipelines.vendors.teamwork.resources import DIRECTORY, RESOURCES, TASKS, TASKS_RESOURCE, Resource
from ibhelm_pipelines.vendors.teamwork.sync import sync, sync_things

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ibhelm_pipelines.settings import Settings

SWITCHES = Switches(deleted_comments_listed=False, order_by_beyond_tasks=True)
"""The vendor's least generous habits."""

LISTS = {(each.name, flag): each for each in RESOURCES for flag in each.parameters}
SINGLES = {(each.name, flag): each for each in RESOURCES for flag in each.single_parameters}

_IN_THE_LONGEST_QUERY = "in the one query that is known to miss nothing (facts, 2.4); what it does is not documented"
_MAYBE_SINGLY = "whether the address of a single thing heeds it is not known, and 404 means deleted to us"
_EITHER = "which of this and the other brings custom values is not known; one is enough in the simulator"
LISTS_UNSEEN = {
    ("tasks", "taskFilter"): _IN_THE_LONGEST_QUERY,
    ("tasks", "projectType"): _IN_THE_LONGEST_QUERY,
    (
        "tasks",
        "includeCompletedSubtasks",
    ): "may decide whether completed subtasks are listed, not only their ids",
    ("tasks", "includeCustomFields"): _EITHER,
    ("tasks", "include"): _EITHER,
    ("comments", "objectTypes"): "saves reading what nobody wants: a test of its own",
}
SINGLES_UNSEEN = {
    **{key: _MAYBE_SINGLY for key in SINGLES if key[1] in ("showDeleted", "showCompleted")},
    ("tasks", "includeCustomFields"): _EITHER,
    ("tasks", "include"): _EITHER,
}
"""What may be left out without a difference in the simulator, and why it is asked for all the same."""


def seen(flags: Mapping[tuple[str, str], Resource], unseen: Mapping[tuple[str, str], str]) -> list[tuple[str, str]]:
    return [key for key in flags if key not in unseen]


@pytest.fixture(scope="module")
def teamwork() -> Iterator[TeamworkSimulator]:
    with TeamworkSimulator(projects=6, tasks=150, switches=SWITCHES, rate_limit=PLENTY) as simulator:
        office = simulator.office
        by = next(iter(office.tables["people"]))
        actions.delete(office, "custom_fields", next(reversed(office.tables["custom_fields"].values())), by)
        actions.edit(office, "comments", next(office.live("comments")), by, body="geändert")
        actions.edit(office, "time_entries", next(office.live("time_entries")), by, description="geändert")
        yield simulator


@pytest.fixture
def office(settings: Settings, teamwork: TeamworkSimulator) -> Settings:
    return connected(settings, teamwork)


def replace_resource(monkeypatch: pytest.MonkeyPatch, old: Resource, new: Resource) -> None:
    monkeypatch.setattr(sync_module, "RESOURCES", tuple(new if each is old else each for each in RESOURCES))
    if old is TASKS_RESOURCE:
        monkeypatch.setattr(reading, "TASKS_RESOURCE", new)


def without(parameters: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name not in names}


def wrong(settings: Settings, teamwork: TeamworkSimulator) -> set[str]:
    """Return the lists in which we differ from the simulator."""
    return {each.split()[0] for each in differences(settings, teamwork.truth())}


def test_with_all_parameters_nothing_is_missed(office: Settings, teamwork: TeamworkSimulator) -> None:
    sync(office, full=True)
    assert differences(office, teamwork.truth()) == []


@pytest.mark.parametrize(("name", "flag"), seen(LISTS, LISTS_UNSEEN))
def test_without_this_parameter_a_list_is_not_what_it_should_be(
    office: Settings, teamwork: TeamworkSimulator, name: str, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = LISTS[name, flag]
    replace_resource(monkeypatch, resource, replace(resource, parameters=without(resource.parameters, flag)))
    sync(office, full=True, assets={DIRECTORY: [DIRECTORY]}.get(resource.asset, [DIRECTORY, resource.asset]))
    assert name in wrong(office, teamwork)


def test_custom_values_come_by_either_of_two_parameters_and_not_without_both(
    office: Settings, teamwork: TeamworkSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    less = without(TASKS_RESOURCE.parameters, "includeCustomFields", "include")
    replace_resource(monkeypatch, TASKS_RESOURCE, replace(TASKS_RESOURCE, parameters=less))
    sync(office, full=True)
    assert wrong(office, teamwork) == {"custom"}


def test_comments_on_other_things_stay_where_they_are(
    office: Settings, teamwork: TeamworkSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sync(office, full=True).lists["comments"].counts.left_out == 0
    resource = LISTS["comments", "objectTypes"]
    replace_resource(monkeypatch, resource, replace(resource, parameters=without(resource.parameters, "objectTypes")))
    assert sync(office, full=True).lists["comments"].counts.left_out > 0
    assert differences(office, teamwork.truth()) == []


def test_task_lists_come_with_their_tasks_or_nobody_knows_whether_those_may_be_stored(
    office: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TeamworkSimulator(tasks=20, rate_limit=PLENTY) as teamwork:
        one, other, *_ = (row["id"] for row in teamwork.office.live("projects"))
        settings = connected(office, teamwork, teamwork_excluded_projects=(str(one),))
        sync(settings)
        by = next(iter(teamwork.office.tables["people"]))
        old = next(row for row in teamwork.office.live("task_lists"))
        new = {key: value for key, value in old.items() if key != "id"} | {"projectId": other}
        actions.create(teamwork.office, "task_lists", new, by)
        task = actions.create_task(teamwork.office, name="neu", tasklist_id=new["id"], by=by, values={})
        url, query = settings.require_database_url(), "select count(*) from tasks where teamwork_id = %s"
        less = without(TASKS_RESOURCE.parameters, "include")
        with monkeypatch.context() as patch:
            replace_resource(patch, TASKS_RESOURCE, replace(TASKS_RESOURCE, parameters=less))
            sync(settings, assets=[TASKS])
        assert tables.ask(url, query, task["id"]) == [(0,)]
        sync(settings, assets=[TASKS])
        assert tables.ask(url, query, task["id"]) == [(1,)]


@pytest.mark.parametrize(("name", "flag"), seen(SINGLES, SINGLES_UNSEEN))
def test_without_this_parameter_a_single_task_is_not_what_it_should_be(
    office: Settings, teamwork: TeamworkSimulator, name: str, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = SINGLES[name, flag]
    assert wrong_after_reading_singly(office, teamwork, resource, monkeypatch) == set()
    less = replace(resource, single_parameters=without(resource.single_parameters, flag))
    assert wrong_after_reading_singly(office, teamwork, less, monkeypatch) == {name}


def test_custom_values_of_a_single_task_come_by_either_of_two_parameters(
    office: Settings, teamwork: TeamworkSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Api, "custom_values", lambda *_: [])  # else what was known is asked for on its own
    for names, expected in (
        (("include",), set()),
        (("includeCustomFields",), set()),
        (("include", "includeCustomFields"), {"custom"}),
    ):
        less = replace(TASKS_RESOURCE, single_parameters=without(TASKS_RESOURCE.single_parameters, *names))
        assert wrong_after_reading_singly(office, teamwork, less, monkeypatch) == expected, names


def wrong_after_reading_singly(
    settings: Settings, teamwork: TeamworkSimulator, tasks: Resource, monkeypatch: pytest.MonkeyPatch
) -> set[str]:
    """Return what is wrong when the most elaborate tasks were read one by one."""
    sync(settings, full=True)
    live = list(teamwork.office.live("tasks"))
    chosen = [row["id"] for row in live if row["_values"]][:4]
    chosen += [row["id"] for row in live if row["predecessorIds"] and row["id"] not in chosen][:12]
    with monkeypatch.context() as patch:
        replace_resource(patch, TASKS_RESOURCE, tasks)
        for number in chosen:
            sync_things(settings, [("task", number)])
    return wrong(settings, teamwork)


@pytest.mark.parametrize("resource", [each for each in RESOURCES if each.is_incremental], ids=lambda each: each.name)
def test_a_list_comes_in_the_order_of_changes_and_from_a_change_on(office: Settings, resource: Resource) -> None:
    order = {"orderBy": resource.order, "orderMode": "asc"}
    whole = times(office, resource, order)
    assert whole == sorted(whole)
    assert times(office, resource, {}) != whole, "that is no order by itself"
    assert times(office, resource, {**order, "orderMode": "desc"}) == whole[::-1]
    middle = whole[len(whole) // 2]
    assert times(office, resource, {**order, "updatedAfter": middle}) == [each for each in whole if each >= middle]


def times(settings: Settings, resource: Resource, parameters: dict[str, str]) -> list[str]:
    with Api(settings) as api:
        return [first(row, *UPDATED, *CREATED) for page in api.pages(resource, parameters) for row in page.rows]


def test_deletions_come_by_their_own_time(office: Settings) -> None:
    with Api(office) as api:
        [page] = api.pages(TASKS_RESOURCE, {"deletedAfter": "2019-01-01T00:00:00Z"})
    assert page.rows
    assert {row["status"] for row in page.rows} == {"deleted"}


def test_what_makes_no_difference_is_asked_for_with_a_reason() -> None:
    assert set(LISTS_UNSEEN) <= set(LISTS)
    assert set(SINGLES_UNSEEN) <= set(SINGLES)
