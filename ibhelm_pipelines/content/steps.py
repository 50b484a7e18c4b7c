"""Runs one step over everything on which it is missing: the entry for assets, the command line and the live worker.

Results are committed in chunks as they come; a killed run loses at most the last one and repeats nothing that was
stored. When the world fails (share, database, object store), what is finished is committed and the error passes: no
innocent file gets a failed row for it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.ledger import CHUNK, Done, Ledger, Work, open_ledger
from ibhelm_pipelines.content.originals import open_storing
from ibhelm_pipelines.content.outcome import Step
from ibhelm_pipelines.content.reading import open_reading
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.settings import Settings

__all__ = ["Step", "StepCounts", "StepReport", "run_step"]

STORE_THREADS = 4
"""Uploads at the same time: enough to hide the store's answer times, few enough to leave the disk to others."""

READING_THREADS_PER_WORKER = 3
"""Contents in flight for each worker process: one in it, one waiting for it, one being looked at or uploaded."""

AHEAD = 3
"""Contents that are claimed for each thread, so that the workers have something to do while a chunk is committed."""

MAX_WAITING_CHARS = 8_000_000
"""Text that may wait for its chunk to fill up."""


@dataclass(frozen=True, kw_only=True)
class StepCounts:
    """What a step did; `done` is the sum of the four states, `bytes` the size of those contents."""

    done: int = 0
    ok: int = 0
    empty: int = 0
    unsupported: int = 0
    failed: int = 0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What one run of a step did.

    Attributes:
        folders: by project folder; a content that lies in several counts in each, and once in `total`.
        reasons: how often each reason was given for `failed` and `unsupported`.
    """

    folders: dict[str, StepCounts]
    total: StepCounts
    seconds: float
    reasons: dict[str, int]


def run_step(step: Step, settings: Settings, *, folders: Sequence[str] | None = None) -> StepReport:
    """Do a step for all contents of live files on which it is missing or due again.

    Args:
        step: `store`, `thumbnail` or `text`.
        settings: of this process.
        folders: project folders to do it for; None for all.

    Raises:
        ShareUnavailableError, DatabaseUnavailableError, ObjectStoreUnavailableError: try again later; nothing is lost.
        ConfigurationError: a person must change a setting.
    """
    started = time.monotonic()
    Share.open(settings)
    tally = _Tally()
    with (
        open_ledger(settings, step, folders=folders) as ledger,
        closing(_chunks(step, settings, ledger)) as chunks,  # stops the workers at once when a chunk cannot be recorded
    ):
        for chunk in chunks:
            ledger.record(chunk)
            if step == "thumbnail":
                ledger.link_previews(_public_url(settings), hashes=[done.work.hash for done in chunk if done.stored])
            tally.add(chunk)
        if step == "thumbnail":
            ledger.link_previews(_public_url(settings))
    return tally.report(time.monotonic() - started)


def _chunks(step: Step, settings: Settings, ledger: Ledger) -> Generator[list[Done]]:
    """Yield finished contents in chunks; the last one also when an error ends the run, before the error passes."""
    threads = STORE_THREADS if step == "store" else settings.content_workers * READING_THREADS_PER_WORKER
    chunk: list[Done] = []
    with ThreadPoolExecutor(threads, thread_name_prefix=step) as executor, _open_worker(step, settings) as worker:
        for done, error in _finished(executor, worker, ledger.missing(), ahead=threads * AHEAD):
            if done is not None:
                chunk.append(done)
            if error is not None or len(chunk) >= CHUNK or sum(each.weight for each in chunk) > MAX_WAITING_CHARS:
                yield chunk
                chunk = []
            if error is not None:
                raise error
    if chunk:
        yield chunk


def _open_worker(step: Step, settings: Settings) -> AbstractContextManager[Callable[[Work], Done]]:
    return open_storing(settings) if step == "store" else open_reading(step, settings)


def _finished(
    executor: ThreadPoolExecutor, worker: Callable[[Work], Done], works: Iterator[Work], *, ahead: int
) -> Iterator[tuple[Done | None, BaseException | None]]:
    """Yield results as they come, in any order, a bounded number in flight; errors come after what is finished."""
    pending = {executor.submit(worker, work) for work in islice(works, ahead)}
    while pending:
        finished, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=_is_error):
            yield (None, future.exception()) if _is_error(future) else (future.result(), None)
        pending |= {executor.submit(worker, work) for work in islice(works, ahead - len(pending))}


def _is_error(future: Future[Done]) -> bool:
    return future.exception() is not None


def _public_url(settings: Settings) -> str:
    bucket_url = settings.s3_public_url or f"{settings.require_s3_endpoint().rstrip('/')}/{settings.s3_bucket}"
    return bucket_url.rstrip("/") + "/"


class _Tally:
    """Adds up a run."""

    def __init__(self) -> None:
        self._total: Counter[str] = Counter()
        self._folders: dict[str, Counter[str]] = {}
        self._reasons: Counter[str] = Counter()

    def add(self, chunk: Sequence[Done]) -> None:
        for done in chunk:
            counts = Counter({"done": 1, done.outcome.state: 1, "bytes": done.work.size_bytes})
            self._total.update(counts)
            for folder in done.work.folders:
                self._folders.setdefault(folder, Counter()).update(counts)
            if done.outcome.state in ("failed", "unsupported"):
                self._reasons[done.outcome.reason or ""] += 1

    def report(self, seconds: float) -> StepReport:
        return StepReport(
            folders={folder: _counts(counter) for folder, counter in sorted(self._folders.items())},
            total=_counts(self._total),
            seconds=seconds,
            reasons=dict(self._reasons.most_common()),
        )


def _counts(counter: Counter[str]) -> StepCounts:
    return StepCounts(**{field.name: counter[field.name] for field in fields(StepCounts)})
