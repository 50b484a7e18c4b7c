"""Makes a document of everything that can be found: files, mails, comments and tasks, with their words and facets.

For each thing a digest of all that its document is made of stands at the document. What differs is read and analysed in
batches; each is then written in one transaction under one lock, only where the digest is still the same: whatever runs
at the same time, nothing is written of what is no longer so, and a killed run loses one batch. What single things need
at once (the live lane) is the same code for their ids.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.search import composing
from ibhelm_pipelines.search.results import DocumentKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

KINDS: tuple[DocumentKind, ...] = get_args(DocumentKind)

BATCH = 500
BATCH_BYTES = 2_000_000
"""Of text: two seconds of analysis, and some ten times as much memory."""

TRIES = 5
TRY_SECONDS = 0.5
"""For single things that somebody else is changing just now; then the next run finds them."""


@dataclass(kw_only=True)
class DocumentsReport:
    """What was done.

    Attributes:
        looked_at: things that were read and analysed, by kind.
        changed: documents that were written, which includes new ones.
        removed: documents of what is gone.
        waiting: things that somebody else was changing, left to the next run.
        words: different words that were analysed, summed over documents.
        documents: by kind how many there are now; of a whole run only.
    """

    looked_at: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    removed: int = 0
    waiting: int = 0
    words: int = 0
    seconds: float = 0
    documents: dict[str, int] = field(default_factory=dict)


def index_documents(
    settings: Settings, *, everything: bool = False, progress: Callable[[str], None] = lambda _: None
) -> DocumentsReport:
    """Make the documents of all that changed, and drop those of what is gone.

    Args:
        settings: of this process.
        everything: also of what has not changed, against documents that somebody changed behind our back.
        progress: told what is being done.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    begun = time.monotonic()
    with _connected(settings) as connection:
        report = DocumentsReport()
        indexer = _Indexer(connection, report)
        for kind in KINDS:
            for _ in indexer.index(kind, None, everything=everything):
                progress(f"{kind} documents: {report.looked_at[kind]:,}")
        indexer.settle()
        queries = load_queries("search_documents")
        report.documents = dict(connection.execute(queries["count_documents"]).fetchall())
        report.seconds = time.monotonic() - begun
        counts = {"documents": report.documents, "looked_at": report.looked_at, "waiting": report.waiting}
        connection.execute(queries["note_run"], {"seconds": report.seconds, "counts": Jsonb(counts)})
    return report


def index_some(settings: Settings, kind: DocumentKind, ids: Sequence[int]) -> DocumentsReport:
    """Make the documents of these things as they are now, and drop those of them that are gone.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    begun, report = time.monotonic(), DocumentsReport()
    if not ids:
        return report
    with _connected(settings) as connection:
        indexer = _Indexer(connection, report)
        for attempt in range(TRIES):
            if attempt:
                time.sleep(TRY_SECONDS)
            report.waiting = 0
            for _ in indexer.index(kind, ids):
                pass
            if not report.waiting:
                break
        indexer.settle()
    report.seconds = time.monotonic() - begun
    return report


@contextmanager
def _connected(settings: Settings) -> Iterator[Connection]:
    with (
        translated_errors(),
        connect(settings.require_database_url(), application="search", autocommit=True) as connection,
    ):
        connection.execute(load_queries("search_documents")["use_memory"])
        yield connection


class _Indexer:
    """Documents over one connection, in autocommit mode."""

    def __init__(self, connection: Connection, report: DocumentsReport) -> None:
        self._connection, self._report = connection, report
        self._sql = load_queries("search_documents")

    def index(self, kind: DocumentKind, ids: Sequence[int] | None, *, everything: bool = False) -> Iterator[None]:
        """Bring the documents of a kind in line, all or those of some things; yields after each batch."""
        values = {"kind": kind, "ids": None if ids is None else list(ids), "everything": everything}
        self._connection.execute(self._sql["drop_found"])
        self._run("find", kind, values, condition=self._sql["of_all" if ids is None else "of_these"])
        self._connection.execute(self._sql["index_found"])
        self._drop_dead(kind)
        for batch in self._batches():
            self._index_batch(kind, batch)
            yield

    def settle(self) -> None:
        """Take what was deleted since off the counts."""
        if self._connection.execute(self._sql["has_uncounted"]).fetchone() == (True,):
            with self._connection.transaction():
                self._connection.execute(self._sql["lock_writing"])
                self._connection.execute(self._sql["create_counted"])
                self._count()

    def _batches(self) -> Iterator[list[int]]:
        after = 0
        while True:
            found = self._connection.execute(self._sql["next_stale"], {"after": after, "size": BATCH}).fetchall()
            if not found:
                return
            batch, size = [], 0
            for number, text_bytes in found:
                if batch and size + text_bytes > BATCH_BYTES:
                    break
                batch.append(number)
                size += min(text_bytes, composing.BODY_CHARACTERS)
            yield batch
            after = batch[-1]

    def _index_batch(self, kind: DocumentKind, ids: Sequence[int]) -> None:
        fresh = []
        for row in self._read(kind, ids):
            document, words = composing.compose(row)
            fresh.append(document)
            self._report.words += words
        self._report.looked_at[kind] += len(fresh)
        with self._connection.transaction():
            self._connection.execute(self._sql["lock_writing"])
            self._write(kind, fresh)

    def _read(self, kind: DocumentKind, ids: Sequence[int]) -> list[dict[str, Any]]:
        values = {
            "ids": list(ids),
            "body_characters": composing.BODY_CHARACTERS,
            "quoted_characters": composing.QUOTED_CHARACTERS,
        }
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(*self._statement("read", kind, values)).fetchall()

    def _write(self, kind: DocumentKind, documents: Sequence[dict[str, Any]]) -> None:
        wanted = [document["item_id"] for document in documents]
        held = [number for (number,) in self._connection.execute(self._sql[f"hold_{kind}s"], {"ids": wanted})]
        self._report.waiting += len(wanted) - len(held)
        self._connection.execute(self._sql["create_fresh"])
        self._connection.execute(self._sql["create_counted"])
        with self._connection.cursor() as cursor, cursor.copy(self._sql["copy_fresh"]) as copy:
            for document in documents:
                copy.write_row([document[name] for name in composing.COLUMNS])
        self._connection.execute(self._sql["hold_documents"], {"kind": kind})
        row = self._run("write", kind, {"kind": kind, "ids": held}).fetchone()
        self._report.changed += row[0] if row else 0
        self._count()

    def _drop_dead(self, kind: DocumentKind) -> None:
        dead = [number for (number,) in self._connection.execute(self._sql["dead"])]
        if dead:
            self._report.removed += self._run("drop_dead", kind, {"kind": kind, "ids": dead}).rowcount

    def _count(self) -> None:
        for query in ("take_uncounted", "count_lexemes", "count_vocabulary"):
            self._connection.execute(self._sql[query])

    def _run(self, query: str, kind: DocumentKind, values: dict[str, Any], *, condition: str = "") -> Any:
        return self._connection.execute(*self._statement(query, kind, values, condition=condition))

    def _statement(
        self, query: str, kind: DocumentKind, values: dict[str, Any], *, condition: str = ""
    ) -> tuple[sql.Composed, dict[str, Any]]:
        parts = {
            "source": sql.SQL(self._sql[f"{kind}_source"]),
            "digest": sql.SQL(self._sql["digest"]),
            "condition": sql.SQL(condition),
        }
        return sql.SQL(self._sql[query]).format(**parts), {**values, "version": composing.VERSION}
