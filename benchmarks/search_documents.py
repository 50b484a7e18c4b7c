"""Times making the documents of a whole office against plain COPY of the same rows with Postgres' own German words.

    python -m benchmarks.search_documents [--documents 300000]

The rows are made by Postgres: half of them files with a text each for four of them, a quarter tasks, a quarter mails.
The reference copies title, context and text of the very documents that were made into an empty table, lets
`to_tsvector('german')` make the words, and keeps a GIN index over them: no facets, no compounds, no frequencies, no
trigrams. Prints seconds, documents per second and the ratio for the first build, for a run that finds nothing changed,
for one after every hundredth file was renamed, and for one single file; processor time and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.local.postgres import EmbeddedPostgres

PROJECTS = 200

OFFICE = [Path(__file__).with_name(name) for name in ("register_office.sql", "search_office.sql")]
RENAME = "update public.files set name = 'Neu ' || name where id % 100 = 0"
SIZES = (
    "select pg_size_pretty(sum(octet_length(title) + octet_length(body))),"
    " pg_size_pretty(pg_table_size('search.documents')), pg_size_pretty(pg_indexes_size('search.documents')),"
    " (select count(*) from search.vocabulary) from search.documents"
)
INDEX = """
import json, resource, sys, time
from ibhelm_pipelines.search.analysis import tokens
from ibhelm_pipelines.search.documents import index_documents, index_some
from ibhelm_pipelines.settings import Settings
list(tokens("Brandschutzklappe"))  # loads the dictionary
settings = Settings(_env_file=None)
started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
report = index_documents(settings) if sys.argv[1] == "all" else index_some(settings, "file", [1])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": time.perf_counter() - started, "cpu": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
    "mib": used.ru_maxrss // 1024, "looked_at": report.looked_at.total(), "changed": report.changed,
    "words": report.words,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=300_000)
    wanted = parser.parse_args().documents
    sizes = {"files": wanted // 2, "tasks": wanted // 4, "conversations": wanted // 4, "projects": PROJECTS}
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(folder=Path(name) / "postgres")
        server.start()
        try:
            measure(server.url(), pipeline_url(server), sizes)
        finally:
            server.stop()


def measure(owner: str, database: str, sizes: dict[str, int]) -> None:
    with psycopg.connect(owner) as connection, psycopg.ClientCursor(connection) as cursor:
        for script in OFFICE:
            cursor.execute(script.read_text(encoding="utf-8"), sizes)
    first = index(database, "all")
    reference = copy_plainly(owner)
    tell("first build", first, f"{first['seconds'] / reference:.1f} x plain COPY ({reference:.1f} s)")
    with psycopg.connect(owner) as connection:
        [(text, table, indexes, words)] = connection.execute(SIZES).fetchall()
    print(f"texts {text}, table {table}, indexes {indexes}, {words:,} different words")
    unchanged = index(database, "all")
    tell("nothing changed", unchanged, f"{unchanged['seconds'] / first['seconds']:.3f} x the first build")
    with psycopg.connect(owner) as connection:
        connection.execute(RENAME)
    tell("1 % of the files renamed", index(database, "all"))
    tell("one file", index(database, "one"))


def tell(what: str, figures: dict[str, float], ratio: str = "") -> None:
    seconds = figures["seconds"]
    print(
        f"{what}: {figures['looked_at']:,} read and {figures['changed']:,} written in {seconds:.2f} s"
        f" ({figures['looked_at'] / seconds:,.0f} documents/s, {figures['words'] / seconds:,.0f} words/s),"
        f" {figures['cpu']:.1f} s of CPU, {figures['mib']} MiB. {ratio}",
        flush=True,
    )


def copy_plainly(owner: str) -> float:
    """The reference: return in how many seconds the same rows are copied and indexed in German by Postgres."""
    with psycopg.connect(owner) as connection:
        rows = connection.execute("select title, context, body from search.documents order by id").fetchall()
        started = time.perf_counter()
        connection.execute("create table plain (title text, context text, body text, words tsvector)")
        connection.execute("create temp table copied (title text, context text, body text)")
        with connection.cursor().copy("copy copied from stdin") as copy:
            for row in rows:
                copy.write_row(row)
        connection.execute(
            "insert into plain select title, context, body, setweight(to_tsvector('german', title), 'A')"
            " || setweight(to_tsvector('german', context), 'B') || setweight(to_tsvector('german', body), 'C')"
            " from copied"
        )
        connection.execute("create index on plain using gin (words)")
        connection.commit()
        return time.perf_counter() - started


def index(database: str, how: str) -> dict[str, float]:
    """Index in a process of its own."""
    environment = os.environ | {"IBHELM_DATABASE_URL": database}
    command = [sys.executable, "-c", INDEX, how]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
