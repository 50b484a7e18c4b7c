"""Times searching in a whole office: by words, hybrid, with and without filters; and what the vector index loses.

    python -m benchmarks.search [--documents 300000] [--chunks 3000000] [--queries 200] [--folder DIR]

Documents are made up: German words with the frequencies of a language (Zipf), projects of very different sizes, vectors
in clusters that half follow the projects. With --folder the office is kept and found again. The reference is the exact
search: the same rows without the index. Queries are of one to four words, some of them frequent.
"""

from __future__ import annotations

import argparse
import random
import statistics
import struct
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.demo.vocabulary import COST_GROUPS
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.search.analysis import analyse
from ibhelm_pipelines.search.finding import open_finder
from ibhelm_pipelines.search.models import open_embedder
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROJECTS, CLUSTERS, LATENT, WORDS = 200, 400, 32, 120
BATCH = 20_000
BEGINNINGS = (
    "Brandschutz Lüftungs Heizungs Trinkwasser Abwasser Kälte Wärme Elektro Sanitär Abluft Zuluft Kühl Dach Keller Technik Schacht Decken Boden Wand"
    " Regel Mess Prüf Rohr Kanal Kabel Pumpen Speicher Verteiler Sicherheits Not Außen Innen Haupt Neben Fern Nah Umluft Hygiene Raum Fenster"
).split()
ENDINGS = (
    "klappe klappen anlage anlagen leitung leitungen gerät geräte plan pläne protokoll prüfung zentrale pumpe ventil regler fühler schacht kanal rohr"
    " dämmung halter anschluss abnahme wartung rechnung angebot nachtrag termin mangel auslass filter ventilator kessel tauscher speicher"
).split()
COMMON = "der die das und wir mit bitte für ist wird im Haus Raum Geschoss Termin Planung Ausführung Leistung Position Menge Stück Preis Firma".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--chunks", type=int, default=3_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the office is kept for the next time")
    asked = parser.parse_args()
    with _server(asked.folder) as server:
        url = pipeline_url(server)
        settings = Settings(_env_file=None, database_url=url)
        with psycopg.connect(url, autocommit=True) as connection:
            [(there,)] = connection.execute("select count(*) from search.documents").fetchall()
        if not there:
            build(server, settings, asked.documents, asked.chunks)
        print_sizes(server)
        time_searches(settings, asked.queries)
        time_vectors(server, asked.queries)


@contextmanager
def _server(folder: Path | None) -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        kept = folder or Path(name)
        kept.mkdir(parents=True, exist_ok=True)
        kept.chmod(0o711)
        server = EmbeddedPostgres(folder=kept / "postgres")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def build(server: EmbeddedPostgres, settings: Settings, documents: int, chunks: int) -> None:
    """Make the office: documents first, then vectors, then the index of vectors."""
    rng = random.Random(7)
    vocabulary = [f"{a}{b}" for a in BEGINNINGS for b in ENDINGS] + [f"{_syllables(rng)}" for _ in range(30_000)]
    rng.shuffle(vocabulary)
    weights = np.cumsum(1 / np.arange(10, len(vocabulary) + 10))
    sizes = np.cumsum(1 / np.arange(1, PROJECTS + 1) ** 0.8)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        _fill_register(connection)
        started = time.perf_counter()
        for first in range(0, documents, BATCH):
            _copy_documents(connection, rng, range(first, min(documents, first + BATCH)), vocabulary, weights, sizes)
        print(f"{documents:,} documents in {time.perf_counter() - started:.0f} s, analysis included", flush=True)
        _count_words(connection)
        model = _model(connection, settings)
        with _indexed_at_once(connection, model):
            started = time.perf_counter()
            _copy_chunks(connection, model, documents, chunks)
            print(f"{chunks:,} vectors copied in {time.perf_counter() - started:.0f} s", flush=True)
            started = time.perf_counter()
        print(f"vector index built in {time.perf_counter() - started:.0f} s", flush=True)
        connection.execute("vacuum analyze search.documents")
        connection.execute("vacuum analyze search.chunks")


def _syllables(rng: random.Random) -> str:
    return "".join(
        rng.choice("bdfghklmnprstvw") + rng.choice("aeiouäöü") for _ in range(rng.randrange(2, 5))
    ) + rng.choice("nrst")


def _fill_register(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into projects (teamwork_id, name, number) select n, (2000 + n) || ' Bauvorhaben ' || n, (2000 + n)::text from generate_series(1, %s) n",
        [PROJECTS],
    )


def _copy_documents(
    connection: psycopg.Connection,
    rng: random.Random,
    numbers: Sequence[int],
    vocabulary: list[str],
    weights: np.ndarray,
    sizes: np.ndarray,
) -> None:
    generator = np.random.default_rng(numbers[0])
    drawn = np.searchsorted(weights, generator.random((len(numbers), WORDS)) * weights[-1])
    projects = 1 + np.searchsorted(sizes, generator.random(len(numbers)) * sizes[-1])
    columns = "kind, item_id, title, context, body, names, words, text_key, project_ids, cost_groups, extension, occurred_at, digest"
    with connection.cursor() as cursor, cursor.copy(f"copy search.documents ({columns}) from stdin") as copy:
        for number, row, project in zip(numbers, drawn.tolist(), projects.tolist(), strict=True):
            words = [vocabulary[each] for each in row]
            body = " ".join(
                word if at % 3 else f"{word} {COMMON[(number + at) % len(COMMON)]}" for at, word in enumerate(words)
            )
            title = f"{words[0]} {words[1]} {number}.pdf"
            context = f"projekte/{2000 + project}-Bauvorhaben {project}-MK/Stand {number % 46}"
            analysed = analyse([("A", title), ("B", context), ("C", body)])
            group = rng.choice(COST_GROUPS).number
            copy.write_row(
                ("file", number, title, context, body, f"{context}/{title}".lower(), analysed.tsvector, f"{number:032x}",
                 [project], [group], "pdf", f"{2019 + number % 8}-{1 + number % 12:02d}-{1 + number % 28:02d}", f"{number:032x}")
            )  # fmt: skip


def _count_words(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into search.lexemes select word, ndoc from ts_stat('select words from search.documents')"
    )
    connection.execute("""insert into search.vocabulary select word, count(distinct id) from search.documents,
                          unnest(string_to_array(lower(translate(left(body, 300), 'äöü', 'aou')), ' ')) as word group by word""")
    connection.execute("analyze")


def _model(connection: psycopg.Connection, settings: Settings) -> int:
    embedder = open_embedder(settings)
    [(model,)] = connection.execute(
        "select search.want_model(%s, %s, %s)", [embedder.name, embedder.version, embedder.dimensions]
    ).fetchall()
    return model


def _copy_chunks(connection: psycopg.Connection, model: int, documents: int, chunks: int) -> None:
    """Copy vectors in Postgres' own binary form: 3,000,000 times 384 numbers as text would be 9 GB."""
    each = -(-chunks // documents)
    head = np.dtype([("fields", ">i2"), ("l1", ">i4"), ("model", ">i2"), ("l2", ">i4"), ("key", "S16"), ("l3", ">i4"), ("ordinal", ">i4"),
                     ("l4", ">i4"), ("start", ">i4"), ("l5", ">i4"), ("length", ">i4"), ("l6", ">i4"), ("dim", ">i2"), ("none", ">i2"),
                     ("vector", ">f2", (384,))])  # fmt: skip
    made = 0
    columns = "model_id, text_key, ordinal, start_at, length, embedding"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy search.chunks ({columns}) from stdin (format binary)") as copy,
    ):
        copy.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
        for first in range(0, documents, 5_000):
            numbers = np.repeat(np.arange(first, min(documents, first + 5_000)), each)[: chunks - made]
            rows = np.zeros(len(numbers), head)
            rows["fields"], rows["l1"], rows["l2"], rows["l3"], rows["l4"], rows["l5"] = 6, 2, 16, 4, 4, 4
            rows["l6"], rows["dim"], rows["model"] = 4 + 768, 384, model
            rows["key"] = [int(number).to_bytes(16, "big") for number in numbers]
            rows["ordinal"] = np.arange(len(numbers)) % each
            rows["start"], rows["length"] = rows["ordinal"] * 100, 100
            rows["vector"] = _vectors(numbers, first)
            copy.write(_whole_keys(rows, numbers))
            made += len(numbers)
        copy.write(struct.pack(">h", -1))


def _whole_keys(rows: np.ndarray, numbers: np.ndarray) -> bytes:
    """Numpy's bytes lose their last zeros when assigned: put the keys in as they are."""
    raw = rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
    at = rows.dtype.fields["key"][1]
    raw[:, at : at + 16] = np.frombuffer(b"".join(int(n).to_bytes(16, "big") for n in numbers), np.uint8).reshape(
        -1, 16
    )
    return raw.tobytes()


def _vectors(numbers: np.ndarray, seed: int) -> np.ndarray:
    fixed = np.random.default_rng(1)
    centres, projection = fixed.normal(size=(CLUSTERS, LATENT)), fixed.normal(size=(LATENT, 384)) / np.sqrt(LATENT)
    generator = np.random.default_rng(seed + 2)
    cluster = np.where(
        generator.random(len(numbers)) < 0.5, numbers % CLUSTERS, generator.integers(0, CLUSTERS, len(numbers))
    )
    vectors = (centres[cluster] + 0.7 * generator.normal(size=(len(numbers), LATENT))) @ projection
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def _indexed_at_once(connection: psycopg.Connection, model: int) -> Iterator[None]:
    """Build it at once, as sql/migrations/0017_search_models.sql defines it: row by row it would take three times as long."""
    [(definition,)] = connection.execute(
        "select indexdef from pg_indexes where indexname = %s", [f"chunks_{model}_vectors"]
    ).fetchall()
    connection.execute(f"drop index search.chunks_{model}_vectors")
    connection.execute("set maintenance_work_mem = '6GB'")
    yield
    connection.execute(definition)


def print_sizes(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url()) as connection:
        rows = connection.execute("""
            select relname, relkind, pg_relation_size(oid) / 1e6, pg_table_size(oid) / 1e6 from pg_class
            where relnamespace = 'search'::regnamespace and relkind in ('r', 'i') and pg_relation_size(oid) > 1e6 order by 3 desc""")
        for name, kind, size, whole in rows:
            print(f"{'index' if kind == 'i' else 'table'} {name}: {(size if kind == 'i' else whole):,.0f} MB")


def time_searches(settings: Settings, number: int) -> None:
    rng = random.Random(11)
    compounds = [f"{a}{b}" for a in BEGINNINGS for b in ENDINGS]
    plain = [
        " ".join(rng.choice([*compounds, *BEGINNINGS, *ENDINGS]) for _ in range(rng.randrange(1, 5)))
        for _ in range(number)
    ]
    filters = [
        f"projekt:{2000 + rng.choice([1, 2, 5, 20, 80, 190])}",
        "kg:430",
        "seit:2024",
        "ext:pdf",
        "kg:434 seit:2025",
    ]
    filtered = [f"{text} {rng.choice(filters)}" for text in plain]
    with open_finder(settings) as finder:
        for what, lanes in (("keyword", ("words", "names")), ("hybrid", None)):
            for how, texts in (("no filter", plain), ("filters", filtered)):
                for text in texts[:40]:
                    finder.search(text, lanes=lanes)
                took = sorted(finder.search(text, lanes=lanes).took_ms for text in texts)
                print(
                    f"{what}, {how}: p50 {statistics.median(took):.0f} ms, p95 {took[int(len(took) * 0.95)]:.0f} ms, worst {took[-1]:.0f} ms",
                    flush=True,
                )


def time_vectors(server: EmbeddedPostgres, number: int) -> None:
    """Compare the index with the exact search, over everything and under conditions of several sizes."""
    conditions = {"no filter": "true"} | {f"project {p}": f"d.project_ids && '{{{p}}}'" for p in (1, 3, 10, 60, 190)}
    conditions |= {"two years": "d.occurred_at >= '2025-01-01'"}
    with psycopg.connect(server.url(), autocommit=True) as connection:
        queries = [_text(vector) for vector in _vectors(np.arange(number), 999_999_937)]
        for name, condition in conditions.items():
            chosen = queries[: max(20, number // 5)]
            took, shares, exact_took = [], [], []
            for vector in chosen:
                started = time.perf_counter()
                found = connection.execute(
                    "select document_id from search.by_vectors(%s::halfvec, 1::smallint, %s, 10, 20000)",
                    [vector, condition],
                ).fetchall()
                took.append((time.perf_counter() - started) * 1000)
                started = time.perf_counter()
                exact = connection.execute(
                    "select document_id from search.by_vectors(%s::halfvec, 1::smallint, %s, 10, 2000000000)",
                    [vector, f"({condition})"],
                ).fetchall()
                exact_took.append((time.perf_counter() - started) * 1000)
                shares.append(len(set(found) & set(exact)) / max(1, len(exact)))
            took.sort()
            print(f"vectors, {name}: p50 {statistics.median(took):.0f} ms, p95 {took[int(len(took) * 0.95)]:.0f} ms,"
                  f" recall {statistics.mean(shares):.3f}, exact {statistics.median(exact_took):.0f} ms", flush=True)  # fmt: skip


def _text(vector: np.ndarray) -> str:
    return "[" + ",".join(f"{value:.5g}" for value in vector) + "]"


if __name__ == "__main__":
    main()
