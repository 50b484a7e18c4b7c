"""`ibhelm demo --once`, as a newcomer runs it: the whole stack on a made-up office, and on a share that is gone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.register_truth import INTERNAL, UNNUMBERED
from ibhelm_pipelines.demo.simulated import LIFE
from ibhelm_pipelines.demo.simulated_missive import LIFE as MAIL_LIFE
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.storage import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = 60
OF_THE_OFFICE = "raw_path not in (select raw_inbox_path from email_attachments where raw_inbox_path is not null)"
"""Files that were generated, and not put there from mails."""

pytestmark = pytest.mark.timeout(900)


def _demo(state_dir: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    ours = {"IBHELM_STATE_DIR": str(state_dir), "IBHELM_DAGSTER_PORT": "0", "IBHELM_WEB_PORT": "0", "COLUMNS": "200"}
    environment = os.environ | ours
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "demo", "--once", "--files", str(FILES), *options]
    return subprocess.run(command, env=environment | settings, capture_output=True, text=True, check=False)


def _rows(state_dir: Path, query: str) -> list[Any]:
    """Ask the database of a stopped demo; its server is then up until `_stop_server`."""
    server = EmbeddedPostgres(folder=state_dir / "postgres")
    server.start()
    with psycopg.connect(server.url(DATABASE)) as connection:
        return connection.execute(query).fetchall()


def _stop_server(state_dir: Path) -> None:
    EmbeddedPostgres(folder=state_dir / "postgres").stop()


@pytest.fixture(scope="module")
def state_dir(services_folder: Path) -> Iterator[Path]:
    folder = services_folder / "demo"
    yield folder
    _stop_server(folder)


@pytest.fixture(scope="module")
def first_run(state_dir: Path) -> subprocess.CompletedProcess[str]:
    return _demo(state_dir)


def test_every_live_file_of_the_office_becomes_a_row_and_no_junk_does(
    first_run: subprocess.CompletedProcess[str], state_dir: Path
):
    assert first_run.returncode == 0, first_run.stdout + first_run.stderr
    lines = [
        json.loads(line) for line in (state_dir / "office" / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    wanted = sorted((line["path"].encode(), line["sha256"]) for line in lines if not line["junk"])
    assert len(wanted) == FILES
    rows = _rows(state_dir, f"select raw_path, content_hash from files where deleted_at is null and {OF_THE_OFFICE}")
    assert sorted(rows) == wanted
    shown = {unicodedata.normalize("NFC", raw.decode()) for raw, _ in wanted}
    assert {path for (path,) in _rows(state_dir, f"select path from files where {OF_THE_OFFICE}")} == shown


def test_every_content_has_a_result_for_each_step_and_its_defects_are_named(
    first_run: subprocess.CompletedProcess[str], state_dir: Path
):
    missing = f"""
        select f.path, step from files f cross join unnest(array['store', 'thumbnail', 'text']) step
        where f.{OF_THE_OFFICE} and not exists (
            select from ops.step_results r where r.content_hash = f.content_hash and r.step = step)"""
    assert _rows(state_dir, missing) == []
    failed = f"""
        select distinct f.name from files f join ops.step_results r using (content_hash)
        where r.state = 'failed' and f.{OF_THE_OFFICE}"""
    assert {name for (name,) in _rows(state_dir, failed)} == {"defekt.pdf", "abgebrochen.jpg"}
    assert "The PDF is damaged" in first_run.stdout


def test_the_closing_lines_say_where_to_look(first_run: subprocess.CompletedProcess[str]):
    for place in ("http://127.0.0.1:", "psql", "/thumbnails/", "Everything is stopped."):
        assert place in first_run.stdout


def _office(state_dir: Path) -> dict[str, list[dict[str, Any]]]:
    """The truth about the simulated Teamwork of a stopped demo, as its file keeps it."""
    with TeamworkSimulator(projects=3, tasks=0) as simulator:
        simulator.take(json.loads((state_dir / "teamwork.json").read_text(encoding="utf-8")))
        return simulator.truth()


def _assert_mirrored(state_dir: Path) -> None:
    truth = _office(state_dir)
    for table, name in (("projects", "projects"), ("tasks", "tasks"), ("time_entries", "time_entries")):
        wanted = {row["id"] for row in truth[name] if not row["deleted"] and not row["project_deleted"]}
        rows = _rows(state_dir, f"select teamwork_id from {table} where deleted_at is null")
        assert len(wanted) >= 20
        assert {number for (number,) in rows} == wanted


def _teamwork_lives_on(state_dir: Path) -> None:
    """What a demo that stays up does to its office, and what a kill -9 of it leaves."""
    file = state_dir / "teamwork.json"
    with TeamworkSimulator(projects=3, tasks=0) as simulator:
        simulator.take(json.loads(file.read_text(encoding="utf-8")))
        simulator.mutate(seed=1, count=60, names=LIFE)
        file.write_text(json.dumps(simulator.as_json()), encoding="utf-8")


def test_every_row_of_the_simulated_teamwork_is_in_the_tables_and_the_closing_table_says_so(
    first_run: subprocess.CompletedProcess[str], state_dir: Path
):
    _assert_mirrored(state_dir)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in first_run.stdout.splitlines()]
    (in_teamwork,) = [row[1:] for row in rows if row[:1] == ["in Teamwork"]]
    assert next(row[1:] for row in rows if row[:1] == ["in the tables"]) == in_teamwork
    assert "0" not in in_teamwork


def test_the_projects_of_teamwork_are_those_of_the_nas(first_run: subprocess.CompletedProcess[str], state_dir: Path):
    folders = [path.name for path in (state_dir / "office" / "nas").glob("projekte*/[0-9]*")]  # 2301-Kita Lindenhof-MK
    named = {folder.rpartition("-")[0].replace("-", " ", 1) for folder in folders}
    projects = sorted(name for (name,) in _rows(state_dir, "select name from projects"))
    assert projects == sorted([*named, UNNUMBERED, INTERNAL])


def test_the_closing_table_of_links_finds_nearly_all_that_is_told_and_nothing_wrong(
    first_run: subprocess.CompletedProcess[str],
):
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in first_run.stdout.splitlines()]
    counts = {"found of what is told": [], "wrong of what is linked": []}
    for name, *cells in filter(None, rows):
        if name in counts:
            counts[name] += [tuple(int(each.replace(",", "")) for each in cell.split(" of ")) for cell in cells if cell]
    found, wrong = counts.values()
    assert len(found) == len(wrong) == 8  # files and conversations have three, tasks two
    assert sum(right for right, _ in found) >= 0.95 * sum(told for _, told in found)
    assert sum(count for count, _ in wrong) <= 0.01 * sum(links for _, links in wrong)


def test_webhooks_are_installed_and_lead_to_the_receiver_of_the_demo(
    first_run: subprocess.CompletedProcess[str], state_dir: Path
):
    found = _rows(state_dir, "select distinct url, is_active from ops.vendor_webhooks order by url desc")
    assert [(url.rpartition("/")[2], active) for url, active in found] == [("teamwork", True), ("missive", True)]
    for url, _ in found:
        assert f"webhooks to {url}." in first_run.stdout


def test_the_shell_file_leads_other_terminals_to_the_simulated_teamwork(
    first_run: subprocess.CompletedProcess[str], state_dir: Path
):
    lines = (state_dir / "demo.sh").read_text(encoding="utf-8")
    for name in ("URL", "TOKEN", "EXCLUDED_PROJECTS", "EXCLUDED_COMPANIES", "WEBHOOK_SECRET"):
        assert f"export IBHELM_TEAMWORK_{name}=" in lines
    for name in ("MISSIVE_URL", "MISSIVE_TOKEN", "MISSIVE_ALLOWED", "MISSIVE_WEBHOOK_SECRET", "ATTACHMENT_INBOX"):
        assert f"export IBHELM_{name}=" in lines


def _mail_office(state_dir: Path, *, changes: int = 0) -> dict[str, list[dict[str, Any]]]:
    """The truth about the simulated Missive of a stopped demo, as its file keeps it; it may live on before that."""
    file = state_dir / "missive.json"
    with MissiveSimulator(projects=24, conversations=0, files=state_dir / "missive-files") as simulator:
        simulator.take(json.loads(file.read_text(encoding="utf-8")))
        if changes:
            simulator.mutate(seed=1, count=changes, names=MAIL_LIFE)
            file.write_text(json.dumps(simulator.as_json()), encoding="utf-8")
        return simulator.truth()


def _assert_mail_mirrored(state_dir: Path) -> None:
    """All that the settings of the demo let in is there: conversations of three teams, or with a label."""
    truth = _mail_office(state_dir)
    teams = {row["id"] for row in truth["teams"] if row["name"] in ("Projekte", "Buchhaltung", "Vergabe")}
    conversations = {
        row["id"]
        for row in truth["conversations"]
        if row["readable"] and not row["guest"] and (row["team"] in teams or row["shared_labels"])
    }
    rows = _rows(state_dir, "select missive_id from conversations where deleted_at is null")
    assert len(conversations) >= 80
    assert {number for (number,) in rows} == conversations
    for table, name in (("emails", "messages"), ("email_comments", "comments")):
        wanted = {row["id"] for row in truth[name] if row["readable"] and row["conversation"] in conversations}
        rows = _rows(state_dir, f"select missive_id from {table} where deleted_at is null")
        assert {number for (number,) in rows} == wanted


def test_every_mail_of_the_simulated_missive_is_in_the_tables_and_its_attachments_are_on_the_nas(
    first_run: subprocess.CompletedProcess[str], state_dir: Path
):
    _assert_mail_mirrored(state_dir)
    assert "The two differ" not in first_run.stdout
    for words in ("What is there of Missive", "put into the inbox of their project", "on the NAS already"):
        assert words in first_run.stdout
    put = _rows(state_dir, "select raw_inbox_path, content_hash from email_attachments where inbox_path is not null")
    assert len(put) >= 20
    for raw_path, sha256 in put:
        data = (state_dir / "office" / "nas" / os.fsdecode(raw_path)).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sha256
    assert "in Missive only" not in first_run.stdout


@pytest.fixture(scope="module")
def second_run(first_run: subprocess.CompletedProcess[str], state_dir: Path) -> subprocess.CompletedProcess[str]:
    """The same demo once more: its share is away, and its Teamwork and its Missive lived on."""
    _teamwork_lives_on(state_dir)
    _mail_office(state_dir, changes=30)
    _stop_server(state_dir)
    root = state_dir / "office" / "nas"
    root.rename(root.with_name("away"))
    root.mkdir()
    try:
        return _demo(state_dir)
    finally:
        root.rmdir()
        root.with_name("away").rename(root)


def test_a_share_that_is_gone_ends_with_a_status_that_tells_and_deletes_nothing(
    second_run: subprocess.CompletedProcess[str], state_dir: Path
):
    assert second_run.returncode == 1
    assert "not mounted" in second_run.stdout + second_run.stderr
    of_the_office = f"select count(*) from files where deleted_at is null and {OF_THE_OFFICE}"
    assert _rows(state_dir, of_the_office) == [(FILES,)]
    assert _rows(state_dir, "select count(*) from files where deleted_at is not null") == [(0,)]


def test_a_second_demo_goes_on_with_the_same_vendors_and_has_no_deletion_refused(
    second_run: subprocess.CompletedProcess[str], state_dir: Path
):
    _assert_mirrored(state_dir)
    _assert_mail_mirrored(state_dir)
    assert _rows(state_dir, "select sum(refused_deletions) from ops.sync_cursors") == [(0,)]


@pytest.mark.soak
def test_with_an_own_folder_the_teamwork_of_the_settings_is_read_and_its_refusal_is_the_status(
    services_folder: Path, tmp_path: Path
):
    nas = tmp_path / "nas"
    nas.mkdir()
    (nas / "Notiz.txt").write_text("Notiz", encoding="utf-8")
    with TeamworkSimulator(projects=3, tasks=5) as teamwork:
        settings = {"IBHELM_TEAMWORK_EXCLUDED_PROJECTS": "none", "IBHELM_TEAMWORK_EXCLUDED_COMPANIES": "none",
                    "IBHELM_TEAMWORK_URL": teamwork.url}  # fmt: skip
        own = services_folder / "own"
        refused = _demo(own, "--nas", str(nas), IBHELM_TEAMWORK_TOKEN="expired", **settings)
        assert (refused.returncode, "refuses our token" in refused.stdout + refused.stderr) == (1, True)
        good = _demo(own, "--nas", str(nas), IBHELM_TEAMWORK_TOKEN=teamwork.token, **settings)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "in the tables" in good.stdout
    assert not (own / "teamwork.json").exists()
    try:
        assert len(_rows(own, "select from tasks")) >= 5
    finally:
        _stop_server(own)
