"""Keeps the stack up: Postgres, S3, Dagster's code server, UI and daemon, the live lane; stops it in reverse order.

Every process that it starts is on record before anything else happens, so that the next `up`, or `down`, can end what a
kill -9 orphaned.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.local import dagster_process
from ibhelm_pipelines.local.process import trim_log, wait_until
from ibhelm_pipelines.local.records import (
    STOP_SECONDS,
    single_instance,
    stop_recorded,
    supervisor_process,
    write_report,
)
from ibhelm_pipelines.local.stack import Kept, Stack
from ibhelm_pipelines.local.state import prepare_state_folder
from ibhelm_pipelines.local.storage import Storage
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from ibhelm_pipelines.settings import Settings

READY_SECONDS = 180
WATCH_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
STABLE_SECONDS = 60.0  # what ran so long has earned a quick restart again


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
        self._stack: Stack | None = None

    def run(self, show: Callable[[Settings], None]) -> None:
        """Bring the stack up, show it, and keep it up until a signal says stop.

        Args:
            show: called once when all is up, with the settings of the running stack.

        Raises:
            ConfigurationError: another supervisor is running, or a setting keeps the stack from starting.
            IbhelmError: the storage does not start.
        """
        prepare_state_folder(self._state_dir)
        with single_instance(self._state_dir), _stop_signals():
            try:
                show(self._bring_up())
                self._watch()
            except KeyboardInterrupt:
                self._say("Stopping ...")
            except IbhelmError as error:
                write_report(self._state_dir, ready=False, problems=[str(error)])
                raise
            finally:
                self._stop()

    def _bring_up(self) -> Settings:
        write_report(self._state_dir, ready=False, problems=[])
        stop_recorded(self._state_dir)  # what a killed supervisor left, with addresses that may be old
        settings = self._storage.start(self._say)
        self._say("Starting Dagster and the live lane ...")
        self._stack = Stack(settings)
        self._stack.start()
        problems = self._wait_until_ready(self._stack)
        write_report(self._state_dir, ready=not problems, problems=problems)
        for problem in problems:
            self._say(f"Not ready: {problem}")
        return settings

    def _wait_until_ready(self, stack: Stack) -> list[str]:
        latest: list[str] = []

        def ready_or_ended() -> bool:
            latest[:] = stack.problems() if dagster_process.answers(stack.url) else ["the UI does not answer yet"]
            return not latest or not all(kept.alive() for kept in stack.kept())

        wait_until(ready_or_ended, seconds=READY_SECONDS, poll_seconds=WATCH_SECONDS)
        return stack.problems() if latest else []

    def _watch(self) -> NoReturn:
        while True:
            time.sleep(WATCH_SECONDS)
            for kept in [*self._kept_storage(), *(self._stack.kept() if self._stack else [])]:
                if not kept.alive():
                    self._restart(kept)
            for log in self._logs():
                trim_log(log)

    def _logs(self) -> Iterator[Path]:
        yield from (self._state_dir / "logs").glob("*.log")
        yield from (service.log for service in (self._storage.postgres, self._storage.s3) if service)

    def _restart(self, kept: Kept) -> None:
        backoff = self._backoffs.setdefault(kept.name, Backoff(started=time.monotonic()))
        if backoff.started:
            backoff.note_end()
            self._say(f"{kept.name} has ended; starting it again.")
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
        """Start what ended. If somebody took its port meanwhile, all others must learn the new address."""
        settings = self._storage.start(self._say)
        if self._stack and dagster_process.dagster_environment(settings).items() - self._stack.passed_on.items():
            self._stack.stop()
            self._stack = Stack(settings)

    def _stop(self) -> None:
        """Stop everything. Further signals are ignored meanwhile: half a stop helps nobody."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop_recorded(self._state_dir)
        self._storage.stop()
        self._say("Everything is stopped.")


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
