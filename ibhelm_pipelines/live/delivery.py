"""From memory to the inbox: a thread that passes on what is due, in one transaction at a time.

It never touches the share and the watching thread never waits for the database, so that neither can make the other
lose anything. While Postgres is away, what is due gathers in a bounded backlog that is kept on disk, and goes into the
inbox when Postgres is back. An item leaves the backlog only after the commit that put it into the inbox.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Self

import structlog

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.live import enqueue
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.live.pending import whole_share
from ibhelm_pipelines.live.spool import Backlog, Spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.db.live import InboxItem
    from ibhelm_pipelines.live.pending import Pending
    from ibhelm_pipelines.settings import Settings

TICK_SECONDS = 0.1
RETRY_SECONDS = 2.0
"""Between two tries to reach Postgres, and between two writings of the spool."""


class Delivery:
    """Delivers for the length of a `with` block; at its end everything that waits is in the inbox or on disk.

    Args:
        settings: of this process.
        pending: where the changes come from.
        on_tick: called again and again by the delivering thread, whatever the watching thread is doing.

    Raises:
        ConfigurationError: the spool's folder cannot be made.
    """

    def __init__(self, settings: Settings, pending: Pending, *, on_tick: Callable[[], None] = lambda: None) -> None:
        self._url = settings.require_database_url()
        self._pending, self._on_tick = pending, on_tick
        self._spool, self._backlog = Spool(settings.state_dir), Backlog()
        self._backlog.add(self._spool.load())
        self._spooled = self._away = False
        self._start_is_open = False
        self._next_try = 0.0
        self._connection: Connection | None = None
        self._end = Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="deliver")
        self.problem: str | None = None

    def __enter__(self) -> Self:
        self._future = self._executor.submit(self._deliver_on)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        self._executor.shutdown()
        if error is None:
            self.check()

    def __len__(self) -> int:
        """How many items wait for the database."""
        return len(self._backlog)

    def check(self) -> None:
        """Raise what ended the delivering thread, if it ended."""
        if self._future.done():
            self._future.result()

    def ask_for_first_scan(self) -> None:
        """Have the whole share compared, because nobody knows what happened before; unless its first scan is to come.

        Whether it is, only the database knows; so it is decided when the database can be asked.
        """
        self._start_is_open = True

    def _deliver_on(self) -> None:
        try:
            while not self._end.wait(TICK_SECONDS):
                self._deliver(self._pending.take(time.monotonic()))
                self._on_tick()
            self._next_try = 0.0
            self._deliver(self._pending.take(time.monotonic(), everything=True))
        finally:
            self._disconnect()

    def _deliver(self, items: list[InboxItem]) -> None:
        self._backlog.add(items)
        if items:
            self._spooled = False
        if (self._backlog or self._start_is_open) and time.monotonic() >= self._next_try:
            self._try()

    def _try(self) -> None:
        try:
            with translated_errors():
                self._put_into_inbox()
        except DatabaseUnavailableError as error:
            self._disconnect()
            self._keep(error)
        else:
            self._delivered()

    def _put_into_inbox(self) -> None:
        if self._connection is None:
            self._connection = connect(self._url, application="watch", autocommit=True)
        if self._start_is_open:
            [(scanned,)] = self._connection.execute(load_queries("watcher")["share_was_scanned"]).fetchall()
            self._backlog.add([whole_share()] if scanned else [])
            self._start_is_open = self._spooled = False
        enqueue(self._connection, self._backlog.items())

    def _delivered(self) -> None:
        if self._away:
            structlog.get_logger().info("database_back", delivered=len(self._backlog))
        self._away = False
        self._backlog.clear()
        self._forget_spool()

    def _keep(self, error: DatabaseUnavailableError) -> None:
        if not self._away:
            structlog.get_logger().warning("database_away", reason=str(error), spool=str(self._spool.path))
        self._away = True
        self._next_try = time.monotonic() + RETRY_SECONDS
        if not self._spooled:
            self._save_spool()

    def _save_spool(self) -> None:
        try:
            self._spool.save(self._backlog.items())
        except OSError as error:
            self._spool_failed(error)
        else:
            self._spooled, self.problem = True, None

    def _forget_spool(self) -> None:
        try:
            self._spool.forget()
        except OSError as error:
            self._spool_failed(error)
        else:
            self.problem = None

    def _spool_failed(self, error: OSError) -> None:
        """What waits stays in memory; the next start asks for a scan of the share anyway."""
        if self.problem is None:
            structlog.get_logger().error("spool_failed", path=str(self._spool.path), reason=str(error))
        self.problem = (
            f"{self._spool.path} cannot be written: {error.strerror}. Free space there, or correct its rights."
        )

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
