"""Every service of ours in deploy/compose.yaml, started here as it stands there: command, variables, secrets, health.

There is no container engine where this runs. So the places that containers give (/nas, /run/secrets, names of hosts)
become folders and ports of this machine, processes run without any capability and with no new privileges as they would
there, and the rest is taken from the file: a command that does not exist, a secret that a process lacks, a health
check that asks the wrong thing, or a process that does not end when it is told to would show here.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import requests
from composed import FOREIGN, JOBS, services
from left_folders import end_what_runs_in, servers_folder

from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.process import tail, wait_until
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.local.secret_files import Server, init_secrets

LASTING = ["code", "watcher", "worker", "webhooks", "web", "webserver", "daemon"]
HEALTHY_SECONDS = 150
ENDING_SECONDS = 60  # compose.yaml grants less, to a machine that has not a whole test suite to run besides
POLL_SECONDS = 1.0
PORTS = ("IBHELM_WEB_PORT", "IBHELM_WEBHOOKS_PORT", "IBHELM_DAGSTER_PORT", "IBHELM_CODE_SERVER_PORT")
BUCKET = "production"


@dataclass
class Machine:
    """A machine of containers, without containers."""

    folder: Path
    s3: EmbeddedS3
    ports: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def nas(self) -> Path:
        return self.folder / "nas"

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def environment(self, name: str) -> dict[str, str]:
        """What compose gives a service, with the places of this machine."""
        given = {key: str(value) for key, value in (services()[name].get("environment") or {}).items()}
        here = {
            "IBHELM_SECRETS_DIR": str(self._mounted(name)),
            "IBHELM_STATE_DIR": str(self.folder / name),
            "IBHELM_NAS_ROOT": str(self.nas),
            "IBHELM_S3_ENDPOINT": self.s3.endpoint,
            "IBHELM_S3_BUCKET": BUCKET,
            "IBHELM_LISTEN_HOST": "127.0.0.1",
            "IBHELM_CODE_SERVER_HOST": "127.0.0.1",
            "IBHELM_TRUSTED_PROXIES": "127.0.0.1",
            "DAGSTER_COMPUTE_LOG_DIR": str(self.folder / "run-logs"),
        }
        assert set(here) <= set(given), "a place of containers that compose.yaml does not name"
        return {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "IBHELM_CONTENT_WORKERS": "1",
            **given,
            **here,
            **self.ports,
        }

    def _mounted(self, name: str) -> Path:
        """The secrets of a service and no others."""
        folder = self.folder / f"{name}.secrets"
        folder.mkdir(exist_ok=True)
        for each in services()[name].get("secrets", []):
            shutil.copy2(self.secrets / each["source"], folder / each["target"].rpartition("/")[2])
        return folder

    def command(self, name: str) -> list[str]:
        return [*_without_rights(), sys.executable, "-m", "ibhelm_pipelines.cli", *services()[name]["command"]]

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a job to its end."""
        return self._run(self.command(name), name)

    def _run(self, command: list[str], name: str) -> subprocess.CompletedProcess[str]:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        given = {"env": self.environment(name), "cwd": folder, "capture_output": True, "text": True}
        return subprocess.run(command, check=False, **given)

    def start(self, name: str) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        with self.log(name).open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self.folder / name, stdout=log, stderr=log
            )

    def health(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run the health check as Docker would: beside the process, with the variables of its container."""
        check = services()[name]["healthcheck"]["test"]
        assert check[:2] == ["CMD", "ibhelm"]
        return self._run([sys.executable, "-m", "ibhelm_pipelines.cli", *check[2:]], name)

    def becomes_healthy(self, name: str) -> None:
        process = self.processes[name]
        wait_until(
            lambda: process.poll() is not None or self.is_healthy(name),
            seconds=HEALTHY_SECONDS,
            poll_seconds=POLL_SECONDS,
        )
        assert self.is_healthy(name), f"{self.health(name).stderr}\n{tail(self.log(name))}"

    def is_healthy(self, name: str) -> bool:
        return self.processes[name].poll() is None and self.health(name).returncode == 0

    def stop_all(self) -> dict[str, int]:
        """Tell all of them at once, as `docker compose down` does; return their exit statuses."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(ENDING_SECONDS) for name, process in self.processes.items()}


def _without_rights() -> list[str]:
    """As in the containers: no capability, no new privileges. Another user than root cannot reach every Python."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    return [str(shutil.which("setpriv")), "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def machine(s3: EmbeddedS3) -> Iterator[Machine]:
    with servers_folder("ibhelm-test-") as folder:
        yield from _machine(folder, s3)


def _machine(folder: Path, s3: EmbeddedS3) -> Iterator[Machine]:
    server = EmbeddedPostgres(folder=folder / "postgres", server_settings={"shared_buffers": "64MB", "fsync": "off"})
    server.start()
    machine = Machine(folder=folder, s3=s3, ports={name: _free_port() for name in PORTS})
    machine.nas.mkdir()
    (machine.nas / ".ibhelm-share").touch()
    init_secrets(machine.secrets, server=Server(host="127.0.0.1", port=server.port))
    # What others would have made from the same files: the database's superuser, and a user of the object store.
    (machine.secrets / "ibhelm_owner_database_url").write_text(server.url("ibhelm") + "\n")
    (machine.secrets / "ibhelm_s3_access_key").write_text(s3.access_key + "\n")
    (machine.secrets / "ibhelm_s3_secret_key").write_text(s3.secret_key + "\n")
    try:
        yield machine
    finally:
        for process in machine.processes.values():
            process.kill()
            process.wait()
        server.stop()
        end_what_runs_in(folder)  # what a killed process had started; a container takes it along


@pytest.mark.timeout(900)  # seven processes, two of Dagster's among them, on a machine that may be busy
def test_the_services_of_ours_start_in_their_order_become_healthy_and_end_when_told(machine: Machine) -> None:
    assert set(LASTING) == set(services()) - JOBS - FOREIGN
    done = machine.run("provision")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in LASTING:
        machine.start(name)
        if name == "code":  # the others wait for it, as `depends_on` says
            machine.becomes_healthy(name)
    for name in LASTING:
        machine.becomes_healthy(name)
    _a_file_of_the_share_is_stored_and_seen(machine)
    _nothing_said_its_secrets(machine)
    assert machine.stop_all() == dict.fromkeys(LASTING, 0)
    assert {name: machine.health(name).returncode for name in LASTING if name != "daemon"} == dict.fromkeys(
        set(LASTING) - {"daemon"}, 1
    )  # the daemon's beats count for three minutes
    again = machine.run("provision")
    assert (again.returncode, "is made" in again.stdout) == (0, False), again.stderr


def _a_file_of_the_share_is_stored_and_seen(machine: Machine) -> None:
    """Watcher, inbox, worker, object store and database work together; the UI knows our code."""
    folder = machine.nas / "projekte" / "2301-Kita"
    folder.mkdir(parents=True)
    (folder / "brief.txt").write_text("Sehr geehrte Damen und Herren\n", encoding="utf-8")
    url = (machine.secrets / "ibhelm_database_url").read_text().strip()
    with psycopg.connect(url, autocommit=True) as connection:
        question = "select count(*) from files f join ops.stored_objects o on o.content_hash = f.content_hash"
        assert wait_until(lambda: connection.execute(question).fetchone() == (1,), seconds=60), tail(
            machine.log("worker")
        )
    ui = f"http://127.0.0.1:{machine.ports['IBHELM_DAGSTER_PORT']}/graphql"
    query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
    answer = requests.post(ui, json={"query": query}, timeout=60).json()
    assert len(answer["data"]["repositoriesOrError"]["nodes"]) == 1


def _nothing_said_its_secrets(machine: Machine) -> None:
    for file in machine.secrets.iterdir():
        value = file.read_text().strip()
        if len(value) < 16 or file.name == "ibhelm_s3_access_key":
            continue
        for name in LASTING:
            assert value not in machine.log(name).read_text(errors="replace"), (file.name, name)
