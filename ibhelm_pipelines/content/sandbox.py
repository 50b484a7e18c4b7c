"""A pool of locked-in worker processes that open files: one bad file costs only itself.

Each call blocks its thread and returns an outcome, whatever happened to the worker: it crashed, was killed for its
time or its memory, or served long enough and was replaced. Workers come from a fork server that has the readers
loaded, because the parent has threads and must not fork.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

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

MAX_BROKEN_POOLS = 3
"""A pool breaks when a worker dies at a moment that belongs to no file.

Its jobs are handed to a new pool this often.
"""

START_SECONDS = 5
"""Longest wait for a worker to start before a pool is stopped."""


class Sandbox:
    """Runs jobs in worker processes; one instance serves any number of threads.

    Args:
        settings: number of workers, their memory and time limits.
        perform: what a worker does with a job; tests put hostile code here.
    """

    def __init__(self, settings: Settings, *, perform: Callable[[Job], Outcome] = jail.perform) -> None:
        self._workers = settings.content_workers
        self._seconds = settings.content_seconds
        self._memory_mb = settings.content_memory_mb
        self._perform = perform
        self._lock = threading.Lock()
        self._pool: _Pool | None = None
        self._closed = False

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the workers at once; whoever still waits for a job is told that it was cancelled."""
        self._closed = True
        self._discard(self._pool)

    def run(self, job: Job) -> Outcome:
        """Run one job in a worker.

        Raises:
            TransientError: worker processes cannot be started or kept on this machine.
            CancelledError: the sandbox was closed meanwhile.
        """
        broken = 0
        while broken <= MAX_BROKEN_POOLS:
            pool = self._current_pool()
            try:
                return self._attempt(pool, job)
            except _WornOutError:
                continue
            except (BrokenProcessPool, CancelledError):
                broken += 1
                self._discard(pool)
        raise TransientError(
            "The worker processes that open files do not stay alive.",
            next_step="Check free memory and the process limit of this machine.",
        )

    def _attempt(self, pool: _Pool, job: Job) -> Outcome:
        future = pool.schedule(self._perform, job, self._seconds)
        try:
            outcome: Outcome = future.result()
        except FutureTimeoutError:
            # Wall time, not processor time: the disk may have stalled, so it gets another chance.
            return failed(self._too_long(), transient=True)
        except ProcessExpired as expired:
            return self._explain_exit(expired.exitcode)
        return outcome

    def _explain_exit(self, code: int) -> Outcome:
        if code == jail.EXIT_WORN_OUT:
            raise _WornOutError
        if code == jail.EXIT_OUT_OF_MEMORY:
            return failed(f"The reader needed more than {self._memory_mb} MiB")
        if code == -signal.SIGXCPU:
            return failed(self._too_long())
        if code == -signal.SIGKILL:
            return failed("The reader was killed by the system, which may have been short of memory", transient=True)
        return failed(f"The reader crashed ({_name_exit(code)})")

    def _too_long(self) -> str:
        return f"The reader took longer than {self._seconds} s"

    def _current_pool(self) -> _Pool:
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._pool is None:
                self._pool = _Pool(self._workers, self._memory_mb)
            return self._pool

    def _discard(self, pool: _Pool | None) -> None:
        """Stop a pool, once; other threads that wait on it find it broken or cancelled and go to its successor."""
        with self._lock:
            mine = pool is not None and self._pool is pool
            self._pool = None if mine else self._pool
        if pool is not None and mine:
            pool.stop()


class _WornOutError(Exception):
    """The worker left before it opened the file; the job goes to the next one."""


class _Pool:
    """Pebble's pool with our initializer, and an end that does not trip over workers that are still starting."""

    def __init__(self, workers: int, memory_mb: int) -> None:
        context = multiprocessing.get_context("forkserver")
        # "__main__": else every worker would import the program's main module again. Too late once the server runs.
        context.set_forkserver_preload(["__main__", *reader_modules()])
        self._workers = workers
        self._ready = context.Semaphore(0)
        self._pool = ProcessPool(
            max_workers=workers,
            max_tasks=FILES_PER_WORKER,
            initializer=jail.enter,
            initargs=(memory_mb, self._ready),
            context=context,
        )

    def schedule(self, perform: Callable[[Job], Outcome], job: Job, seconds: float) -> Any:
        try:
            return self._pool.schedule(jail.guard, args=(perform, job), timeout=seconds)
        except RuntimeError as error:  # pebble's word for a pool that broke or was stopped by another thread
            raise BrokenProcessPool(str(error)) from error

    def stop(self) -> None:
        """Kill the workers, once all have started: one that is told to stop before cannot find its semaphores."""
        for _ in range(self._workers if self._pool.active else 0):
            self._ready.acquire(timeout=START_SECONDS)
        self._pool.stop()  # type: ignore[no-untyped-call]  # pebble types only a part of itself
        self._pool.join()


def _name_exit(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
