"""`ibhelm status` tells of each trouble that the code itself recorded, and calls nothing healthy that is not.

Lesson 43: a status page once showed no failure while dead letters existed.
"""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from alert_office import START, trouble
from click.testing import CliRunner
from nas_tree import Nas
from pydantic import SecretStr
from rich.console import Console

from ibhelm_pipelines.alerts.reconcile import reconcile
from ibhelm_pipelines.cli import main
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.live import InboxItem, enqueue
from ibhelm_pipelines.live.inbox import Inbox
from ibhelm_pipelines.local.status import DiskLine, OfficeStatus, office_status
from ibhelm_pipelines.local.status_screen import show_status
from ibhelm_pipelines.nas.scan import scan

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

FOLDER = "projekte/A"
BEATING = """
import sys, time
from ibhelm_pipelines.db.heartbeat import Heartbeat
from ibhelm_pipelines.settings import load_settings
with Heartbeat(load_settings({"database_url": sys.argv[1]}), kind="worker"):
    print("alive", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def nas(settings: Settings) -> Nas:
    """Files of a small office, scanned and stored."""
    nas = Nas(settings)
    for number in range(30):
        nas.write(f"{FOLDER}/brief {number}.txt", f"Sehr geehrte Damen und Herren, Nummer {number}")
    scan(settings)
    run_step("store", settings)
    return nas


def _tables(settings: Settings) -> OfficeStatus:
    """Return the status but for the processes of a stack, which no test here starts."""
    return replace(office_status(settings), services=[])


def _screen(status: OfficeStatus, *, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    show_status(console, status)
    return console.export_text()


def _line(status: OfficeStatus, subject: str) -> Any:
    [line] = [line for line in status.health if line.subject == subject]
    return line


def _execute(settings: Settings, statement: str) -> None:
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def _assert_unhealthy(settings: Settings, *sentences: str) -> OfficeStatus:
    status = _tables(settings)
    screen = " ".join(_screen(status, width=1000).split())
    assert not status.healthy
    assert screen.endswith("Not healthy.")
    for sentence in sentences:
        assert sentence in screen
    return status


def test_an_office_in_which_nothing_is_wrong_is_healthy(settings: Settings, nas: Nas) -> None:
    status = _tables(settings)
    assert (status.healthy, status.open, status.failures) == (True, [], [])
    assert {line.subject: (line.state, line.number) for line in status.health} == {
        "files": ("ok", 30),
        "whole scan": ("ok", 30),
        "unreadable paths": ("ok", 0),
        "queue nas": ("ok", 0),
        "queue content": ("ok", 0),
        "step store": ("ok", 0),
        "step thumbnail": ("ok", 30),
        "step text": ("ok", 30),
        "objects original": ("ok", 30),
        "objects thumbnail": ("ok", 0),
        "alerts": ("ok", 0),
        "database": ("ok", None),
        "register": ("ok", 0),
        "search": ("ok", None),
        "vectors": ("ok", 0),
        "older tools": ("ok", 0),
        "backup": ("ok", None),
        "restore drill": ("ok", None),
    }
    assert _screen(status).endswith("Healthy.\n")


def test_an_office_that_was_never_scanned_is_not_called_healthy(settings: Settings) -> None:
    status = _tables(settings)
    assert (status.healthy, status.broken, status.to_json()["healthy"]) == (False, False, False)
    screen = _screen(status)
    assert "none has ended yet" in screen
    assert "Healthy" not in screen
    assert screen.endswith("It works, but see the warnings.\n")


def test_teamwork_is_told_as_soon_as_it_was_read(settings: Settings, nas: Nas) -> None:
    columns = "source, resource, synced_at, full_synced_at"
    _execute(settings, f"insert into ops.sync_cursors ({columns}) values ('teamwork', 'tasks', now(), now())")
    _execute(settings, "insert into tasks (teamwork_id, name) values (1, 'Heizung')")
    status = _tables(settings)
    line = _line(status, "teamwork")
    assert (line.state, line.number, line.detail) == ("ok", 1, "tasks of 0 projects, 0 comments, 0 time entries")
    assert status.healthy
    _execute(settings, "update ops.sync_cursors set refused_deletions = 30")
    status = _assert_unhealthy(settings, "30 of tasks vanished from Teamwork at once", "--full --confirm-deletions")
    assert _line(status, "teamwork").state == "error"
    _execute(settings, "update ops.sync_cursors set refused_deletions = 0, synced_at = now() - interval '31 minutes'")
    _assert_unhealthy(settings, "1 lists of Teamwork were not read to their end for half an hour, such as tasks")
    _execute(settings, "update ops.sync_cursors set switched_off_at = now()")
    assert (_tables(settings).healthy, _line(_tables(settings), "teamwork").detail) == (True, "switched off")


def test_a_scan_that_refused_deletions_is_told(settings: Settings, nas: Nas) -> None:
    for number in range(20):
        nas.path(f"{FOLDER}/brief {number}.txt").unlink()
    scan(settings)
    status = _assert_unhealthy(settings, "More files vanished than may at once", "ibhelm scan --confirm-deletions")
    assert _line(status, "whole scan").detail == "incomplete"


def test_an_event_that_was_given_up_is_told(settings: Settings, nas: Nas) -> None:
    _enqueue(settings, "projekte/A/kaputt.pdf")
    inbox = Inbox(settings, owner="worker/1")
    batch = inbox.claim_nas()
    assert batch is not None
    inbox.fail(batch.ids, reason="Permission denied.", permanent=True)
    inbox.close()
    status = _assert_unhealthy(settings, "changes were given up", "kaputt.pdf: Permission denied.")
    assert (_line(status, "queue nas").state, _line(status, "queue nas").number) == ("error", 0)
    assert _line(status, "queue nas").detail == "0 in work, 0 late, 1 given up"


def test_an_event_that_waits_too_long_is_told_and_one_in_work_is_not(settings: Settings, nas: Nas) -> None:
    _enqueue(settings, "projekte/A/neu.pdf")
    assert _tables(settings).healthy
    _execute(settings, "update ops.inbox set first_event_at = now() - interval '6 minutes'")
    status = _assert_unhealthy(settings, "1 changes wait for up to 6 minutes, such as projekte/A/neu.pdf")
    assert _line(status, "queue nas").number == 1

    inbox = Inbox(settings, owner="worker/1")
    inbox.claim_nas()
    inbox.close()
    status = _tables(settings)
    assert (status.healthy, _line(status, "queue nas").detail) == (True, "1 in work, 0 late, 0 given up")


def _enqueue(settings: Settings, path: str) -> None:
    item = InboxItem(source="nas", kind="path", key=path.encode(), label=path, folder=FOLDER)
    with connect(settings.require_database_url(), application="test", autocommit=True) as connection:
        enqueue(connection, [item])


def test_a_process_that_was_killed_is_told_and_one_that_ended_well_is_not(settings: Settings, nas: Nas) -> None:
    assert not nas.rows("select from ops.heartbeats")
    for number, healthy in ((signal.SIGINT, True), (signal.SIGKILL, False)):
        command = [sys.executable, "-c", BEATING, settings.require_database_url()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "alive\n"
            process.send_signal(number)
            process.wait(60)
        _execute(settings, "update ops.heartbeats set beat_at = now() - interval '3 minutes'")
        assert _tables(settings).healthy is healthy
    status = _assert_unhealthy(settings, "1 processes gave no sign of life for two minutes: worker/")
    assert f"/{process.pid}" in str([line.subject for line in status.health if line.state == "error"])


def test_contents_that_a_step_failed_on_are_told_with_their_reason(settings: Settings, nas: Nas) -> None:
    nas.write(f"{FOLDER}/kaputt.pdf", b"%PDF-1.7\nno pdf at all")
    scan(settings)
    run_step("store", settings)
    run_step("thumbnail", settings)
    status = _tables(settings)
    [(reason,)] = nas.rows("select reason from ops.step_results where state = 'failed'")
    assert [(line.step, line.reason, line.contents) for line in status.failures] == [("thumbnail", reason, 1)]
    assert ", 1 failed, 0 missing" in _line(status, "step thumbnail").detail
    assert str(reason)[:40] in _screen(status, width=300)


def test_an_original_that_could_not_be_stored_is_told(settings: Settings, nas: Nas) -> None:
    nas.write(f"{FOLDER}/neu.txt", "neu")
    scan(settings)
    assert _tables(settings).healthy  # its turn comes
    _execute(settings, "update contents set first_seen_at = now() - interval '25 hours'")
    status = _assert_unhealthy(settings, "1 contents are not stored yet, such as that of projekte/A/neu.txt.")
    assert _line(status, "step store").number == 1


def test_an_open_alert_that_only_dagster_knows_of_is_told_with_what_to_do(settings: Settings, nas: Nas) -> None:
    told = settings.model_copy(update={"alert_urls": SecretStr("json://127.0.0.1:9/geheim")})
    reconcile(told, [trouble(key="run:scan", title="Run failed: scan", body="Mount the share.")], now=START)
    _assert_unhealthy(
        settings,
        "error: Run failed: scan, since 23.11.2026 02:30: Mount the share.",
        "warning: Alerts do not reach everybody: Address number 1 in IBHELM_ALERT_URLS (JSON) did not take it.",
    )
    reconcile(settings, [], now=START)
    assert _tables(settings).healthy


def test_a_database_that_is_behind_is_told(settings: Settings, owner_database_url: str) -> None:
    with psycopg.connect(owner_database_url) as connection:
        connection.execute("delete from ops.migrations where name = '0005_health'")
    _assert_unhealthy(settings, "The database is not up to date. Run `ibhelm migrate`.")


def test_the_command_ends_with_1_while_something_does_not_run_and_its_json_has_the_same_numbers(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("NAS_ROOT", settings.nas_root),
        ("STATE_DIR", settings.state_dir),
        ("DATABASE_URL", settings.require_database_url()),
        ("S3_ENDPOINT", settings.s3_endpoint),
        ("S3_BUCKET", settings.s3_bucket),
    ):
        monkeypatch.setenv(f"IBHELM_{name}", str(value))
    monkeypatch.setenv("COLUMNS", "100")

    shown = CliRunner().invoke(main, ["status"])
    assert shown.exit_code == 1
    assert re.search(r"^supervisor +DOWN", shown.output, re.MULTILINE)
    assert len(shown.output.splitlines()) <= 55
    assert max(map(len, shown.output.splitlines())) <= 100

    told = CliRunner().invoke(main, ["status", "--json"])
    report = json.loads(told.output)
    assert (told.exit_code, report["healthy"]) == (1, False)
    assert {s["name"]: s["running"] for s in report["services"]}["Postgres"]
    numbers = {line["subject"]: line["number"] for line in report["health"]}
    assert (numbers["files"], numbers["objects original"]) == (30, 30)


def test_a_disk_that_does_not_answer_is_told_instead_of_waited_for() -> None:
    status = OfficeStatus(services=[], disks=[DiskLine(what="NAS", path="/nas", problem="does not answer")])
    assert "Disk of the NAS /nas: does not answer" in _screen(status)


def test_a_disk_that_is_almost_full_is_told() -> None:
    line = DiskLine(what="state folder", path="/state", total_bytes=10**12, free_bytes=10**9, is_low=True)
    assert "1.0 GB of 1.0 TB free; ALMOST FULL" in _screen(OfficeStatus(services=[], disks=[line]))
