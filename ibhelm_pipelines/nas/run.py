"""What every scan does, whatever it looks at: compare what was seen with the tables, place what moved, read what is
new, mark what vanished as deleted if the guard lets us, and say how it went.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.nas.deletions import DeletionLimits, delete_vanished
from ibhelm_pipelines.nas.hash import Hasher
from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.nas.locks import VERIFYING
from ibhelm_pipelines.nas.lookup import may_exist
from ibhelm_pipelines.nas.problems import Problems
from ibhelm_pipelines.nas.progress import Progress
from ibhelm_pipelines.nas.reading import ReadFiles
from ibhelm_pipelines.nas.reconcile import Reconciler
from ibhelm_pipelines.nas.report import ScanReport
from ibhelm_pipelines.nas.walk import Walker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.telling import Teller
    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.share import Share


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a scan works with.

    Attributes:
        connection: holds the locks and the working tables.
        watcher: shows where the scan stands, outside its transactions.
    """

    settings: Settings
    share: Share
    connection: Connection
    watcher: Connection


class ScanRun(ABC):
    """The state of one scan; `execute` is its table of contents. Its kinds say what is looked at, and of what so much
    was seen that a deletion may be believed."""

    find_known: ClassVar[str]
    """The statement that fetches what the tables hold of what was looked at."""

    def __init__(
        self,
        tools: Tools,
        *,
        folders: list[str] | None,
        deep: bool = False,
        paths: int | None = None,
        teller: Teller | None = None,
    ) -> None:
        self._started = time.monotonic()
        self._tools = tools
        self._connection = tools.connection
        self._folders = folders
        self._sql = load_queries("nas")
        self.report = ScanReport(scan_id=self._start({"folders": folders, "deep": deep, "paths": paths}))
        self._progress = Progress(tools.watcher, self.report.scan_id)
        self._problems = Problems(tools.connection, self.report)
        self._reconciler = Reconciler(tools.connection, self.report, folders=folders, teller=teller)
        self._walker = Walker(
            tools.share.root,
            IgnoreRules.from_settings(tools.settings),
            folder_depth=tools.settings.folder_depth,
            folders=folders,
        )

    def _start(self, scan: dict[str, Any]) -> int:
        row = self._tools.watcher.execute(self._sql["start_scan"], scan).fetchone()
        assert row is not None
        abandoned = {"scan_id": row[0], "folders": self._folders, "verifying": VERIFYING.share}
        self._tools.watcher.execute(self._sql["close_abandoned_scans"], abandoned)
        return int(row[0])

    def execute(self, confirm_deletions: int | None = None) -> None:
        """Bring the tables in line with what is looked at."""
        self._connection.execute(self._sql["create_working_tables"])
        self._look()
        self._tools.share.check()
        self._note_walk()
        self._progress.enter("compare")
        # What vanished under the walk's hands may have been seen again at its new place: it can be a move, though
        # never a deletion, because its folder does not count as complete.
        unknown = (u.raw_path for u in self._walker.log.unreadable if not u.vanished)
        self._reconciler.compare(self.find_known, unknown, still_exists=partial(may_exist, self._tools.share.root))
        with self._hasher() as hasher:
            self._read(hasher)
        self._delete(confirm_deletions)
        with self._connection.transaction():
            self._record()

    @abstractmethod
    def _look(self) -> None:
        """Fill the temporary table `seen`, and those that `find_known` reads."""

    @abstractmethod
    def _seen_whole(self) -> Collection[str]:
        """The folders in which what is missing may be believed to be gone."""

    @abstractmethod
    def _record(self) -> None:
        """Store the problems, and which folders are there."""

    @contextmanager
    def _hasher(self) -> Iterator[Hasher]:
        with Hasher.open(self._tools.settings.hash_threads, on_bytes=self._on_bytes) as hasher:
            yield hasher

    def _on_bytes(self, count: int) -> None:
        self._progress.add(bytes_hashed=count)

    def _note_walk(self) -> None:
        self.report.ignored = dict(self._walker.log.ignored)
        for problem in self._walker.log.unreadable:
            self._problems.add_unreadable(problem)

    def _nas_url(self) -> str:
        return (self._tools.settings.nas_url or f"file://{self._tools.settings.nas_root}").rstrip("/")

    def _read(self, hasher: Hasher) -> None:
        ReadFiles(
            connection=self._connection,
            reconciler=self._reconciler,
            hasher=hasher,
            share=self._tools.share,
            problems=self._problems,
            progress=self._progress,
        ).read_all()

    def _delete(self, confirm_deletions: int | None) -> None:
        self._progress.enter("delete")
        delete_vanished(
            self._connection,
            self._reconciler,
            self.report,
            complete_folders=self._seen_whole(),
            limits=DeletionLimits(
                files=self._tools.settings.max_deletions, percent=self._tools.settings.max_deletion_percent
            ),
            confirmed_scan=confirm_deletions,
            still_exists=partial(may_exist, self._tools.share.root),
            check_share=self._tools.share.check,
        )

    def finish(self) -> None:
        """Say how it went."""
        is_open = self._problems.count or self._reconciler.overtaken or self.report.deletions_refused
        if is_open or self.report.bit_rot:
            self.report.state = "incomplete"
        self.report.seconds = round(time.monotonic() - self._started, 3)
        self._write_end(self.report.state)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Write into `ops.scans` why a scan ended early."""
        try:
            yield
        except (IbhelmError, psycopg.Error, OSError) as error:
            if not self._tools.watcher.closed and not self._tools.watcher.broken:
                self._write_end("failed", error=str(error))
            raise

    def _write_end(self, state: str, *, error: str | None = None) -> None:
        values = {
            "scan_id": self.report.scan_id,
            "state": state,
            "report": json.dumps(self.report.as_json()),
            "error": error,
            "deletions_refused": self.report.deletions_refused,
        }
        self._tools.watcher.execute(self._sql["finish_scan"], values)
