"""What the supervisor keeps on disk about itself and its processes, so that the next command knows what runs.

Invariants: one supervisor a state folder (a lock that dies with its process decides, not a pid in a file); a process is
stopped only if pid and start time are those on record, so never anybody else's.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.process import ProcessRecord, wait_until
from ibhelm_pipelines.local.state import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODE_SERVER, WEBSERVER, DAEMON = "code server", "webserver", "daemon"
WATCHER, WORKER, WEBHOOKS, WEB = "watcher", "worker", "webhook receiver", "web gateway"

STOP_SECONDS = 30  # for each process; the code server ends its runs in that time, the worker what it has in hand


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the supervisor last said: whether all was ready, and what was not."""

    pid: int | None = None
    ready: bool = False
    problems: list[str] = field(default_factory=list)


def write_report(state_dir: Path, *, ready: bool, problems: list[str]) -> None:
    """Say how this supervisor stands."""
    write_json(_report_file(state_dir), {"pid": os.getpid(), "ready": ready, "problems": problems})


def read_report(state_dir: Path) -> Report:
    """Return what the supervisor last said."""
    return Report(**read_json(_report_file(state_dir)))


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


@contextmanager
def single_instance(state_dir: Path) -> Iterator[None]:
    """Be the only supervisor of a state folder for the length of the block.

    Raises:
        ConfigurationError: another one is running.
    """
    with _lock_file(state_dir).open("a+", encoding="utf-8") as file:
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


def recorded(state_dir: Path) -> dict[str, tuple[ProcessRecord, int | None]]:
    """Return the processes of the stack as last recorded, with their ports, in the order of their start."""
    entries = read_json(_records_file(state_dir))
    return {name: (ProcessRecord.from_json(entry), entry.get("port")) for name, entry in entries.items()}


def stop_recorded(state_dir: Path) -> bool:
    """Stop the processes on record that still run, the last started first; return whether there were any."""
    alive = [(name, record) for name, (record, _) in recorded(state_dir).items() if record.alive()]
    for name, record in reversed(alive):
        # The code server's children are runs, which say goodbye while it still stands. Those of a worker open files:
        # ended under its hands, they would look like files that kill their readers.
        record.terminate(seconds=STOP_SECONDS, group=True, children_first=name == CODE_SERVER)
    _records_file(state_dir).unlink(missing_ok=True)
    return bool(alive)


def log_file(state_dir: Path, name: str) -> Path:
    """Return where the output of a process goes."""
    return state_dir / "logs" / f"{name.replace(' ', '-')}.log"


def write_records(state_dir: Path, records: dict[str, ProcessRecord], ports: dict[str, int]) -> None:
    """Record the processes of the stack, in the order of their start."""
    entries = {name: {**record.to_json(), "port": ports.get(name)} for name, record in records.items()}
    write_json(_records_file(state_dir), entries)


def _records_file(state_dir: Path) -> Path:
    return state_dir / "processes.json"


def _report_file(state_dir: Path) -> Path:
    return state_dir / "supervisor.json"


def _lock_file(state_dir: Path) -> Path:
    return state_dir / "supervisor.lock"
