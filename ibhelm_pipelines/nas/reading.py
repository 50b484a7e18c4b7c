"""Reads what is new or changed, a chunk at a time: hash in threads, store in one transaction, on to the next.

While one chunk is being stored the next one is read. A kill loses the chunk in hand, never more.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.nas.problems import Problem, ProblemKind
from ibhelm_pipelines.nas.reconcile import HashedRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.hash import Hasher, HashResult
    from ibhelm_pipelines.nas.problems import Problems
    from ibhelm_pipelines.nas.progress import Progress
    from ibhelm_pipelines.nas.reconcile import Reconciler
    from ibhelm_pipelines.share import Share

CHUNK_FILES = 2_000
CHUNK_BYTES = 256 * 1024 * 1024

_KIND: dict[str, ProblemKind] = {"unreadable": "unreadable_file", "changing": "changing_file"}


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One file to read."""

    ordinal: int
    raw_path: bytes
    size: int
    folder: str
    file_id: int | None


@dataclass(frozen=True, kw_only=True)
class ReadFiles:
    """The reading half of one scan."""

    connection: Connection
    reconciler: Reconciler
    hasher: Hasher
    share: Share
    problems: Problems
    progress: Progress

    def read_all(self) -> None:
        """Read and place everything in the temporary table `work`.

        Raises:
            ShareUnavailableError: the share went away.
        """
        files, size, candidates = self.connection.execute(load_queries("nas")["work_totals"]).fetchone() or (0, 0, 0)
        self.progress.add(files_to_hash=files, bytes_to_hash=size)
        self.progress.enter("hash")
        if candidates:
            for items, results in self._hashed_ahead(self._chunks("unhashed_candidates")):
                self._keep_candidates(items, results)
            self.reconciler.place_candidates()
        for items, results in self._hashed_ahead(self._chunks("next_work")):
            self._place(items, results)

    def _chunks(self, query: str) -> Iterator[list[WorkItem]]:
        after = 0
        while True:
            values = {"after": after, "limit": CHUNK_FILES}
            rows = self.connection.execute(load_queries("nas")[query], values).fetchall()
            chunk = _within_bytes([_work_item(row) for row in rows])
            if not chunk:
                return
            yield chunk
            after = chunk[-1].ordinal

    def _hashed_ahead(self, chunks: Iterator[list[WorkItem]]) -> Iterator[tuple[list[WorkItem], list[HashResult]]]:
        """Yield chunks with their hashes, always one chunk ahead of the caller."""
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as ahead:
            waiting: tuple[list[WorkItem], Future[list[HashResult]]] | None = None
            for chunk in chunks:
                reading = (chunk, ahead.submit(self.hasher.hash_all, [self._path(item) for item in chunk]))
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                waiting = reading
            if waiting is not None:
                yield waiting[0], waiting[1].result()

    def _path(self, item: WorkItem) -> bytes:
        return os.path.join(self.share.root, item.raw_path)  # noqa: PTH118  # names are bytes; pathlib cannot

    def _keep_candidates(self, items: list[WorkItem], results: list[HashResult]) -> None:
        rows = [
            {"raw_path": item.raw_path, **_hashed_values(result)}
            for item, result in zip(items, results, strict=True)
            if result.outcome == "hashed"
        ]
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.executemany(load_queries("nas")["keep_candidate_hash"], rows)
        self.progress.add(files_hashed=len(items))

    def _place(self, items: list[WorkItem], results: list[HashResult]) -> None:
        self.share.check()  # files that cannot be opened mean nothing when the share is gone
        pairs = list(zip(items, results, strict=True))
        self.reconciler.place_chunk(row for item, result in pairs if (row := _row(item, result)) is not None)
        for item, result in pairs:
            if result.outcome in _KIND:
                kind, reason = _KIND[result.outcome], result.reason or result.outcome
                self.problems.add(Problem(raw_path=item.raw_path, folder=item.folder, kind=kind, reason=reason))
        self.progress.add(files_hashed=len(items))


def _within_bytes(items: list[WorkItem]) -> list[WorkItem]:
    """Cut a chunk where it grows beyond its bytes; one file alone may be larger."""
    total = 0
    for count, item in enumerate(items):
        total += item.size
        if total > CHUNK_BYTES and count > 0:
            return items[:count]
    return items


def _work_item(row: tuple[Any, ...]) -> WorkItem:
    ordinal, raw_path, size, folder, *known = row
    return WorkItem(ordinal=ordinal, raw_path=raw_path, size=size, folder=folder, file_id=known[0] if known else None)


def _hashed_values(result: HashResult) -> dict[str, Any]:
    return {
        "sha256": result.sha256,
        "size": result.size,
        "mtime_ns": result.mtime_ns,
        "inode": result.inode,
        "birth_ns": result.birth_ns,
    }


def _row(item: WorkItem, result: HashResult) -> HashedRow | None:
    """What to place of one file. An unread new file gets its row without content; an unread known one keeps its
    last good content."""
    if result.outcome == "hashed":
        return HashedRow(ordinal=item.ordinal, **_hashed_values(result))
    if result.outcome == "gone" or item.file_id is not None:
        return None
    return HashedRow(ordinal=item.ordinal, sha256=None, size=item.size, mtime_ns=None, inode=0, birth_ns=None)
