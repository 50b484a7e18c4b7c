"""The embedding's side of the database: which models there are, what is missing, and what came of each text.

No claim is written down. What is missing is a query; two processes share it by advisory locks on single texts that live
as long as their connection, so a killed one leaves nothing behind. Chunks and the row that says that they are all there
are one transaction.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError, PermanentError
from ibhelm_pipelines.search import chunking

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.search.chunking import Chunk
    from ibhelm_pipelines.search.models import Embedder, Vectors

BUCKETS = tuple("0123456789abcdef")
"""First hex digits of the keys of texts: the partitions of a backfill."""

MAX_ATTEMPTS = 5
"""One a day; then it is left alone with this model."""

State = Literal["ok", "empty", "failed"]

_COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_COPY_END = struct.pack("!h", -1)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A row of search.models."""

    id: int
    name: str
    version: str
    dimensions: int
    state: Literal["building", "serving"]
    created_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Text:
    """What documents with this key say."""

    key: UUID
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What came of one text; a vector for each chunk where it is ok, else the reason."""

    key: UUID
    state: State
    chunks: Sequence[Chunk] = ()
    vectors: Vectors | None = None
    reason: str | None = None


def want_model(connection: Connection, embedder: Embedder) -> Model:
    """Return the row of this model; where it is new, it has got one and a place for its vectors now.

    What else was being built is given up. Vectors of models that were replaced a while ago are dropped.
    """
    queries = load_queries("embeddings")
    values = {
        "name": embedder.name,
        "version": f"{embedder.version}/{chunking.VERSION}",
        "dimensions": embedder.dimensions,
    }
    with translated_errors():
        connection.execute(queries["drop_retired_models"])
        row = connection.execute(queries["want_model"], values).fetchone()
    return next(model for model in live_models(connection) if row == (model.id,))


def live_models(connection: Connection) -> list[Model]:
    """Return the model that serves, and the one that is being built beside it."""
    with translated_errors():
        rows = connection.execute(load_queries("embeddings")["read_models"]).fetchall()
    return [
        Model(id=number, name=name, version=version, dimensions=dimensions, state=state, created_at=created_at)
        for number, name, version, dimensions, state, created_at in rows
    ]


def serve_if_complete(connection: Connection, model: Model) -> bool:
    """Let a model serve that has looked at every text, instead of the one that did; return whether that came to be."""
    queries = load_queries("embeddings")
    with translated_errors(), connection.transaction():
        connection.execute(queries["lock_models"])
        if connection.execute(queries["is_incomplete"], {"model": model.id}).fetchone() != (False,):
            return False
        connection.execute(queries["retire_serving"], {"model": model.id})
        return connection.execute(queries["serve_model"], {"model": model.id}).rowcount == 1


@contextmanager
def noted_problem(connection: Connection, wanted: str) -> Iterator[None]:
    """Write down which model is wanted, and if it cannot be had, why: checks and status tell it.

    Raises:
        IbhelmError: that of the block.
    """
    with translated_errors():
        connection.execute(load_queries("embeddings")["note_begin"], {"wanted": wanted})
    try:
        yield
    except (ConfigurationError, PermanentError) as error:
        note_problem(connection, str(error))
        raise


def note_problem(connection: Connection, problem: str | None) -> None:
    """Write down what is wrong with the model, or that nothing is."""
    with translated_errors():
        connection.execute(load_queries("embeddings")["note_problem"], {"problem": problem or None})


def drop_orphans(connection: Connection) -> None:
    """Drop what came of texts that no document has."""
    with translated_errors():
        connection.execute(load_queries("embeddings")["drop_orphans"])


class EmbeddingLedger:
    """One run's view of one model.

    Args:
        connection: in autocommit mode.
        model: whose vectors are missing.
        buckets: first hex digits of the keys; all when None.
    """

    def __init__(self, connection: Connection, model: Model, buckets: Sequence[str] | None) -> None:
        self._connection = connection
        self._queries = load_queries("embeddings")
        self._model = model
        self._values = {
            "model": model.id,
            "buckets": list(buckets) if buckets is not None else None,
            "attempts": MAX_ATTEMPTS,
        }
        self._after = 0
        self.busy = 0

    def list_missing(self, *, since: dt.datetime | None = None) -> int:
        """Make the list of what is missing, the newest first, and return its length.

        Args:
            since: only of documents that were written after that.
        """
        with translated_errors():
            for statement in self._queries["create_worklist"].split(";\n"):
                self._connection.execute(statement)
            return self._connection.execute(self._queries["fill_worklist"], {**self._values, "since": since}).rowcount

    def take(self, limit: int) -> list[Text] | None:
        """Return the next texts of the list, locked for this process; fewer where others are at them or were.

        None at the end of the list.
        """
        rows = self._fetch("take_from_worklist", after=self._after, limit=limit)
        if not rows:
            return None
        self._after = rows[-1][0]
        keys = [key for _, key in rows]
        locked = [key for (key,) in self._fetch("lock_texts", keys=keys)]
        self.busy += len(keys) - len(locked)
        texts = [Text(key=key, title=title, body=body) for key, title, body in self._fetch("read_texts", keys=locked)]
        self.release(set(locked) - {text.key for text in texts})
        return texts

    def release(self, keys: set[UUID]) -> None:
        """Let others have these texts."""
        if keys:
            self._fetch("unlock_texts", keys=list(keys))

    def record(self, results: Sequence[Embedded]) -> list[Embedded]:
        """Write what came of these texts, but of those that no document has any more; return what was written."""
        with translated_errors(), self._connection.transaction():
            present = {key for (key,) in self._fetch("lock_documents", keys=[result.key for result in results])}
            kept = [result for result in results if result.key in present]
            values = {**self._values, "keys": [result.key for result in kept]}
            self._connection.execute(self._queries["drop_chunks"], values)
            self.copy(kept)
            outcomes = {
                "states": [result.state for result in kept],
                "chunks": [len(result.chunks) for result in kept],
                "reasons": [result.reason for result in kept],
            }
            self._connection.execute(self._queries["record_texts"], {**values, **outcomes})
        return kept

    def copy(self, results: Sequence[Embedded]) -> None:
        """Write the chunks of these texts, in the caller's transaction."""
        with self._connection.cursor() as cursor, cursor.copy(self._queries["copy_chunks"]) as copy:
            for data in _copy_data(self._model.id, results):
                copy.write(data)

    def count(self) -> dict[str, tuple[int, int]]:
        """Return by bucket how many texts there are, and how many of them nobody has looked at with this model."""
        return {bucket: (texts, left) for bucket, texts, left in self._fetch("count_buckets")}

    def _fetch(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        with translated_errors():
            return self._connection.execute(self._queries[name], {**self._values, **values}).fetchall()


def _copy_data(model: int, results: Sequence[Embedded]) -> Iterator[bytes]:
    """Yield the rows of search.chunks as binary COPY reads them, many times as fast as a statement for each."""
    yield _COPY_HEADER
    for result in results:
        if result.vectors is not None:
            halves = np.asarray(result.vectors, dtype=">f2")
            for chunk, vector in zip(result.chunks, halves, strict=True):
                yield _copy_row(model, result.key, chunk, vector.tobytes())
    yield _COPY_END


def _copy_row(model: int, key: UUID, chunk: Chunk, halves: bytes) -> bytes:
    page = struct.pack("!i", -1) if chunk.page is None else struct.pack("!ii", 4, chunk.page)
    return b"".join(
        (
            struct.pack("!hihi16sii", 7, 2, model, 16, key.bytes, 4, chunk.ordinal),
            page,
            struct.pack("!iiii", 4, chunk.start, 4, chunk.length),
            struct.pack("!ihh", 4 + len(halves), len(halves) // 2, 0),
            halves,
        )
    )
