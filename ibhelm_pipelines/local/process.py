"""Long-lived child processes, known by (pid, start time), so that a recycled pid is never mistaken for one of ours.

A killed process stays a zombie until its parent (or PID 1, which may take seconds in a container) reaps it; here a
zombie counts as gone. A child of ours is gone when it is reaped: before that, its first thread may be a zombie while
others of it are still ending, and hold its port.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

POLL_SECONDS = 0.05
LOG_LIMIT_BYTES = 10 * 1024 * 1024

# Children of this very process, kept so that they are reaped and never collected while they run.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """One process of this machine, for ever: a pid alone is used again, a pid with its start time is not."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> ProcessRecord | None:
        """Return the record of a running process, or None where there is none."""
        try:
            return cls(pid=pid, create_time=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ProcessRecord:
        return cls(pid=int(value["pid"]), create_time=float(value["create_time"]))

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    def alive(self) -> bool:
        """Return whether this very process still runs."""
        return self._process() is not None

    def terminate(self, *, seconds: float, group: bool = False, children_first: bool = False) -> bool:
        """Ask the process to end, kill it when it has not ended in time, and return whether it ended by itself.

        Args:
            seconds: how long it may take.
            group: whether all that is left of its descendants is killed in the end.
            children_first: whether its children are asked before it, and given the same time.
        """
        descendants = self._descendants() if group else []
        children = [child for child in descendants if children_first and _answers_signals(child, parent=self.pid)]
        for child in children:
            _signal(child, psutil.Process.terminate)
        wait_until(lambda: not any(_runs(child) for child in children), seconds=seconds)
        if process := self._process():
            _signal(process, psutil.Process.terminate)
        in_time = wait_until(lambda: not self.alive(), seconds=seconds)
        for process in [p for p in [self._process(), *descendants] if p is not None]:
            _signal(process, psutil.Process.kill)
        wait_until(lambda: not self.alive(), seconds=seconds)
        return in_time

    def _process(self) -> psutil.Process | None:
        is_child = _is_running_child(self.pid)
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < 0.02
            same = same and (is_child or process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return None
        return process if same else None

    def _descendants(self) -> list[psutil.Process]:
        process = self._process()
        try:
            return process.children(recursive=True) if process else []
        except psutil.NoSuchProcess:
            return []


def _is_running_child(pid: int) -> bool:
    """Return whether a process is a child of ours that runs; one that ended is reaped."""
    child = _CHILDREN.get(pid)
    if child is not None and child.poll() is not None:
        _CHILDREN.pop(pid, None)
        return False
    return child is not None


def _answers_signals(process: psutil.Process, *, parent: int) -> bool:
    """Return whether a process is a child that may be waited for; Python's resource tracker ignores every signal."""
    try:
        return process.ppid() == parent and not any("resource_tracker" in part for part in process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, send: Callable[[psutil.Process], None]) -> None:
    try:
        send(process)
    except psutil.NoSuchProcess:
        return  # it ended by itself meanwhile, which is what the signal was for


def start_process(command: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path) -> ProcessRecord:
    """Start a program in a session of its own, so that a Ctrl-C in the terminal reaches only the supervisor.

    Args:
        command: the program and its arguments.
        env: its whole environment.
        log: file that its output is appended to; a grown one is put aside first.
        cwd: its working directory.
    """
    trim_log(log)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _CHILDREN[child.pid] = child
    return ProcessRecord(pid=child.pid, create_time=psutil.Process(child.pid).create_time())


def trim_log(log: Path) -> None:
    """Put what a grown log holds aside and empty it, also while a process appends to it; one generation is kept."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)


def tail(log: Path, *, lines: int = 8, limit_bytes: int = 8192) -> str:
    """Return the last lines of a log, for an error message."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - limit_bytes))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])


def wait_until(condition: Callable[[], bool], *, seconds: float, poll_seconds: float = POLL_SECONDS) -> bool:
    """Poll a condition until it holds; return whether it did within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll_seconds)
    return True
