"""One scan of whole folders: from the share to the tables.

Walk, compare, place what moved, read and hash what is new or changed in chunks that commit, mark what vanished as
deleted if the guard lets us, and, on a deep scan, re-read a thirtieth of the old files to find bytes that changed
by themselves. Whatever stops it, the tables stay true and the next scan finishes the work; at most one chunk is
read twice.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.nas.fingerprint import Comparison
from ibhelm_pipelines.nas.locks import SCANNING, VERIFYING, lock_folders
from ibhelm_pipelines.nas.parallel import compare_share
from ibhelm_pipelines.nas.run import ScanRun, Tools
from ibhelm_pipelines.nas.snapshot import copy_differing, mark_touched
from ibhelm_pipelines.nas.telling import Teller
from ibhelm_pipelines.nas.verify import verify_due
from ibhelm_pipelines.share import LOOSE, Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.nas.fingerprint import Fingerprints
    from ibhelm_pipelines.nas.report import ScanReport
    from ibhelm_pipelines.settings import Settings

LOCK_WAIT = "60s"
"""How long a scan waits for another one of the same folders before it gives up and is retried later."""


def scan(
    settings: Settings,
    *,
    folders: Sequence[str] | None = None,
    deep: bool = False,
    confirm_deletions: int | None = None,
    tell: bool = False,
) -> ScanReport:
    """Bring the tables in line with the share, or with some of its project folders.

    Args:
        settings: of this process; names the share and the database.
        folders: partition keys of project folders (`_loose` for what stands above them); None for the whole share.
        deep: also re-read the files whose last reading is oldest, a thirtieth of all a day.
        confirm_deletions: id of a scan whose refused deletions are allowed now, once.
        tell: write what was done into the outbox, and ask for previews and text of the folders; for the live lane.

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
        watcher = stack.enter_context(connect(url, application="scan progress", autocommit=True))
        if deep:
            lock_folders(watcher, VERIFYING, scope, wait=LOCK_WAIT)
        connection = stack.enter_context(connect(url, application="scan", autocommit=True))
        lock_folders(connection, SCANNING, scope, wait=LOCK_WAIT)
        teller = Teller(connection, unit="folder") if tell else None
        tools = Tools(settings=settings, share=share, connection=connection, watcher=watcher)
        run = _FolderScan(tools, folders=scope, deep=deep, teller=teller)
        with run.recorded():
            run.execute(confirm_deletions)
            if deep:
                run.verify()
            run.finish()
    return run.report


class _FolderScan(ScanRun):
    """A scan of the whole share or of whole project folders."""

    find_known = "find_known"

    def _look(self) -> None:
        comparison = Comparison()
        with ThreadPoolExecutor(1, thread_name_prefix="fingerprints") as thread:
            known = thread.submit(self._read_fingerprints)  # Postgres computes them while we walk
            differing = compare_share(self._walker, known, comparison, on_files=self._on_files)
            with closing(differing):
                keys = copy_differing(self._connection, differing, nas_url=self._nas_url())
            mark_touched(self._connection, keys | (known.result().keys() - comparison.unchanged))
        for folder, count in comparison.files_by_folder.items():
            self.report.of(folder).seen = count

    def _on_files(self, count: int) -> None:
        self._progress.add(files_seen=count)

    def _read_fingerprints(self) -> Fingerprints:
        with connect(self._tools.settings.require_database_url(), application="scan fingerprints") as connection:
            return dict(connection.execute(self._sql["fingerprints"], {"folders": self._folders}).fetchall())

    def _seen_whole(self) -> set[str]:
        return self._complete_folders

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

    def _record(self) -> None:
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
        self._problems.store("clear_solved_problems", {"folders": self._folders})
        self._connection.execute(self._sql["record_folders"], values)

    def verify(self) -> None:
        """Read old files again. It takes long, so the locks are let go before: other scans go on meanwhile."""
        self._progress.enter("verify")
        self._connection.close()
        with self._hasher() as hasher:
            verify_due(self._tools.watcher, hasher, self._tools.share, self.report, folders=self._folders)
