"""The step's side of the database: what is missing, who works on it, what came of it (design section 4).

No claim is ever written down. What is missing is a query; two runs share it by advisory locks that live as long as
their connection, so a killed run leaves nothing behind. Everything that belongs to one chunk is committed in one
transaction, and the locks go after that.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.content.families import UNOPENED, tool_version, tool_versions
from ibhelm_pipelines.content.outcome import Outcome, Step
from ibhelm_pipelines.content.report import as_counts, count_by_folder
from ibhelm_pipelines.content.source import Place
from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.live import tell
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.objects.links import Kind as LinkKind
from ibhelm_pipelines.objects.links import renew_links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.content.sniff import Kind
    from ibhelm_pipelines.settings import Settings

MAX_ATTEMPTS = 5
"""Transient failures of one step on one content; then it counts as poison."""

CHUNK = 32
"""Contents that are locked, and results that are committed, together: what a killed run repeats at most."""

MAX_PLACES = 4
"""Files with the same content that are tried before it counts as unreadable now."""

OVERLAP = dt.timedelta(minutes=5)
"""A step may have failed on a file while a scan moved it; longer than a transaction of a scan, or reading one content,
takes."""

ASSETS: dict[Step, str] = {"store": "stored_originals", "thumbnail": "thumbnails", "text": "extracted_text"}
"""The Dagster asset that a run of each step would materialise."""

LINKED: dict[Step, LinkKind] = {"store": "original", "thumbnail": "thumbnail"}
"""What each step stores for people to look at."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """For which contents of live files a run does its step; for all of them when nothing is named.

    Attributes:
        folders: those in these project folders, in the order of the files.
        hashes: these ones, the smallest first.
    """

    folders: Sequence[str] | None = None
    hashes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """One way of naming contents at a time; nobody needs both."""
        if self.folders is not None and self.hashes is not None:
            raise ValueError("a run is over folders or over hashes, not over both")


@dataclass(frozen=True, kw_only=True)
class Work:
    """One content on which the step is missing.

    Attributes:
        folders: project folders within the run's scope whose live files carry it.
        family: as an earlier step found it; None when nobody looked yet.
        places: live files to read it from, best first.
    """

    hash: str
    size_bytes: int
    family: str | None
    folders: tuple[str, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True)
class StoredRow:
    """An object that is in the store now."""

    key: str
    kind: str
    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of one content."""

    work: Work
    outcome: Outcome
    took_ms: int
    kind: Kind | None = None
    stored: StoredRow | None = None

    @property
    def weight(self) -> int:
        """Characters that wait in memory until this is committed."""
        return len(self.outcome.text or "")


class Ledger:
    """One run's view of one step.

    Args:
        connection: in autocommit mode, from `open_session`; one run after the other may use it.
        settings: of this process.
        step: which one.
        scope: for which contents.
        tell: whether each recorded result is also written into the outbox of the live lane.
    """

    def __init__(
        self, connection: Connection, settings: Settings, step: Step, scope: Scope, *, tell: bool = False
    ) -> None:
        self._connection = connection
        self._queries = load_queries("content")
        self._settings = settings
        self._step: Step = step
        self._tell = tell
        self._hashes = sorted(set(scope.hashes)) if scope.hashes is not None else None
        self._open: set[str] = set()
        self._busy: set[str] = set()
        self._changed: set[str] = set()
        versions = tool_versions(step, settings)
        self._scope = {
            "step": step,
            "folders": list(scope.folders) if scope.folders is not None else None,
            "families": list(versions),
            "versions": list(versions.values()),
            "unopened": UNOPENED,
            "places": MAX_PLACES,
            "overlap": OVERLAP,
        }

    def missing(self) -> Iterator[Work]:
        """Yield what is missing, locked for this run; reads ahead one chunk at a time."""
        for chunk in self._missing_in_folders() if self._hashes is None else self._missing_of_hashes(self._hashes):
            yield from self._claim(chunk)

    def record(self, results: Sequence[Done]) -> None:
        """Commit a chunk of results, and that they are told, in one transaction; then let go of its contents."""
        hashes = [done.work.hash for done in results]
        with translated_errors(), self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(self._queries["lock_rows"], {"hashes": hashes})
            for name, rows in self._rows(results).items():
                cursor.executemany(self._queries[name], rows)
            if self._tell:
                counts = {folder: asdict(as_counts(each)) for folder, each in count_by_folder(results).items()}
                tell(self._connection, ASSETS[self._step], counts)
        self._open.update(done.work.hash for done in results if done.outcome.transient)
        self._changed.update(done.work.hash for done in results if done.outcome.changed)
        self._unlock(hashes)

    def count_waiting(self) -> int:
        """Return how many contents are still not finished: all of the named ones, or those that this run met."""
        hashes = self._open | self._busy if self._hashes is None else set(self._hashes)
        [(waiting,)] = self._fetch("count_waiting", **self._scope, hashes=sorted(hashes - self._changed))
        return int(waiting)

    @property
    def busy(self) -> int:
        """How many contents this run left to another one that was at them."""
        return len(self._busy)

    def renew_links(self, *, hashes: Sequence[str] | None = None) -> None:
        """Show in `files` what is stored: of these contents, or of everything in the run's scope."""
        kind = LINKED.get(self._step)
        if kind is not None:
            scope = (
                {"hashes": self._hashes, "folders": self._scope["folders"]} if hashes is None else {"hashes": hashes}
            )
            renew_links(self._connection, self._settings, kind, **scope)

    def _missing_in_folders(self) -> Iterator[list[str]]:
        """The list lies in the database: 300,000 hashes in this process would not be little."""
        with translated_errors():
            self._connection.execute(self._queries["note_tool_versions"], self._scope)
            for name in ("create_worklist", "fill_worklist", "index_worklist"):
                self._connection.execute(self._queries[name], self._scope if name == "fill_worklist" else None)
        after = 0
        while chunk := self._fetch("take_from_worklist", after=after, limit=CHUNK):
            after = chunk[-1][0]
            yield [content_hash for _, content_hash in chunk]

    def _missing_of_hashes(self, hashes: list[str]) -> Iterator[list[str]]:
        missing = [row[0] for row in self._fetch("list_missing_of_hashes", **self._scope, hashes=hashes)]
        for start in range(0, len(missing), CHUNK):
            yield missing[start : start + CHUNK]

    def _claim(self, hashes: list[str]) -> list[Work]:
        locked = {row[0] for row in self._fetch("lock_contents", hashes=hashes, step=self._step)}
        self._busy.update(set(hashes) - locked)
        mine = [content_hash for content_hash in hashes if content_hash in locked]
        rows = self._fetch("read_work", **self._scope, hashes=mine)
        works = [self._work(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]
        self._unlock(sorted(locked - {work.hash for work in works}))
        return works

    def _work(self, rows: list[tuple[Any, ...]]) -> Work:
        content_hash, size_bytes, family, folders, *_ = rows[0]
        places = tuple(self._place(*row[4:]) for row in rows if row[4] is not None)
        return Work(hash=content_hash, size_bytes=size_bytes, family=family, folders=tuple(folders), places=places)

    def _place(self, raw_path: bytes, extension: str, size_bytes: int, mtime_ns: int, inode: int) -> Place:
        path = os.path.join(self._settings.root, raw_path)  # noqa: PTH118 - bytes
        return Place(path=path, extension=extension, size_bytes=size_bytes, mtime_ns=mtime_ns, inode=inode)

    def _rows(self, results: Sequence[Done]) -> dict[str, list[dict[str, Any]]]:
        texts = [done for done in results if done.outcome.text is not None]
        return {
            "record_content": [_content_row(done) for done in results],
            "record_text": [_text_row(done) for done in texts],
            "record_text_chars": [_text_row(done) for done in texts],
            "record_object": [_object_row(done, done.stored) for done in results if done.stored is not None],
            "record_result": (rows := [self._result_row(done) for done in results]),
            "drop_superseded_results": rows,
        }

    def _result_row(self, done: Done) -> dict[str, Any]:
        family = done.kind.family if done.kind is not None else done.work.family or UNOPENED
        return {
            "hash": done.work.hash,
            "step": self._step,
            "version": tool_version(family, self._step, self._settings),
            "state": done.outcome.state,
            "reason": done.outcome.reason,
            "transient": done.outcome.transient,
            "changed": done.outcome.changed,
            "took_ms": done.took_ms,
            "pages_read": done.outcome.pages_read,
            "truncated": done.outcome.truncated,
            "max_attempts": MAX_ATTEMPTS,
        }

    def _unlock(self, hashes: Sequence[str]) -> None:
        if hashes:
            self._fetch("unlock_contents", hashes=list(hashes), step=self._step)

    def _fetch(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        with translated_errors():
            return self._connection.execute(self._queries[name], values).fetchall()


@contextmanager
def open_session(settings: Settings) -> Iterator[Connection]:
    """Connect for the length of the block; whatever is locked or listed then ends with it, also when it is killed.

    A connection for each run, for 8 ms: one that is kept may be dead by then, or hold what a failed run had locked.
    """
    connection = connect(settings.require_database_url(), application="content", autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def _content_row(done: Done) -> dict[str, Any]:
    return {
        "hash": done.work.hash,
        "family": done.kind.family if done.kind is not None else None,
        "media_type": done.kind.media_type if done.kind is not None else None,
        **asdict(done.outcome.facts),
    }


def _text_row(done: Done) -> dict[str, Any]:
    text = done.outcome.text or ""
    return {"hash": done.work.hash, "text": text, "truncated": done.outcome.truncated, "chars": len(text)}


def _object_row(done: Done, stored: StoredRow) -> dict[str, Any]:
    return {
        "hash": done.work.hash,
        "key": stored.key,
        "kind": stored.kind,
        "sha256": stored.sha256,
        "size": stored.size,
        "media_type": stored.media_type,
    }
