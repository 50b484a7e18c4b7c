"""Brings the entries behind `public.activity` in line with what there is to tell (`ops.activity_now`).

An entry is a function of the sources' own times and of the versions of files: whatever is read again adds none and
moves none. What is no longer there loses its entry; until then `public.activity` itself leaves out what must not show.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

RECENT = dt.timedelta(days=2)
"""How far back the quick look goes: further than a vendor is away before an alert says so."""


@dataclass(frozen=True, kw_only=True)
class ActivityChange:
    """How many entries came and went."""

    added: int
    removed: int


def keep_activity(settings: Settings, *, everything: bool) -> ActivityChange:
    """Bring the entries of the last days, or all, in line; the first time all.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    url = settings.require_database_url()
    with translated_errors(), connect(url, application="register", autocommit=True) as connection:
        recent = not everything and connection.execute(load_queries("activity")["has_entries"]).fetchone() == (True,)
        return refresh_activity(connection, since=dt.datetime.now(dt.UTC) - RECENT if recent else None)


def refresh_activity(connection: Connection, *, since: dt.datetime | None = None) -> ActivityChange:
    """Compare everything, or what happened since a time only, and write the difference, in one transaction.

    Args:
        connection: any; it is in autocommit mode, or in a transaction that is to hold the lock until its end.
        since: where given, what happened before is left alone: milliseconds instead of ten seconds for a large office.
            Mails of last year that come today, and files of another project, need the whole.
    """
    sql = load_queries("activity")
    with connection.transaction():
        connection.execute(sql["lock_activity"])
        row = connection.execute(sql["refresh_activity"], {"since": "-infinity" if since is None else since}).fetchone()
    added, removed = row or (0, 0)
    return ActivityChange(added=added, removed=removed)
