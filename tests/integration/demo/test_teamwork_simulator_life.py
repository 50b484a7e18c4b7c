"""The simulated office lives: what changes shows in the API, in the truth and in webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from random import Random
from urllib.parse import parse_qsl

import pytest
import requests
from teamwork_asker import EVERYTHING, V3, Asker, everything
from webhook_mailbox import Mailbox, mailbox

from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.mutations import MUTATIONS
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.switches import Switches
from ibhelm_pipelines.demo.vendor.faults import Faults

TABLES = {"tasklists": "task_lists", "time": "time_entries", "customfields": "custom_fields"}
ZERO_IDS = {"parentTaskId", "milestoneId", "projectId", "categoryId", "taskId", "ownerId"}
DATES = {"startDate", "dueDate", "originalDueDate", "startAt", "endAt", "deadline"}
SECRET = "Geheimnis für Haken"


@pytest.fixture
def box():
    with mailbox() as box:
        yield box


def _install(asker: Asker, box: Mailbox, event: str, **values: str) -> str:
    webhook = {"event": event, "url": box.url, "version": "2", "contentType": "application/json", "token": SECRET}
    answer = asker.send("POST", "/webhooks.json", json={"webhook": {**webhook, **values}})
    assert (answer.status_code, answer.json()["STATUS"]) == (201, "OK")
    return answer.json()["id"]


def _edit(teamwork: TeamworkSimulator, name: str = "Geändert ä 🔥") -> dict[str, object]:
    office = teamwork.office
    with office.lock:
        task = next(iter(office.live("tasks")))
        actions.edit(office, "tasks", task, next(iter(office.tables["people"])), name=name)
    return task


def test_the_same_seeds_live_the_same_life(clock):
    def lived() -> object:
        simulator = TeamworkSimulator(tasks=100, clock=clock)
        with simulator:
            done = simulator.mutate(seed=3, count=200)
            return done, simulator.truth()

    assert lived() == lived()


def test_life_has_every_kind_of_change(teamwork):
    done = teamwork.mutate(seed=1, count=2500)
    assert {line.rpartition(" ")[0] for line in done} == set(MUTATIONS)


@pytest.mark.parametrize("seed", range(4))
def test_after_any_life_the_lists_with_all_flags_are_the_truth(clock, seed):
    switches = replace(Switches.drawn(Random(seed)), deleted_after_supported=True)
    with TeamworkSimulator(seed=seed, tasks=150, clock=clock, switches=switches, rate_limit=10**6) as teamwork:
        asker = Asker(teamwork)
        for step in range(8):
            clock.tick()
            teamwork.mutate(seed=f"{seed} {step}", count=25)
        rows = teamwork.truth()
        for resource in EVERYTHING:
            table = TABLES.get(resource, resource)
            listed = asker.all_ids(resource)
            gone_project = switches.rows_of_deleted_projects != "listed"
            hidden = {row["id"] for row in rows[table] if gone_project and row["project_deleted"]}
            vanished = {row["id"] for row in rows[table] if row["deleted"] and not row["readable"]}
            assert listed == {row["id"] for row in rows[table]} - hidden - vanished, resource


def _as_truth(key: str, value: object) -> object:
    """Read a value as somebody would who knows all of the vendor's habits."""
    if value == "0001-01-01T00:00:00Z" or (value == 0 and key in ZERO_IDS):
        return None
    if key in DATES and isinstance(value, str):
        return value[:10]
    return sorted(value) if isinstance(value, list) and key.endswith("Ids") else value


@pytest.mark.parametrize("seed", range(3))
def test_after_any_life_the_api_says_the_same_as_the_truth_value_by_value(clock, seed):
    switches = replace(Switches.drawn(Random(seed)), empty_lists="list", rows_of_deleted_projects="listed")
    with TeamworkSimulator(seed=seed, tasks=120, clock=clock, switches=switches, rate_limit=10**6) as teamwork:
        teamwork.mutate(seed=seed, count=200)
        rows = teamwork.truth()
        for resource in EVERYTHING:
            expected = {row["id"]: row for row in rows[TABLES.get(resource, resource)]}
            for row in Asker(teamwork).rows(resource, **everything(resource)):
                known = {key: value for key, value in expected[row["id"]].items() if key in row}
                assert {key: _as_truth(key, row[key]) for key in known} == known
                assert len(known) > 3


def test_who_waits_and_who_is_below_agrees_with_who_is_waited_for_and_who_is_above(teamwork, asker):
    teamwork.mutate(seed=5, count=400)
    rows = {row["id"]: row for row in asker.rows("tasks", **everything("tasks"))}
    for task_id, row in rows.items():
        assert row["dependencyIds"] == sorted(each for each in rows if task_id in rows[each]["predecessorIds"])
        assert row["subTaskIds"] == sorted(each for each in rows if rows[each]["parentTaskId"] == task_id)
    assert sum(len(row["dependencyIds"]) for row in rows.values()) > 10


def test_removed_last_links_are_gone_from_the_row(teamwork, asker):
    task = next(row for row in teamwork.office.live("tasks") if row["tagIds"])
    actions.edit(teamwork.office, "tasks", task, next(iter(teamwork.office.tables["people"])), tagIds=[])
    assert asker.get(f"{V3}/tasks/{task['id']}.json").json()["task"]["tagIds"] == []


def test_a_deleted_task_takes_its_subtasks_along_and_brings_them_back(teamwork, clock):
    office = teamwork.office
    with office.lock:
        child = next(row for row in office.live("tasks") if row["parentTaskId"] and row["status"] != "deleted")
        parent = office.tables["tasks"][child["parentTaskId"]]
        if parent["status"] == "deleted":
            actions.restore(office, "tasks", parent, 0)
        clock.tick()
        actions.delete(office, "tasks", parent, 0)
        assert child["status"] == "deleted"
        actions.restore(office, "tasks", parent, 0)
        assert child["status"] != "deleted"


def test_rows_move_between_the_pages_of_one_listing(teamwork, asker, clock):
    def rush() -> None:
        clock.tick()
        with teamwork.office.lock:
            first = min(teamwork.office.live("tasks"), key=lambda row: row["updatedAt"])
            actions.edit(teamwork.office, "tasks", first, next(iter(teamwork.office.tables["people"])), progress=1)

    before = [row["id"] for row in asker.rows("tasks", **everything("tasks"), orderBy="updatedat", pageSize=50)]
    assert len(before) == len(set(before)) == 300
    teamwork.after_page = rush
    seen = [row["id"] for row in asker.rows("tasks", **everything("tasks"), orderBy="updatedat", pageSize=50)]
    assert len(set(seen)) < 300, "no row slipped through"


def test_a_webhook_is_signed_and_names_its_event_in_the_header_only(teamwork, asker, box):
    _install(asker, box, "TASK.UPDATED")
    task = _edit(teamwork)
    headers, body = box.wait_for(1)[0]
    assert headers["X-Projects-Event"] == "TASK.UPDATED"
    assert headers["X-Projects-Signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert len(headers["X-Projects-Delivery"]) == 36
    assert headers["User-Agent"].startswith("projects-webhooks/")
    document = json.loads(body)
    assert (document["task"]["id"], document["task"]["name"]) == (task["id"], "Geändert ä 🔥")
    assert document["project"]["id"] == teamwork.office.project_of("tasks", task)
    assert "event" not in document


def test_version_1_is_a_form_without_a_signature_where_there_is_no_token(teamwork, asker, box):
    _install(asker, box, "TASK.UPDATED", version="1", contentType="application/x-www-form-urlencoded", token="")
    task = _edit(teamwork)
    headers, body = box.wait_for(1)[0]
    assert "X-Projects-Signature" not in headers
    assert dict(parse_qsl(body.decode()))["objectId"] == str(task["id"])


def test_webhooks_can_be_listed_changed_paused_and_removed(teamwork, asker, box):
    hook = _install(asker, box, "TASK.UPDATED")
    listed = asker.get("/webhooks.json").json()["webhooks"]
    assert [(row["id"], row["event"], row["status"], row["url"]) for row in listed] == [
        (hook, "TASK.UPDATED", "ACTIVE", box.url)
    ]
    assert "TASK.UPDATED" in asker.get("/webhooks/events.json").json()["events"]
    asker.send("PUT", f"/webhooks/{hook}/pause.json")
    _edit(teamwork)
    assert teamwork.webhooks.settle()
    asker.send("PUT", f"/webhooks/{hook}/resume.json")
    asker.send("PUT", f"/webhooks/{hook}.json", json={"webhook": {"event": "TASK.DELETED"}})
    assert asker.get(f"/webhooks/{hook}.json").json()["webhook"]["event"] == "TASK.DELETED"
    assert asker.send("DELETE", f"/webhooks/{hook}.json").status_code == 200
    assert asker.get(f"/webhooks/{hook}.json").status_code == 404
    assert box.posts == []


def test_webhooks_for_unknown_events_are_refused(asker, box):
    for event in ("task.updated", "TASK.EXPLODED"):
        answer = asker.send("POST", "/webhooks.json", json={"webhook": {"event": event, "url": box.url}})
        assert answer.status_code == 422


def test_a_webhook_that_is_not_answered_with_200_is_tried_again_and_at_last_switched_off(teamwork, asker, box):
    hook = _install(asker, box, "TASK.UPDATED")
    box.statuses = [500, 302, 200] + [500] * 9
    _edit(teamwork)
    posts = box.wait_for(3)
    assert len({headers["X-Projects-Delivery"] for headers, _ in posts}) == 1
    for _ in range(3):
        _edit(teamwork)
    box.wait_for(12)
    assert teamwork.webhooks.settle()
    assert asker.get(f"/webhooks/{hook}.json").json()["webhook"]["status"] == "INACTIVE"
    _edit(teamwork)
    assert teamwork.webhooks.settle()
    assert len(box.posts) == 12


def test_webhooks_come_twice_with_the_same_delivery_id(teamwork, asker, box):
    teamwork.faults = Faults(webhook_duplicate=1.0)
    _install(asker, box, "TASK.UPDATED")
    _edit(teamwork)
    posts = box.wait_for(2)
    assert len({headers["X-Projects-Delivery"] for headers, _ in posts}) == 1


def test_webhooks_come_in_another_order_or_never(teamwork, asker, box):
    teamwork.faults = Faults(webhook_reordered=1.0)
    _install(asker, box, "TASK.UPDATED")
    for number in range(12):
        _edit(teamwork, f"Nr. {number:02d}")
    names = [json.loads(body)["task"]["name"] for _, body in box.wait_for(12)]
    assert sorted(names) == [f"Nr. {number:02d}" for number in range(12)]
    assert names != sorted(names)
    teamwork.faults = Faults(webhook_missing=1.0)
    _edit(teamwork)
    assert teamwork.webhooks.settle()
    assert len(box.posts) == 12


def test_a_test_can_steer_it_without_the_key(teamwork):
    control = f"{teamwork.url}/_simulator"
    assert requests.get(f"{control}/truth", timeout=20).json() == teamwork.truth()
    done = requests.post(f"{control}/mutate", json={"seed": 4, "count": 5}, timeout=20).json()["done"]
    assert len(done) == 5
    assert requests.put(f"{control}/faults", json={"server_error": 1.0}, timeout=20).json()["server_error"] == 1.0
    assert teamwork.faults.server_error == 1.0
    assert requests.put(f"{control}/switches", json={"empty_lists": "null"}, timeout=20).ok
    assert teamwork.switches.empty_lists == "null"
    assert requests.put(f"{control}/switches", json={"empty_lists": "perhaps"}, timeout=20).status_code == 400
    assert requests.put(f"{control}/faults", json={"flood": 1}, timeout=20).status_code == 400
    assert requests.get(f"{control}/requests", timeout=20).json()["total"] == 0
