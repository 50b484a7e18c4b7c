"""Files, previews and attachments out of the object store, several at a time, handed over in order and verified.

Invariant: no more than WINDOW of them are under way, each with 1 MiB of memory at most; the rest is on disk.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Generic, TypeVar

from ibhelm_pipelines.objects.fetching import Fetched, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ibhelm_pipelines.export.output import Output
    from ibhelm_pipelines.objects.store import ObjectStore

THREADS = 8
"""That fetch; asking S3 for a small object is mostly waiting."""

WINDOW = 2 * THREADS

PROBLEMS = {
    Fetched.MISSING: "Das Original fehlt im Objektspeicher.",
    Fetched.ROTTEN: "Das Original im Objektspeicher ist beschädigt: Die Prüfsumme stimmt nicht.",
}

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Wanted(Generic[Item]):
    """An object that is to become a file of the export."""

    item: Item
    key: str
    sha256: str
    size: int
    path: str
    modified: dt.datetime


@dataclass(kw_only=True)
class Originals:
    """Fetches for one export; use it as a context manager.

    Args:
        store: the object store.
        output: where things go.
    """

    store: ObjectStore
    output: Output
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "export"))

    def __enter__(self) -> Originals:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def in_order(self, work: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
        """Do something with each item in threads, a few ahead of who takes the results; results in order."""
        window: deque[Future[Made]] = deque()
        for item in items:
            window.append(self._pool.submit(work, item))
            if len(window) > WINDOW:
                yield window.popleft().result()
        while window:
            yield window.popleft().result()

    def place_all(self, wanted: Iterable[Wanted[Item]]) -> Iterator[tuple[Item, str | None]]:
        """Place all of them, in order; yield each with the problem that it has."""
        for each, spooled, problem in self.in_order(self._get, wanted):
            if spooled is not None:
                self.output.place(spooled, each.path, sha256=each.sha256, size=each.size, modified=each.modified)
            elif problem is None:
                self.output.book.wrote(each.path, each.sha256, each.size)
            yield each.item, problem

    def fetch(self, key: str, *, sha256: str, size: int) -> BinaryIO | str:
        """Return a verified object as an open file; or the problem that it has."""
        spooled = self.output.target.spool()
        found = fetch(self.store, key, spooled, sha256=sha256, size=size)
        if found is Fetched.WHOLE:
            return spooled
        self.output.target.drop(spooled)
        return PROBLEMS[found]

    def _get(self, wanted: Wanted[Item]) -> tuple[Wanted[Item], BinaryIO | None, str | None]:
        if self.output.is_kept(wanted.path, sha256=wanted.sha256, size=wanted.size, modified=wanted.modified):
            return wanted, None, None
        found = self.fetch(wanted.key, sha256=wanted.sha256, size=wanted.size)
        return (wanted, None, found) if isinstance(found, str) else (wanted, found, None)
