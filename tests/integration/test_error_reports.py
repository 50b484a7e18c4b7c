"""Reports to Sentry, as a small server that plays Sentry gets them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SECRET = "planted-secret-of-teamwork"
DOCUMENT = "Plantedwordofadocument"
CODE = """
import logging, sys
import structlog
from ibhelm_pipelines.logs import configure_logging, log_context
from ibhelm_pipelines.settings import load_settings
settings = load_settings()
configure_logging("tester", settings)
def read(document, key):
    with log_context(run="r-1", asset="extracted_text", folder="projekte/A"):
        try:
            raise RuntimeError(f"no luck with {key}")
        except RuntimeError:
            %s
read(open("letter.txt").read(), settings.teamwork_webhook_secret.get_secret_value())
"""


class Sentry(ThreadingHTTPServer):
    """Takes envelopes."""

    def __init__(self) -> None:
        self.envelopes: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def dsn(self) -> str:
        return f"http://plantedpublickey@127.0.0.1:{self.server_port}/7"

    def events(self) -> list[dict]:
        """The events among the items: an envelope is lines of JSON, a header before each item."""
        lines = [json.loads(line) for envelope in self.envelopes for line in envelope.splitlines() if line]
        return [line for line in lines if "event_id" in line and "platform" in line]


class Handler(BaseHTTPRequestHandler):
    server: Sentry

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.server.envelopes.append((gzip.decompress(body) if packed else body).decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    with Sentry() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(tmp_path: Path, dsn: str, code: str, *, before: str = "") -> subprocess.CompletedProcess[str]:
    (tmp_path / "letter.txt").write_text(DOCUMENT, encoding="utf-8")
    environment = os.environ | {"IBHELM_SENTRY_DSN": dsn, "IBHELM_TEAMWORK_WEBHOOK_SECRET": SECRET}
    command = [sys.executable, "-c", before + code]
    return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ('structlog.get_logger().exception("failed")', 0),
        ('logging.getLogger("uvicorn.error").exception("Exception in ASGI application")', 0),
        ("raise", 1),
    ],
    ids=["caught by us", "logged by a library", "the end of the process"],
)
def test_an_unexpected_exception_arrives_without_secret_and_without_document(
    tmp_path: Path, sentry: Sentry, report: str, status: int
) -> None:
    done = run(tmp_path, sentry.dsn, CODE % report)
    assert done.returncode == status, done.stderr
    [event] = sentry.events()
    [exception] = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("RuntimeError", "no luck with ***")
    assert exception["stacktrace"]["frames"][-1]["function"] == "read"
    assert event["tags"]["process"] == "tester"
    everything = "".join(sentry.envelopes) + done.stderr
    assert SECRET not in everything
    assert DOCUMENT not in everything
    assert "plantedpublickey" not in done.stderr


def test_what_work_was_being_done_is_told(tmp_path: Path, sentry: Sentry) -> None:
    run(tmp_path, sentry.dsn, CODE % 'structlog.get_logger().exception("failed")')
    [event] = sentry.events()
    tags = {"run": "r-1", "asset": "extracted_text", "folder": "projekte/A", "process": "tester"}
    assert tags.items() <= event["tags"].items()


@pytest.mark.parametrize("report", ['structlog.get_logger().warning("failed", exc_info=True)', "pass"])
def test_what_was_expected_is_not_reported(tmp_path: Path, sentry: Sentry, report: str) -> None:
    assert run(tmp_path, sentry.dsn, CODE % report).returncode == 0
    assert sentry.events() == []


@pytest.mark.parametrize(
    ("dsn", "before", "sentence"),
    [
        ("https://errors.example.org", "", "IBHELM_SENTRY_DSN cannot be used"),
        ("http://key@h/1", "import sys; sys.modules['sentry_sdk'] = None\n", "the package sentry-sdk is not installed"),
    ],
)
def test_a_dsn_that_cannot_be_used_is_a_sentence(tmp_path: Path, dsn: str, before: str, sentence: str) -> None:
    command = "from ibhelm_pipelines.cli import main; main(['webhooks'])"
    done = run(tmp_path, dsn, command, before=before)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
