"""A watcher as tests run it: in a thread of the test, or as a process of its own, and what it put into the inbox."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tables

from ibhelm_pipelines.live.watcher import Watcher
from ibhelm_pipelines.settings import Settings

PATIENCE_SECONDS = 100.0
"""How long a test waits for what must become true; nothing is asserted about how long it took."""

SCANNED = "insert into ops.scans (deep, state, finished_at) values (true, 'complete', now())"


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen: {what}"
        time.sleep(0.05)


class WatchDesk:
    """The inbox and the heartbeat of some settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = Path(os.fsdecode(settings.root))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.settings.require_database_url(), query, *values)

    def items(self) -> set[tuple[str, bytes]]:
        return {(kind, key) for kind, key in self.rows("select kind, key from ops.inbox where source = 'nas'")}

    def paths(self) -> set[bytes]:
        return {key for kind, key in self.items() if kind == "path"}

    def empty(self) -> None:
        """What was put in so far is done."""
        self.rows("delete from ops.inbox")

    def state(self) -> dict[str, Any]:
        rows = self.rows("select state from ops.heartbeats where kind = 'watcher' order by started_at desc limit 1")
        return rows[0][0] if rows else {}

    def watches(self, mode: str = "inotify") -> bool:
        state = self.state()
        return bool(state) and state["mode"] == mode and state["directories"] > 0

    def wait_for(self, *expected: tuple[str, bytes]) -> None:
        eventually(lambda: set(expected) <= self.items(), f"{expected} in the inbox; there is {self.items()}")

    def wait_for_paths(self, *paths: str | bytes) -> None:
        raw = [os.fsencode(path) for path in paths]
        self.wait_for(*(("path", path) for path in raw))

    def wait_until_watching(self, mode: str = "inotify") -> None:
        eventually(lambda: self.watches(mode), f"a watcher in mode {mode}; it says {self.state()}")

    def wait_for_problem(self, part: str) -> None:
        eventually(lambda: part in (self.state().get("problem") or ""), f"problem {part!r}; it says {self.state()}")

    def wait_for_no_problem(self) -> None:
        eventually(lambda: not self.state().get("problem"), f"no problem any more; it says {self.state()}")


@contextlib.contextmanager
def watching(settings: Settings, mode: str | None = "inotify") -> Iterator[WatchDesk]:
    """A watcher in a thread of this process, ended in good order after the block.

    Args:
        mode: how it watches when the block begins; None: it need not watch yet.
    """
    desk, stop = WatchDesk(settings), threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            Watcher(settings, stop).run()
        except BaseException as error:
            failures.append(error)
            raise

    desk.rows("delete from ops.heartbeats")
    thread = threading.Thread(target=run)
    thread.start()
    try:
        if mode is not None:
            eventually(lambda: desk.watches(mode) or failures, f"a watcher in mode {mode}; it says {desk.state()}")
        yield desk
    finally:
        stop.set()
        thread.join()
    assert failures == []


@contextlib.contextmanager
def watching_process(settings: Settings, *before: str, mode: str = "inotify") -> Iterator[subprocess.Popen[bytes]]:
    """`ibhelm watch` as a process, watching when the block begins, killed after it if it still runs.

    Args:
        before: words of a command line that ends by running what follows it.
    """
    desk = WatchDesk(settings)
    desk.rows("delete from ops.heartbeats")
    process = start_process(settings, *before)
    try:
        eventually(lambda: desk.watches(mode) or process.poll() is not None, f"mode {mode}; it says {desk.state()}")
        assert process.poll() is None, "the watcher ended"
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def start_process(settings: Settings, *before: str) -> subprocess.Popen[bytes]:
    values = {
        "NAS_ROOT": settings.nas_root,
        "STATE_DIR": settings.state_dir,
        "DATABASE_URL": settings.require_database_url(),
        "WATCH_MODE": settings.watch_mode,
        "WATCH_POLL_SECONDS": settings.watch_poll_seconds,
        "WATCH_QUIET_SECONDS": settings.watch_quiet_seconds,
    }
    environment = os.environ | {f"IBHELM_{name}": str(value) for name, value in values.items()}
    return subprocess.Popen([*before, sys.executable, "-m", "ibhelm_pipelines.cli", "watch"], env=environment)
