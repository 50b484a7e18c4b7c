"""Times a restore beside plain downloads of the same objects with boto3, in one run.

    python -m benchmarks.restore [--files 5000] [--large 1024] [--folder DIR]

An office of many files (log-normal sizes, 40 KB in the middle) and one large one (MiB) is stored once; then the
reference and the subject take turns. The reference does as many downloads at the same time as the restore
(`download_fileobj`), writes the same folders, and checks, times and syncs nothing. Also: the same restore again (all is
there), a restore from the bucket alone, and the writing of the manifests, new and unchanged.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import resource
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.client import PATIENT, new_client
from ibhelm_pipelines.objects.store import original_key
from ibhelm_pipelines.safety.bucket_restore import restore_from_bucket
from ibhelm_pipelines.safety.manifests import write_manifests
from ibhelm_pipelines.safety.restore import restore, wanted_files
from ibhelm_pipelines.safety.restoring import WORKERS
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3
MANY, LARGE = "projekte/viele", "projekte/groß"


def build(root: Path, files: int, large: int) -> None:
    dice = random.Random(7)
    for number in range(files):
        folder = root / MANY / f"Ordner {number % 200}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"Plan {number}.pdf").write_bytes(dice.randbytes(min(int(dice.lognormvariate(10.6, 1.3)), 5_000_000)))
    (root / LARGE).mkdir(parents=True)
    with (root / LARGE / "Punktwolke.e57").open("wb") as file:
        for _ in range(large):
            file.write(dice.randbytes(1 << 20))
    (root / ".ibhelm-share").touch()


def download(settings: Settings, wanted: list[tuple[Path, str]], target: Path) -> None:
    """The reference."""
    client = new_client(settings, connections=WORKERS, patience=PATIENT)

    def one(path: Path, sha256: str) -> None:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        with (target / path).open("wb") as file:
            client.download_fileobj(settings.s3_bucket, original_key(sha256), file)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda each: one(*each), wanted))


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def compare(settings: Settings, folder: str, scratch: Path) -> None:
    at = dt.datetime.now(dt.UTC)
    with connect(settings.require_database_url(), application="benchmark") as connection:
        found = list(wanted_files(connection, folder, at))
    wanted = [(Path(each.path), str(each.sha256)) for each in found]
    size = sum(each.size for each in found)
    pairs = []
    for _ in range(ROUNDS):
        for name in ("plain", "ours"):
            shutil.rmtree(scratch / name, ignore_errors=True)
        plain = timed(lambda: download(settings, wanted, scratch / "plain"))
        ours = timed(lambda: restore(settings, folder, at=at, target=scratch / "ours"))
        pairs.append((plain, ours))
    again = timed(lambda: restore(settings, folder, at=at, target=scratch / "ours"))
    plain, ours = sorted(pairs, key=lambda pair: pair[1] / pair[0])[ROUNDS // 2]
    print(f"{folder}: {len(found):,} files, {size / 1e6:,.0f} MB")
    print(f"  plain boto3   {plain:7.2f} s  {len(found) / plain:8,.0f} files/s  {size / plain / 1e6:8,.1f} MB/s")
    print(f"  restore       {ours:7.2f} s  {len(found) / ours:8,.0f} files/s  {size / ours / 1e6:8,.1f} MB/s")
    print(f"  ratio {statistics.median(o / p for p, o in pairs):.2f}; again, nothing to fetch: {again:.2f} s")


def manifests(settings: Settings, scratch: Path) -> None:
    for what in ("new", "unchanged"):
        report = write_manifests(settings, now=dt.datetime.now(dt.UTC))
        print(
            f"manifests, {what}: {report.seconds:.2f} s, {report.versions:,} versions, {report.folders} folders,"
            f" {report.written} written, {report.written_bytes:,} bytes"
        )
    seconds = timed(lambda: restore_from_bucket(settings, MANY, target=scratch / "bucket"))
    print(f"{MANY} from the bucket alone: {seconds:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--large", type=int, default=1024, help="MiB")
    parser.add_argument("--folder", type=Path, default=None, help="where; needs four times the large file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibhelm-restore-", dir=arguments.folder) as name:
        base = Path(name)
        base.chmod(0o755)
        postgres, s3 = EmbeddedPostgres(folder=base / "postgres"), EmbeddedS3(folder=base / "s3", bucket="ibhelm")
        postgres.start()
        s3.start()
        try:
            build(base / "nas", arguments.files, arguments.large)
            settings = Settings(
                _env_file=None,
                nas_root=base / "nas",
                database_url=pipeline_url(postgres),
                s3_endpoint=s3.endpoint,
            )
            scan(settings)
            run_step("store", settings)
            compare(settings, MANY, base)
            compare(settings, LARGE, base)
            manifests(settings, base)
            print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")
        finally:
            s3.stop()
            postgres.stop()


if __name__ == "__main__":
    main()
