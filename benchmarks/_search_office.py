"""A made-up office for benchmarks/search.py, straight into the tables of the search.

German compounds with the frequencies of a language (Zipf), projects of very different sizes, vectors in clusters that
half follow the documents' projects. The same every time.
"""

from __future__ import annotations

import random
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, LiteralString

import numpy as np

from ibhelm_pipelines.demo.vocabulary import COST_GROUPS
from ibhelm_pipelines.search.analysis import analyse
from ibhelm_pipelines.search.models import load_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

PROJECTS, CLUSTERS, LATENT, WORDS = 200, 400, 32, 120
BATCH = 20_000
DIMENSIONS = 384
MODEL = "light"

BEGINNINGS = (
    "Brandschutz", "Lüftungs", "Heizungs", "Trinkwasser", "Abwasser", "Kälte", "Wärme", "Elektro", "Sanitär",
    "Abluft",
    "Zuluft", "Kühl", "Dach", "Keller", "Technik", "Schacht", "Decken", "Boden", "Wand", "Regel", "Mess", "Prüf",
    "Rohr", "Kanal", "Kabel", "Pumpen", "Speicher", "Verteiler", "Sicherheits", "Not", "Außen", "Innen", "Haupt",
    "Neben", "Fern", "Nah", "Umluft", "Hygiene", "Raum", "Fenster",
)  # fmt: skip
ENDINGS = (
    "klappe", "klappen", "anlage", "anlagen", "leitung", "leitungen", "gerät", "geräte", "plan", "pläne", "protokoll",
    "prüfung", "zentrale", "pumpe", "ventil", "regler", "fühler", "schacht", "kanal", "rohr", "dämmung", "halter",
    "anschluss", "abnahme", "wartung", "rechnung", "angebot", "nachtrag", "termin", "mangel", "auslass", "filter",
    "ventilator", "kessel", "tauscher", "speicher",
)  # fmt: skip
COMMON = (
    "der", "die", "das", "und", "wir", "mit", "bitte", "für", "ist", "wird", "im", "Haus", "Raum", "Geschoss", "Termin",
    "Planung", "Ausführung", "Leistung", "Position", "Menge", "Stück", "Preis", "Firma",
)  # fmt: skip
COMPOUNDS = tuple(f"{first}{last}" for first in BEGINNINGS for last in ENDINGS)

_DOCUMENT = (
    "kind", "item_id", "title", "context", "body", "names", "words", "text_key", "project_ids", "cost_groups",
    "extension", "occurred_at", "digest",
)  # fmt: skip
_CHUNK = np.dtype([
    ("fields", ">i2"), ("l1", ">i4"), ("model", ">i2"), ("l2", ">i4"), ("key", "u1", (16,)), ("l3", ">i4"),
    ("ordinal", ">i4"), ("l4", ">i4"), ("start", ">i4"), ("l5", ">i4"), ("length", ">i4"), ("l6", ">i4"),
    ("dim", ">i2"), ("none", ">i2"), ("vector", ">f2", (DIMENSIONS,)),
])  # fmt: skip
"""A row of search.chunks as `copy ... (format binary)` reads it."""


def build(connection: psycopg.Connection, documents: int, chunks: int) -> None:
    """Fill an empty database, as its owner; prints what took how long."""
    connection.execute(
        "insert into projects (teamwork_id, name, number)"
        " select n, (2000 + n) || ' Bauvorhaben ' || n, (2000 + n)::text from generate_series(1, %s) n",
        [PROJECTS],
    )
    with _indexed_afterwards(connection, "documents"):
        _Documents(connection).copy(documents)
    _count_words(connection)
    light = load_model(MODEL)
    [(model,)] = connection.execute(
        "select search.want_model(%s, %s, %s)", [MODEL, f"{light.version}/made up", DIMENSIONS]
    ).fetchall()
    with _indexed_afterwards(connection, f"chunks_{model}"):
        _copy_chunks(connection, model, documents, chunks)
    connection.execute("vacuum analyze search.documents")
    connection.execute("vacuum analyze search.chunks")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - started:,.0f} s", flush=True)


@contextmanager
def _indexed_afterwards(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """Load without the indexes that no constraint needs, then build them at once: that is many times as fast."""
    indexes = connection.execute(
        "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index"
        " where indrelid = %s::regclass and not indisunique",
        [f"search.{table}"],
    ).fetchall()
    for name, _ in indexes:
        _run(connection, f"drop index {name}")
    connection.execute("set maintenance_work_mem = '6GB'")
    yield
    for name, definition in indexes:
        with _timed(f"index {name}"):
            _run(connection, definition)


def _run(connection: psycopg.Connection, statement: str) -> None:
    connection.execute(statement.encode())


class _Documents:
    """Writes documents, with the words that the product's own analysis makes of them."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection, self._random = connection, random.Random(7)
        made_up = [self._syllables() for _ in range(30_000)]
        self._vocabulary = [*COMPOUNDS, *made_up]
        self._random.shuffle(self._vocabulary)
        self._frequencies = np.cumsum(1 / np.arange(10, len(self._vocabulary) + 10))
        self._sizes = np.cumsum(1 / np.arange(1, PROJECTS + 1) ** 0.8)

    def copy(self, documents: int) -> None:
        with _timed(f"{documents:,} documents, analysis included"):
            for first in range(0, documents, BATCH):
                self._copy(range(first, min(documents, first + BATCH)))

    def _copy(self, numbers: Sequence[int]) -> None:
        generator = np.random.default_rng(numbers[0])
        drawn = np.searchsorted(self._frequencies, generator.random((len(numbers), WORDS)) * self._frequencies[-1])
        projects = 1 + np.searchsorted(self._sizes, generator.random(len(numbers)) * self._sizes[-1])
        statement = f"copy search.documents ({', '.join(_DOCUMENT)}) from stdin".encode()
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for number, row, project in zip(numbers, drawn.tolist(), projects.tolist(), strict=True):
                copy.write_row(self._row(number, [self._vocabulary[each] for each in row], project))

    def _row(self, number: int, words: list[str], project: int) -> tuple[object, ...]:
        body = " ".join(f"{word} {COMMON[(number + at) % len(COMMON)]}" for at, word in enumerate(words))
        title = f"{words[0]} {words[1]} {number}.pdf"
        context = f"projekte/{2000 + project}-Bauvorhaben {project}-MK/Stand {number % 46}"
        analysed = analyse([("A", title), ("B", context), ("C", body)])
        group = self._random.choice(COST_GROUPS).number
        day = f"{2019 + number % 8}-{1 + number % 12:02d}-{1 + number % 28:02d}"
        names, key = f"{context}/{title}".lower(), f"{number:032x}"
        return "file", number, title, context, body, names, analysed.tsvector, key, [project], [group], "pdf", day, key

    def _syllables(self) -> str:
        choose = self._random.choice
        pairs = [choose("bdfghklmnprstvw") + choose("aeiouäöü") for _ in range(self._random.randrange(2, 5))]
        return "".join(pairs) + choose("nrst")


def _count_words(connection: psycopg.Connection) -> None:
    with _timed("frequencies of words"):
        connection.execute(
            "insert into search.lexemes select word, ndoc from ts_stat('select words from search.documents')"
        )
        connection.execute(
            "insert into search.vocabulary select word, count(distinct id) from search.documents,"
            " unnest(string_to_array(lower(left(body, 300)), ' ')) as word group by word"
        )
        connection.execute("analyze")


def _copy_chunks(connection: psycopg.Connection, model: int, documents: int, chunks: int) -> None:
    """Copy vectors in Postgres' own binary form: 3,000,000 times 384 numbers as text would be 9 GB."""
    each, left = -(-chunks // documents), chunks
    copied: LiteralString = "model_id, text_key, ordinal, start_at, length, embedding"
    statement: LiteralString = f"copy search.chunks ({copied}) from stdin (format binary)"
    with _timed(f"{chunks:,} vectors copied"), connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
        for first in range(0, documents, 5_000):
            numbers = np.repeat(np.arange(first, min(documents, first + 5_000)), each)[:left]
            copy.write(_rows(model, numbers, each).tobytes())
            left -= len(numbers)
        copy.write(struct.pack(">h", -1))


def _rows(model: int, numbers: np.ndarray, each: int) -> np.ndarray:
    rows = np.zeros(len(numbers), _CHUNK)
    rows["fields"], rows["l1"], rows["l2"], rows["l3"], rows["l4"], rows["l5"] = 6, 2, 16, 4, 4, 4
    rows["l6"], rows["dim"], rows["model"] = 4 + 2 * DIMENSIONS, DIMENSIONS, model
    keys = b"".join(int(number).to_bytes(16, "big") for number in numbers)
    rows["key"] = np.frombuffer(keys, np.uint8).reshape(-1, 16)
    rows["ordinal"] = np.arange(len(numbers)) % each
    rows["start"], rows["length"] = rows["ordinal"] * 100, 100
    rows["vector"] = vectors(numbers, seed=int(numbers[0]) + 2 if len(numbers) else 0)
    return rows


def vectors(numbers: np.ndarray, *, seed: int) -> np.ndarray:
    """Return a vector of length 1 for each number; those of a number lie half of the time in its cluster."""
    fixed, generator = np.random.default_rng(1), np.random.default_rng(seed)
    centres, projection = fixed.normal(size=(CLUSTERS, LATENT)), fixed.normal(size=(LATENT, DIMENSIONS))
    elsewhere = generator.integers(0, CLUSTERS, len(numbers))
    cluster = np.where(generator.random(len(numbers)) < 0.5, numbers % CLUSTERS, elsewhere)
    found = (centres[cluster] + 0.7 * generator.normal(size=(len(numbers), LATENT))) @ projection
    return found / np.linalg.norm(found, axis=1, keepdims=True)
