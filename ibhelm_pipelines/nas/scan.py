"""One scan: from the share to the tables.

Walk, compare, place what moved, read and hash what is new or changed in chunks that commit, mark what vanished as
deleted if the guard lets us, and, on a deep scan, re-read a thirtieth of the old files to find bytes that changed
by themselves. Whatever stops it, the tables stay true and the next scan finishes the work; at most one chunk is
read twice.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psycopg

from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import IbhelmError, ScanBusyError
from ibhelm_pipelines.nas.deletions import DeletionLimits, delete_vanished
from ibhelm_pipelines.nas.fingerprint import Comparison
from ibhelm_pipelines.nas.hash import Hasher
from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.nas.names import LOOSE
from ibhelm_pipelines.nas.parallel import compare_share
from ibhelm_pipelines.nas.problems import Problems
from ibhelm_pipelines.nas.progress import Progress
from ibhelm_pipelines.nas.reading import ReadFiles
from ibhelm_pipelines.nas.reconcile import Reconciler
from ibhelm_pipelines.nas.report import ScanReport
from ibhelm_pipelines.nas.snapshot import copy_differing, mark_touched
from ibhelm_pipelines.nas.verify import verify_due
from ibhelm_pipelines.nas.walk import Walker
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.nas.fingerprint import Fingerprints
    from ibhelm_pipelines.settings import Settings

LOCK_WAIT = "60s"
"""How long a scan waits for another one of the same folders before it gives up and is retried later."""


def scan(
    settings: Settings,
    *,
    folders: Sequence[str] | None = None,
    deep: bool = False,
    confirm_deletions: int | None = None,
) -> ScanReport:
    """Bring the tables in line with the share, or with some of its project folders.

    Args:
        settings: of this process; names the share and the database.
        folders: partition keys of project folders (`_loose` for what stands above them); None for the whole share.
        deep: also re-read the files whose last reading is oldest, a thirtieth of all a day.
        confirm_deletions: id of a scan whose refused deletions are allowed now, once.

    Raises:
        ShareUnavailableError: the share is not there; nothing was concluded.
        ScanBusyError: another scan of these folders is running.
        DatabaseUnavailableError: Postgres does not answer; what was committed stays.
        PermanentError: the confirmation does not fit.
        ConfigurationError: a setting is missing.
    """
    share = Share.open(settings)
    url = settings.require_database_url()
    scope = None if folders is None else sorted(set(folders))
    with ExitStack() as stack:
        stack.enter_context(translated_errors())
        connection = stack.enter_context(connect(url, application="scan", autocommit=True))
        watcher = stack.enter_context(connect(url, application="scan progress", autocommit=True))
        stack.enter_context(_locked(connection, scope))
        run = _Scan(settings, share, connection, watcher, scope, deep=deep)
        with _recorded_failure(watcher, run.report):
            run.execute(confirm_deletions)
    return run.report


@contextmanager
def _locked(connection: Connection, folders: Sequence[str] | None) -> Iterator[None]:
    """One writer a folder: a whole scan excludes all others, folder scans exclude each other where they overlap."""
    sql = load_queries("nas")
    try:
        connection.execute("select set_config('lock_timeout', %s, false)", [LOCK_WAIT])
        connection.execute(sql["lock_share" if folders is None else "lock_share_shared"])
        for folder in folders or ():  # sorted, so that two scans never wait for each other in a circle
            connection.execute(sql["lock_folder"], {"folder": folder})
    except psycopg.errors.LockNotAvailable as error:
        raise ScanBusyError(
            "Another scan is reading these folders.", next_step="It will be tried again; see `ibhelm status`."
        ) from error
    yield  # no unlock on the way out: the locks go with the connection, also when it is killed


@contextmanager
def _recorded_failure(connection: Connection, report: ScanReport) -> Iterator[None]:
    """Write into `ops.scans` why a scan ended early."""
    try:
        yield
    except (IbhelmError, psycopg.Error, OSError) as error:
        if not connection.closed and not connection.broken:
            _finish(connection, report, state="failed", error=str(error))
        raise


def _finish(connection: Connection, report: ScanReport, *, state: str, error: str | None = None) -> None:
    connection.execute(
        load_queries("nas")["finish_scan"],
        {
            "scan_id": report.scan_id,
            "state": state,
            "report": json.dumps(report.as_json()),
            "error": error,
            "deletions_refused": report.deletions_refused,
        },
    )


class _Scan:
    """The state of one scan; `execute` is its table of contents."""

    def __init__(
        self,
        settings: Settings,
        share: Share,
        connection: Connection,
        watcher: Connection,
        folders: list[str] | None,
        *,
        deep: bool,
    ) -> None:
        self._settings, self._share, self._connection = settings, share, connection
        self._folders, self._deep = folders, deep
        self._sql = load_queries("nas")
        self.report = ScanReport(scan_id=self._start(watcher))
        self._progress = Progress(watcher, self.report.scan_id)
        self._problems = Problems(connection, self.report, folders=folders)
        self._walker = Walker(
            share.root, IgnoreRules.from_settings(settings), folder_depth=settings.folder_depth, folders=folders
        )

    def _start(self, watcher: Connection) -> int:
        row = watcher.execute(self._sql["start_scan"], {"folders": self._folders, "deep": self._deep}).fetchone()
        assert row is not None
        watcher.execute(self._sql["close_abandoned_scans"], {"scan_id": row[0], "folders": self._folders})
        return int(row[0])

    def execute(self, confirm_deletions: int | None) -> None:
        started = time.monotonic()
        self._walk()
        reconciler = Reconciler(self._connection, self.report, folders=self._folders)
        self._progress.enter("compare")
        # What vanished under the walk's hands may have been seen again at its new place: it can be a move, though
        # never a deletion, because its folder does not count as complete.
        unknown = (u.raw_path for u in self._walker.log.unreadable if not u.vanished)
        reconciler.compare(unknown, still_exists=self._still_exists)
        with Hasher.open(self._settings.hash_threads, on_bytes=self._on_bytes) as hasher:
            self._read(reconciler, hasher)
            self._delete(reconciler, confirm_deletions)
            if self._deep:
                self._progress.enter("verify")
                verify_due(self._connection, hasher, self._share, self.report, folders=self._folders)
        self._finish(started)

    def _read(self, reconciler: Reconciler, hasher: Hasher) -> None:
        ReadFiles(
            connection=self._connection,
            reconciler=reconciler,
            hasher=hasher,
            share=self._share,
            problems=self._problems,
            progress=self._progress,
        ).read_all()

    def _on_bytes(self, count: int) -> None:
        self._progress.add(bytes_hashed=count)

    def _walk(self) -> None:
        self._connection.execute(self._sql["create_working_tables"])
        comparison = Comparison()
        with ThreadPoolExecutor(1, thread_name_prefix="fingerprints") as thread:
            known = thread.submit(self._read_fingerprints)  # Postgres computes them while we walk
            differing = compare_share(self._walker, known, comparison, on_files=self._on_files)
            with closing(differing):
                keys = copy_differing(self._connection, differing, nas_url=self._nas_url())
            mark_touched(self._connection, keys | (known.result().keys() - comparison.unchanged))
        self._share.check()
        self._note_walk(comparison)

    def _note_walk(self, comparison: Comparison) -> None:
        self.report.ignored = dict(self._walker.log.ignored)
        for folder, count in comparison.files_by_folder.items():
            self.report.of(folder).seen = count
        for problem in self._walker.log.unreadable:
            self._problems.add_unreadable(problem)

    def _on_files(self, count: int) -> None:
        self._progress.add(files_seen=count)

    def _read_fingerprints(self) -> Fingerprints:
        with connect(self._settings.require_database_url(), application="scan fingerprints") as connection:
            return dict(connection.execute(self._sql["fingerprints"], {"folders": self._folders}).fetchall())

    def _nas_url(self) -> str:
        return (self._settings.nas_url or f"file://{self._settings.nas_root}").rstrip("/")

    def _still_exists(self, raw_path: bytes) -> bool:
        try:
            os.lstat(os.path.join(self._share.root, raw_path))  # noqa: PTH118  # names are bytes; pathlib cannot
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # it cannot be told, so nothing is concluded
        return True

    def _delete(self, reconciler: Reconciler, confirm_deletions: int | None) -> None:
        self._progress.enter("delete")
        delete_vanished(
            self._connection,
            reconciler,
            self.report,
            complete_folders=self._complete_folders,
            limits=DeletionLimits(files=self._settings.max_deletions, percent=self._settings.max_deletion_percent),
            confirmed_scan=confirm_deletions,
            still_exists=self._still_exists,
            check_share=self._share.check,
        )

    @cached_property
    def _complete_folders(self) -> set[str]:
        """After the walk: folders of which we saw all.

        One that is not on the disk is seen whole when every level above the project folders was.
        """
        incomplete = {u.folder for u in self._walker.log.unreadable}
        on_disk = {LOOSE, *self._walker.log.folders}
        known = {row[0] for row in self._connection.execute(self._sql["known_folders"], {"folders": self._folders})}
        candidates = known if LOOSE not in incomplete else known & on_disk
        return (candidates | self._scope_on_disk()) - incomplete

    def _scope_on_disk(self) -> set[str]:
        on_disk = {LOOSE, *self._walker.log.folders}
        return on_disk if self._folders is None else on_disk & set(self._folders)

    def _finish(self, started: float) -> None:
        complete = self._complete_folders
        on_disk = self._scope_on_disk()
        # A folder below an unreadable level is neither on the disk nor complete: of that one we say nothing.
        recorded = sorted(on_disk | complete)
        values: dict[str, Any] = {
            "scan_id": self.report.scan_id,
            "folders": recorded,
            "raw_folders": [self._walker.log.folders.get(folder) for folder in recorded],
            "present": [folder in on_disk for folder in recorded],
            "complete": [folder in complete for folder in recorded],
        }
        for folder in on_disk:
            self.report.of(folder)
        with self._connection.transaction():
            self._problems.store()
            self._connection.execute(self._sql["record_folders"], values)
        if self._problems.count or self.report.deletions_refused or self.report.bit_rot:
            self.report.state = "incomplete"
        self.report.seconds = round(time.monotonic() - started, 3)
        _finish(self._connection, self.report, state=self.report.state)
