"""The embedded Postgres: durable over kills, honest about what stops it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from ibhelm_pipelines.errors import ConfigurationError, DatabaseUnavailableError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres


def _write_row(server: EmbeddedPostgres, number: int) -> None:
    with psycopg.connect(server.url()) as connection:
        connection.execute("create table if not exists kept (number int)")
        connection.execute("insert into kept values (%s)", [number])


def _rows(server: EmbeddedPostgres) -> list[int]:
    with psycopg.connect(server.url()) as connection:
        return [row[0] for row in connection.execute("select number from kept order by 1")]


def _kill(server: EmbeddedPostgres) -> None:
    postmaster = server.postmaster()
    assert postmaster is not None
    os.kill(postmaster.pid, signal.SIGKILL)


def test_rows_outlive_a_kill_of_the_main_process(private_postgres: EmbeddedPostgres) -> None:
    for number in range(3):
        _write_row(private_postgres, number)
        _kill(private_postgres)
        private_postgres.start()
    assert _rows(private_postgres) == [0, 1, 2]


def test_rows_and_port_outlive_a_stop(private_postgres: EmbeddedPostgres) -> None:
    _write_row(private_postgres, 7)
    port = private_postgres.port
    private_postgres.stop()
    assert not private_postgres.running()
    again = EmbeddedPostgres(folder=private_postgres.folder)
    again.start()
    assert (_rows(again), again.port) == ([7], port)


def test_a_second_start_attaches_to_the_running_server(private_postgres: EmbeddedPostgres) -> None:
    before = private_postgres.postmaster()
    EmbeddedPostgres(folder=private_postgres.folder).start()
    assert private_postgres.postmaster() == before


def test_a_lock_file_that_names_another_program_does_not_keep_it_down(
    private_postgres: EmbeddedPostgres,
) -> None:
    lock = private_postgres.data / "postmaster.pid"
    text = lock.read_text()
    private_postgres.stop()
    lock.write_text(text.replace(text.splitlines()[0], str(os.getpid()), 1))
    private_postgres.start()
    assert private_postgres.running()


def test_a_start_that_was_killed_while_making_the_data_folder_begins_again(private_folder: Path) -> None:
    server = EmbeddedPostgres(folder=private_folder / "postgres")
    half_made = private_folder / "postgres" / "data.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18")
    server.start()
    try:
        assert server.running()
    finally:
        server.stop()


def test_a_taken_port_is_a_clear_sentence(private_folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} .* is taken .*IBHELM_POSTGRES_PORT"):
            EmbeddedPostgres(folder=private_folder / "postgres", configured_port=port).start()


def test_a_free_port_that_somebody_took_meanwhile_is_replaced(private_folder: Path) -> None:
    server = EmbeddedPostgres(folder=private_folder / "postgres")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        server.folder.mkdir()
        (server.folder / "port").write_text(str(taken))
        server.start()
        try:
            assert server.port != taken
        finally:
            server.stop()


def test_only_the_password_opens_it_and_only_the_owner_reads_that(
    private_postgres: EmbeddedPostgres,
) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(private_postgres.url(password="wrong"))
    assert (private_postgres.folder / "password").stat().st_mode & 0o777 == 0o600


def test_it_listens_on_the_loopback_address_only_and_never_runs_as_root(private_postgres: EmbeddedPostgres) -> None:
    postmaster = private_postgres.postmaster()
    assert postmaster is not None
    process = psutil.Process(postmaster.pid)
    assert {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert process.uids().effective != 0


def test_the_port_of_a_stopped_server_is_an_error_with_advice(private_folder: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"not running.*ibhelm up"):
        _ = EmbeddedPostgres(folder=private_folder / "postgres").port


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
def test_a_folder_that_the_server_user_cannot_reach_is_a_clear_sentence(private_folder: Path) -> None:
    closed = private_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match=r"cannot reach .*closed.*chmod"):
        EmbeddedPostgres(folder=closed / "postgres").start()


def test_the_extensions_that_the_schema_needs_are_there(private_postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(private_postgres.url()) as connection:
        for extension in ("vector", "pg_trgm", "unaccent"):
            connection.execute(f"create extension {extension}")
        assert connection.execute("select unaccent('Prüfgröße'), '[1,2]'::halfvec").fetchone() == (
            "Prufgrosse",
            "[1,2]",
        )


# The privileges are dropped after the imports: the interpreter may live in root's home.
_AS_A_USER = """
import os, sys
from pathlib import Path
import psutil
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
server = EmbeddedPostgres(folder=Path(sys.argv[1]))
server.start()
try:
    print(psutil.Process(server.postmaster().pid).uids().real == os.getuid() == 65534)
finally:
    server.stop()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs every test of this file as itself")
def test_an_ordinary_user_runs_it_as_itself(private_folder: Path) -> None:
    home = private_folder / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    command = [sys.executable, "-c", _AS_A_USER, str(home / "postgres")]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
