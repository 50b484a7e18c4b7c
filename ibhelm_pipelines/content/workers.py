"""The worker processes that open files: where they come from, and whose turn it is.

They come from a fork server that has the readers loaded, because the parent has threads and must not fork. Every
worker has a pipe of its own and nothing else in common with the others. The ready-made pools share one channel and
its lock: a worker whose heap a file had corrupted died inside that lock, all others stood still for a minute, and an
innocent file was blamed (seen with pebble 5.2 on the corpus of real PDFs).

A slot is room for one worker. Large contents never take the last slots that are kept for small ones, so that a short
job finds room however long the long ones take.
"""

from __future__ import annotations

import multiprocessing
import signal
from threading import Condition
from typing import TYPE_CHECKING, cast

from ibhelm_pipelines.content import jail
from ibhelm_pipelines.content.families import reader_modules
from ibhelm_pipelines.content.limits import SMALL_BYTES
from ibhelm_pipelines.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ibhelm_pipelines.content.jail import Job
    from ibhelm_pipelines.content.outcome import Outcome
    from ibhelm_pipelines.settings import Settings

FILES_PER_WORKER = 500
"""Then a worker is replaced, so that what its libraries leak stays small."""

START_SECONDS = 60
"""Longest wait for a worker to start; a second is usual, a machine that swaps needs more."""

DYING_SECONDS = 5
"""A worker whose pipe is closed is exiting; so long it may take to."""


TIME_IS_UP = object()
DIED = object()


class Workers:
    """The slots; the sandboxes of any number of threads share them. A worker starts when its slot is first needed.

    Args:
        settings: number of workers, and their memory limit.
        for_small: slots on top of that number, so that contents up to SMALL_BYTES find one whatever the others do.
    """

    def __init__(self, settings: Settings, *, for_small: int = 0) -> None:
        self.closed = False
        self._for_small = for_small
        self._slots = [Slot(settings.content_memory_mb) for _ in range(settings.content_workers + for_small)]
        self._idle = list(self._slots)
        self._changed = Condition()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the workers at once; whoever still wants one learns that it is over."""
        self.closed = True
        for slot in self._slots:
            slot.interrupt()
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._idle) == len(self._slots))
        for slot in self._slots:
            slot.discard()

    def take(self, job: Job, *, unless: Callable[[], bool]) -> Slot | None:
        """Wait for a slot in which the job may run and take it; None as soon as the caller no longer wants it."""
        kept = 0 if job.place.size_bytes <= SMALL_BYTES else self._for_small
        with self._changed:
            self._changed.wait_for(lambda: unless() or len(self._idle) > kept)
            return None if unless() else self._idle.pop()

    def give_back(self, slot: Slot) -> None:
        """Let the next one have the slot."""
        with self._changed:
            self._idle.append(slot)
            self._changed.notify_all()

    def wake(self) -> None:
        """Have everybody who waits for a slot ask again whether it is still wanted."""
        with self._changed:
            self._changed.notify_all()


class Slot:
    """Room for one worker at a time; owned by the thread that took it."""

    def __init__(self, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._worker: Worker | None = None

    def worker(self) -> Worker:
        """Return the worker, started now if there is none."""
        if self._worker is None:
            self._worker = Worker(self._memory_mb)
        return self._worker

    def replace_if_used_up(self) -> None:
        """End a worker that served long enough or has grown too much."""
        if self._worker is not None and (self._worker.worn_out or self._worker.files >= FILES_PER_WORKER):
            self.discard()

    def interrupt(self) -> None:
        """From another thread: kill the worker, so that the owner of the slot need not wait for it."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    def discard(self) -> int:
        """End the worker, if there is one, and return its exit status."""
        worker, self._worker = self._worker, None
        return worker.end() if worker is not None else 0


class Worker:
    """One process, from its start to its end."""

    def __init__(self, memory_mb: int) -> None:
        context = multiprocessing.get_context("forkserver")
        # "__main__": else every worker would import the program's main module again. Too late once the server runs.
        context.set_forkserver_preload(["__main__", *reader_modules()])
        self.files = 0
        self.worn_out = False
        self._silent = False
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=jail.serve, args=(theirs, memory_mb), name="reader", daemon=True)
        try:
            self._process.start()
        except (OSError, EOFError) as error:  # the fork server itself does not start
            raise _cannot_start(str(error)) from error
        theirs.close()
        if self._hear(START_SECONDS) != jail.READY:
            raise _cannot_start(name_exit(self.end()))

    def ask(self, perform: Callable[[Job], Outcome], job: Job, seconds: float) -> object:
        """Return the outcome, or TIME_IS_UP, or DIED."""
        self.files += 1
        try:
            self._pipe.send((perform, job))
        except OSError:
            self._silent = True
            return DIED
        answer = self._hear(seconds)
        if isinstance(answer, tuple):
            answer, self.worn_out = answer
        return answer

    def kill(self) -> None:
        """Kill the process; whoever waits for its answer hears that it died."""
        self._process.kill()

    def end(self) -> int:
        """Make sure that the process is gone, and return its exit status; one that is dying keeps its own."""
        if self._silent:
            self._process.join(timeout=DYING_SECONDS)
        self._process.kill()
        self._process.join()
        self._pipe.close()
        return cast("int", self._process.exitcode)

    def _hear(self, seconds: float) -> object:
        if not self._pipe.poll(seconds):
            return TIME_IS_UP
        try:
            return cast("object", self._pipe.recv())
        except (EOFError, OSError):
            self._silent = True
            return DIED


def _cannot_start(reason: str) -> TransientError:
    return TransientError(
        f"A worker process that opens files did not start ({reason}).",
        next_step="Check free memory and the process limit of this machine.",
    )


def name_exit(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
