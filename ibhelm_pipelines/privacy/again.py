"""Forgets again whom an older backup brought back: after a restore the notes of the bucket are compared with what is
there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.forgotten import Forgotten
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.privacy.forget import forget
from ibhelm_pipelines.privacy.kept_list import keep_list, take_over_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.privacy.planning import Report
    from ibhelm_pipelines.settings import Settings

ROWS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Again:
    """What was done.

    Attributes:
        taken_over: notes that the database did not have.
        addresses: how many forgotten addresses were back.
        report: of removing them; None where none was back.
    """

    taken_over: int
    addresses: int
    report: Report | None


def forget_again(settings: Settings, *, on_progress: Callable[[int, int], None] = lambda _done, _all: None) -> Again:
    """Take over the notes that the bucket has, and forget again whoever is back.

    Raises:
        PermanentError: the list in the bucket cannot be read; nothing may be served until it is.
        BusyError, TransientError, ConfigurationError: as of `forget`; run it again.
    """
    with (
        translated_errors(),
        connect(settings.require_database_url(), application="forget again", autocommit=True) as connection,
    ):
        taken_over = take_over_list(settings, connection)
        keep_list(settings, connection)
        who = Forgotten.load(connection)
        found: list[str] = []
        if who.entries:
            with connection.transaction(), connection.cursor(name="addresses") as cursor:
                cursor.itersize = ROWS_AT_ONCE
                rows = cursor.execute(load_queries("forgotten")["addresses_there"])
                found = [address for (address,) in rows if who.entry_of(address) is not None]
    report = forget(settings, found, on_progress=on_progress) if found else None
    return Again(taken_over=taken_over, addresses=len(found), report=report)
