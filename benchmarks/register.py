"""Times linking a whole office against merely reading the rows that are decided on.

    python -m benchmarks.register [--files 300000] [--tasks 50000] [--conversations 50000]

The rows are made by Postgres; the reference reads the same columns of all of them over one connection. Prints seconds,
items per second and the ratio for the first linking, for one that finds nothing changed, and for one single file;
processor time and peak memory of the linking process.
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

OFFICE = Path(__file__).with_name("register_office.sql")
READ = (
    "select id, folder, path, name, extension, content_hash from files",
    "select content_hash, left(text, 1500) from content_texts",
    "select t.id, t.name, array_agg(g.name) from tasks t join task_tags b on b.task_id = t.id"
    " join tags g on g.id = b.tag_id group by t.id",
    "select c.id, array_agg(e.subject) from conversations c join emails e on e.conversation_id = c.id group by c.id",
)
LINK = """
import json, resource, sys, time
from ibhelm_pipelines.register.linking import link_items, link_some
from ibhelm_pipelines.settings import Settings
settings = Settings(_env_file=None)
started = time.perf_counter()
report = link_items(settings) if sys.argv[1] == "all" else link_some(settings, "file", [1])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "seconds": time.perf_counter() - started, "cpu": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss // 1024,
    "items": report.looked_at.total(), "changed": report.changed,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--conversations", type=int, default=50_000)
    sizes = vars(parser.parse_args())
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
        cursor.execute(OFFICE.read_text(encoding="utf-8"), sizes | {"projects": PROJECTS})
    for what, how in (("first linking", "all"), ("nothing changed", "all"), ("one file", "one")):
        reference = read(database)
        figures = link(database, how)
        print(
            f"{what}: {figures['items']:,} items in {figures['seconds']:.1f} s"
            f" ({figures['items'] / figures['seconds']:,.0f}/s), {figures['changed']:,} rows changed,"
            f" {figures['seconds'] / reference:.1f} x merely reading ({reference:.1f} s),"
            f" {figures['cpu']:.1f} s of CPU, {figures['mib']} MiB"
        )


def read(database: str) -> float:
    """The reference: return in how many seconds the rows that are decided on are read."""
    started = time.perf_counter()
    with psycopg.connect(database) as connection:
        for statement in READ:
            with connection.cursor(name="read") as cursor:
                cursor.itersize = 5_000
                for _ in cursor.execute(statement):
                    pass
    return time.perf_counter() - started


def link(database: str, how: str) -> dict[str, float]:
    """Link in a process of its own."""
    environment = os.environ | {"IBHELM_DATABASE_URL": database}
    command = [sys.executable, "-c", LINK, how]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
