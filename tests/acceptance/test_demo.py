"""`ibhelm demo --once`, as a newcomer runs it: the whole stack on a made-up office, and on a share that is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.storage import DATABASE

FILES = 60

pytestmark = pytest.mark.timeout(900)


def _demo(state_dir: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IBHELM_STATE_DIR": str(state_dir), "IBHELM_DAGSTER_PORT": "0", "COLUMNS": "200"}
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "demo", "--once", "--files", str(FILES)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _rows(state_dir: Path, query: str) -> list[Any]:
    """Ask the database of a stopped demo."""
    server = EmbeddedPostgres(folder=state_dir / "postgres")
    server.start()
    try:
        with psycopg.connect(server.url(DATABASE)) as connection:
            return connection.execute(query).fetchall()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def state_dir(services_folder: Path) -> Path:
    return services_folder / "demo"


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
    rows = _rows(state_dir, "select raw_path, content_hash from files where deleted_at is null")
    assert sorted(rows) == wanted
    shown = {unicodedata.normalize("NFC", raw.decode()) for raw, _ in wanted}
    assert {path for (path,) in _rows(state_dir, "select path from files")} == shown


def test_every_content_has_a_result_for_each_step_and_its_defects_are_named(
    first_run: subprocess.CompletedProcess[str], state_dir: Path
):
    missing = """
        select f.path, step from files f cross join unnest(array['store', 'thumbnail', 'text']) step
        where not exists (select from ops.step_results r where r.content_hash = f.content_hash and r.step = step)"""
    assert _rows(state_dir, missing) == []
    failed = "select distinct f.name from files f join ops.step_results r using (content_hash) where r.state = 'failed'"
    assert {name for (name,) in _rows(state_dir, failed)} == {"defekt.pdf", "abgebrochen.jpg"}
    assert "The PDF is damaged" in first_run.stdout


def test_the_closing_lines_say_where_to_look(first_run: subprocess.CompletedProcess[str]):
    for place in ("http://127.0.0.1:", "psql", "/thumbnails/", "Everything is stopped."):
        assert place in first_run.stdout


def test_a_share_that_is_gone_ends_with_a_status_that_tells_and_deletes_nothing(
    first_run: subprocess.CompletedProcess[str], state_dir: Path
):
    root = state_dir / "office" / "nas"
    root.rename(root.with_name("away"))
    root.mkdir()
    try:
        second_run = _demo(state_dir)
    finally:
        root.rmdir()
        root.with_name("away").rename(root)
    assert second_run.returncode == 1
    assert "not mounted" in second_run.stdout + second_run.stderr
    assert _rows(state_dir, "select count(*) from files where deleted_at is null") == [(FILES,)]
