"""Takes a batch from the inbox, does it, and settles it by how it went: here the errors of the live lane end.

- The world is not ready (share, database, object store, vendor, a setting): everything waits, nothing counts as tried.
- Another scan, or another run of a step, is there: again in two seconds.
- A passing failure: again after growing pauses, given up the fifth time.
- The item itself is the trouble, or our code is: given up at once, with the reason; everything else goes on.

A batch that fails is halved until the item is found that is to blame.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import structlog

from ibhelm_pipelines.errors import (
    BusyError,
    ConfigurationError,
    DatabaseUnavailableError,
    IbhelmError,
    ObjectStoreUnavailableError,
    ShareUnavailableError,
    TransientError,
    VendorUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ibhelm_pipelines.live.inbox import Batch, Inbox
    from ibhelm_pipelines.live.lanes import Lane, Tools

WORLD_ERRORS = (
    ShareUnavailableError,
    DatabaseUnavailableError,
    ObjectStoreUnavailableError,
    VendorUnavailableError,
    ConfigurationError,
)

WORLD_PAUSE_SECONDS = 15.0
BUSY_PAUSE_SECONDS = 2.0


@dataclass(kw_only=True)
class Board:
    """What the lanes of one process are doing, for those who ask from other threads.

    Attributes:
        silent: lanes of whose problems others tell.
    """

    silent: frozenset[str] = frozenset()
    done: int = 0
    failed: int = 0
    current: dict[str, str] = field(default_factory=dict)
    problems: dict[str, IbhelmError] = field(default_factory=dict)
    _leases: dict[str, list[int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, lane: str, batch: Batch) -> None:
        with self._lock:
            self.current[lane] = batch.label
            self._leases[lane] = batch.ids

    def settled(self, lane: str, ids: Sequence[int], *, done: int = 0, failed: int = 0) -> None:
        with self._lock:
            gone = set(ids)
            self._leases[lane] = [each for each in self._leases[lane] if each not in gone]
            self.done += done
            self.failed += failed

    def end(self, lane: str) -> None:
        with self._lock:
            self.current.pop(lane, None)
            self._leases.pop(lane, None)

    def note(self, lane: str, problem: IbhelmError | None) -> None:
        """Remember what keeps this lane from working, or that nothing does."""
        with self._lock:
            if problem is not None:
                self.problems[lane] = problem
            else:
                self.problems.pop(lane, None)

    def leased(self) -> list[int]:
        """Return the items that are being worked on."""
        with self._lock:
            return [each for ids in self._leases.values() for each in ids]

    def state(self) -> dict[str, Any]:
        """Return what the heartbeat says."""
        with self._lock:
            problem = self._problem()
            told = None if problem is None else str(problem)
            return {"done": self.done, "failed": self.failed, "current": dict(self.current), "problem": told}

    def problem(self) -> IbhelmError | None:
        """Return what keeps a lane from working of which nobody else tells."""
        with self._lock:
            return self._problem()

    def _problem(self) -> IbhelmError | None:
        return next((error for lane, error in self.problems.items() if lane not in self.silent), None)


class Runner:
    """Works in one lane.

    Args:
        lane: what is taken and how it is done.
        inbox: this thread's own.
        tools: what the lanes share.
        board: where it is written down.
        patience: asked when Postgres is away just when something must be settled: waits, and returns whether to try
            again. If not, the lease runs out, and what was done is done again and found done.
    """

    def __init__(
        self, lane: Lane, *, inbox: Inbox, tools: Tools, board: Board, patience: Callable[[], bool] = lambda: False
    ) -> None:
        self.lane, self._inbox, self._tools, self._board, self._patience = lane, inbox, tools, board, patience

    def step(self) -> bool:
        """Take one batch and work on it; return whether there was one.

        Raises:
            DatabaseUnavailableError: Postgres is away; the lease of a batch that could not be settled runs out.
        """
        batch = self.lane.claim(self._inbox)
        if batch is None:
            return False
        self._board.begin(self.lane.name, batch)
        try:
            self._work(batch)
        finally:
            self._board.end(self.lane.name)
        return True

    def _work(self, batch: Batch) -> None:
        pending = [batch]
        while pending:
            part = pending.pop()
            error = self._try(part)
            if error is None:
                self._settle(part.ids, self._inbox.done, done=len(part.items))
                self._board.note(self.lane.name, None)
            elif isinstance(error, (*WORLD_ERRORS, BusyError)):
                self._wait_for_the_world([part, *pending], error)
                return
            else:
                pending.extend(self._find_culprit(part, error))

    def _try(self, batch: Batch) -> Exception | None:
        with structlog.contextvars.bound_contextvars(folder=batch.items[0].folder):
            try:
                self.lane.work(self._tools, self._inbox, batch)
            except Exception as error:  # noqa: BLE001 - carried to whoever judges it; one item must not end the worker
                return error
        return None

    def _wait_for_the_world(self, batches: Sequence[Batch], error: IbhelmError) -> None:
        ids = [each for batch in batches for each in batch.ids]
        if isinstance(error, BusyError):
            self._settle(ids, partial(self._inbox.defer, seconds=BUSY_PAUSE_SECONDS, reason=None))
            return
        self._board.note(self.lane.name, error)
        self._settle(ids, partial(self._inbox.defer, seconds=WORLD_PAUSE_SECONDS, reason=str(error)))

    def _find_culprit(self, batch: Batch, error: Exception) -> Iterator[Batch]:
        """Blame the only item; else yield what is to be tried apart from each other."""
        if len(batch.items) == 1 or batch.is_scan:
            self._blame(batch.ids[:1], batch.items[0].label, error)
            if batch.is_scan:  # what would have been done by the way goes its own way now
                self._settle(batch.ids[1:], self._inbox.release)
            return
        yield from batch.halves()

    def _blame(self, ids: list[int], label: str, error: Exception) -> None:
        permanent = _is_permanent(error)
        given_up = self._settle(ids, partial(self._inbox.fail, reason=_reason(error), permanent=permanent))
        self._board.settled(self.lane.name, (), failed=given_up)
        log = structlog.get_logger()
        if isinstance(error, IbhelmError):
            log.warning("inbox_item_failed", item=label, reason=str(error), given_up=bool(given_up))
        else:
            log.error("inbox_item_failed", item=label, reason=_reason(error), given_up=bool(given_up), exc_info=error)

    def _settle(self, ids: list[int], action: Callable[[list[int]], int | None], *, done: int = 0) -> int:
        while True:
            try:
                result = action(ids)
            except DatabaseUnavailableError as error:
                self._board.note(self.lane.name, error)
                if not self._patience():
                    raise
            else:
                self._board.settled(self.lane.name, ids, done=done)
                return result or 0


def _is_permanent(error: Exception) -> bool:
    """A full disk or memory passes as a rule; a mistake in the code does not."""
    return not isinstance(error, TransientError | OSError | MemoryError)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, IbhelmError) else traceback.format_exception_only(error)[-1].strip()
