"""The simulated Teamwork.com refuses, fails and breaks off as the real one may."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
import requests
from teamwork_asker import V3, Asker
from webhook_mailbox import mailbox

from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.switches import Switches
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.demo.vendor.request_log import RequestLog, Window
from ibhelm_pipelines.errors import ConfigurationError

TASKS = f"{V3}/tasks.json"


def _limited(**switches: object) -> TeamworkSimulator:
    return TeamworkSimulator(tasks=10, rate_limit=3, monotonic=lambda: 100.0, switches=Switches(**switches))


def test_the_request_after_the_last_one_allowed_is_refused():
    with _limited() as teamwork:
        asker = Asker(teamwork)
        granted = [asker.get(TASKS) for _ in range(3)]
        assert [answer.headers["X-Rate-Limit-Remaining"] for answer in granted] == ["2", "1", "0"]
        refused = asker.get(TASKS)
        assert refused.status_code == 429
        assert "exceeded your rate limit" in refused.text
        assert (refused.headers["Retry-After"], refused.headers["X-Rate-Limit-Reset"]) == ("60", "60")
        assert teamwork.requests.most_in_a_window == 4
        assert teamwork.requests.by_path == {TASKS: 4}


def test_a_refusal_may_lack_retry_after_and_tell_the_reset_as_a_point_in_time():
    with _limited(retry_after=False, rate_limit_reset="epoch", rate_limit_headers="x-ratelimit") as teamwork:
        refused = [Asker(teamwork).get("/teams.json") for _ in range(4)][-1]
        assert "MESSAGE" in refused.json()
        assert "Retry-After" not in refused.headers
        assert abs(int(refused.headers["x-ratelimit-reset"]) - time.time()) < 3600
        assert "X-Rate-Limit-Reset" not in refused.headers


def test_the_budget_is_one_for_any_minute_not_for_each_minute_of_the_clock():
    log = RequestLog(Window(2, 60))
    assert [log.begin("/", now) for now in (50.0, 59.0, 61.0, 110.0, 118.9)] == [0, 0, 49.0, 0, pytest.approx(0.1)]
    assert log.most_in_a_window == 4


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("too_many_requests", 429, "application/json"),
        ("server_error", 500, "application/json"),
        ("bad_gateway", 502, "text/html; charset=utf-8"),
        ("unavailable", 503, "application/json"),
    ],
)
def test_faults_have_their_statuses(teamwork, asker, fault, status, content_type):
    teamwork.faults = Faults(**{fault: 1.0})
    answer = asker.get(TASKS)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
    teamwork.faults = Faults()
    assert asker.get(TASKS).status_code == 200


def test_half_of_the_json_comes_with_200(teamwork, asker):
    teamwork.faults = Faults(truncated_json=1.0)
    answer = asker.get(TASKS)
    assert (answer.status_code, answer.text[0]) == (200, "{")
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(
    ("fault", "error"),
    [("reset", requests.ConnectionError), ("cut", requests.exceptions.ChunkedEncodingError)],
)
def test_connections_break(teamwork, asker, fault, error):
    teamwork.faults = Faults(**{fault: 1.0})
    with pytest.raises(error):
        asker.get(TASKS)
    teamwork.faults = Faults()
    assert asker.get(TASKS).status_code == 200


def test_answers_may_come_too_late_and_cost_nobody_else_anything(teamwork, asker):
    teamwork.faults = Faults(slow=1.0, slow_seconds=30.0)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{teamwork.url}{TASKS}", auth=(teamwork.token, "x"), timeout=0.2)
    teamwork.faults = Faults()
    assert asker.get(TASKS).status_code == 200


def test_faults_strike_as_often_as_they_should_and_the_same_from_a_seed():
    def statuses() -> list[int]:
        with TeamworkSimulator(tasks=5, rate_limit=10**6, faults=Faults(server_error=0.3)) as teamwork:
            return [Asker(teamwork).get("/teams.json").status_code for _ in range(100)]

    first = statuses()
    assert first == statuses()
    assert 10 < first.count(500) < 50


def test_an_expired_token_is_refused_everywhere(teamwork, asker):
    teamwork.faults = Faults(token_expired=True)
    assert [asker.get(path).status_code for path in (TASKS, "/teams.json")] == [401, 401]


def test_some_paths_may_be_forbidden(teamwork, asker):
    teamwork.faults = Faults(forbidden=(f"{V3}/time",))
    assert asker.get(f"{V3}/time.json").status_code == 403
    assert asker.get(TASKS).status_code == 200


def test_the_vendors_clock_may_be_wrong(teamwork, asker):
    teamwork.faults = Faults(clock_skew_seconds=-3600)
    teamwork.mutate(seed=1, count=30)
    changed = [row["updatedAt"] for row in teamwork.truth()["tasks"] if row["updatedAt"] > "2026-11-01"]
    assert set(changed) == {"2026-11-03T08:00:00Z"}


def test_faults_can_move_rows_between_pages(teamwork, asker):
    teamwork.faults = Faults(moving_rows=1.0, moving_rows_changes=5)
    before = teamwork.office.version
    asker.page("tasks", pageSize=10)
    assert teamwork.office.version > before
    last = teamwork.office.version
    asker.page("companies", pageSize=500)
    assert teamwork.office.version == last, "that page was the last one"


def test_late_webhooks_come_after_all(teamwork, asker):
    with mailbox() as box:
        teamwork.faults = Faults(webhook_late=1.0, webhook_late_seconds=0.2)
        teamwork.webhooks.add(event="TASK.CREATED", url=box.url, version="2")
        tasklist = next(row["id"] for row in teamwork.office.live("task_lists"))
        asker.send("POST", f"{V3}/tasklists/{tasklist}/tasks.json", json={"task": {"name": "Spät"}})
        assert box.wait_for(1)


def test_a_port_that_is_taken_is_said_in_a_sentence(teamwork):
    port = int(teamwork.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match="cannot listen on port"):
        TeamworkSimulator(tasks=1, port=port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_its_address_and_ends_in_good_order(number):
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "simulate-teamwork", "--port", "0", "--tasks", "20"]
    with subprocess.Popen([*command, "--every", "0.05"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split(" at ")[1].split(",")[0]
        assert requests.get(f"{url}/_simulator/requests", timeout=20).json()["windows"][0]["limit"] == 150
        rest = [process.stdout.readline() for _ in range(4)]
        assert rest[0].rstrip().endswith("/_simulator/truth")
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(timeout=60) == 0
