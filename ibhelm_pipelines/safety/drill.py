"""The restore drill: restores the newest backup into a database of its own and compares it with what was dumped; reads
stored objects that it names; drops it again. What came of it is evidence in `ops.restore_drills`.

Invariants: the scratch database goes in all cases, that of a killed drill with the next one; what could not be looked
at is said, never counted as good; a drill that finds something wrong fails, after it has written down what.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BackupDamagedError, PermanentError, TransientError
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.local.storage import owner_url
from ibhelm_pipelines.objects.fetching import Fetched, fetch
from ibhelm_pipelines.objects.store import ORIGINALS, ObjectStore
from ibhelm_pipelines.redaction import Redactor
from ibhelm_pipelines.safety import scratch_database
from ibhelm_pipelines.safety.backup_list import newest_backup
from ibhelm_pipelines.safety.database_restore import fetch_and_verify, restore_backup
from ibhelm_pipelines.safety.encryption import read_identities
from ibhelm_pipelines.safety.single_run import DRILL, single_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.safety.backup_manifest import Manifest
    from ibhelm_pipelines.settings import Settings

PREFIX = "ibhelm_drill_"
OBJECTS = 200
MOST_OBJECT_BYTES = 64 * 1024 * 1024
"""Larger ones are left to the verification of the mirror; 200 of them would keep the line busy for hours."""

OLDEST = dt.timedelta(hours=26)
ROOM = 1.5
"""A full disk would stop the live database, too: the scratch one and its log must fit beside it."""

State = Literal["ok", "hash_only", "failed"]


@dataclass(frozen=True, kw_only=True)
class DrillReport:
    """What a drill found.

    Attributes:
        state: hash_only says that without a key no more than the hash of the encrypted dump could be compared.
        backup_key: which backup.
        backup_taken_at: when it was made.
        newest_row_at: the newest thing in it.
        tables, row_count: what was restored.
        rows_compared: rows whose contents were compared.
        objects_compared: stored objects that were read and hashed.
        restore_seconds: fetching, restoring and comparing.
        problems: what was not as it should be.
    """

    state: State = "failed"
    backup_key: str | None = None
    backup_taken_at: dt.datetime | None = None
    newest_row_at: dt.datetime | None = None
    tables: int = 0
    row_count: int = 0
    rows_compared: int = 0
    objects_compared: int = 0
    restore_seconds: float = 0.0
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.state == "failed":
            return f"The drill failed: {' '.join(self.problems)}"
        if self.state == "hash_only":
            return f"The hash of {self.backup_key} is right; without a key nothing else could be looked at."
        return (
            f"{self.backup_key} was restored in {self.restore_seconds:,.0f} s: {self.row_count:,} rows of {self.tables}"
            f" tables, the contents of {self.rows_compared:,} rows and {self.objects_compared:,} objects are right."
        )


def drill(settings: Settings, *, now: dt.datetime, on_progress: Callable[[str], None] | None = None) -> DrillReport:
    """Try whether the newest backup can be restored.

    Args:
        settings: with the bucket, the key file and a server for the scratch database.
        now: the time to go by.
        on_progress: told what is being done.

    Raises:
        PermanentError: something is not as it should be; written down before.
        BusyError: another drill is under way.
        TransientError: a server went away; written down as failed, and tried again by whoever runs it.
        ConfigurationError: the role may not create databases, a key cannot be read; written down, too.
    """
    begun = time.monotonic()
    with single_run(settings, DRILL) as connection:
        number = _begin(connection, now)
        try:
            report = _Drill(
                settings=settings, connection=connection, now=now, tell=on_progress or (lambda _: None)
            ).run()
        except BaseException as error:
            reason = Redactor(settings).text(str(error) or f"It was interrupted ({type(error).__name__}).")
            _end(connection, number, DrillReport(problems=(reason,)), now=_after(now, begun))
            raise
        _end(connection, number, report, now=_after(now, begun))
    if report.state == "failed":
        raise PermanentError(str(report), next_step="Run `ibhelm backup` now, then the drill again; docs/backup.md.")
    return report


def _after(now: dt.datetime, begun: float) -> dt.datetime:
    return now + dt.timedelta(seconds=time.monotonic() - begun)


def _begin(connection: Connection, now: dt.datetime) -> int:
    sql = load_queries("backups")
    with translated_errors():
        connection.execute(sql["fail_interrupted_drills"], {"now": now})
        [(number,)] = connection.execute(sql["begin_drill"], {"now": now}).fetchall()
    return int(number)


def _end(connection: Connection, number: int, report: DrillReport, *, now: dt.datetime) -> None:
    values = {**report.__dict__, "problems": list(report.problems), "id": number, "finished_at": now}
    with translated_errors():
        connection.execute(load_queries("backups")["end_drill"], values)


@dataclass(frozen=True, kw_only=True)
class _Drill:
    """One drill."""

    settings: Settings
    connection: Connection
    now: dt.datetime
    tell: Callable[[str], None]

    def run(self) -> DrillReport:
        with scratch_database.server_of(self._server()) as server:
            scratch_database.drop_left(server, PREFIX)
        backup = newest_backup(self.settings)
        report = DrillReport(backup_key=backup.key, backup_taken_at=backup.taken_at)
        try:
            manifest = backup.whole()
            report = replace(report, newest_row_at=manifest.newest_row_at)
            if manifest.recipients and not read_identities(self.settings):
                fetch_and_verify(self.settings, manifest)
                return self._judged(report, "hash_only", manifest)
            return self._judged(self._restored(report, manifest), "ok", manifest)
        except BackupDamagedError as error:
            return replace(report, problems=(*report.problems, error.problem))

    def _judged(self, report: DrillReport, state: State, manifest: Manifest) -> DrillReport:
        age = self.now - manifest.taken_at
        late = f"The newest backup is {age / dt.timedelta(hours=1):,.0f} hours old."
        problems = (*report.problems, *((late,) if age > OLDEST else ()))
        return replace(report, state="failed" if problems else state, problems=problems)

    def _restored(self, report: DrillReport, manifest: Manifest) -> DrillReport:
        name = f"{PREFIX}{secrets.token_hex(4)}"
        self._require_room(manifest)
        with scratch_database.server_of(self._server()) as server:
            scratch_database.create(server, name)
            try:
                return self._compared(report, manifest, scratch_database.in_database(self._server(), name))
            finally:
                scratch_database.drop(server, name)

    def _compared(self, report: DrillReport, manifest: Manifest, url: str) -> DrillReport:
        restored = restore_backup(self.settings, manifest, url=url, on_progress=self.tell)
        with connect(url, application="restore drill", autocommit=True) as scratch:
            objects, problems = self._objects(scratch)
        found = restored.comparison
        return replace(
            report,
            tables=found.tables,
            row_count=found.rows,
            rows_compared=found.rows_compared,
            objects_compared=objects,
            restore_seconds=restored.seconds,
            problems=(*found.problems, *problems),
        )

    def _objects(self, scratch: Connection) -> tuple[int, list[str]]:
        """Read objects that the restored database names, and that are still wanted: what good would its rows be?"""
        sql = load_queries("backups")
        limits = {"seed": secrets.token_hex(8), "most_bytes": MOST_OBJECT_BYTES, "limit": OBJECTS}
        with translated_errors():
            drawn: dict[str, int] = dict(scratch.execute(sql["random_objects"], limits).fetchall())
            wanted = [key for (key,) in self.connection.execute(sql["still_stored"], {"keys": list(drawn)})]
        problems = []
        with ObjectStore(self.settings) as store:
            for number, key in enumerate(wanted, start=1):
                self.tell(f"reading objects: {number} of {len(wanted)}")
                found = _read(store, key, drawn[key])
                if found is not Fetched.WHOLE:
                    problems.append(f"The object {key} is {found.value}.")
        return len(wanted), problems

    def _server(self) -> str:
        url = self.settings.drill_database_url
        return url.get_secret_value() if url is not None else owner_url(self.settings)

    def _require_room(self, manifest: Manifest) -> None:
        """Of the server on this machine we see the disk; of another one its admin must."""
        embedded = self.settings.state_dir / "postgres"
        if self.settings.drill_database_url is not None or f"@{HOST}:" not in self._server() or not embedded.exists():
            return
        free, wanted = shutil.disk_usage(embedded).free, int(manifest.database_bytes * ROOM)
        if free < wanted:
            raise TransientError(
                f"The drill needs {wanted / 1e9:,.1f} GB on the disk of Postgres, and {free / 1e9:,.1f} GB are free.",
                next_step="Free some, or set IBHELM_DRILL_DATABASE_URL to another server.",
            )


def _read(store: ObjectStore, key: str, size: int) -> Fetched:
    with Path(os.devnull).open("wb") as nowhere:
        return fetch(store, key, nowhere, sha256=key.removeprefix(ORIGINALS), size=size)
