"""`ibhelm scan` as a person or a script calls it: a process, its output, its exit status, and the run in Dagster."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psycopg
import pytest
from click.testing import CliRunner, Result
from nas_tree import Nas

from ibhelm_pipelines.cli_scan import scan_command
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.nas.locks import SCANNING

COMMAND = [sys.executable, "-m", "ibhelm_pipelines.cli", "scan"]
PATIENCE_SECONDS = 90


@pytest.fixture
def office(nas: Nas) -> Nas:
    for number in range(3):
        nas.write(f"projekte/A/brief {number}.txt", f"Sehr geehrte Damen und Herren, {number}")
    return nas


def _scan(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)


def _runs(url: str) -> list[tuple[str, str]]:
    """Job and state of each run that the UI would show."""
    with psycopg.connect(url) as connection:
        return connection.execute("select pipeline_name, status from runs order by id").fetchall()


def test_a_scan_stores_all_refuses_a_mass_deletion_and_obeys_when_it_is_confirmed(
    office: Nas, environment: dict[str, str]
) -> None:
    done = _scan(environment, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["status"], summary["open"], summary["error"]) == ("stored", [], None)
    assert summary["scan"]["total"]["new"] == 3
    assert summary["steps"]["store"]["total"]["ok"] == 3
    assert _runs(environment["IBHELM_DAGSTER_DATABASE_URL"]) == [("scan", "SUCCESS")]
    office.assert_equals_disk()

    for number in range(3):
        office.path(f"projekte/A/brief {number}.txt").unlink()
    refused = _scan(environment)
    assert refused.returncode == 3
    assert "Open: More files vanished than may at once" in refused.stdout
    assert "ibhelm scan --confirm-deletions 2" in refused.stdout.replace("\n", " ")

    confirmed = _scan(environment, "--confirm-deletions", "2")
    assert confirmed.returncode == 0, confirmed.stdout
    assert "Everything is stored." in confirmed.stdout
    office.assert_equals_disk()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.2)


def _is_started(url: str) -> bool:
    try:
        return _runs(url) == [("scan", "STARTED")]
    except psycopg.errors.UndefinedTable:  # Dagster is still making its tables
        return False


def test_ctrl_c_ends_the_run_too_and_says_that_nothing_is_lost(office: Nas, environment: dict[str, str]) -> None:
    dagster_url = environment["IBHELM_DAGSTER_DATABASE_URL"]
    with psycopg.connect(office.url, autocommit=True) as other_scan:
        # Ours waits for it, so it cannot be too quick for us.
        other_scan.execute(load_queries("nas")["lock_share"], SCANNING._asdict())
        process = subprocess.Popen(COMMAND, env=environment, stderr=subprocess.PIPE, text=True)
        _wait_for(lambda: _is_started(dagster_url))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 130
    assert "What was stored stays" in stderr
    [(_, status)] = _runs(dagster_url)
    assert status in {"FAILURE", "CANCELED"}


def _refused(environment: dict[str, str], *arguments: str) -> Result:
    """The command in this process, which is quicker where no run is started; an empty variable is not set."""
    return CliRunner().invoke(
        scan_command, list(arguments), env={name: value or None for name, value in environment.items()}
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"IBHELM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "Postgres does not answer"),
        ({"IBHELM_DATABASE_URL": ""}, "`ibhelm up`"),
        ({"IBHELM_NAS_ROOT": "/nowhere"}, "/nowhere"),
        ({"IBHELM_SHARE_MARKER": ".another"}, ".another"),
        ({"IBHELM_FOLDER_DEPTH": "many"}, "IBHELM_FOLDER_DEPTH"),
    ],
    ids=["no server", "no database", "no share", "no marker", "bad setting"],
)
def test_what_is_missing_is_said_at_once_in_a_sentence_for_people_and_for_machines(
    office: Nas, environment: dict[str, str], change: dict[str, str], sentence: str
) -> None:
    person, machine = _refused(environment | change), _refused(environment | change, "--json")

    assert (person.exit_code, machine.exit_code) == (1, 1)
    assert sentence in person.stderr
    assert person.stdout == ""
    summary = json.loads(machine.stdout)
    assert summary["status"] == "failed"
    assert sentence in summary["error"]


def test_a_misspelt_folder_is_not_a_successful_scan_of_nothing(office: Nas, environment: dict[str, str]) -> None:
    done = _refused(environment, "projekte/AA")
    assert done.exit_code == 1
    assert "There is no project folder projekte/AA on the share. Did you mean projekte/A?" in done.stderr


def test_the_help_explains_the_exit_status() -> None:
    done = CliRunner().invoke(scan_command, ["--help"])
    for line in ("0    everything is stored", "1    the run failed", "3    the run finished, but something is open"):
        assert line in done.stdout
