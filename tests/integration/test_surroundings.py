"""What `ibhelm doctor` sees around a deployment: files with secrets, clocks, rights, watches, an open Dagster."""

from __future__ import annotations

import datetime as dt
import http.server
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import databases
import psycopg
import pytest
from pydantic import SecretStr

from ibhelm_pipelines.errors import ConfigurationError, TransientError
from ibhelm_pipelines.local import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres
    from ibhelm_pipelines.settings import Settings


def _with(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    (folder / "ibhelm_web_password").write_text("only for the owner\n")
    (folder / "postgres_password").write_text("of another program\n")
    for file in folder.iterdir():
        file.chmod(0o600)
    return folder


def test_secrets_of_their_owner_alone_are_counted(settings: Settings, secrets: Path) -> None:
    assert surroundings.secret_files(_with(settings, secrets_dir=secrets)) == f"1 in {secrets}"
    assert "not used" in surroundings.secret_files(settings)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o660])
def test_a_secret_that_others_may_read_or_change_is_a_problem(settings: Settings, secrets: Path, mode: int) -> None:
    (secrets / "postgres_password").chmod(mode)
    with pytest.raises(ConfigurationError, match=r"Others than their owner may read secrets.*postgres_password"):
        surroundings.secret_files(_with(settings, secrets_dir=secrets))


def test_a_secret_with_a_slip_in_its_name_is_a_problem_and_not_silently_unread(
    settings: Settings, secrets: Path
) -> None:
    (secrets / "ibhelm_web_pasword").touch(mode=0o600)
    with pytest.raises(ConfigurationError, match=r"named like no setting.*ibhelm_web_pasword"):
        surroundings.secret_files(_with(settings, secrets_dir=secrets))


def test_versions_of_the_server_are_said(settings: Settings) -> None:
    assert surroundings.postgres_version(settings).startswith("18.")


def test_a_role_with_the_rights_of_a_superuser_is_a_problem(
    settings: Settings, owner_database_url: str, postgres: EmbeddedPostgres
) -> None:
    assert surroundings.roles(settings) == "none may more than it needs"
    with pytest.raises(ConfigurationError, match=r"IBHELM_NOCODB_DATABASE_URL.*is a superuser, may make roles"):
        surroundings.roles(_with(settings, nocodb_database_url=SecretStr(owner_database_url)))
    databases.run(postgres, "create role too_much login createdb password 'x'")
    try:
        url = postgres.url(owner_database_url.rpartition("/")[2], user="too_much", password="x")
        with pytest.raises(ConfigurationError, match=r"too_much .IBHELM_DAGSTER_DATABASE_URL. may make databases"):
            surroundings.roles(_with(settings, dagster_database_url=SecretStr(url)))
    finally:
        databases.run(postgres, "drop role too_much")


@pytest.mark.parametrize(("seconds", "sentence"), [(90, "is 90 s ahead of ours"), (-90, "is 90 s behind ours")])
def test_a_clock_that_is_ahead_or_behind_is_a_problem(settings: Settings, seconds: int, sentence: str) -> None:
    assert surroundings.clock_of_postgres(settings).endswith("s apart")
    ours = dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)  # the hour of the change to summer time: of no importance in UTC
    with pytest.raises(ConfigurationError, match=rf"The clock of Postgres {sentence}"):
        surroundings.judged_clock("Postgres", ours + dt.timedelta(seconds=seconds), ours, 5)


@contextmanager
def _server(status: int = 200, date: str | None = None) -> Iterator[str]:
    """An HTTP server that answers everything alike."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.send_response_only(status)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_clock_of_the_object_store_is_read_from_its_answers(settings: Settings) -> None:
    assert surroundings.clock_of_s3(settings).endswith("s apart")
    with (
        _server(403, date="Mon, 01 Jan 2024 00:00:00 GMT") as endpoint,
        pytest.raises(ConfigurationError, match="behind"),
    ):
        surroundings.clock_of_s3(_with(settings, s3_endpoint=endpoint))
    with _server(403) as endpoint:
        assert "does not say" in surroundings.clock_of_s3(_with(settings, s3_endpoint=endpoint))
    with pytest.raises(TransientError, match="does not answer"):
        surroundings.clock_of_s3(_with(settings, s3_endpoint="http://127.0.0.1:1"))


def test_fewer_watches_than_folders_are_a_problem(
    settings: Settings, owner_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted = tmp_path / "max_user_watches"
    granted.write_text("11\n")
    monkeypatch.setattr(surroundings, "WATCHES", granted)
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute(
            "insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url)"
            " select 'a', n || '/a', (n || '/a')::bytea, '', 'projekte/' || n, 1, now(), ''"
            " from generate_series(1, 9) n"
        )
        assert surroundings.watches(settings) == "11 watches for 9 folders"
        granted.write_text("9\n")
        with pytest.raises(ConfigurationError, match="about 9 folders, and the kernel grants 9 watches"):
            surroundings.watches(settings)
    assert "not needed" in surroundings.watches(_with(settings, watch_mode="poll"))


_LISTENER = """
import socket, sys, time
listener = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET)
listener.bind((sys.argv[2], 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
time.sleep(600)
"""


@contextmanager
def _listening(name: str, address: str) -> Iterator[int]:
    """A process that is called as one of Dagster's and listens there; nobody connects to it."""
    command = [sys.executable, "-c", _LISTENER, name, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("name", "address", "is_open"),
    [
        ("dagster-webserver", "0.0.0.0", True),
        ("dagster-webserver", "::", True),
        ("dagster api grpc", "0.0.0.0", True),
        ("dagster-webserver", "127.0.0.1", False),
        ("dagster-webserver", "::1", False),
        ("dagster api grpc", "::ffff:127.0.0.1", False),  # how gRPC listens on 127.0.0.1
        ("nginx", "0.0.0.0", False),
    ],
)
def test_a_dagster_that_listens_for_other_machines_is_a_problem(
    settings: Settings, name: str, address: str, is_open: bool
) -> None:
    with _listening(name, address) as port:
        found = [each for each in surroundings._open_listeners() if f":{port} " in each]
        assert bool(found) == is_open
        if is_open:
            with pytest.raises(ConfigurationError, match=rf"can command Dagster without a login.*:{port} "):
                surroundings.exposure(settings)


def test_to_listen_for_all_needs_a_proxy_that_is_named(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match=r"listen on 0.0.0.0 .IBHELM_LISTEN_HOST., but no proxy is named"):
        surroundings.exposure(_with(settings, listen_host="0.0.0.0"))
    contained = _with(settings, listen_host="0.0.0.0", trusted_proxies=("172.30.83.2",))
    assert surroundings.exposure(contained) == "no Dagster listens for other machines"


@pytest.mark.parametrize(("status", "fact"), [(401, "asks who comes"), (302, "asks who comes"), (200, None)])
def test_the_public_address_of_dagster_must_ask_who_comes(settings: Settings, status: int, fact: str | None) -> None:
    behind = _with(settings, trusted_proxies=("172.30.83.2",))
    with _server(status) as url:
        if fact is None:
            with pytest.raises(ConfigurationError, match=r"without asking who comes.*in front of it, now"):
                surroundings.exposure(_with(behind, dagster_public_url=url))
        else:
            assert fact in surroundings.exposure(_with(behind, dagster_public_url=url))
    assert "was not reached" in surroundings.exposure(_with(behind, dagster_public_url="http://127.0.0.1:1"))


def test_a_dagster_that_does_not_answer_is_a_problem(settings: Settings) -> None:
    assert "not asked" in surroundings.dagster(settings)
    with pytest.raises(TransientError, match="Dagster: the UI does not answer"):
        surroundings.dagster(_with(settings, dagster_url="http://127.0.0.1:1"))
