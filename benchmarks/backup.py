"""Backup and restore of a database of some size, against plain `pg_dump -Fc` in the same run; memory of our process.

python benchmarks/backup.py [--megabytes 1000]
"""

from __future__ import annotations

import argparse
import datetime as dt
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from pydantic import SecretStr
from pyrage import x25519

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import EmbeddedPostgres, find_binaries
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.safety.backup import COMPRESSION, back_up
from ibhelm_pipelines.safety.database_restore import restore_database
from ibhelm_pipelines.settings import Settings

ROW_BYTES = 2_000

# Text of which a sixth repeats itself.
FILL = """
insert into contents (hash, size_bytes)
select encode(sha256(n::text::bytea), 'hex'), n from generate_series(1, %(rows)s) as n;
insert into content_texts (content_hash, text)
select hash, (select string_agg(md5(hash || k), ' ') from generate_series(1, 50) as k) || repeat('Heizung ', 40)
from contents;
"""


class Memory:
    """The largest resident memory of this process, looked at all the time."""

    def __init__(self) -> None:
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.05):
            self.most = max(self.most, process.memory_info().rss)


def plain_dump(url: str, compression: str | None) -> float:
    """Return how many seconds pg_dump takes into /dev/null."""
    options = ["-Fc", *([f"--compress={compression}"] if compression else [])]
    begun = time.perf_counter()
    subprocess.run([find_binaries() / "pg_dump", *options, "-d", url], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    megabytes = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory(prefix="benchmark-backup-", dir="/var/tmp") as folder:
        root = Path(folder)
        root.chmod(0o711)
        server = EmbeddedPostgres(folder=root / "postgres")
        s3 = EmbeddedS3(folder=root / "s3", bucket="benchmark")
        server.start()
        s3.start()
        try:
            measure(server, s3, root, megabytes)
        finally:
            s3.stop()
            server.stop()


def measure(server: EmbeddedPostgres, s3: EmbeddedS3, root: Path, megabytes: int) -> None:
    """Fill a database, back it up and restore it."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for name in ("office", "restored"):
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = server.url("office")
    migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute(FILL.replace("%(rows)s", str(megabytes * 1_000_000 // ROW_BYTES)))  # type: ignore[call-overload]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        [(size,)] = connection.execute("select pg_database_size(current_database())").fetchall()
    identity = x25519.Identity.generate()
    key = root / "key.txt"
    key.write_text(str(identity))
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(url),
        s3_endpoint=s3.endpoint,
        s3_bucket=s3.bucket,
        state_dir=root / "state",
        backup_identity_file=key,
    )
    default, same = plain_dump(url, None), plain_dump(url, COMPRESSION)
    print(f"database {size / 1e6:,.0f} MB; pg_dump -Fc > /dev/null: {default:.1f} s; with {COMPRESSION}: {same:.1f} s")
    now = dt.datetime.now(dt.UTC)
    for recipients in ((), (str(identity.to_public()),)):
        now += dt.timedelta(minutes=1)
        with Memory() as memory:
            report = back_up(settings.model_copy(update={"backup_recipients": recipients}), now=now)
        seconds, how = report.seconds, "encrypted" if recipients else "plain"
        print(f"backup {how}: {seconds:.1f} s, {report.size_bytes / 1e6:,.0f} MB, {size / 1e6 / seconds:,.1f} MB/s")
        print(f"  {seconds / default:.2f} of pg_dump's default, {seconds / same:.2f} of pg_dump compressing likewise")
        print(f"  memory at most {memory.most / 1e6:,.0f} MB")
    with Memory() as memory:
        done = restore_database(settings, url=server.url("restored"), now=now)
    print(f"restore with comparison: {done.seconds:.1f} s; memory at most {memory.most / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
