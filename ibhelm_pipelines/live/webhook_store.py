"""Webhook deliveries in the database: each once, and with it, in the same transaction, the inbox item that it means.

So an answer of 200 is a promise that is kept through a crash of anything: the vendor never tells us again.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.live import InboxItem, enqueue
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.live.webhook_formats import UNKNOWN

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Pool
    from ibhelm_pipelines.live.webhook_formats import Delivery

POOL_SECONDS = 2.0
"""Longest wait for a connection: a vendor gives us five seconds in all, and comes again after a 503."""

RETRY_SECONDS = 15 * 60
"""Missive retries a post for 8 minutes; the same bytes after that are news."""

KEPT_DAYS = 30
DELETED_AT_ONCE = 5_000


def store(pool: Pool, delivery: Delivery) -> bool:
    """Keep a delivery and put what it says into the inbox; return False for one that is known already.

    Raises:
        DatabaseUnavailableError: nothing is kept, or nobody knows; the vendor's retry tells.
    """
    parameters = {**asdict(delivery), "retry_seconds": RETRY_SECONDS}
    with translated_errors(), pool.connection(timeout=POOL_SECONDS) as connection:
        is_news = connection.execute(load_queries("webhooks")["insert_delivery"], parameters).fetchone() is not None
        if is_news and delivery.kind != UNKNOWN:
            item = InboxItem(
                source=delivery.vendor,
                kind=delivery.kind,
                key=delivery.object_id.encode(),
                label=f"{delivery.kind} {delivery.object_id}",
            )
            enqueue(connection, [item])
    return is_news


def answers(pool: Pool) -> None:
    """Ask Postgres for a sign of life.

    Raises:
        DatabaseUnavailableError: it gives none.
    """
    with translated_errors(), pool.connection(timeout=POOL_SECONDS) as connection:
        connection.execute("select 1")


def delete_old(pool: Pool) -> int:
    """Delete what is older than 30 days, a bounded number at once, so that nobody waits behind it.

    Raises:
        DatabaseUnavailableError: what was not deleted yet is deleted tomorrow.
    """
    deleted = 0
    while True:
        with translated_errors(), pool.connection(timeout=POOL_SECONDS) as connection:
            rows = {"days": KEPT_DAYS, "rows": DELETED_AT_ONCE}
            count = connection.execute(load_queries("webhooks")["delete_old_deliveries"], rows).rowcount
        deleted += count
        if count < DELETED_AT_ONCE:
            return deleted
