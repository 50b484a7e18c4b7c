"""What the workers do with what Missive's webhooks name: its conversations are read again, and then, in a lane of their
own, their attachments are fetched.

A large attachment keeps no mail waiting. That a conversation has attachments to fetch is noted before its own item is
done: whatever is killed, they are fetched.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.live import InboxItem, enqueue, tell
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import TransientError, VendorUnavailableError
from ibhelm_pipelines.live.attachments import save_attachments
from ibhelm_pipelines.live.linking import link_conversations
from ibhelm_pipelines.vendors.missive.access import check_access
from ibhelm_pipelines.vendors.missive.resources import ATTACHMENTS_ASSET
from ibhelm_pipelines.vendors.missive.sync import sync_conversations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.db.live import Source
    from ibhelm_pipelines.live.inbox import Batch, Inbox
    from ibhelm_pipelines.settings import Settings

SOURCE: Source = "missive"
CONVERSATION, ATTACHMENTS = "conversation", "attachments"
"""Kinds of items: what webhooks name, and what we note ourselves."""

QUIET_SECONDS = 0.5
"""The rules of Missive fire together, one for the mail, one for its label: read once, not once for each."""

AT_ONCE = 10
"""Each conversation is four requests or more of 900 in a quarter of an hour: what comes next must not wait for many."""


def claim_conversations(inbox: Inbox) -> Batch | None:
    """Take conversations that webhooks named."""
    return inbox.claim_things(SOURCE, never=ATTACHMENTS, quiet_seconds=QUIET_SECONDS, limit=AT_ONCE)


def claim_attachments(inbox: Inbox) -> Batch | None:
    """Take conversations whose attachments are to be fetched."""
    return inbox.claim_things(SOURCE, only=ATTACHMENTS, limit=AT_ONCE)


def read_conversations(settings: Settings, batch: Batch) -> None:
    """Read again what webhooks named, and note whose attachments are to be fetched.

    Raises:
        VendorUnavailableError: Missive is away.
        TransientError: it is there, and only what was asked for has no good answer.
    """
    ids = [item.key.decode("ascii") for item in batch.items if item.kind == CONVERSATION]
    try:
        sync_conversations(settings, ids)
    except VendorUnavailableError as error:
        check_access(settings)
        raise TransientError(error.problem, next_step=error.next_step) from error
    link_conversations(settings, ids)
    if settings.attachment_inbox != "off":
        _note_attachments(settings, ids)


def fetch_attachments(settings: Settings, batch: Batch) -> None:
    """Bring the attachments of these conversations to the NAS, and tell of them.

    Raises: as `save_attachments`; what cannot be fetched for its own sake is noted there, and tried again by the runs.
    """
    for month, ids in _by_month(settings, [item.key.decode("ascii") for item in batch.items]).items():
        report = save_attachments(settings, conversations=ids)
        counts = {"saved": report.saved, "linked": report.linked, "failed": report.failed}
        with connect(settings.require_database_url(), application="worker", autocommit=True) as connection:
            tell(connection, ATTACHMENTS_ASSET, {month: counts})


def _note_attachments(settings: Settings, ids: Sequence[str]) -> None:
    with connect(settings.require_database_url(), application="worker", autocommit=True) as connection:
        with translated_errors():
            rows = connection.execute(load_queries("live")["with_attachments"], {"ids": list(ids)}).fetchall()
        enqueue(connection, [_attachments_of(number) for (number,) in rows])


def _attachments_of(conversation: str) -> InboxItem:
    return InboxItem(source=SOURCE, kind=ATTACHMENTS, key=conversation.encode(), label=conversation)


def _by_month(settings: Settings, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return conversations by the month of their last activity."""
    months: dict[str, list[str]] = defaultdict(list)
    with (
        connect(settings.require_database_url(), application="worker", autocommit=True) as connection,
        translated_errors(),
    ):
        for number, month in connection.execute(load_queries("live")["months_of"], {"ids": list(ids)}).fetchall():
            months[month].append(number)
    return months
