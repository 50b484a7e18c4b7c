"""Opens files in locked-in worker processes: one bad file costs only itself.

Each call blocks its thread and returns an outcome, whatever happened to the worker: it crashed, was killed for its time
or its memory, or served long enough and was replaced.
"""

from __future__ import annotations

import signal
from concurrent.futures import CancelledError
from threading import Lock
from typing import TYPE_CHECKING

from ibhelm_pipelines.content import jail
from ibhelm_pipelines.content.outcome import Outcome, failed
from ibhelm_pipelines.content.workers import TIME_IS_UP, Slot, Workers, name_exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ibhelm_pipelines.content.jail import Job
    from ibhelm_pipelines.settings import Settings


class Sandbox:
    """Runs the jobs of one run in workers that it shares with other runs; serves any number of threads.

    Args:
        settings: the time limit, and the memory limit for what is said of it.
        workers: where its workers come from.
        perform: what a worker does with a job; tests put hostile code here.
    """

    def __init__(
        self, settings: Settings, workers: Workers, *, perform: Callable[[Job], Outcome] = jail.perform
    ) -> None:
        self._seconds = settings.content_seconds
        self._memory_mb = settings.content_memory_mb
        self._workers = workers
        self._perform = perform
        self._closed = False
        self._mine: set[Slot] = set()
        self._guard = Lock()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the workers that have a job of this sandbox; whoever waits for one is told that it was cancelled."""
        with self._guard:
            self._closed = True
            for slot in self._mine:
                slot.interrupt()
        self._workers.wake()

    def run(self, job: Job) -> Outcome:
        """Run one job in a worker.

        Raises:
            TransientError: worker processes cannot be started on this machine.
            CancelledError: the sandbox or its workers were closed meanwhile.
        """
        slot = self._workers.take(job, unless=self._is_over)
        if slot is None:
            raise CancelledError
        try:
            with self._guard:
                self._mine.add(slot)
            return self._judge(slot, job)
        finally:
            self._let_go(slot)

    def _is_over(self) -> bool:
        return self._closed or self._workers.closed

    def _let_go(self, slot: Slot) -> None:
        """A worker that may have been interrupted is not handed on: the next file would be blamed for its death."""
        with self._guard:
            self._mine.discard(slot)
        if self._is_over():
            slot.discard()
        self._workers.give_back(slot)

    def _judge(self, slot: Slot, job: Job) -> Outcome:
        """What dies in a worker that served other files is tried once more in a fresh one: they may have broken it."""
        while True:
            worker = slot.worker()
            if self._is_over():
                raise CancelledError
            fresh = worker.files == 0
            answer = worker.ask(self._perform, job, self._seconds)
            if isinstance(answer, Outcome):
                slot.replace_if_used_up()
                return answer
            status = slot.discard()
            if answer is TIME_IS_UP:
                # Wall time, not processor time: the disk may have stalled, so it gets another chance.
                return failed(self._too_long(), transient=True)
            if fresh and not self._is_over():
                return self._explain_exit(status)

    def _explain_exit(self, status: int) -> Outcome:
        if status == jail.EXIT_OUT_OF_MEMORY:
            return failed(f"The reader needed more than {self._memory_mb} MiB")
        if status == -signal.SIGXCPU:
            return failed(self._too_long())
        if status == -signal.SIGKILL:
            return failed("The reader was killed by the system, which may have been short of memory", transient=True)
        return failed(f"The reader crashed ({name_exit(status)})")

    def _too_long(self) -> str:
        return f"The reader took longer than {self._seconds} s"
