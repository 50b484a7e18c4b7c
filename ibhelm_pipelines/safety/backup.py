"""Backups of the databases: pg_dump in its custom format, streamed into the bucket.

Invariants: what a manifest counts is the very snapshot that was dumped; the object appears only after pg_dump ended
well, its manifest only after the object; nothing is held whole, neither in memory nor on a disk. A backup that was
killed or failed at any point leaves nothing that could be taken for one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BackupDamagedError
from ibhelm_pipelines.local.dagster_process import dagster_database_url
from ibhelm_pipelines.local.storage import owner_url
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety import backup_ledger as ledger
from ibhelm_pipelines.safety.backup_manifest import DATABASE, Manifest, dump_key, manifest_key
from ibhelm_pipelines.safety.encryption import encrypt, read_recipients
from ibhelm_pipelines.safety.postgres_tools import require_not_newer, running, tools_version
from ibhelm_pipelines.safety.single_run import BACKUP, single_run
from ibhelm_pipelines.safety.table_counts import count_grants, count_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyrage import x25519

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.objects.streaming import StreamedUpload
    from ibhelm_pipelines.safety.encryption import Sink, Source
    from ibhelm_pipelines.safety.postgres_tools import Tool
    from ibhelm_pipelines.settings import Settings

DAGSTER = "dagster"
NOCODB = "nocodb"

READ_BYTES = 1024 * 1024
LOCK_WAIT_MS = 10 * 60 * 1000
"""For a table that a migration has locked; scans and syncs do not stop a dump."""

COMPRESSION = "gzip:1"
"""The wheel's pg_dump knows nothing but gzip. Level 1 is three times as fast as the default and a tenth larger."""

DUMP_MEDIA_TYPE = "application/octet-stream"


@dataclass(frozen=True, kw_only=True)
class BackupReport:
    """What one run of backups made: the manifest of each database's, ours first."""

    backups: tuple[Manifest, ...]
    seconds: float

    @property
    def size_bytes(self) -> int:
        return sum(manifest.size_bytes for manifest in self.backups)

    def __str__(self) -> str:
        names = ", ".join(manifest.database for manifest in self.backups)
        return f"Backed up {names}: {self.size_bytes / 1e6:,.1f} MB in {self.seconds:,.1f} s."


def back_up(settings: Settings, *, now: dt.datetime, on_progress: Callable[[str], None] | None = None) -> BackupReport:
    """Back up our database, Dagster's, and NocoDB's own if its address is set.

    Args:
        settings: with the databases, the bucket and for whom backups are encrypted.
        now: the time of the backup; a few seconds are added to it where an earlier one has its name.
        on_progress: told what is being done, several times a second.

    Raises:
        BusyError: another backup is under way.
        ConfigurationError: a key is none, a role may not read all, the server is newer than our programs.
        DatabaseUnavailableError, ObjectStoreUnavailableError, TransientError: it can be tried again.
        PermanentError: pg_dump failed.
    """
    recipients = read_recipients(settings)
    begun = time.monotonic()
    with single_run(settings, BACKUP) as connection, ObjectStore(settings) as store:
        store.check()
        ledger.bring_in_line(connection, store, settings, now=now)
        manifests = tuple(
            _Job(
                settings=settings, store=store, database=database, url=url, recipients=recipients,
                now=ledger.free_moment(connection, store, database, now=now),
                on_progress=on_progress or (lambda _: None),
            ).run(connection)
            for database, url in databases(settings, connection).items()
        )  # fmt: skip
    return BackupReport(backups=manifests, seconds=time.monotonic() - begun)


def databases(settings: Settings, connection: Connection) -> dict[str, str]:
    """Return the URLs of the databases that are backed up, ours first."""
    urls = {DATABASE: owner_url(settings)}
    if settings.dagster_database_url is not None or _has_database(connection, DAGSTER):
        urls[DAGSTER] = dagster_database_url(settings)
    if settings.nocodb_own_database_url is not None:
        urls[NOCODB] = settings.nocodb_own_database_url.get_secret_value()
    return urls


def _has_database(connection: Connection, name: str) -> bool:
    with translated_errors():
        [(found,)] = connection.execute(load_queries("backups")["has_database"], {"name": name}).fetchall()
    return bool(found)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """The backup of one database."""

    settings: Settings
    store: ObjectStore
    database: str
    url: str
    recipients: list[x25519.Recipient]
    now: dt.datetime
    on_progress: Callable[[str], None]

    def run(self, connection: Connection) -> Manifest:
        key = dump_key(self.database, self.now, encrypted=bool(self.recipients))
        ledger.begin(connection, self.database, key, now=self.now)
        begun = time.monotonic()
        try:
            manifest = self._make(key, begun)
        except BaseException as error:
            ledger.fail(connection, self.settings, key, error, now=self._after(begun))
            raise
        ledger.end(connection, manifest)
        return manifest

    def _make(self, key: str, begun: float) -> Manifest:
        with _snapshot(self.url) as snapshot, self.store.stream(key, media_type=DUMP_MEDIA_TYPE) as upload:
            facts = self._dump(snapshot, upload)
            upload.complete()
            size, sha256 = upload.size, upload.sha256
        self._require_stored(key, size)
        manifest = Manifest(
            database=self.database,
            key=key,
            taken_at=self.now,
            finished_at=self._after(begun),
            size_bytes=size,
            sha256=sha256,
            recipients=tuple(str(recipient) for recipient in self.recipients),
            **facts,
        )
        data = manifest.to_bytes()
        digest = hashlib.sha256(data).hexdigest()
        self.store.put_bytes(manifest_key(key), data, sha256=digest, media_type="application/json")
        return manifest

    def _dump(self, snapshot: _Snapshot, upload: StreamedUpload) -> dict[str, Any]:
        """Send the dump; meanwhile count what is in the same snapshot."""
        arguments = [
            "--format=custom", f"--compress={COMPRESSION}", f"--snapshot={snapshot.name}",
            f"--lock-wait-timeout={LOCK_WAIT_MS}",
        ]  # fmt: skip
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="count") as counter:
            counting = counter.submit(snapshot.facts)
            try:
                with running("pg_dump", *arguments, url=self.url, writes=True) as tool:
                    self._send(tool, upload)
                    tool.finish()
                self.on_progress(f"{self.database}: counting rows")
                return counting.result()
            except BaseException:
                snapshot.cancel()
                raise

    def _send(self, tool: Tool, upload: StreamedUpload) -> None:
        sink = _Told(upload, lambda size: self.on_progress(f"{self.database}: {size / 1e6:,.0f} MB stored"))
        if self.recipients:
            encrypt(tool.stdout, sink, self.recipients)
        else:
            _copy(tool.stdout, sink)

    def _require_stored(self, key: str, size: int) -> None:
        stored = self.store.head(key)
        if stored is None or stored.size != size:
            raise BackupDamagedError(
                f"The S3 server took {size:,} bytes as {key} and has {stored.size if stored else 0:,} of them.",
                next_step="See the log of the S3 server; nothing of this backup counts.",
            )

    def _after(self, begun: float) -> dt.datetime:
        return self.now + dt.timedelta(seconds=time.monotonic() - begun)


class _Told:
    """Passes bytes on and tells how many, a few times a second."""

    PAUSE_SECONDS = 0.3

    def __init__(self, sink: Sink, tell: Callable[[int], None]) -> None:
        self._sink, self._tell = sink, tell
        self._size, self._told = 0, time.monotonic()

    def write(self, data: bytes) -> int:
        self._size += len(data)
        if time.monotonic() - self._told >= self.PAUSE_SECONDS:
            self._told = time.monotonic()
            self._tell(self._size)
        return self._sink.write(data)


def _copy(source: Source, sink: Sink) -> None:
    while data := source.read(READ_BYTES):
        sink.write(data)


class _Snapshot:
    """What the database held at one moment, to others by name."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self.name = connection, name

    def facts(self) -> dict[str, Any]:
        """Count what is in it.

        Raises:
            DatabaseUnavailableError: Postgres went away.
        """
        seed = secrets.token_hex(8)
        with translated_errors():
            return {
                "seed": seed,
                "tables": count_tables(self._connection, seed=seed),
                "grants": count_grants(self._connection),
                "server_version": _server_version(self._connection.info.server_version),
                "tool_version": tools_version(),
                "database_bytes": self._ask("database_bytes")[0][0],
                **self._of_ours(),
            }

    def cancel(self) -> None:
        """Let counting end soon, because nobody wants to know any more."""
        self._connection.cancel_safe()

    def _of_ours(self) -> dict[str, Any]:
        if not self._ask("is_ours")[0][0]:
            return {"migrations": (), "newest": {}}
        return {
            "migrations": tuple(name for (name,) in self._ask("migrations")),
            "newest": dict(self._ask("newest_rows")),
        }

    def _ask(self, name: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(load_queries("backups")[name]).fetchall()


@contextmanager
def _snapshot(url: str) -> Iterator[_Snapshot]:
    with connect(url, application="backup", autocommit=True) as connection:
        require_not_newer(connection.info.server_version)
        with translated_errors():
            connection.execute("begin isolation level repeatable read read only")
            connection.execute("set local idle_in_transaction_session_timeout = 0")  # pg_dump may take hours
            connection.execute(f"set local lock_timeout = {LOCK_WAIT_MS}")
            [(name,)] = connection.execute("select pg_export_snapshot()").fetchall()
        yield _Snapshot(connection, name)


def _server_version(number: int) -> str:
    return f"{number // 10_000}.{number % 10_000}"
