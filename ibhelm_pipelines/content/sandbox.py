"""Locked-in worker processes that open files: one bad file costs only itself.

Each call blocks its thread and returns an outcome, whatever happened to the worker: it crashed, was killed for its time
or its memory, or served long enough and was replaced. Workers come from a fork server that has the readers loaded,
because the parent has threads and must not fork.

Every worker has a pipe of its own and nothing else in common with the others. The ready-made pools share one channel
and its lock: a worker whose heap a file had corrupted died inside that lock, all others stood still for a minute, and
an innocent file was blamed (seen with pebble 5.2 on the corpus of real PDFs).
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, cast

from ibhelm_pipelines.content import jail
from ibhelm_pipelines.content.families import reader_modules
from ibhelm_pipelines.content.outcome import Outcome, failed
from ibhelm_pipelines.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ibhelm_pipelines.content.jail import Job
    from ibhelm_pipelines.settings import Settings

FILES_PER_WORKER = 500
"""Then a worker is replaced, so that what its libraries leak stays small."""

START_SECONDS = 60
"""Longest wait for a worker to start; a second is usual, a machine that swaps needs more."""

DYING_SECONDS = 5
"""A worker whose pipe is closed is exiting; so long it may take to."""


class Sandbox:
    """Runs jobs in worker processes; one instance serves any number of threads.

    Args:
        settings: number of workers, their memory and time limits.
        perform: what a worker does with a job; tests put hostile code here.
    """

    def __init__(self, settings: Settings, *, perform: Callable[[Job], Outcome] = jail.perform) -> None:
        self._seconds = settings.content_seconds
        self._memory_mb = settings.content_memory_mb
        self._perform = perform
        self._closed = False
        self._slots: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        self._all_slots = [_Slot(settings.content_memory_mb) for _ in range(settings.content_workers)]
        for slot in self._all_slots:
            self._slots.put(slot)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the workers at once; whoever still waits for a job is told that it was cancelled."""
        self._closed = True
        for slot in self._all_slots:
            slot.interrupt()
        slots = [self._slots.get() for _ in self._all_slots]
        for slot in slots:
            slot.discard()
            self._slots.put(slot)  # for whoever comes now, to find that all is over instead of waiting for ever

    def run(self, job: Job) -> Outcome:
        """Run one job in a worker.

        Raises:
            TransientError: worker processes cannot be started on this machine.
            CancelledError: the sandbox was closed meanwhile.
        """
        slot = self._slots.get()
        try:
            if self._closed:
                raise CancelledError
            return self._judge(slot, job)
        finally:
            self._slots.put(slot)

    def _judge(self, slot: _Slot, job: Job) -> Outcome:
        """What dies in a worker that served other files is tried once more in a fresh one: they may have broken it."""
        while True:
            worker = slot.worker()
            if self._closed:
                raise CancelledError
            fresh = worker.files == 0
            answer = worker.ask(self._perform, job, self._seconds)
            if isinstance(answer, Outcome):
                slot.replace_if_used_up()
                return answer
            status = slot.discard()
            if answer is _TIME_IS_UP:
                # Wall time, not processor time: the disk may have stalled, so it gets another chance.
                return failed(self._too_long(), transient=True)
            if fresh and not self._closed:
                return self._explain_exit(status)

    def _explain_exit(self, status: int) -> Outcome:
        if status == jail.EXIT_OUT_OF_MEMORY:
            return failed(f"The reader needed more than {self._memory_mb} MiB")
        if status == -signal.SIGXCPU:
            return failed(self._too_long())
        if status == -signal.SIGKILL:
            return failed("The reader was killed by the system, which may have been short of memory", transient=True)
        return failed(f"The reader crashed ({_name_exit(status)})")

    def _too_long(self) -> str:
        return f"The reader took longer than {self._seconds} s"


_TIME_IS_UP = object()
_DIED = object()


class _Slot:
    """Room for one worker at a time; owned by the thread that took it from the queue."""

    def __init__(self, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._worker: _Worker | None = None

    def worker(self) -> _Worker:
        if self._worker is None:
            self._worker = _Worker(self._memory_mb)
        return self._worker

    def replace_if_used_up(self) -> None:
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


class _Worker:
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
            raise _cannot_start(_name_exit(self.end()))

    def ask(self, perform: Callable[[Job], Outcome], job: Job, seconds: float) -> object:
        """Return the outcome, or _TIME_IS_UP, or _DIED."""
        self.files += 1
        try:
            self._pipe.send((perform, job))
        except OSError:
            self._silent = True
            return _DIED
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
            return _TIME_IS_UP
        try:
            return cast("object", self._pipe.recv())
        except (EOFError, OSError):
            self._silent = True
            return _DIED


def _cannot_start(reason: str) -> TransientError:
    return TransientError(
        f"A worker process that opens files did not start ({reason}).",
        next_step="Check free memory and the process limit of this machine.",
    )


def _name_exit(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
