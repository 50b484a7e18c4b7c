"""Gives every text its vectors: what is missing for a model is chunked, embedded and written, the newest first.

Texts are worked on in batches that take some seconds and are committed each, so a killed run loses one batch, a run
with a limit of time ends near it, and any number of processes may be at it. A model that cannot read one text leaves a
row that says why.

Change of model: when the settings name another one, it is built beside the one that serves, which goes on serving and
gets the vectors of what is new meanwhile. When the new one has looked at every text, it serves, in one transaction.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import structlog

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.errors import ConfigurationError, PermanentError
from ibhelm_pipelines.search.chunking import chunks, embedded_text, title_chunk
from ibhelm_pipelines.search.embedding_ledger import (
    Embedded,
    EmbeddingLedger,
    Text,
    drop_orphans,
    live_models,
    note_problem,
    noted_problem,
    serve_if_complete,
    want_model,
)
from ibhelm_pipelines.search.embedding_report import EmbeddingReport, Pace
from ibhelm_pipelines.search.models import embedder_named, load_model

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.search.chunking import Chunk
    from ibhelm_pipelines.search.embedding_ledger import Model
    from ibhelm_pipelines.search.models import Embedder, Vectors
    from ibhelm_pipelines.settings import Settings

BATCH_SECONDS = 5.0
"""What a batch should take: what a killed run repeats."""

FIRST_BATCH = 4
MOST_TEXTS = 64
"""In one batch, however fast the model is: 64 texts of 300 chunks are 60 MB."""

NOTHING_WORTH = "Nothing in title or text is worth a vector: numbers, noise or encoded bytes"

LONGEST_REASON = 500

HOPELESS = 20
"""Texts that fail in a run in which none succeeds: then it is the model, not the texts."""


def embed(
    settings: Settings,
    *,
    buckets: Sequence[str] | None = None,
    seconds: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
    load: Callable[[str], Embedder] = load_model,
) -> EmbeddingReport:
    """Embed what is missing for the model of the settings; let it serve when it is complete.

    Args:
        settings: of this process.
        buckets: only texts whose key begins with one of these hex digits.
        seconds: no new batch is begun after so long.
        progress: told what is being done.
        load: finds a model by its name.

    Raises:
        ConfigurationError: the model cannot be loaded.
        PermanentError: the model fails on every text.
        DatabaseUnavailableError: Postgres does not answer.
    """
    begun = time.monotonic()
    with connect(settings.require_database_url(), application="embeddings", autocommit=True) as connection:
        with noted_problem(connection, settings.embedding_model):
            embedder = load(settings.embedding_model)
            drop_orphans(connection)
            model = want_model(connection, embedder)
            report = EmbeddingReport(model=model.name, version=model.version)
            run = _Run(connection, report, buckets, progress, until=None if seconds is None else begun + seconds)
            if model.state == "building":
                _keep_serving(run, connection, model, report, load)
            ledger = run.embed(model, embedder)
            report.is_serving = model.state == "serving" or serve_if_complete(connection, model)
        note_problem(connection, None if report.is_serving else report.problem)
        report.buckets = ledger.count()
    report.seconds = time.monotonic() - begun
    return report


def _keep_serving(
    run: _Run, connection: Connection, model: Model, report: EmbeddingReport, load: Callable[[str], Embedder]
) -> None:
    """Embed what is new since the other model is being built with the one that serves, where that can still be loaded.

    What it had not reached by then it never will: the new one comes to it too.
    """
    [serving] = [each for each in live_models(connection) if each.state == "serving"]
    try:
        embedder = embedder_named(serving.name, serving.version, load=load)
    except ConfigurationError as error:
        report.problem = f"Until the new model is complete, what is new is found by its words only. {error}"
        structlog.get_logger().warning("serving_model_unusable", model=serving.name, reason=str(error))
        return
    run.embed(serving, embedder, since=model.created_at)


class _Run:
    """Works through what is missing, over one connection."""

    def __init__(
        self,
        connection: Connection,
        report: EmbeddingReport,
        buckets: Sequence[str] | None,
        progress: Callable[[str], None],
        *,
        until: float | None,
    ) -> None:
        self._connection, self._report, self._buckets = connection, report, buckets
        self._progress, self._until = progress, until

    def embed(self, model: Model, embedder: Embedder, *, since: dt.datetime | None = None) -> EmbeddingLedger:
        """Embed what is missing, or of that only what was indexed since then."""
        ledger = EmbeddingLedger(self._connection, model, self._buckets)
        missing = ledger.list_missing(since=since)
        pace, size = Pace(), FIRST_BATCH
        while self._has_time() and (texts := ledger.take(size)) is not None:
            begun = time.monotonic()
            self._embed_batch(ledger, embedder, texts)
            pace.add(len(texts), time.monotonic() - begun)
            size = min(max(int(BATCH_SECONDS * pace.texts_per_second), 1), MOST_TEXTS)
            self._progress(f"{model.name}: {pace.texts:,} of {missing:,} texts{pace.time_for(missing - pace.texts)}")
        self._report.pace = pace
        self._report.busy += ledger.busy
        return ledger

    def _has_time(self) -> bool:
        return self._until is None or time.monotonic() < self._until

    def _embed_batch(self, ledger: EmbeddingLedger, embedder: Embedder, texts: Sequence[Text]) -> None:
        try:
            results, tokens = _embedded(embedder, texts)
            written = ledger.record(results)
        finally:
            ledger.release({text.key for text in texts})
        self._report.add(written, tokens)
        failed = [result for result in written if result.state == "failed"]
        if failed and self._report.failed >= HOPELESS and not self._report.texts:
            raise PermanentError(
                f"The embedding model {embedder.name} fails on every text: {failed[-1].reason}.",
                next_step="Put its installation right; the texts are tried again after a day.",
            )


def _embedded(embedder: Embedder, texts: Sequence[Text]) -> tuple[list[Embedded], int]:
    """Embed a batch; where that fails, each text alone, so that one cannot cost the others their vectors."""
    parts = [(text, chunks(text.body) or title_chunk(text.title)) for text in texts]
    empty = [Embedded(key=text.key, state="empty", reason=NOTHING_WORTH) for text, own in parts if not own]
    worthy = [(text, own) for text, own in parts if own]
    try:
        done = _embed_together(embedder, worthy)
    except Exception:  # noqa: BLE001 - whatever a model raises, the next lines find out on which text, and record it
        done = [_embed_alone(embedder, text, own) for text, own in worthy]
    tokens = embedder.count_tokens(
        [embedded_text(text.title, chunk.of(text.body)) for text, own in worthy for chunk in own]
    )
    return empty + done, tokens


def _embed_alone(embedder: Embedder, text: Text, own: Sequence[Chunk]) -> Embedded:
    try:
        [result] = _embed_together(embedder, [(text, own)])
    except Exception as error:  # noqa: BLE001 - recorded as the reason
        reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
        structlog.get_logger().warning("text_not_embedded", text=str(text.key), reason=reason)
        return Embedded(key=text.key, state="failed", reason=reason)
    return result


def _embed_together(embedder: Embedder, parts: Sequence[tuple[Text, Sequence[Chunk]]]) -> list[Embedded]:
    """Embed all chunks of these texts in one call.

    Raises:
        Exception: whatever the model raises.
    """
    inputs = [embedded_text(text.title, chunk.of(text.body)) for text, own in parts for chunk in own]
    vectors = embedder.passages(inputs) if inputs else np.empty((0, embedder.dimensions), dtype=np.float32)
    _require_usable(vectors, (len(inputs), embedder.dimensions))
    results, first = [], 0
    for text, own in parts:
        own_vectors = vectors[first : first + len(own)]
        results.append(Embedded(key=text.key, state="ok", chunks=own, vectors=own_vectors))
        first += len(own)
    return results


def _require_usable(vectors: Vectors, shape: tuple[int, int]) -> None:
    """Refuse what Postgres would refuse for the whole batch, or compare wrongly."""
    if vectors.shape != shape or not np.isfinite(vectors).all():
        raise ValueError(f"the model gave vectors of shape {vectors.shape}, or no numbers, for {shape}")
    if shape[0] and not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.01):
        raise ValueError("the model gave vectors whose length is not 1")
