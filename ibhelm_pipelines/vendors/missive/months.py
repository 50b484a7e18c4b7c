"""What of Missive is stored in each month, and in which months attachments wait: the partitions of Missive's assets.

A month is that of a conversation's last activity, by UTC, named by its first day; empty where Missive names none.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.vendors.missive.attachment_ledger import Ledger, Scope
from ibhelm_pipelines.vendors.missive.resources import (
    ATTACHMENTS_ASSET,
    COMMENTS_ASSET,
    CONVERSATIONS_ASSET,
    EMAILS_ASSET,
)

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

MONTHLY_ASSETS = (CONVERSATIONS_ASSET, EMAILS_ASSET, COMMENTS_ASSET, ATTACHMENTS_ASSET)


def rows_by_month(connection: Connection) -> dict[str, dict[str, int]]:
    """Return by asset and month how many rows are live; months without any are left out."""
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    with translated_errors():
        for month, *counts in connection.execute(load_queries("missive")["rows_by_month"]).fetchall():
            for asset, count in zip(MONTHLY_ASSETS, counts, strict=True):
                if count:
                    rows[asset][month] = count
    return rows


def months_to_save(settings: Settings, *, everything: bool) -> list[str | None]:
    """Return the months in which attachments wait for their turn, newest first; None stands for "in no month".

    Args:
        settings: of this process.
        everything: whether those count too that the rules skip, or that have their plan: the rules may be others now.
    """
    if settings.attachment_inbox == "off":
        return []
    values = {"everything": everything, "planned": settings.attachment_inbox == "dry-run"}
    with (
        connect(settings.require_database_url(), application="attachments", autocommit=True) as connection,
        translated_errors(),
    ):
        rows = connection.execute(load_queries("missive")["months_to_save"], values).fetchall()
    return [month for (month,) in rows]


def count_waiting(settings: Settings) -> int:
    """Return how many attachments are not on the NAS yet, in all months; those that were given up are none of them."""
    if settings.attachment_inbox == "off":
        return 0
    with connect(settings.require_database_url(), application="attachments", autocommit=True) as connection:
        return Ledger(connection).waiting(Scope())
