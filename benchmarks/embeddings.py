"""Times the embedding of a small office against a bare loop of the same model over the same chunks, in the same run.

    python -m benchmarks.embeddings [--texts 40] [--rounds 3] [--model light]

The stage reads texts, cuts them, embeds and writes them, commits and counts; the bare loop only embeds what the stage
embedded. Then the writing alone: binary COPY as the stage does it against a statement for each row (executemany), into
a partition with its index and into one without.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import psycopg
from pydantic import SecretStr

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.search.chunking import Chunk, chunks, embedded_text
from ibhelm_pipelines.search.embedding import embed
from ibhelm_pipelines.search.embedding_ledger import Embedded, EmbeddingLedger, live_models
from ibhelm_pipelines.search.models import Embedder, load_model
from ibhelm_pipelines.settings import Settings

TEXT = (
    "Die Lüftungsanlage im Neubau wird nach der Begehung am Montag eingestellt und vom Bauherrn abgenommen. "
    "Für die Brandschutzklappen liegt das Angebot der Firma vor. Bitte prüfen Sie die Leistung der Wärmepumpe. "
)
GOAL = 0.85
"""Of the bare loop's chunks in a second (shared/facts/performance.md, goal E1)."""

DOCUMENT = """
insert into search.documents (kind, item_id, title, body, names, words, text_key, occurred_at, digest)
values ('file', %s, %s, %s, '', '', %s, now(), gen_random_uuid())
"""
INSERT = """
insert into search.chunks (model_id, text_key, ordinal, page, start_at, length, embedding)
values (%s, %s, %s, %s, %s, %s, %s::halfvec)
"""


def make_texts(count: int) -> list[tuple[str, str]]:
    generator = random.Random(1)
    sizes = (generator.choice((200, 600, 1500, 4000)) for _ in range(count))
    return [(f"Bericht {n}", " ".join(generator.choices(TEXT.split(), k=size // 7))) for n, size in enumerate(sizes)]


def time_stage(settings: Settings, url: str, texts: list[tuple[str, str]]) -> float:
    """Chunks in a second, of a run over all texts from nothing."""
    with psycopg.connect(url) as connection:
        connection.execute("delete from search.documents")
        rows = [(number, title, body, uuid.uuid4()) for number, (title, body) in enumerate(texts)]
        connection.cursor().executemany(DOCUMENT, rows)
    report = embed(settings)
    print(f"  stage: {report.chunks} chunks, {report.seconds:.1f} s, {report.tokens / report.seconds:.0f} tokens/s")
    return report.chunks / report.seconds


def time_bare(model: Embedder, texts: list[tuple[str, str]]) -> float:
    inputs = [embedded_text(title, chunk.of(body)) for title, body in texts for chunk in chunks(body)]
    begun = time.perf_counter()
    model.passages(inputs)
    return len(inputs) / (time.perf_counter() - begun)


def compare_writing(url: str, owner_url: str, dimensions: int, rows: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        [model] = live_models(connection)
        ledger = EmbeddingLedger(connection, model, None)
        for place in ("with its index", "without an index"):
            vectors = np.random.default_rng(1).normal(size=(rows, dimensions)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            parts = tuple(Chunk(ordinal=n, page=None, start=n, length=9) for n in range(rows))
            begun = time.perf_counter()
            ledger.copy([Embedded(key=uuid.uuid4(), state="ok", chunks=parts, vectors=vectors)])
            copied, begun = rows / (time.perf_counter() - begun), time.perf_counter()
            key = uuid.uuid4()
            values = [(model.id, key, n, None, n, 9, str(vector.tolist())) for n, vector in enumerate(vectors)]
            connection.cursor().executemany(INSERT, values)
            single = rows / (time.perf_counter() - begun)
            print(f"{place}: COPY {copied:.0f} rows/s, executemany {single:.0f} rows/s, ratio {copied / single:.1f}")
            with psycopg.connect(owner_url) as owner:
                owner.execute("drop index if exists search.chunks_1_vectors")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--model", default="light")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibhelm-embeddings-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(folder=Path(name) / "postgres")
        server.start()
        try:
            url, texts, model = pipeline_url(server), make_texts(arguments.texts), load_model(arguments.model)
            settings = Settings(_env_file=None, database_url=SecretStr(url), embedding_model=arguments.model)
            ratios = []
            for _ in range(arguments.rounds):
                bare, stage = time_bare(model, texts), time_stage(settings, url, texts)
                ratios.append(stage / bare)
                print(f"  bare {bare:.2f} chunks/s, stage {stage:.2f} chunks/s, ratio {stage / bare:.2f}")
            print(f"stage against the bare loop: median ratio {statistics.median(ratios):.2f}, goal {GOAL}")
            compare_writing(url, server.url(), model.dimensions, arguments.rows)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
