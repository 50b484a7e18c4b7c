"""Purges what is deleted for longer than its retention: files with their versions, then contents that nothing carries
any more with all that was derived of them, then their objects; and objects that no row ever named.

Invariants: what goes is asked again in the transaction that deletes it, with the rows locked and no scan under way, so
a file that came back, or a content that somebody refers to again, stays. Rows go before objects, and objects from a
list that outlives whatever kills us. Nothing goes on the word of a clock that cannot be right, and never much at once
without a person's word. Each run leaves a row of `ops.purges`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError, ScanBusyError
from ibhelm_pipelines.nas.deletions import DeletionLimits
from ibhelm_pipelines.nas.locks import SCANNING, lock_folders
from ibhelm_pipelines.objects.disposal import delete_objects, lock_contents, permit_rewriting, remove_unreferenced
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.bucket_listing import PREFIXES
from ibhelm_pipelines.safety.clock import doubt
from ibhelm_pipelines.safety.orphans import delete_orphans, list_orphans
from ibhelm_pipelines.safety.single_run import PURGE, single_run

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

BATCH = 500
"""Files, or contents, that go in one transaction: what a killed run repeats at most."""

FEW_ORPHANS = 20
"""So many may go in a small office, whatever part of all objects they are."""

SHOWN = 20
"""Paths that are named of those that go."""

SCAN_WAIT = "60s"

BUSY_SCAN = "A scan is at work; the files are left for the next run."

FILE_ROWS = ("delete_versions", "delete_refusals", "delete_bit_rot", "delete_entries")
"""What hangs on a file, in the order in which it goes; bridges to cost groups and locations go with it by themselves.
Whoever refers to files by a foreign key adds a statement to sql/queries/purge.sql and its name here."""


@dataclass(kw_only=True)
class PurgeReport:
    """What went, or would go.

    Attributes:
        versions: of the files.
        texts: of the contents, as their objects.
        orphans: objects without a row that went; `orphans_noted` is how many there were.
        uploads: that nobody finished, and that were ended.
        paths: the first of the files.
        refused: why no file went although some are due; empty otherwise.
        orphans_refused: likewise of the objects without a row.
        postponed: why files are left for the next run, which will take them by itself.
    """

    files: int = 0
    versions: int = 0
    contents: int = 0
    texts: int = 0
    objects: int = 0
    object_bytes: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    orphans_noted: int = 0
    uploads: int = 0
    paths: list[str] = field(default_factory=list)
    refused: str = ""
    orphans_refused: str = ""
    postponed: str = ""

    def counts(self) -> dict[str, int]:
        """Return the numbers by name."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, int)}


def purge(
    settings: Settings,
    *,
    now: dt.datetime,
    dry_run: bool,
    confirmed: bool = False,
    on_progress: Callable[[str], object] | None = None,
) -> PurgeReport:
    """Purge what is due, or show what would be.

    Args:
        settings: of this process; `retention_days` 0 purges no file.
        now: what time it is.
        dry_run: change nothing.
        confirmed: an operator saw what would go, and wants it although it is much, or the clock leapt.
        on_progress: is told what is being done.

    Raises:
        BusyError: another one is running, or somebody works on what is to go; run it again.
        ObjectStoreUnavailableError: rows are gone, objects are left; the next run deletes them.
        DatabaseUnavailableError: Postgres does not answer.
        ConfigurationError: the credentials or the bucket are wrong.
    """
    with translated_errors(), single_run(settings, PURGE) as connection, ObjectStore(settings) as store:
        store.check()
        run = _Purge(settings, connection, store, now=now, confirmed=confirmed, tell=on_progress or (lambda _: None))
        run.judge()
        if dry_run:
            run.look()
        else:
            run.remove()
    return run.report


class _Purge:
    """One run: `judge` first, then `look` or `remove`."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        store: ObjectStore,
        *,
        now: dt.datetime,
        confirmed: bool,
        tell: Callable[[str], object],
    ) -> None:
        self._settings, self._connection, self._store = settings, connection, store
        self._now, self._confirmed, self._tell = now, confirmed, tell
        self._age = {"now": now, "days": settings.retention_days}
        self._before = now - timedelta(days=settings.orphan_grace_days)
        self._sql = load_queries("purge")
        self._clock_is_right = True
        self.report = PurgeReport()

    def judge(self) -> None:
        """Decide whether files may go at all."""
        doubted = doubt(self._connection, self._now)
        if doubted is not None and not (self._confirmed and doubted.may_be_confirmed):
            self._clock_is_right, self.report.refused = False, doubted.problem
            return
        due, all_files, _ = self._due()
        limits = DeletionLimits(files=self._settings.max_deletions, percent=self._settings.max_deletion_percent)
        if not self._confirmed and not limits.allow(due, all_files):
            self.report.refused = f"{due:,} of {all_files:,} files are past their retention at once."

    def look(self) -> None:
        """Count what would go."""
        self._tell("Counting")
        self.report.files, _, self.report.versions = self._due()
        if self.report.files:
            values = {**self._age, "limit": SHOWN}
            self.report.paths = [path for (path,) in self._connection.execute(self._sql["first_due"], values)]
        values = {**self._age, "grace": self._settings.orphan_grace_days}
        [(contents, texts, objects, size)] = self._connection.execute(self._sql["contents_to_go"], values).fetchall()
        self.report.contents, self.report.texts = contents, texts
        self.report.objects, self.report.object_bytes = objects, size
        self._find_orphans(write=False)

    def remove(self) -> None:
        """Remove what may go, and write down what went."""
        values = {**self._age, "confirmed": self._confirmed, "refused": self.report.refused or None}
        [(self._id,)] = self._connection.execute(self._sql["begin_run"], values).fetchall()
        if self._clock_is_right:
            if not self.report.refused:
                self._remove_files()
            self._remove_contents()
        self._remove_objects()
        if self._clock_is_right:
            self._remove_orphans()
        self._record()
        self._connection.execute(self._sql["finish_run"], {"id": self._id, "now": self._now})

    def _due(self) -> tuple[int, int, int]:
        """Return how many files are due, how many there are, and the versions of those that are due."""
        if not self._settings.retention_days:
            return 0, 0, 0
        [(due, all_files, versions)] = self._connection.execute(self._sql["due"], self._age).fetchall()
        return due, all_files, versions

    def _remove_files(self) -> None:
        due, _, _ = self._due()
        while self.report.files < due:
            self._tell(f"{self.report.files:,} of {due:,} files")
            try:
                with self._no_scan(), self._writing():
                    removed = self._remove_batch()
            except ScanBusyError:
                self.report.postponed = BUSY_SCAN
                return
            if not removed:
                return  # what was left came back meanwhile

    def _remove_batch(self) -> bool:
        taken = self._connection.execute(self._sql["take_due"], {**self._age, "limit": BATCH}).fetchall()
        files = {"files": [number for (number,) in taken]}
        if not taken:
            return False
        permit_rewriting(self._connection)
        hashes = [found for (found,) in self._connection.execute(self._sql["contents_of"], files)]
        self._connection.execute(self._sql["release_attachments"], files)
        gone = {name: self._connection.execute(self._sql[name], files).rowcount for name in FILE_ROWS}
        self._connection.execute(self._sql["delete_files"], files)
        self.report.files += len(taken)
        self.report.versions += gone["delete_versions"]
        self._remove_unreferenced(hashes)
        return True

    def _remove_contents(self) -> None:
        """Contents that lost their last carrier otherwise, or in a run that was killed."""
        after, grace = "", self._settings.orphan_grace_days
        values = {"now": self._now, "grace": grace, "limit": BATCH}
        while rows := self._connection.execute(
            self._sql["unreferenced_contents"], {**values, "after": after}
        ).fetchall():
            self._tell(f"{self.report.contents:,} contents")
            with self._writing():
                self._remove_unreferenced([found for (found,) in rows])
            after = rows[-1][0]

    def _remove_unreferenced(self, hashes: list[str]) -> None:
        lock_contents(self._connection, hashes)
        gone = remove_unreferenced(self._connection, hashes)
        self.report.contents += gone.contents
        self.report.texts += gone.texts
        self._record()

    def _remove_objects(self) -> None:
        self._tell("Deleting objects")
        gone = delete_objects(self._settings, self._connection)
        self.report.objects, self.report.object_bytes = gone.objects, gone.object_bytes

    def _remove_orphans(self) -> None:
        self._find_orphans(write=True)
        due, self.report.orphans, self.report.orphan_bytes = self.report.orphans, 0, 0
        if due and not self.report.orphans_refused:
            delete_orphans(self._connection, self._store, before=self._before, on_deleted=self._count_orphan)
        for prefix in PREFIXES:
            self.report.uploads += self._store.abort_uploads(prefix, before=self._before)

    def _find_orphans(self, *, write: bool) -> None:
        self._tell("Listing the bucket")
        found, listed = list_orphans(self._connection, self._store, now=self._now, before=self._before, write=write)
        report = self.report
        report.orphans_noted, report.orphans, report.orphan_bytes = found.seen, found.due, found.due_bytes
        many = max(FEW_ORPHANS, min(self._settings.max_deletions, listed * self._settings.max_deletion_percent / 100))
        if found.due > many and not self._confirmed:
            report.orphans_refused = f"{found.due:,} of {listed:,} objects have no row at once."

    def _count_orphan(self, size: int) -> None:
        self.report.orphans += 1
        self.report.orphan_bytes += size

    def _record(self) -> None:
        refused = self.report.refused or self.report.orphans_refused or None
        values = {"id": self._id, "removed": Jsonb(self.report.counts()), "refused": refused}
        self._connection.execute(self._sql["record_run"], values)

    @contextmanager
    def _no_scan(self) -> Iterator[None]:
        """Keep scans away: one that saw a file come back must not find its row gone."""
        url = self._settings.require_database_url()
        with connect(url, application="retention", autocommit=True) as connection:
            lock_folders(connection, SCANNING, None, wait=SCAN_WAIT)
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold a transaction; counts of one that fails do not count."""
        before = self.report.counts()
        try:
            with self._connection.transaction():
                yield
        except psycopg.errors.LockNotAvailable as error:
            for name, value in before.items():
                setattr(self.report, name, value)
            raise BusyError(
                "Somebody works on what is to be purged.", next_step="Run it again; it goes on where it ended."
            ) from error
