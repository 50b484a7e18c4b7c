"""What a process writes on standard error: JSON lines with their context, from every source, without secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECRET = "planted-secret-of-missive"
DATABASE_PASSWORD = "planted-database-password"
START = f"""
import logging, threading, warnings
import structlog
from ibhelm_pipelines.logs import configure_logging, log_context
from ibhelm_pipelines.settings import load_settings
settings = load_settings()
configure_logging("tester", settings)
log = structlog.get_logger()
SECRET = {SECRET!r}
"""


def run(tmp_path: Path, code: str, *, status: int = 0, **settings: str) -> list[dict[str, Any]]:
    """Run code in a process with our logging and return its lines, each of which must be one JSON object."""
    environment = os.environ | {
        "IBHELM_MISSIVE_WEBHOOK_SECRET": SECRET,
        "IBHELM_DATABASE_URL": f"postgresql://u:{DATABASE_PASSWORD}@127.0.0.1:1/x",
        **{f"IBHELM_{name}": value for name, value in settings.items()},
    }
    command = [sys.executable, "-c", START + code]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert SECRET not in done.stderr
    assert DATABASE_PASSWORD not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_says_what_work_it_belongs_to_or_null(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
log.info("outside", count=1)
with log_context(run="r-1", folder="projekte/A"):
    with log_context(asset="nas_files", folder=["projekte/A", "projekte/B"]):
        log.info("inside")
    logging.getLogger("elsewhere").warning("a library speaks of %s", "things")
log.debug("not worth a line")
""",
    )
    assert [list(line)[:7] for line in lines] == [
        ["timestamp", "level", "event", "process", "run", "asset", "folder"]
    ] * 3
    context = [(line["event"], line["run"], line["asset"], line["folder"]) for line in lines]
    assert context == [
        ("outside", None, None, None),
        ("inside", "r-1", "nas_files", ["projekte/A", "projekte/B"]),
        ("a library speaks of things", "r-1", None, "projekte/A"),
    ]
    assert {line["process"] for line in lines} == {"tester"}
    assert lines[0]["count"] == 1


def test_libraries_warnings_threads_and_the_last_exception_take_the_same_way_out_without_secrets(
    tmp_path: Path,
) -> None:
    lines = run(
        tmp_path,
        """
logging.getLogger("uvicorn.error").warning("signed with %s", SECRET)
logging.getLogger("boto").info("chatter")
warnings.warn(f"old way to use {SECRET}", UserWarning)
def fail(): raise ValueError(f"in a thread: {SECRET}")
thread = threading.Thread(target=fail, name="helper")
thread.start(); thread.join()
try:
    raise KeyError(SECRET)
except KeyError:
    log.exception("caught", nested={"deep": [SECRET, settings.missive_webhook_secret]})
import psycopg
psycopg.connect(settings.require_database_url(), connect_timeout=5)
""",
        status=1,
    )
    assert [line["level"] for line in lines] == ["warning", "warning", "critical", "error", "critical"]
    assert [line["event"] for line in lines][::2] == ["signed with ***", "thread_crashed", "crashed"]
    assert lines[3]["nested"] == {"deep": ["***", "**********"]}
    assert "KeyError: '***'" in lines[3]["exception"]
    assert "ValueError: in a thread: ***" in lines[2]["exception"]
    assert "OperationalError" in lines[4]["exception"]


def test_a_line_that_holds_what_json_cannot_say_is_written_all_the_same(tmp_path: Path) -> None:
    [line] = run(
        tmp_path,
        'log.info("odd", path=b"L\\xfcftung", object=object, name=b"\\xfc".decode("utf-8", "surrogateescape"))',
    )
    assert line["path"] == "L\\xfcftung"
    assert line["name"] == "\udcfc"


@pytest.mark.parametrize(
    "url", ["postgresql://u:planted%ssword@h/db", "postgresql://u:planted word@h/db", "planted word"]
)
def test_a_database_url_that_cannot_be_read_is_a_sentence_without_it(tmp_path: Path, url: str) -> None:
    environment = os.environ | {"IBHELM_DATABASE_URL": url}
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "migrate"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "The URL of a Postgres database cannot be read. Write it as postgresql://" in done.stderr
    assert "planted" not in done.stderr
