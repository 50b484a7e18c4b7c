"""Carries out a plan: several files at a time, their lines in the manifest in the order of the plan.

Invariant: one file's trouble is its line in the manifest and stops nobody else; what stops all (a disk that is full, a
store that stays away) leaves whole files only, and the next run goes on where this one was.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING

from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.bringing import Bringing
from ibhelm_pipelines.safety.past import why_unsafe
from ibhelm_pipelines.safety.restore_report import Manifest, Outcome
from ibhelm_pipelines.safety.target import OF_THE_WHOLE_DISK, RefusedPathError, disk_troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future

    from ibhelm_pipelines.safety.past import PastFile, Plan
    from ibhelm_pipelines.safety.restore_report import RestoreReport
    from ibhelm_pipelines.safety.target import Target
    from ibhelm_pipelines.settings import Settings

WORKERS = 8
AHEAD = 8 * WORKERS
"""Files that are under way or wait for their line in the manifest: the bound of what is in memory."""

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, *(30.0,) * 20)
"""Seconds between attempts while the store does not answer: more than ten minutes, beside what each attempt waits."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How far a restore is."""

    files: int
    of_files: int
    size: int
    of_size: int


class Restoring:
    """One restore.

    Args:
        settings: name the bucket.
        target: open.
        plan: what is wanted.
        overwrite: whether files that differ are replaced.
        on_progress: is told how far it is, one call after the other, from several threads.
        pauses: seconds to wait for a store that does not answer, one for each attempt.
    """

    def __init__(
        self,
        settings: Settings,
        target: Target,
        plan: Plan,
        *,
        overwrite: bool,
        on_progress: Callable[[Done], None],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._settings, self._target, self._plan = settings, target, plan
        self._overwrite, self._pauses, self._on_progress = overwrite, pauses, on_progress
        self._stop, self._telling = Event(), Lock()
        self._files = self._size = 0

    def run(self, report: RestoreReport) -> None:
        """Restore all that is planned, and add it to the report.

        Raises:
            ObjectStoreUnavailableError: the store was away for too long.
            TransientError: the target is full, or does not take anything.
            ConfigurationError: the credentials or the bucket are wrong.
        """
        started = time.monotonic()
        with (
            ObjectStore(self._settings, connections=WORKERS) as store,
            disk_troubles(self._target.folder, self._how_far),
        ):
            self._bringing = Bringing(
                store,
                self._target,
                overwrite=self._overwrite,
                pauses=self._pauses,
                stop=self._stop,
                on_bytes=lambda size: self._tell(size=size),
            )
            with Manifest(self._target) as manifest, closing(self._outcomes()) as outcomes:
                for wanted, outcome in outcomes:
                    report.add(wanted, outcome)
                    manifest.add(wanted, outcome)
                report.seconds = time.monotonic() - started
                manifest.finish(report)

    def _outcomes(self) -> Generator[tuple[PastFile, Outcome]]:
        waiting: deque[tuple[PastFile, Future[Outcome]]] = deque()
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="restore") as pool:
            try:
                for number, wanted in enumerate(self._plan):
                    refused = why_unsafe(wanted.raw_path) or self._target.claim(wanted.raw_path)
                    waiting.append((wanted, pool.submit(self._restore, number, wanted, refused)))
                    if len(waiting) >= AHEAD:
                        yield self._next(waiting)
                while waiting:
                    yield self._next(waiting)
            finally:
                self._stop.set()
                pool.shutdown(cancel_futures=True)

    def _next(self, waiting: deque[tuple[PastFile, Future[Outcome]]]) -> tuple[PastFile, Outcome]:
        wanted, future = waiting.popleft()
        outcome = future.result()
        self._tell(files=1)
        return wanted, outcome

    def _restore(self, number: int, wanted: PastFile, refused: str) -> Outcome:
        if refused:
            return Outcome(state="refused", reason=refused)
        if wanted.sha256 is None:
            return Outcome(state="unread", reason="the file could not be read at that time")
        try:
            with self._target.folder_of(wanted.raw_path) as (fd, raw_name):
                return self._bringing.bring(number, wanted, fd, raw_name)
        except RefusedPathError as error:
            return Outcome(state="refused", reason=str(error))
        except OSError as error:
            if error.errno in OF_THE_WHOLE_DISK:
                raise
            return Outcome(state="failed", reason=error.strerror or str(error))

    def _tell(self, *, files: int = 0, size: int = 0) -> None:
        if self._stop.is_set():
            raise CancelledError  # nobody waits for this file any more
        with self._telling:
            self._files, self._size = self._files + files, self._size + size
            self._on_progress(
                Done(files=self._files, of_files=self._plan.files, size=self._size, of_size=self._plan.size)
            )

    def _how_far(self) -> str:
        left = max(self._plan.size - self._size, 0)
        return f" {self._files:,} of {self._plan.files:,} files are done, up to {left:,} bytes are missing."
