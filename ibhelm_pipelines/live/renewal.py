"""Keeps the leases of what a process is doing, from a thread of its own, however long it takes."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.live.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.live.working import Board
    from ibhelm_pipelines.settings import Settings

RENEWALS_PER_LEASE = 4
"""So that two of them may fail, as in a restart of Postgres."""


@contextmanager
def renewing(
    settings: Settings,
    *,
    owner: str,
    board: Board,
    lease_seconds: float,
    also: Callable[[Inbox], None] = lambda _inbox: None,
) -> Iterator[threading.Thread]:
    """Renew the leases of the items on this board for the length of the block.

    Args:
        settings: of this process.
        owner: whose leases they are.
        board: what is being worked on.
        lease_seconds: how long a lease lasts.
        also: done every time as well.
    """
    over = threading.Event()

    def renew() -> None:
        with closing(Inbox(settings, owner=owner, lease_seconds=lease_seconds)) as inbox:
            while not over.wait(lease_seconds / RENEWALS_PER_LEASE):
                try:
                    inbox.renew(board.leased())
                    inbox.give_up_deadly()
                    also(inbox)
                except DatabaseUnavailableError:
                    continue  # whoever needs Postgres for more than this says so

    thread = threading.Thread(target=renew, name="renewal", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        over.set()
        thread.join()
