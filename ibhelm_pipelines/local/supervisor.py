"""Keeps the stack up: Postgres, S3, then Dagster's code server, UI and daemon; stops it in the reverse order.

Invariants: one supervisor a state folder (a lock that dies with its process); every process that it starts is on record
by pid and start time before anything else happens, so that the next `up`, or `down`, can end what a kill -9 orphaned,
and never ends anybody else's process.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from ibhelm_pipelines.errors import ConfigurationError, IbhelmError
from ibhelm_pipelines.local import dagster_process
from ibhelm_pipelines.local.ports import HOST, choose_port
from ibhelm_pipelines.local.process import ProcessRecord, start_process, tail, wait_until
from ibhelm_pipelines.local.state import prepare_state_folder, read_json, write_json
from ibhelm_pipelines.local.storage import Storage
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from ibhelm_pipelines.settings import Settings

READY_SECONDS = 180
STOP_SECONDS = 30  # for each process of Dagster; the code server ends its runs in that time
WATCH_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
STABLE_SECONDS = 60.0  # a process that ran so long has earned a quick restart again

CODE_SERVER, WEBSERVER, DAEMON = "code server", "webserver", "daemon"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Something that is to run: how to start it, and whether it does."""

    name: str
    start: Callable[[], None]
    alive: Callable[[], bool]


@dataclass
class Backoff:
    """When something that keeps ending may be started again: after 1, 2, 4 ... 60 seconds."""

    failures: int = 0
    not_before: float = 0.0
    started: float = 0.0

    def note_end(self) -> None:
        if self.started and time.monotonic() - self.started > STABLE_SECONDS:
            self.failures = 0
        self.not_before = time.monotonic() + min(2.0**self.failures, LONGEST_PAUSE_SECONDS)
        self.failures += 1
        self.started = 0.0


@dataclass
class DagsterProcesses:
    """The three processes of Dagster.

    Args:
        settings: with the addresses of the storage.
    """

    settings: Settings
    environment: dict[str, str] = field(init=False)
    ports: dict[str, int] = field(init=False)
    records: dict[str, ProcessRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        home = dagster_process.dagster_home(self.settings)
        self.ports = {
            CODE_SERVER: choose_port(
                0, memory=home / "code.port", service="The code server", variable="IBHELM_DAGSTER_PORT"
            ),
            WEBSERVER: choose_port(
                self.settings.dagster_port,
                memory=home / "webserver.port",
                service="The Dagster UI",
                variable="IBHELM_DAGSTER_PORT",
            ),
        }
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("IBHELM_", "DAGSTER_"))},
            **dagster_process.dagster_environment(self.settings),
            "DAGSTER_CODE_HOST": HOST,
            "DAGSTER_CODE_PORT": str(self.ports[CODE_SERVER]),
        }

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.ports[WEBSERVER]}"

    def kept(self) -> list[Kept]:
        """Return the three in the order of their start."""
        return [
            Kept(name=name, start=lambda name=name: self._start(name), alive=lambda name=name: self._alive(name))  # type: ignore[misc]  # bound
            for name in (CODE_SERVER, WEBSERVER, DAEMON)
        ]

    def problems(self) -> list[str]:
        """Say what is not as it should be; nothing when our code is loaded and every daemon gives a sign of life."""
        ended = [f"the {name} has ended:\n{tail(self._log(name))}" for name in self.records if not self._alive(name)]
        return ended or dagster_process.problems(self.url)

    def stop(self) -> None:
        """Stop the three in the reverse order of their start."""
        stop_recorded(self.settings.state_dir)
        self.records.clear()

    def _start(self, name: str) -> None:
        commands = {
            CODE_SERVER: lambda: dagster_process.code_server_command(self.ports[CODE_SERVER]),
            WEBSERVER: lambda: dagster_process.webserver_command(self.ports[WEBSERVER]),
            DAEMON: dagster_process.daemon_command,
        }
        home = dagster_process.dagster_home(self.settings)
        record = start_process(commands[name](), env=self.environment, log=self._log(name), cwd=home)
        self.records[name] = record
        _write_records(self.settings.state_dir, self.records, self.ports)

    def _alive(self, name: str) -> bool:
        return name in self.records and self.records[name].alive()

    def _log(self, name: str) -> Path:
        return log_file(self.settings.state_dir, name)


class Supervisor:
    """One run of `ibhelm up` in the foreground.

    Args:
        storage: Postgres and S3 of this installation.
        say: told of every step and every restart.
    """

    def __init__(self, storage: Storage, say: Callable[[str], None]) -> None:
        self._storage = storage
        self._state_dir = storage.configured.state_dir
        self._say = say
        self._backoffs: dict[str, Backoff] = {}
        self._dagster: DagsterProcesses | None = None

    def run(self, show: Callable[[Settings], None]) -> None:
        """Bring the stack up, show it, and keep it up until a signal says stop.

        Args:
            show: called once when all is up, with the settings of the running stack.

        Raises:
            ConfigurationError: another supervisor is running, or a setting keeps the stack from starting.
            IbhelmError: the storage does not start.
        """
        prepare_state_folder(self._state_dir)
        with _single_instance(self._state_dir), _stop_signals():
            try:
                show(self._bring_up())
                self._watch()
            except KeyboardInterrupt:
                self._say("Stopping ...")
            except IbhelmError as error:
                self._tell(ready=False, problems=[str(error)])
                raise
            finally:
                self._stop()

    def _bring_up(self) -> Settings:
        self._tell(ready=False, problems=[])
        stop_recorded(self._state_dir)  # what a killed supervisor left, with addresses that may be old
        settings = self._storage.start(self._say)
        self._say("Starting Dagster ...")
        self._dagster = DagsterProcesses(settings)
        for kept in self._dagster.kept():
            kept.start()
        problems = self._wait_until_ready(self._dagster)
        self._tell(ready=not problems, problems=problems)
        for problem in problems:
            self._say(f"Not ready: {problem}")
        return settings

    def _wait_until_ready(self, dagster: DagsterProcesses) -> list[str]:
        latest: list[str] = []

        def ready_or_ended() -> bool:
            latest[:] = dagster.problems() if dagster_process.answers(dagster.url) else ["the UI does not answer yet"]
            return not latest or not all(kept.alive() for kept in dagster.kept())

        wait_until(ready_or_ended, seconds=READY_SECONDS, poll_seconds=WATCH_SECONDS)
        return dagster.problems() if latest else []

    def _watch(self) -> NoReturn:
        while True:
            time.sleep(WATCH_SECONDS)
            for kept in [*self._kept_storage(), *(self._dagster.kept() if self._dagster else [])]:
                if not kept.alive():
                    self._restart(kept)

    def _restart(self, kept: Kept) -> None:
        backoff = self._backoffs.setdefault(kept.name, Backoff(started=time.monotonic()))
        if backoff.started:
            backoff.note_end()
            self._say(f"The {kept.name} has ended; starting it again.")
        if time.monotonic() < backoff.not_before:
            return
        backoff.started = time.monotonic()
        try:
            kept.start()
        except IbhelmError as error:
            self._say(str(error))

    def _kept_storage(self) -> Iterator[Kept]:
        postgres, s3 = self._storage.postgres, self._storage.s3
        if postgres:
            yield Kept(name="Postgres", start=self._restart_storage, alive=lambda: postgres.postmaster() is not None)
        if s3:
            yield Kept(name="S3 server", start=self._restart_storage, alive=lambda: s3.process() is not None)

    def _restart_storage(self) -> None:
        """Start what ended. If somebody took its port meanwhile, Dagster must learn the new address."""
        settings = self._storage.start(self._say)
        if self._dagster and dagster_process.dagster_environment(settings).items() - self._dagster.environment.items():
            self._dagster.stop()
            self._dagster = DagsterProcesses(settings)

    def _stop(self) -> None:
        """Stop everything. Further signals are ignored meanwhile: half a stop helps nobody."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop_recorded(self._state_dir)
        self._storage.stop()
        self._say("Everything is stopped.")

    def _tell(self, *, ready: bool, problems: list[str]) -> None:
        write_json(_report_file(self._state_dir), {"pid": os.getpid(), "ready": ready, "problems": problems})


def read_report(state_dir: Path) -> tuple[int | None, bool, list[str]]:
    """Return what the supervisor last said: its pid, whether all was ready, and what was not."""
    report = read_json(_report_file(state_dir))
    return report.get("pid"), bool(report.get("ready")), list(report.get("problems", []))


def supervisor_process(state_dir: Path) -> ProcessRecord | None:
    """Return the running supervisor, or None. The lock decides, not the pid that is written in it."""
    path = _lock_file(state_dir)
    if not path.exists():
        return None
    with path.open("r+") as file:
        if _try_lock(file.fileno()):
            return None
        text = file.read().strip()
    return ProcessRecord.of(int(text)) if text.isdigit() else None


def bring_down(state_dir: Path) -> bool:
    """Stop the stack, supervised or orphaned; return whether anything ran.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    supervisor = supervisor_process(state_dir)
    if supervisor:
        supervisor.terminate(seconds=STOP_SECONDS * 3 + READY_SECONDS)
    storage = Storage(configured=load_settings({"state_dir": state_dir}, embedded=False))
    orphans = stop_recorded(state_dir)
    running = [s for s in (storage.postgres, storage.s3) if s and s.running()]
    storage.stop()
    return bool(supervisor or orphans or running)


def recorded(state_dir: Path) -> dict[str, tuple[ProcessRecord, int | None]]:
    """Return Dagster's processes as last recorded, with their ports, in the order of their start."""
    entries = read_json(_records_file(state_dir))
    return {name: (ProcessRecord.from_json(entry), entry.get("port")) for name, entry in entries.items()}


def stop_recorded(state_dir: Path) -> bool:
    """Stop the processes on record that still run, the last started first; return whether there were any."""
    alive = [record for record, _ in recorded(state_dir).values() if record.alive()]
    for record in reversed(alive):
        record.terminate(seconds=STOP_SECONDS, group=True)
    _records_file(state_dir).unlink(missing_ok=True)
    return bool(alive)


def log_file(state_dir: Path, name: str) -> Path:
    """Return where the output of a process goes."""
    return state_dir / "logs" / f"{name.replace(' ', '-')}.log"


def _write_records(state_dir: Path, records: dict[str, ProcessRecord], ports: dict[str, int]) -> None:
    entries = {name: {**record.to_json(), "port": ports.get(name)} for name, record in records.items()}
    write_json(_records_file(state_dir), entries)


def _records_file(state_dir: Path) -> Path:
    return state_dir / "processes.json"


def _report_file(state_dir: Path) -> Path:
    return state_dir / "supervisor.json"


def _lock_file(state_dir: Path) -> Path:
    return state_dir / "supervisor.lock"


@contextmanager
def _single_instance(state_dir: Path) -> Iterator[None]:
    with _lock_file(state_dir).open("a+", encoding="ascii") as file:
        # Whoever asks whether a supervisor runs holds the lock for a blink.
        if not wait_until(lambda: _try_lock(file.fileno()), seconds=1):
            file.seek(0)
            raise ConfigurationError(
                f"`ibhelm up` is running already for {state_dir} (pid {file.read().strip()}).",
                next_step="See `ibhelm status`; `ibhelm down` stops it.",
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Make every polite request to end arrive as KeyboardInterrupt."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    former = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
