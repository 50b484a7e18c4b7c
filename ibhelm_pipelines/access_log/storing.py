"""Brings the journal into ops.access_log, from a thread of its own: who reads never waits for Postgres.

Invariant: a line is removed only after its row was committed; one that is delivered twice is stored once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg
import structlog

from ibhelm_pipelines.access_log.entries import row_of
from ibhelm_pipelines.access_log.journal import Journal, set_aside, taken, waiting_files
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import IbhelmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from ibhelm_pipelines.access_log.entries import Access
    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

FOLDER = "access-log"
ROWS_AT_ONCE = 1000
PAUSE_SECONDS, AWAY_SECONDS = 1.0, 5.0

SAME_SECONDS = 60.0
MOST_REMEMBERED = 10_000
"""Accesses of the last minute, each of which is written once: a viewer asks for a PDF in dozens of stretches."""


class AccessLog:
    """Writes accesses down. Get it from `open_access_log`; safe for several threads.

    Args:
        settings: of this process.
        clock: seconds, always growing.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = settings.require_database_url(), clock
        self._journal = Journal(settings.state_dir / FOLDER)
        self._recent: OrderedDict[tuple[object, ...], float] = OrderedDict()
        self._lock = threading.Lock()
        self._news, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._store_on, name="access log", daemon=True)
        self.problem: str | None = None

    def record(self, access: Access) -> None:
        """Write an access down, before what was asked for is given.

        Raises:
            AccessNotLoggedError: it cannot be: what was asked for must not be given.
        """
        now = self._clock()
        with self._lock:
            if now - self._recent.get(access.essence, -SAME_SECONDS) < SAME_SECONDS:
                return
        self._journal.append(access)
        with self._lock:
            self._recent.pop(access.essence, None)
            self._recent[access.essence] = now
            if len(self._recent) > MOST_REMEMBERED:
                self._recent.popitem(last=False)
        self._news.set()

    def start(self) -> None:
        """Begin to store, first what killed processes left."""
        self._thread.start()

    def close(self) -> None:
        """Store what is left if Postgres is there; if not, the next process does."""
        self._end.set()
        self._news.set()
        self._thread.join()

    def _store_on(self) -> None:
        while True:
            is_last = self._end.is_set()
            self._news.clear()
            self._store_once()
            if is_last:
                return
            self._end.wait(PAUSE_SECONDS if self.problem is None else AWAY_SECONDS)
            if self.problem is None:
                self._news.wait()

    def _store_once(self) -> None:
        """Store what there is; a problem is told once, and nothing is lost by it."""
        try:
            self._journal.hand_over()
            if waiting_files(self._journal.folder):
                with connect(self._url, application="access log") as connection:
                    store(self._journal.folder, connection)
            self._journal.note_stored()
        except (psycopg.Error, IbhelmError, OSError) as error:
            if self.problem is None:
                structlog.get_logger().warning("accesses_wait", problem=str(error))
            self.problem = "accesses wait in the journal: " + str(error)
        else:
            self.problem = None


@contextmanager
def open_access_log(settings: Settings) -> Iterator[AccessLog]:
    """Write accesses down for the length of the block.

    Raises:
        ConfigurationError: no database is known, or the journal cannot be kept.
    """
    log = AccessLog(settings)
    log.start()
    try:
        yield log
    finally:
        log.close()


def store(folder: Path, connection: Connection) -> int:
    """Bring what waits in the journal into the table; return how many lines.

    Args:
        folder: of the journal.
        connection: in a transaction; is committed.
    """
    count = 0
    for path in waiting_files(folder):
        with taken(path) as file:
            if file is not None:
                count += _store_file(path, file, connection)
                path.unlink()
    return count


def _store_file(path: Path, file: BinaryIO, connection: Connection) -> int:
    count, unreadable = 0, []
    while lines := list(islice(file, ROWS_AT_ONCE)):
        rows: list[dict[str, Any]] = []
        for line in lines:
            if not line.endswith(b"\n"):
                continue  # its process was killed while it wrote it, and gave nothing
            try:
                rows.append(row_of(line))
            except ValueError:
                unreadable.append(line)
        with connection.cursor() as cursor:
            cursor.executemany(load_queries("access_log")["store"], rows)
        connection.commit()
        count += len(rows)
    if unreadable:
        set_aside(path, unreadable)
        structlog.get_logger().error("accesses_unreadable", lines=len(unreadable), file=path.stem)
    return count
