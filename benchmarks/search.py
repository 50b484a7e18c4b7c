"""Times searching in a whole office: by words, hybrid, with and without filters; and what the vector index loses.

    python -m benchmarks.search [--documents 300000] [--chunks 3000000] [--queries 200] [--folder DIR]

The office is made up (_search_office.py); with --folder it is kept and found again. Queries are of one to four words,
some of them in every tenth document. The reference for vectors is the exact search over the same rows. Times are those
of the whole search in Python: query understood, searched, counted by facet, passages cut.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg

from benchmarks._pipeline import pipeline_url
from benchmarks._search_office import BEGINNINGS, COMPOUNDS, ENDINGS, build, vectors
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.search.finding import open_finder
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.search.results import Lane

FILTERS = ("projekt:2001", "projekt:2005", "projekt:2080", "projekt:2190", "kg:430", "seit:2024", "kg:434 seit:2025")
CONDITIONS = {
    "no filter": "true",
    **{f"project {number}": f"d.project_ids && '{{{number}}}'" for number in (1, 3, 10, 60, 190)},
    "two years": "d.occurred_at >= '2025-01-01'",
}
NEAREST = 10
SHARED_BUFFERS = "6GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--chunks", type=int, default=3_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the office is kept for the next time")
    asked = parser.parse_args()
    with _server(asked.folder) as server:
        url = pipeline_url(server)
        with psycopg.connect(server.url(), autocommit=True) as owner:
            [(there,)] = owner.execute("select count(*) from search.documents").fetchall()
            if not there:
                build(owner, asked.documents, asked.chunks)
            print_sizes(owner)
            _warm(owner)
        time_searches(Settings(_env_file=None, database_url=url), asked.queries)
        with psycopg.connect(url, autocommit=True) as connection:
            time_vectors(connection, asked.queries)


@contextmanager
def _server(folder: Path | None) -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        kept = folder or Path(name)
        kept.mkdir(parents=True, exist_ok=True)
        kept.chmod(0o711)
        server = EmbeddedPostgres(folder=kept / "postgres")
        server.start()
        try:
            _give_memory(server)
            yield server
        finally:
            server.stop()


def _give_memory(server: EmbeddedPostgres) -> None:
    """As docs/install.md advises for a large office: an index of vectors outside of Postgres' memory is slow."""
    with psycopg.connect(server.url(), autocommit=True) as owner:
        owner.execute(f"alter system set shared_buffers = '{SHARED_BUFFERS}'".encode())
    server.stop()
    server.start()


def _warm(connection: psycopg.Connection) -> None:
    """Take what is searched into memory, as the searches of some days would."""
    started = time.perf_counter()
    connection.execute("create extension if not exists pg_prewarm")
    connection.execute(
        "select sum(pg_prewarm(part::regclass)) from pg_class,"
        " unnest(array[oid, reltoastrelid, (select indexrelid from pg_index where indrelid = reltoastrelid)]) as part"
        " where relnamespace = 'search'::regnamespace and relkind in ('r', 'i') and part > 0"
    )
    print(f"taken into memory: {time.perf_counter() - started:.0f} s", flush=True)


def print_sizes(connection: psycopg.Connection) -> None:
    rows = connection.execute(
        "select relname, relkind, case relkind when 'i' then pg_relation_size(oid) else pg_table_size(oid) end / 1e6"
        " from pg_class where relnamespace = 'search'::regnamespace and relkind in ('r', 'i') order by 3 desc limit 12"
    )
    for name, kind, size in rows:
        print(f"{'index' if kind == 'i' else 'table'} {name}: {size:,.0f} MB")


def time_searches(settings: Settings, number: int) -> None:
    rng = random.Random(11)
    words = (*COMPOUNDS, *BEGINNINGS, *ENDINGS)
    plain = [" ".join(rng.choice(words) for _ in range(rng.randrange(1, 5))) for _ in range(number)]
    filtered = [f"{text} {rng.choice(FILTERS)}" for text in plain]
    lanes: dict[str, Sequence[Lane] | None] = {"keyword": ("words", "names"), "hybrid": None}
    with open_finder(settings) as finder:
        for what, chosen in lanes.items():
            for how, texts in {"no filter": plain, "filters": filtered}.items():
                for text in texts:  # warm: what it reads is in memory
                    finder.search(text, lanes=chosen)
                took = [finder.search(text, lanes=chosen).took_ms for text in texts]
                print(f"{what}, {how}: {_spread(took)}", flush=True)
                slowest = max(range(number), key=took.__getitem__)
                print(f"    slowest: {texts[slowest]!r} {took[slowest]:.0f} ms", flush=True)


def time_vectors(connection: psycopg.Connection, number: int) -> None:
    """Compare the index with the exact search, over everything and under conditions of several sizes."""
    sample = [_text(vector) for vector in vectors(np.arange(max(20, number // 5)), seed=999_999_937)]
    for name, condition in CONDITIONS.items():
        took, exact_took, shares = [], [], []
        for vector in sample:
            found, milliseconds = _nearest(connection, vector, condition, name != "no filter", 20_000)
            exact, exact_milliseconds = _nearest(connection, vector, condition, True, 2_000_000_000)
            took.append(milliseconds)
            exact_took.append(exact_milliseconds)
            shares.append(len(found & exact) / max(1, len(exact)))
        print(
            f"vectors, {name}: {_spread(took)}, recall@{NEAREST} {statistics.mean(shares):.3f},"
            f" {statistics.median(took) / statistics.median(exact_took):.3f} x exact",
            flush=True,
        )


def _nearest(
    connection: psycopg.Connection, vector: str, condition: str, is_filtered: bool, exact_below: int
) -> tuple[set[int], float]:
    started = time.perf_counter()
    rows = connection.execute(
        "select document_id from search.by_vectors(%s::halfvec, (select id from search.models where state = 'serving'),"
        " %s, %s, %s, %s)",
        [vector, condition, is_filtered, NEAREST, exact_below],
    ).fetchall()
    return {number for (number,) in rows}, (time.perf_counter() - started) * 1000


def _spread(took: Sequence[float]) -> str:
    in_order = sorted(took)
    p95 = in_order[int(len(in_order) * 0.95)]
    return f"p50 {statistics.median(took):.0f} ms, p95 {p95:.0f} ms, worst {in_order[-1]:.0f} ms"


def _text(vector: np.ndarray) -> str:
    return "[" + ",".join(f"{value:.5g}" for value in vector) + "]"


if __name__ == "__main__":
    main()
