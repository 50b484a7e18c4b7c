"""Whether the nightly reading of everything has to be made up for: one bad night costs an hour and not a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings


def full_is_due(settings: Settings, vendor: str) -> bool:
    """Return whether some list of this vendor was not read in full for more than a day, or never.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    with (
        connect(settings.require_database_url(), application=vendor, autocommit=True) as connection,
        translated_errors(),
    ):
        [(due,)] = connection.execute(load_queries(vendor)["full_is_due"]).fetchall()
    return bool(due)
