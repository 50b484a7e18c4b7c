"""Planted secrets and planted document text, and every place where a log, a run or an error could show them.

Files that read well and files on which every kind of reader fails carry a word that stands nowhere else; every secret
of the settings is one that stands nowhere else. Then everything works as in an office: a scan as a run of Dagster, and
a worker on the inbox. Afterwards all that was written is searched.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from nas_tree import Nas

from ibhelm_pipelines.db.live import InboxItem, enqueue
from ibhelm_pipelines.settings import Settings

WORD = "Quarzglaspinguin"
SECRETS = {
    "IBHELM_S3_SECRET_KEY": "planted+s3/secret=key",
    "IBHELM_TEAMWORK_WEBHOOK_SECRET": "planted-teamwork-secret",
    "IBHELM_MISSIVE_WEBHOOK_SECRET": "planted-missive-secret",
    "IBHELM_WEB_SECRET": "planted-web-secret-of-32-characters",
    "IBHELM_WEB_PASSWORD": "planted-web-password",
    "IBHELM_API_TOKEN": "planted-api-token-of-more-than-32-characters",
    "IBHELM_OIDC_CLIENT_SECRET": "planted-client-secret",
    "IBHELM_ALERT_URLS": "json://planteduser:plantedpassword@127.0.0.1:1/plantedpath",
    "IBHELM_HEARTBEAT_URLS": "quick_scan=http://127.0.0.1:1/plantedheartbeat",
    "IBHELM_OWNER_DATABASE_URL": "postgresql://owner:plantedowner@127.0.0.1:1/x",
}
DATABASE_PASSWORD = "password%20of%20the%20tests"
FORBIDDEN = ["planted", WORD, DATABASE_PASSWORD, DATABASE_PASSWORD.replace("%20", " ")]
PATIENCE_SECONDS = 120


@pytest.fixture
def nas(settings: Settings) -> Nas:
    return Nas(settings)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | SECRETS


def archive(**parts: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in parts.items():
            file.writestr(name.replace("__", "/") + ".xml", text)
    return buffer.getvalue()


def plant(nas: Nas, folder: str) -> None:
    """Write files with the word inside: some can be read, most make their reader fail."""
    files = {
        "gut.txt": f"{folder} {WORD}".encode(),
        "gut.html": f"<html><body>{folder} <p>{WORD}</p></body></html>".encode(),
        "gut.eml": f"Subject: {WORD}\r\nFrom: a@b\r\n\r\n{folder} {WORD}".encode(),
        "kaputt.pdf": f"%PDF-1.7\n{folder} 1 0 obj << /Title ({WORD}) /Broken ".encode(),
        "leer.pdf": f"%PDF-1.7\n{folder} {WORD}\n%%EOF".encode(),
        "kaputt.docx": archive(word__document=f"<w:document>{folder} {WORD}<unclosed>"),
        "kaputt.xlsx": archive(xl__workbook=f"<workbook>{folder} {WORD}<unclosed>"),
        "kaputt.png": b"\x89PNG\r\n\x1a\n" + f"{folder} {WORD}".encode() * 20,
        "kaputt.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + f"{folder} {WORD}".encode() * 20,
        "kaputt.zip": b"PK\x03\x04" + f"{folder} {WORD}".encode() * 20,
        "utf16.txt": b"\xff\xfe" + f"{folder} {WORD}".encode("utf-16-le") + b"\x00",
    }
    for name, data in files.items():
        nas.write(f"{folder}/{name}", data)


def dump(url: str) -> Iterator[tuple[str, str]]:
    """All rows of all tables as text, by table; but for the columns whose purpose is to hold text and names."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname in ('ops', 'public') and tablename not in ('content_texts', 'contents')"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"select row_to_json(t)::text from {table} t").fetchall()  # type: ignore[arg-type]
            yield table, "\n".join(row for (row,) in rows)


def found(places: dict[str, str]) -> list[tuple[str, str, str]]:
    return [
        (place, secret, text[max(0, text.index(secret) - 200) : text.index(secret) + 100])
        for place, text in places.items()
        for secret in FORBIDDEN
        if secret in text
    ]


def files_below(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}


def test_a_scan_as_a_run_of_dagster_shows_no_secret_and_no_document(
    nas: Nas, settings: Settings, environment: dict[str, str]
) -> None:
    plant(nas, "projekte/A")
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "scan", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    reasons = nas.rows("select reason from ops.step_results where state in ('failed', 'unsupported')")
    assert len(reasons) >= 3, "readers must have failed, or this proves nothing"
    read = nas.rows("select count(*)::int from content_texts where text like %s", f"%{WORD}%")
    assert read[0][0] >= 3, "and others must have read the word"

    places = {"stdout": done.stdout, "stderr": done.stderr}
    places |= dict(dump(settings.require_database_url())) | dict(dump(environment["IBHELM_DAGSTER_DATABASE_URL"]))
    places |= files_below(settings.state_dir / "logs")
    assert any("step_ended" in text for text in places.values()), "our own lines must be among what is searched"
    assert found(places) == []


def test_a_worker_shows_no_secret_and_no_document(nas: Nas, settings: Settings, environment: dict[str, str]) -> None:
    plant(nas, "projekte/B")
    url = settings.require_database_url()
    with psycopg.connect(url, autocommit=True) as connection:
        enqueue(connection, [InboxItem(source="nas", kind="path", key=b"projekte/B", label="projekte/B")])
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "work"]
    worker = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        read = "select count(*)::int from ops.step_results where step = 'text'"
        waiting = "select count(*)::int from ops.inbox where poisoned_at is null"
        while not (nas.rows(read)[0][0] >= 8 and nas.rows(waiting) == [(0,)]):
            assert time.monotonic() < deadline, nas.rows("select * from ops.inbox")
            assert worker.poll() is None
            time.sleep(0.2)
    finally:
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=PATIENCE_SECONDS)
    assert worker.returncode == 0, output
    assert found({"output": output, **dict(dump(url)), **files_below(settings.state_dir)}) == []
