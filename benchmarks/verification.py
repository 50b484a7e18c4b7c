"""Verification of the mirror: reading back against plain boto3 reads in the same run, and the listing of 100,000 keys.

python -m benchmarks.verification [KEYS]
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from pydantic import SecretStr

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.objects.client import PATIENT, new_client
from ibhelm_pipelines.objects.store import ObjectStore, original_key
from ibhelm_pipelines.safety.verification import THREADS, verify_mirror
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SMALL, SMALL_BYTES = 600, 20_000
LARGE, LARGE_BYTES = 8, 20_000_000
KEYS = 100_000


def main(keys: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "nas").mkdir()
        postgres, s3 = EmbeddedPostgres(folder=folder / "postgres"), EmbeddedS3(folder=folder / "s3", bucket="bench")
        postgres.start()
        s3.start()
        try:
            settings = Settings(
                _env_file=None,
                nas_root=folder / "nas",
                state_dir=folder / "state",
                database_url=SecretStr(pipeline_url(postgres)),
                s3_endpoint=s3.endpoint,
                s3_bucket="bench",
            )
            _read_back(settings)
            s3.stop()
            _write_objects(folder / "s3" / "objects" / "000000000000" / "bench" / "originals", keys)
            s3.start()
            settings = settings.model_copy(update={"s3_endpoint": s3.endpoint})
            _list(settings, keys)
        finally:
            s3.stop()
            postgres.stop()


def _read_back(settings: Settings) -> None:
    dice = random.Random(1)
    with ObjectStore(settings) as store:
        for count, size in ((SMALL, SMALL_BYTES), (LARGE, LARGE_BYTES)):
            found = [_put(store, dice.randbytes(size)) for _ in range(count)]
            _note(settings, found, size)
            client = new_client(settings, connections=16, patience=PATIENT)
            plain, reports = [], []
            for _ in range(3):  # in turn: the machine has other things to do
                plain.append(_plain(client, found))
                reports.append(verify_mirror(settings, now=dt.datetime.now(dt.UTC), everything=True))
            ours, bare = min(report.seconds for report in reports), min(plain)
            assert all(report.objects == count for report in reports)
            print(
                f"{count} objects of {size / 1e6} MB: {count / ours:.0f}/s, {count * size / ours / 1e6:.1f} MB/s;"
                f" plain boto3 reads and hashes {count / bare:.0f}/s; ratio {ours / bare:.2f}"
            )
            _clear(settings)


def _put(store: ObjectStore, data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    store.put_bytes(original_key(sha256), data, sha256=sha256, media_type="application/octet-stream")
    return sha256


def _plain(client: S3Client, hashes: list[str]) -> float:
    def read(sha256: str) -> None:
        body = client.get_object(Bucket="bench", Key=original_key(sha256))["Body"]
        assert hashlib.sha256(body.read()).hexdigest() == sha256

    started = time.monotonic()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(read, hashes))
    return time.monotonic() - started


def _note(settings: Settings, hashes: list[str], size: int) -> None:
    with psycopg.connect(settings.require_database_url()) as connection, connection.cursor() as cursor:
        with cursor.copy("copy public.contents (hash, size_bytes) from stdin") as copy:
            for sha256 in hashes:
                copy.write_row((sha256, size))
        connection.execute(
            "insert into ops.stored_objects select 'originals/' || hash, 'original', hash, hash, size_bytes, ''"
            " from public.contents"
        )


def _clear(settings: Settings) -> None:
    with psycopg.connect(settings.require_database_url()) as connection:
        connection.execute("delete from ops.stored_objects")
        connection.execute("delete from public.contents")


def _write_objects(folder: Path, keys: int) -> None:
    """As the embedded server keeps them: quicker than a hundred thousand uploads."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(keys):
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        said = {
            "content_type": "",
            "content_encoding": None,
            "etag": '"x"',
            "last_modified": "2026-11-01T00:00:00.000Z",
        }
        said |= {"size": 1, "metadata": {}, "preserved_headers": {}, "storage_class": "STANDARD", "checksums": {}}
        (folder / sha256).write_bytes(b"x")
        (folder / f"{sha256}.meta.json").write_text(
            json.dumps({**said, "version_id": None, "key": f"originals/{sha256}"})
        )


def _list(settings: Settings, keys: int) -> None:
    _note(settings, [hashlib.sha256(str(number).encode()).hexdigest() for number in range(keys)], 1)
    now = dt.datetime.now(dt.UTC)
    with ObjectStore(settings) as store:
        started = time.monotonic()
        listed = sum(1 for _ in store.list_keys("originals/"))
        plain = time.monotonic() - started
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = verify_mirror(settings, now=now)  # nothing is due: all was stored just now
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert report.listed == keys
    assert not report.refused, report.refused
    print(
        f"{report.listed:,} rows compared with {listed:,} keys: {report.seconds:.1f} s; the bare listing {plain:.1f} s;"
        f" peak memory grew by {grown:.0f} MiB"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else KEYS)
