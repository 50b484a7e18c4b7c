"""Webhook deliveries in the database: each once, and with it, in the same transaction, the inbox item that it means.

So an answer of 200 is a promise that is kept through a crash of anything: the vendor never tells us again.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.live import InboxItem, enqueue
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibhelm_pipelines.db.connect import Pool
    from ibhelm_pipelines.live.webhook_formats import Delivery

Result = TypeVar("Result")

STORE_SECONDS = 4.0
POOL_SECONDS = 2.0
"""Longest waits, for a commit and for a connection: a vendor gives us five seconds in all, and retries after a 503."""

AT_ONCE = 100
"""Deliveries in one transaction."""

RETRY_SECONDS = 15 * 60
"""Missive retries a post for 8 minutes; the same bytes after that are news."""

KEPT_DAYS = 30
DELETED_AT_ONCE = 5_000


def store(pool: Pool, deliveries: Sequence[Delivery]) -> list[bool]:
    """Keep deliveries and put what they say into the inbox; return False for each that is known already.

    All in one transaction: commits that wake somebody follow one another in Postgres, so many small ones would wait
    for each other's disk.

    Raises:
        DatabaseUnavailableError: nothing is kept, or nobody knows; the vendor's retry tells.
    """
    # In the order of their keys, so that two receivers that get the same retries do not deadlock.
    order = sorted(range(len(deliveries)), key=lambda i: (deliveries[i].vendor, deliveries[i].delivery))
    rows = [{**asdict(deliveries[i]), "retry_seconds": RETRY_SECONDS} for i in order]
    news = [False] * len(deliveries)
    with translated_errors(), pool.connection(timeout=POOL_SECONDS) as connection, connection.cursor() as cursor:
        cursor.executemany(load_queries("webhooks")["insert_delivery"], rows, returning=True)
        for i, _ in zip(order, cursor.results(), strict=True):
            news[i] = cursor.fetchone() is not None
        enqueue(
            connection, [_item(each) for each, new in zip(deliveries, news, strict=True) if new and each.understood]
        )
    return news


def _item(delivery: Delivery) -> InboxItem:
    return InboxItem(
        source=delivery.vendor,
        kind=delivery.kind,
        key=delivery.object_id.encode(),
        label=f"{delivery.kind} {delivery.object_id}",
    )


@dataclass
class _Post:
    """A delivery on its way: `news` is known once its transaction is committed."""

    delivery: Delivery
    taken: bool = False
    news: bool | None = None


class Storing:
    """Stores what comes while a commit is under way together with the next one.

    Alone, a delivery waits for nobody; in a storm a hundred share a commit.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turn = asyncio.Lock()
        self._waiting: list[_Post] = []

    async def store(self, delivery: Delivery) -> bool:
        """Return when the delivery is committed: whether it was news.

        Raises:
            DatabaseUnavailableError: nobody knows whether it is kept.
        """
        post = _Post(delivery)
        self._waiting.append(post)
        async with self._turn:
            while not post.taken:
                await self._commit()
        if post.news is None:
            raise DatabaseUnavailableError(
                "Postgres did not confirm that a webhook is stored.", next_step="The vendor will send it again."
            )
        return post.news

    async def _commit(self) -> None:
        batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        for post in batch:
            post.taken = True  # now, because whoever commits may be called off, and the others must not wait for ever
        news = await in_thread(partial(store, self._pool, [post.delivery for post in batch]))
        for post, is_news in zip(batch, news, strict=True):
            post.news = is_news


async def in_thread(work: Callable[[], Result]) -> Result:
    """Run something that waits for Postgres; when it takes too long, the thread goes on and nobody waits for it.

    Raises:
        DatabaseUnavailableError: it took too long, or what the work raises.
    """
    try:
        with anyio.fail_after(STORE_SECONDS):
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except TimeoutError as error:
        raise DatabaseUnavailableError(
            f"Postgres did not answer within {STORE_SECONDS:.0f} seconds.", next_step="It is asked again."
        ) from error


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
