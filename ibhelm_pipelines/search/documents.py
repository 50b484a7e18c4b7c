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

import psycopg
import structlog
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

REFUSALS = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
"""What Postgres says of a text that it cannot index."""

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
        waiting: things that changed meanwhile or that somebody was changing, left to the next run.
        failed: things of which no document could be made; see ops.failed_documents.
        words: words of all that was analysed, each once a document.
        documents: by kind how many there are now; of a whole run only.
        vocabulary: different words that there are now; likewise.
    """

    looked_at: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    removed: int = 0
    waiting: int = 0
    failed: int = 0
    words: int = 0
    seconds: float = 0
    documents: dict[str, int] = field(default_factory=dict)
    vocabulary: int = 0


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
        _note(connection, report, begun)
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
        indexer.index_patiently(kind, ids)
        indexer.settle()
    report.seconds = time.monotonic() - begun
    return report


def correct_documents(settings: Settings) -> DocumentsReport:
    """Make those documents anew that say what is no longer so, and no new ones: for who must see something leave.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    report = DocumentsReport()
    with _connected(settings) as connection:
        indexer = _Indexer(connection, report)
        for kind in KINDS:
            indexer.index_patiently(kind, None, known_only=True)
        indexer.settle()
    return report


def _note(connection: Connection, report: DocumentsReport, begun: float) -> None:
    """Write down what there is now, for `ibhelm status`: counting it takes too long when somebody waits."""
    queries = load_queries("search_documents")
    report.documents = dict(connection.execute(queries["count_documents"]).fetchall())
    [(report.vocabulary,)] = connection.execute(queries["count_words"]).fetchall()
    report.seconds = time.monotonic() - begun
    counts = {
        "documents": report.documents,
        "total": sum(report.documents.values()),
        "words": report.vocabulary,
        "waiting": report.waiting,
    }
    connection.execute(queries["note_run"], {"seconds": report.seconds, "counts": Jsonb(counts)})


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

    def index(
        self, kind: DocumentKind, ids: Sequence[int] | None, *, everything: bool = False, known_only: bool = False
    ) -> Iterator[None]:
        """Bring the documents of a kind in line, all or those of some things; yields after each batch."""
        values = {
            "kind": kind,
            "ids": None if ids is None else list(ids),
            "everything": everything,
            "known_only": known_only,
        }
        self._connection.execute(self._sql["drop_found"])
        self._run("find", kind, values, condition=self._sql["of_all" if ids is None else "of_these"])
        self._connection.execute(self._sql["index_found"])
        self._drop_dead(kind)
        for batch in self._batches():
            self._index_batch(kind, batch)
            yield

    def index_patiently(self, kind: DocumentKind, ids: Sequence[int] | None, *, known_only: bool = False) -> None:
        """Likewise, and try again what somebody is changing just now."""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(TRY_SECONDS)
            before = self._report.waiting
            for _ in self.index(kind, ids, known_only=known_only):
                pass
            if self._report.waiting == before:
                return
            self._report.waiting = before if attempt < TRIES - 1 else self._report.waiting

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
            batch: list[int] = []
            size = 0
            for number, text_bytes in found:
                if batch and size + text_bytes > BATCH_BYTES:
                    break
                batch.append(number)
                size += min(text_bytes, composing.BODY_CHARACTERS)
            yield batch
            after = batch[-1]

    def _index_batch(self, kind: DocumentKind, ids: Sequence[int]) -> None:
        rows = self._read(kind, ids)
        self._report.looked_at[kind] += len(rows)
        pending = [self._composed(kind, rows)]
        while pending:
            part = pending.pop()
            try:
                self._write(kind, part)
            except REFUSALS as error:
                pending += self._halves(kind, part, error)

    def _composed(self, kind: DocumentKind, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Make the documents of these rows; one that cannot be read must not keep all others from being found."""
        made = []
        for row in rows:
            try:
                made.append(composing.compose(row))
            except Exception as error:  # noqa: BLE001 - written down; whatever it is, it is this text's alone
                self._fail(kind, row, error)
        self._report.words += sum(len(document["vocabulary"]) for document in made)
        return made

    def _halves(self, kind: DocumentKind, part: list[dict[str, Any]], error: Exception) -> list[list[dict[str, Any]]]:
        """Blame the only document that Postgres refuses; else return what is to be tried apart from each other."""
        if len(part) > 1:
            return [part[: len(part) // 2], part[len(part) // 2 :]]
        self._fail(kind, part[0], error)
        return []

    def _fail(self, kind: DocumentKind, row: dict[str, Any], error: Exception) -> None:
        structlog.get_logger().error("document_not_made", kind=kind, item_id=row["item_id"], exc_info=error)
        values = {"kind": kind, "item_id": row["item_id"], "digest": row["digest"], "error": type(error).__name__}
        self._connection.execute(self._sql["note_failure"], values)
        self._report.failed += 1

    def _read(self, kind: DocumentKind, ids: Sequence[int]) -> list[dict[str, Any]]:
        values = {
            "ids": list(ids),
            "body_characters": composing.BODY_CHARACTERS,
            "quoted_characters": composing.QUOTED_CHARACTERS,
        }
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(*self._statement("read", kind, values)).fetchall()

    def _write(self, kind: DocumentKind, documents: Sequence[dict[str, Any]]) -> None:
        """Write what is still so, and count its words, in one transaction."""
        wanted = [document["item_id"] for document in documents]
        with self._connection.transaction():
            self._connection.execute(self._sql["lock_writing"])
            held = {number for (number,) in self._connection.execute(self._sql[f"hold_{kind}s"], {"ids": wanted})}
            self._connection.execute(self._sql["create_fresh"])
            self._connection.execute(self._sql["create_counted"])
            with self._connection.cursor() as cursor, cursor.copy(self._sql["copy_fresh"]) as copy:
                for document in documents:
                    copy.write_row([document[name] for name in composing.COLUMNS])
            held -= {number for (number,) in self._connection.execute(self._sql["hold_documents"], {"kind": kind})}
            [(current, changed)] = self._run("write", kind, {"kind": kind, "ids": list(held)}).fetchall()
            self._connection.execute(self._sql["forget_failures"], {"kind": kind, "ids": list(held)})
            self._count()
        self._report.waiting += len(wanted) - current
        self._report.changed += changed

    def _drop_dead(self, kind: DocumentKind) -> None:
        dead = [number for (number,) in self._connection.execute(self._sql["dead"])]
        if dead:
            self._report.removed += self._run("drop_dead", kind, {"kind": kind, "ids": dead}).rowcount
        failed = [number for (number,) in self._connection.execute(self._sql["failures"], {"kind": kind})]
        if failed:
            self._run("drop_dead_failures", kind, {"kind": kind, "ids": failed})

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
