"""Deletes what nobody needs any more of our own bookkeeping, so that it does not grow for ever.

Only records of work that is over, and only when nothing refers to them. Files, versions and results of steps are never
deleted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    import datetime as dt

    from ibhelm_pipelines.settings import Settings

DELETIONS = ("old_live_scans", "old_alerts", "made_up_for", "old_accesses")


def delete_old_rows(settings: Settings, *, now: dt.datetime) -> dict[str, int]:
    """Delete live scans and made-up-for events older than 14 days, closed alerts older than a year, accesses
    older than IBHELM_ACCESS_LOG_DAYS.

    Returns:
        how many rows of each.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    sql = load_queries("cleanup")
    url = settings.require_database_url()
    with connect(url, application="cleanup", autocommit=True) as connection, translated_errors():
        values = {"now": now, "access_log_days": settings.access_log_days}
        return {name: connection.execute(sql[name], values).rowcount for name in DELETIONS}
