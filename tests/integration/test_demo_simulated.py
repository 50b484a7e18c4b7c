"""The Teamwork of the demo: the same office after each start, and a little life while somebody looks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from ibhelm_pipelines.demo.missive.mutations import MUTATIONS as MAIL_MUTATIONS
from ibhelm_pipelines.demo.simulated import LIFE, SimulatedTeamwork
from ibhelm_pipelines.demo.simulated_missive import LIFE as MAIL_LIFE
from ibhelm_pipelines.demo.simulated_missive import SimulatedMissive
from ibhelm_pipelines.demo.teamwork.mutations import MUTATIONS
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator

TOKEN = "twp_simulated_key"
HOOK = {"event": "TASK.UPDATED", "url": "http://127.0.0.1:1/webhooks/teamwork", "version": "2", "token": "ours"}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def ask(environment: dict[str, str], path: str, **body: object) -> dict[str, object]:
    """Ask the simulated Teamwork as a process with these settings does; post where there is a body."""
    url, auth = environment["IBHELM_TEAMWORK_URL"] + path, (environment["IBHELM_TEAMWORK_TOKEN"], "x")
    reply = requests.post(url, auth=auth, json=body, timeout=30) if body else requests.get(url, auth=auth, timeout=30)
    reply.raise_for_status()
    answer: dict[str, object] = reply.json()
    return answer


def truth(environment: dict[str, str]) -> dict[str, object]:
    return ask(environment, "/_simulator/truth")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_next_demo_finds_the_office_and_the_webhooks_as_they_were_left_at_the_same_address(state_dir: Path):
    with SimulatedTeamwork(state_dir) as first:
        before = dict(first.environment)
        ask(before, "/_simulator/mutate", seed=1, count=300)
        ask(before, "/webhooks.json", webhook=HOOK)
        left, shown = truth(before), first.shown()
        hooks = ask(before, "/webhooks.json")
    with SimulatedTeamwork(state_dir) as second:
        assert second.environment == before
        assert truth(before) == left
        assert second.shown() == shown
        assert ask(before, "/webhooks.json") == hooks


def test_what_is_new_after_a_restart_gets_ids_that_nothing_ever_had(state_dir: Path):
    with SimulatedTeamwork(state_dir) as first:
        ask(dict(first.environment), "/_simulator/mutate", seed=1, count=100)
        known = first.shown()
    with SimulatedTeamwork(state_dir) as second:
        environment = dict(second.environment)
        row = truth(environment)["task_lists"][0]
        task = ask(environment, f"/projects/api/v3/tasklists/{row['id']}/tasks.json", task={"name": "Neu"})["task"]
        assert task["id"] > max(known["tasks"])


def test_a_killed_demo_takes_no_change_with_it_that_is_older_than_a_moment(state_dir: Path):
    code = f"""
import pathlib, time
from ibhelm_pipelines.demo.simulated import SimulatedTeamwork
with SimulatedTeamwork(pathlib.Path({str(state_dir)!r})) as teamwork:
    print(teamwork.environment["IBHELM_TEAMWORK_URL"], flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        environment = {"IBHELM_TEAMWORK_URL": process.stdout.readline().strip(), "IBHELM_TEAMWORK_TOKEN": TOKEN}
        ask(environment, "/_simulator/mutate", seed=1, count=50)
        left = truth(environment)
        wait_until((state_dir / "teamwork.json").exists)
        os.kill(process.pid, signal.SIGKILL)
    with SimulatedTeamwork(state_dir) as second:
        assert truth(dict(second.environment)) == left


def test_the_office_lives_once_it_is_told_to_and_every_change_is_told(state_dir: Path):
    told: list[str] = []
    with SimulatedTeamwork(state_dir, life_seconds=0.02) as teamwork:
        environment = dict(teamwork.environment)
        before = truth(environment)
        time.sleep(0.2)
        assert truth(environment) == before
        teamwork.live(told.append)
        wait_until(lambda: len(told) >= 20)
        assert truth(environment) != before
    assert all(any(change.startswith(name) for name in LIFE) for change in told)


def test_nothing_that_happens_by_itself_takes_away_more_than_one_thing():
    assert set(LIFE) <= set(MUTATIONS)
    assert not any("projects" in name or "list" in name or "many" in name for name in LIFE)


def test_the_shown_ids_leave_out_what_is_deleted_and_what_stands_in_a_deleted_project(state_dir: Path):
    with SimulatedTeamwork(state_dir) as teamwork:
        environment = dict(teamwork.environment)
        before = teamwork.shown()
        project = min(before["projects"])
        url, auth = environment["IBHELM_TEAMWORK_URL"], (environment["IBHELM_TEAMWORK_TOKEN"], "x")
        requests.delete(f"{url}/projects/{project}.json", auth=auth, timeout=30).raise_for_status()
        after = teamwork.shown()
    assert after["projects"] == before["projects"] - {project}
    assert after["people"] == before["people"]
    for what in ("tasks", "comments", "time entries", "task lists"):
        assert after[what] < before[what]


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    for number in range(5):
        folder = tmp_path / "nas" / "projekte" / f"{number}"
        folder.mkdir(parents=True)
        (folder / "Plan.txt").write_text(f"Plan {number}", encoding="utf-8")
    return tmp_path / "nas"


def mail_truth(missive: SimulatedMissive) -> dict[str, object]:
    url = missive.environment["IBHELM_MISSIVE_URL"].removesuffix("/v1")
    answer: dict[str, object] = requests.get(f"{url}/_simulator/truth", timeout=30).json()
    return answer


def mail_lives(missive: SimulatedMissive, count: int) -> None:
    url = missive.environment["IBHELM_MISSIVE_URL"].removesuffix("/v1")
    body = {"seed": 1, "count": count, "names": MAIL_LIFE}
    requests.post(f"{url}/_simulator/mutate", json=body, timeout=30).raise_for_status()


def test_the_next_demo_finds_the_mail_and_its_attachments_as_they_were_though_the_nas_changed(
    state_dir: Path, nas: Path
):
    with SimulatedMissive(state_dir, nas) as first:
        before = dict(first.environment)
        mail_lives(first, 40)
        left, shown = mail_truth(first), first.shown()
    (nas / "projekte" / "0" / "IBH-INBOX").mkdir()
    (nas / "projekte" / "0" / "IBH-INBOX" / "A.txt").write_text("came by mail", encoding="utf-8")
    (nas / "projekte" / "3" / "Plan.txt").write_text("edited", encoding="utf-8")
    with SimulatedMissive(state_dir, nas) as second:
        assert second.environment == before
        assert mail_truth(second) == left
        assert second.shown() == shown


def test_rules_that_are_finished_by_hand_again_and_again_are_each_there_once_and_signed(state_dir: Path, nas: Path):
    made = {"hooks": {"type": "incoming_email", "url": "http://127.0.0.1:1/webhooks/missive"}}
    kept: list[list[tuple[str, str]]] = []
    for port in (1, 1, 2):
        with SimulatedMissive(state_dir, nas) as missive:
            environment = missive.environment
            if not kept:
                headers = {"Authorization": f"Bearer {environment['IBHELM_MISSIVE_TOKEN']}"}
                url = f"{environment['IBHELM_MISSIVE_URL']}/hooks"
                assert requests.post(url, json=made, headers=headers, timeout=30).status_code == 201
            missive.finish_rules(f"http://127.0.0.1:{port}/webhooks/missive")
        hooks = json.loads((state_dir / "missive.json").read_text(encoding="utf-8"))["webhooks"]["hooks"]
        assert {hook["secret"] for hook in hooks} == {environment["IBHELM_MISSIVE_WEBHOOK_SECRET"]}
        kept.append(sorted((hook["kind"], hook["url"][17]) for hook in hooks))
    assert kept[0] == kept[1]
    assert len(kept[2]) == len(kept[0])
    assert [url for kind, url in kept[2] if kind != "incoming_email"] == ["2"] * (len(kept[2]) - 1)


def test_no_personal_mailbox_and_nothing_of_other_teams_is_to_be_shown(state_dir: Path, nas: Path):
    with SimulatedMissive(state_dir, nas) as missive:
        truth, shown = missive._simulator.truth(), missive.shown()
        personal = {row["id"] for row in truth["conversations"] if not row["team"] and not row["shared_labels"]}
        assert personal
        assert not personal & shown["conversations"]
        assert {row["conversation"] for row in truth["messages"] if row["id"] in shown["messages"]} <= shown[
            "conversations"
        ]
        assert "user:" not in missive.environment["IBHELM_MISSIVE_ALLOWED"]


def test_what_happens_in_the_mail_by_itself_is_what_webhooks_tell_of():
    assert set(MAIL_LIFE) <= set(MAIL_MUTATIONS)
    assert not any(word in name for name in MAIL_LIFE for word in ("delete", "move", "merge", "trash"))


def test_an_office_survives_json_row_by_row_and_ids_go_on_where_they_were():
    with TeamworkSimulator(projects=3, tasks=50) as first, TeamworkSimulator(projects=3, tasks=50, seed=8) as second:
        first.mutate(seed=1, count=200)
        second.take(json.loads(json.dumps(first.as_json())))
        assert second.truth() == first.truth()
        assert second.office.tables == first.office.tables
        assert second.office.new_id("tasks") == first.office.new_id("tasks")
