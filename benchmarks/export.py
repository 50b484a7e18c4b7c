"""How fast a project is exported, against a plain download into a plain ZIP beside it; and that memory stays flat.

    python benchmarks/export.py [FILES] [MAILS]

Postgres and S3 are the embedded ones, on this machine. Prints files/s and MB/s of both and their ratio, then the time
and the growth of memory of an export with so many generated mails, and with a fifth of them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import resource
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import boto3
import psycopg

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.export.run import export
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.objects.store import ObjectStore, original_key
from ibhelm_pipelines.settings import Settings

FILES, MAILS = 2_000, 20_000
SIZES = (4_000, 40_000, 40_000, 400_000, 1_500_000)
"""Bytes of a note, two letters, a plan and a photo."""

FILE = """
    insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url, content_hash,
                       project_id)
    values (%(name)s, %(path)s, convert_to(%(path)s, 'utf8'), 'bin', 'projekte/2301', %(size)s, '2025-01-01', '',
            %(hash)s, %(project)s)
"""
THREADS = """
    with threads as (
        insert into conversations (missive_id, subject)
        select 'c' || n, 'Unterhaltung ' || n from generate_series(%(from)s, %(to)s, 8) as n returning id
    )
    insert into conversation_projects (conversation_id, project_id) select id, %(project)s from threads
"""
MAILED = """
    with mails as (
        insert into emails (missive_id, subject, conversation_id, from_name, from_address, delivered_at, message_id,
                            body_text)
        select 'm' || n, 'AW: Betreff ' || n, t.id, 'Petra Trox', 'petra@trox.test',
               timestamptz '2020-01-01' + n * interval '1 hour', n || '@trox.test',
               repeat('Die Klappe im Flur. ', 60)
        from conversations t join conversation_projects b on b.conversation_id = t.id and b.project_id = %(project)s
        cross join generate_series(substr(t.missive_id, 2)::int, substr(t.missive_id, 2)::int + 7) as n
        returning id
    )
    insert into email_bodies (email_id, html)
    select id, '<p>' || repeat('Die Klappe im Flur.<br>', 200) || '</p>' from mails
"""
PROJECT = "insert into projects (teamwork_id, name) values (%s, %s) returning id"


def main() -> None:
    files, mails = (int(said) for said in sys.argv[1:]) if len(sys.argv) == 3 else (FILES, MAILS)
    with tempfile.TemporaryDirectory(prefix="ibhelm-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        postgres = EmbeddedPostgres(folder=folder / "postgres", server_settings={"fsync": "off"})
        s3 = EmbeddedS3(folder=folder / "s3", bucket="ibhelm")
        postgres.start()
        s3.start()
        try:
            measure(folder, postgres, s3, files, mails)
        finally:
            s3.stop()
            postgres.stop()


def measure(folder: Path, postgres: EmbeddedPostgres, s3: EmbeddedS3, files: int, mails: int) -> None:
    migrate(postgres.url())
    settings = Settings(_env_file=None, state_dir=folder, database_url=postgres.url(), s3_endpoint=s3.endpoint)
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        projects = [
            connection.execute(PROJECT, (number, f"{number} Projekt")).fetchone()[0] for number in (2301, 2302, 2303)
        ]
        hashes = put_files(settings, connection, projects[0], files)
        for project, start, count in ((projects[1], 1, mails // 5), (projects[2], mails, mails)):
            scope = {"from": start, "to": start + count - 1, "project": project}
            connection.execute(THREADS, scope)
            connection.execute(MAILED, scope)
        connection.execute("analyze")
    compare(folder, settings, s3, hashes)
    for project, count in ((projects[1], mails // 5), (projects[2], mails)):
        mailed(folder, settings, project, count)


def put_files(settings: Settings, connection: psycopg.Connection, project: int, files: int) -> dict[str, int]:
    hashes = {}
    with ObjectStore(settings) as store:
        for number in range(files):
            size = SIZES[number % len(SIZES)]
            data = hashlib.shake_256(str(number).encode()).digest(size)
            content = hashlib.sha256(data).hexdigest()
            store.put_bytes(original_key(content), data, sha256=content, media_type="application/octet-stream")
            connection.execute("insert into contents (hash, size_bytes) values (%s, %s)", (content, size))
            path = f"projekte/2301/Ordner {number % 50}/Datei {number}.bin"
            values = {"name": path.rpartition("/")[2], "path": path, "size": size, "hash": content, "project": project}
            connection.execute(FILE, values)
            hashes[content] = size
    return hashes


def compare(folder: Path, settings: Settings, s3: EmbeddedS3, hashes: dict[str, int]) -> None:
    """Both in turn, three times; the best of each."""
    megabytes = sum(hashes.values()) / 1e6
    plain, ours = [], []
    for attempt in range(3):
        plain.append(timed(lambda n=attempt: plain_zip(folder / f"plain{n}.zip", s3, hashes)))
        ours.append(timed(lambda n=attempt: export(settings, "2301", folder / f"ours{n}.zip", now=now())))
    into_folder = timed(lambda: export(settings, "2301", folder / "ours", now=now()))
    print(f"{len(hashes):,} files, {megabytes:,.0f} MB")
    for what, seconds in (
        ("boto3 + zipfile", min(plain)),
        ("export to ZIP", min(ours)),
        ("export to folder", into_folder),
    ):
        print(f"{what:<18} {seconds:6.1f} s  {len(hashes) / seconds:7,.0f} files/s  {megabytes / seconds:6,.0f} MB/s")
    print(f"export / plain: {min(plain) / min(ours):.2f} times as fast (with pages, tables, checksums)")


def plain_zip(path: Path, s3: EmbeddedS3, hashes: dict[str, int]) -> None:
    keys = {"aws_access_key_id": s3.access_key, "aws_secret_access_key": s3.secret_key}
    client = boto3.client("s3", endpoint_url=s3.endpoint, region_name="us-east-1", **keys)
    with zipfile.ZipFile(path, "w") as archive:
        for content in hashes:
            archive.writestr(content, client.get_object(Bucket=s3.bucket, Key=original_key(content))["Body"].read())


def mailed(folder: Path, settings: Settings, project: int, count: int) -> None:
    before = peak_mib()
    seconds = timed(lambda: export(settings, f"id:{project}", folder / f"mails{count}.zip", now=now()))
    memory = f"peak {peak_mib():,.0f} MiB (before: {before:,.0f})"
    print(f"{count:,} mails: {seconds:.1f} s, {count / seconds:,.0f} mails/s, {memory}")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work: object) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


if __name__ == "__main__":
    main()
