"""One process at a time, by an advisory lock of Postgres that dies with its holder: backups, drills, purges,
verifications.

Invariant: one that was killed keeps nobody away, and one that ended well lets the next begin at once.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings


class Work(NamedTuple):
    """What only one process does at a time.

    Attributes:
        lock: the key of its advisory lock.
        name: for people; its connection is called so, too.
    """

    lock: int
    name: str


BACKUP = Work(727020, "backup")
DRILL = Work(727021, "restore drill")
PURGE = Work(727022, "purge")
VERIFICATION = Work(727023, "verification")


@contextmanager
def single_run(settings: Settings, work: Work) -> Iterator[Connection]:
    """Keep all others from the same work for the length of the block; gives the connection, in autocommit mode.

    Raises:
        BusyError: somebody else is at it.
        DatabaseUnavailableError: Postgres does not answer.
    """
    sql, lock = load_queries("single_run"), {"lock": work.lock}
    with connect(settings.require_database_url(), application=work.name, autocommit=True) as connection:
        with translated_errors():
            [(is_ours,)] = connection.execute(sql["lock"], lock).fetchall()
        if not is_ours:
            raise BusyError(f"Another {work.name} is under way.", next_step="Wait until it has ended.")
        yield connection
        # Closing alone frees it a moment later, and whoever follows at once would be refused.
        with translated_errors():
            connection.execute(sql["unlock"], lock)
