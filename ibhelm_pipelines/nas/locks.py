"""One writer a folder: a scan of the whole share excludes all others, scans of folders exclude each other where they
overlap.

The locks are Postgres' advisory ones. They belong to a connection and go with it, also when its process is killed.
Reading old files again is kept apart by locks of its own, so that it lets every other scan pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ScanBusyError

if TYPE_CHECKING:
    from collections.abc import Collection

    from ibhelm_pipelines.db.connect import Connection


class Lock(NamedTuple):
    """The two classes of advisory locks that keep one kind of work apart: over the share, and over single folders."""

    share: int
    folders: int


SCANNING = Lock(727001, 727002)
VERIFYING = Lock(727003, 727004)


def lock_folders(connection: Connection, lock: Lock, folders: Collection[str] | None, *, wait: str) -> None:
    """Lock folders, or with None the whole share, until the connection ends.

    Args:
        wait: how long at most for each lock, as Postgres writes a time.

    Raises:
        ScanBusyError: another one holds a lock for longer than that.
    """
    sql = load_queries("nas")
    try:
        connection.execute("select set_config('lock_timeout', %s, false)", [wait])
        connection.execute(sql["lock_share" if folders is None else "lock_share_shared"], lock._asdict())
        for folder in sorted(folders or ()):  # sorted, so that two scans never wait for each other in a circle
            connection.execute(sql["lock_folder"], {**lock._asdict(), "folder": folder})
        connection.execute("reset lock_timeout")
    except psycopg.errors.LockNotAvailable as error:
        raise ScanBusyError(
            "Another scan is reading these folders.", next_step="It will be tried again; see `ibhelm status`."
        ) from error
