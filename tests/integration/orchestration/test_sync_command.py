"""`ibhelm sync teamwork` as a person or a script calls it: a process, its output, its exit status, the run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner
from tampering_proxy import proxy
from teamwork_mirror import differences
from teamwork_office import PLENTY, connected

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.vendor.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

COMMAND = [sys.executable, "-m", "ibhelm_pipelines.cli", "sync", "teamwork"]
PATIENCE_SECONDS = 90
BY = 2336


@pytest.fixture
def teamwork() -> Iterator[TeamworkSimulator]:
    with TeamworkSimulator(tasks=30, rate_limit=PLENTY, window_seconds=1) as simulator:
        yield simulator


@pytest.fixture
def variables(environment: dict[str, str], teamwork: TeamworkSimulator) -> dict[str, str]:
    return environment | {
        "IBHELM_TEAMWORK_URL": teamwork.url,
        "IBHELM_TEAMWORK_TOKEN": teamwork.token,
        "IBHELM_TEAMWORK_EXCLUDED_PROJECTS": "none",
        "IBHELM_TEAMWORK_EXCLUDED_COMPANIES": "none",
        "IBHELM_TEAMWORK_REQUESTS_PER_MINUTE": str(PLENTY),
        "COLUMNS": "100",
    }


def _sync(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=variables, capture_output=True, text=True, check=False)


def _runs(variables: dict[str, str]) -> list[tuple[str, str]]:
    """Job and state of each run that the UI would show."""
    with psycopg.connect(variables["IBHELM_DAGSTER_DATABASE_URL"]) as connection:
        return connection.execute("select pipeline_name, status from runs order by id").fetchall()


def test_a_sync_stores_all_refuses_a_great_loss_and_obeys_when_it_is_confirmed(
    settings: Settings, teamwork: TeamworkSimulator, variables: dict[str, str]
) -> None:
    office = teamwork.office
    row = {"color": "#fff", "projectId": None}
    tags = [actions.create(office, "tags", {"name": f"Abschnitt {n}", **row}, BY) for n in range(11)]
    done = _sync(variables)
    assert done.returncode == 0, done.stderr
    assert "Everything is stored." in done.stdout
    assert all(name in done.stdout for name in ("directory", "tasks", "comments", "time", "requests", "seconds"))
    assert differences(connected(settings, teamwork), teamwork.truth()) == []
    assert _runs(variables) == [("sync_teamwork", "SUCCESS")]

    for tag in tags:
        actions.delete(office, "tags", tag, BY)
    refused = _sync(variables, "--full", "--json")
    assert refused.returncode == 3
    summary = json.loads(refused.stdout)
    assert (summary["status"], [point["check"] for point in summary["open"]]) == (
        "open",
        ["teamwork_deletions_refused"],
    )
    assert summary["assets"]["teamwork_directory"]["refused"] == 11

    confirmed = _sync(variables, "--full", "--confirm-deletions")
    assert confirmed.returncode == 0, confirmed.stdout
    assert differences(connected(settings, teamwork), teamwork.truth()) == []


def test_an_expired_token_is_said_in_a_sentence(teamwork: TeamworkSimulator, variables: dict[str, str]) -> None:
    teamwork.faults = Faults(token_expired=True)
    failed = _sync(variables)
    assert failed.returncode == 1
    assert "Teamwork refuses our token (401). Make a new one there, and set IBHELM_TEAMWORK_TOKEN" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert _runs(variables) == [("sync_teamwork", "FAILURE")]


def test_ctrl_c_ends_the_run_too_and_says_that_nothing_is_lost(
    teamwork: TeamworkSimulator, variables: dict[str, str]
) -> None:
    reached, may_answer = threading.Event(), threading.Event()

    def hold(_asked: object) -> None:
        reached.set()
        may_answer.wait(PATIENCE_SECONDS)

    with proxy(teamwork.url) as between:
        between.before = hold
        process = subprocess.Popen(
            COMMAND, env={**variables, "IBHELM_TEAMWORK_URL": between.url}, stderr=subprocess.PIPE, text=True
        )
        assert reached.wait(PATIENCE_SECONDS)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE_SECONDS)
        may_answer.set()
    assert process.returncode == 130
    assert "What was stored stays" in stderr
    [(_, status)] = _runs(variables)
    assert status in {"FAILURE", "CANCELED"}


@pytest.mark.parametrize(
    ("arguments", "change", "status", "sentence"),
    [
        ((), {"IBHELM_TEAMWORK_TOKEN": ""}, 1, "Teamwork is not connected"),
        ((), {"IBHELM_TEAMWORK_EXCLUDED_PROJECTS": ""}, 1, "IBHELM_TEAMWORK_EXCLUDED_PROJECTS"),
        ((), {"IBHELM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, 1, "Postgres does not answer"),
        (("--full", "--since", "2026-01-31"), {}, 2, "it goes with no project and no day"),
        (("--confirm-deletions",), {}, 2, "goes with --full"),
        (("--since", "gestern"), {}, 2, "gestern"),
    ],
    ids=["no token", "nothing said of what stays out", "no server", "full and a day", "nothing to confirm", "no day"],
)
def test_what_is_missing_or_makes_no_sense_is_said_at_once(
    variables: dict[str, str], arguments: tuple[str, ...], change: dict[str, str], status: int, sentence: str
) -> None:
    env = {name: value or None for name, value in (variables | change).items()}
    refused = CliRunner().invoke(main, ["sync", "teamwork", *arguments], env=env)
    assert (refused.exit_code, sentence in refused.stderr) == (status, True), refused.stderr
