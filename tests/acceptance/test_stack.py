"""`ibhelm up`, `status` and `down` as a person types them: the whole stack, its addresses, kills, and a clean end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest
import requests
from dotenv import dotenv_values

from ibhelm_pipelines.local.process import wait_until
from ibhelm_pipelines.local.records import (
    CODE_SERVER,
    DAEMON,
    WATCHER,
    WEB,
    WEBSERVER,
    WORKER,
    recorded,
    supervisor_process,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Installation:
    """One checkout's worth of `ibhelm`: a state folder, an environment, and the command."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.state = folder / "state"
        self.nas = folder / "nas"
        self.nas.mkdir()
        self.env = {
            **os.environ,
            "IBHELM_STATE_DIR": str(self.state),
            "IBHELM_NAS_ROOT": str(self.nas),
            "IBHELM_DAGSTER_PORT": "0",
            "IBHELM_WEB_PORT": "0",
            **variables,
        }

    def ibhelm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ibhelm_pipelines.cli", *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )

    def services(self) -> tuple[int, dict[str, Any]]:
        """Return the exit status of `ibhelm status --json`, and what it says of each service."""
        done = self.ibhelm("status", "--json")
        return done.returncode, {s["name"]: s for s in json.loads(done.stdout)["services"]}

    def addresses(self) -> dict[str, str]:
        return {name: str(value) for name, value in dotenv_values(self.state / "env").items()}

    def pids(self) -> dict[str, int]:
        return {name: record.pid for name, (record, _) in recorded(self.state).items()}

    def processes(self) -> list[int]:
        """Every process of this machine that works for this installation, found by its working directory."""
        found = []
        for process in psutil.process_iter(["status"]):
            try:
                inside = Path(process.cwd()).is_relative_to(self.state)
            except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
                continue
            if inside and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        return found


@pytest.fixture
def installation(private_folder: Path) -> Iterator[Installation]:
    installed = Installation(private_folder)
    yield installed
    installed.ibhelm("down")


def _row_kept(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("select hash from contents").fetchall() == [("a" * 64,)]


def test_the_stack_comes_up_survives_kills_and_ends_without_a_trace(installation: Installation) -> None:
    up = installation.ibhelm("up", "--detach")
    assert (up.returncode, up.stderr) == (0, "")
    status, services = installation.services()
    assert status == 0
    assert all(service["running"] for service in services.values())
    assert services[f"Dagster {WEBSERVER}"]["where"] in up.stdout
    _check_addresses(installation)
    again = installation.ibhelm("up")
    assert (again.returncode, "is running already" in again.stderr) == (1, True)

    addresses = installation.addresses()
    url = addresses["IBHELM_DATABASE_URL"]
    with psycopg.connect(url) as connection:
        connection.execute("insert into contents (hash, size_bytes) values (repeat('a', 64), 1)")
    _kill_the_ui(installation, services[f"Dagster {WEBSERVER}"]["where"])
    assert _row_kept(url)
    _kill_the_supervisor(installation)
    assert installation.addresses() == addresses  # so that links stay good
    assert _row_kept(url)
    assert _answers(f"{addresses['IBHELM_WEB_URL']}/healthz")

    assert installation.ibhelm("down").stdout == "Stopped.\n"
    assert installation.processes() == []
    status, services = installation.services()
    assert (status, any(service["running"] for service in services.values())) == (1, False)
    assert installation.ibhelm("down").stdout == "Nothing was running.\n"


def _check_addresses(installation: Installation) -> None:
    addresses = installation.addresses()
    assert (installation.state / "env").stat().st_mode & 0o777 == 0o600
    sourced = subprocess.run(
        ["sh", "-c", f". {installation.state}/env && printf %s $IBHELM_DATABASE_URL"],
        capture_output=True, text=True, check=True, timeout=10,
    )  # fmt: skip
    assert sourced.stdout == addresses["IBHELM_DATABASE_URL"]
    assert len(addresses["IBHELM_WEB_SECRET"]) >= 32
    assert _answers(f"{addresses['IBHELM_WEB_URL']}/healthz")
    _check_sign_in(addresses)
    for kind, role in (("", "pipeline"), ("NOCODB_", "nocodb"), ("READER_", "reader")):
        with psycopg.connect(addresses[f"IBHELM_{kind}DATABASE_URL"]) as connection:
            assert connection.execute("select current_user").fetchone() == (f"ibhelm_{role}",)
    dagster = psycopg.conninfo.conninfo_to_dict(addresses["IBHELM_READER_DATABASE_URL"], dbname="dagster")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(**dagster)  # type: ignore[arg-type]  # only strings in it


def _check_sign_in(addresses: dict[str, str]) -> None:
    """The password that was made opens the search page."""
    assert addresses["IBHELM_WEB_PASSWORD"] != addresses["IBHELM_WEB_SECRET"]
    with requests.Session() as browser:
        form = browser.get(f"{addresses['IBHELM_WEB_URL']}/", timeout=60)
        assert form.url.endswith("/login")
        [token] = re.findall(r'name="csrf" value="([^"]+)"', form.text)
        filled = {"csrf": token, "user": "admin", "password": addresses["IBHELM_WEB_PASSWORD"], "next": "/api/saved"}
        page = browser.post(form.url, data=filled, timeout=60)
        assert page.json() == {"searches": []}


def _kill_the_ui(installation: Installation, url: str) -> None:
    before = installation.pids()[WEBSERVER]
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: installation.pids()[WEBSERVER] != before, seconds=60)
    assert wait_until(lambda: _answers(f"{url}/server_info"), seconds=60)


def _kill_the_supervisor(installation: Installation) -> None:
    orphans = installation.pids()
    supervisor = supervisor_process(installation.state)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    assert wait_until(lambda: supervisor_process(installation.state) is None, seconds=30)
    status, services = installation.services()
    assert (status, services["supervisor"]["running"], services["Postgres"]["running"]) == (1, False, True)
    assert installation.ibhelm("up", "--detach").returncode == 0
    assert not set(installation.pids().values()) & set(orphans.values())
    assert set(orphans) == {CODE_SERVER, WEBSERVER, DAEMON, WATCHER, WORKER, WEB}
    assert not any(psutil.pid_exists(pid) and pid in installation.processes() for pid in orphans.values())


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_a_stack_that_cannot_come_up_says_why_and_leaves_nothing_running(private_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        installation = Installation(private_folder, IBHELM_S3_PORT=port)
        up = installation.ibhelm("up", "--detach")
    assert up.returncode == 1
    assert f"Error: The embedded S3 server cannot listen on port {port} of 127.0.0.1: it is taken" in up.stderr
    assert wait_until(lambda: installation.processes() == [], seconds=30)


def test_a_database_of_ones_own_is_used_and_none_is_started(private_folder: Path, database_url: str) -> None:
    installation = Installation(private_folder, IBHELM_DATABASE_URL=database_url, IBHELM_DAGSTER_DATABASE_URL="")
    up = installation.ibhelm("up", "--detach")
    assert up.returncode == 1
    assert "The database of Dagster's own storage cannot be opened." in up.stderr
    assert not (installation.state / "postgres").exists()
    assert wait_until(lambda: installation.processes() == [], seconds=30)
