"""Runs one step over everything on which it is missing: the entry for assets, the command line and the live worker.

Results are committed in chunks as they come; a killed run loses at most the last one and repeats nothing that was
stored. When the world fails (share, database, object store), what is finished is committed and the error passes: no
innocent file gets a failed row for it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.ledger import CHUNK, Done, Ledger, Scope, Work, open_session
from ibhelm_pipelines.content.limits import SMALL_BYTES
from ibhelm_pipelines.content.originals import Storing
from ibhelm_pipelines.content.outcome import Step
from ibhelm_pipelines.content.reading import open_reading
from ibhelm_pipelines.content.report import StepCounts, StepReport, Tally
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

__all__ = ["LIVE_ORDER", "SMALL_BYTES", "Step", "StepCounts", "StepReport", "Steps", "open_steps", "run_step"]

LIVE_ORDER: tuple[Step, ...] = ("thumbnail", "text", "store")
"""What people look at first; the original is safe on the NAS for one more second."""

STORE_THREADS = 4
"""Uploads at the same time: enough to hide the store's answer times, few enough to leave the disk to others."""

READING_THREADS_PER_WORKER = 3
"""Contents in flight for each worker process: one in it, one waiting for it, one being looked at or uploaded."""

AHEAD = 3
"""Contents that are claimed for each thread, so that the workers have something to do while a chunk is committed."""

MAX_WAITING_CHARS = 8_000_000
"""Text that may wait for its chunk to fill up."""


class Steps:
    """Does steps with worker processes and an object store that stay open; from any number of threads at once.

    Get it from `open_steps`.

    Attributes:
        settings: of this process.
    """

    def __init__(self, settings: Settings, objects: ObjectStore, workers: Workers) -> None:
        self.settings = settings
        self._objects = objects
        self._workers = workers

    def run(
        self,
        step: Step,
        *,
        folders: Sequence[str] | None = None,
        hashes: Sequence[str] | None = None,
        tell: bool = False,
    ) -> StepReport:
        """Do a step for all contents of live files on which it is missing or due again.

        Args:
            step: `store`, `thumbnail` or `text`.
            folders: only those in these project folders.
            hashes: only these ones, the smallest first, each committed as soon as it is done.
            tell: whether the results are also written into the outbox of the live lane.

        Raises:
            ShareUnavailableError, DatabaseUnavailableError, ObjectStoreUnavailableError: try again later; nothing is
                lost.
            ConfigurationError: a person must change a setting.
            CancelledError: the steps were closed meanwhile (of concurrent.futures).
        """
        with open_session(self.settings) as connection:
            return self._run(connection, step, Scope(folders=folders, hashes=hashes), tell=tell)

    def derive(self, hashes: Sequence[str], *, tell: bool = False) -> dict[Step, StepReport]:
        """Take these contents through all steps, in the order in which people miss the results.

        Arguments and errors as of `run`; what the steps before an error did is stored.
        """
        scope = Scope(hashes=hashes)
        with open_session(self.settings) as connection:
            return {step: self._run(connection, step, scope, tell=tell) for step in LIVE_ORDER}

    def _run(self, connection: Connection, step: Step, scope: Scope, *, tell: bool) -> StepReport:
        started = time.monotonic()
        Share.open(self.settings)
        ledger, tally = Ledger(connection, self.settings, step, scope, tell=tell), Tally()
        # Closing stops the workers at once when a chunk cannot be recorded.
        with closing(self._chunks(step, ledger, at_once=scope.hashes is not None)) as chunks:
            for chunk in chunks:
                ledger.record(chunk)
                ledger.renew_links(hashes=[done.work.hash for done in chunk if done.stored])
                tally.add(chunk)
        ledger.renew_links()
        return tally.report(time.monotonic() - started, waiting=ledger.count_waiting(), busy=ledger.busy)

    def _chunks(self, step: Step, ledger: Ledger, *, at_once: bool) -> Generator[list[Done]]:
        """Yield finished contents in chunks; the last one also when an error ends the run, before the error passes."""
        threads = STORE_THREADS if step == "store" else self.settings.content_workers * READING_THREADS_PER_WORKER
        chunk: list[Done] = []
        with open_threads(threads, name=step) as executor, self._open_worker(step) as worker:
            for finished, error in _finished(executor, worker, ledger.missing(), ahead=threads * AHEAD):
                chunk += finished
                if chunk and (error or at_once or _is_full(chunk)):
                    yield chunk
                    chunk = []
                if error:
                    raise error
        if chunk:
            yield chunk

    @contextmanager
    def _open_worker(self, step: Step) -> Iterator[Callable[[Work], Done]]:
        if step == "store":
            yield Storing(self.settings, self._objects)
        else:
            with open_reading(step, self.settings, self._workers, self._objects) as reading:
                yield reading


def open_steps(settings: Settings) -> AbstractContextManager[Steps]:
    """Provide the live lane with steps for the length of the block.

    There is one worker process more than IBHELM_CONTENT_WORKERS, for contents up to SMALL_BYTES: whatever the large
    ones do, a small one need not wait for them.
    """
    return _open(settings, for_small=1)


def run_step(step: Step, settings: Settings, *, folders: Sequence[str] | None = None) -> StepReport:
    """Do one step and close everything; arguments and errors as of `Steps.run`."""
    with _open(settings, for_small=0) as steps:
        return steps.run(step, folders=folders)


@contextmanager
def _open(settings: Settings, *, for_small: int) -> Iterator[Steps]:
    with ObjectStore(settings) as objects, Workers(settings, for_small=for_small) as workers:
        yield Steps(settings, objects, workers)


@contextmanager
def open_threads(number: int, *, name: str) -> Iterator[ThreadPoolExecutor]:
    """Provide threads for the length of the block; when an error ends it, what has not begun never does."""
    executor = ThreadPoolExecutor(number, thread_name_prefix=name)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _finished(
    executor: ThreadPoolExecutor, worker: Callable[[Work], Done], works: Iterator[Work], *, ahead: int
) -> Iterator[tuple[list[Done], BaseException | None]]:
    """Yield results as they come, in any order, a bounded number in flight, and the first error beside them."""
    pending = {executor.submit(worker, work) for work in islice(works, ahead)}
    while pending:
        finished, pending = wait(pending, return_when=FIRST_COMPLETED)
        good = [future.result() for future in finished if future.exception() is None]
        yield good, next(filter(None, map(Future.exception, finished)), None)
        pending |= {executor.submit(worker, work) for work in islice(works, ahead - len(pending))}


def _is_full(chunk: Sequence[Done]) -> bool:
    return len(chunk) >= CHUNK or sum(done.weight for done in chunk) > MAX_WAITING_CHARS
