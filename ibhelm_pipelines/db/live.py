"""The two ends of the live lane in the database: events go into `ops.inbox`, what was done goes into `ops.outbox`.

Both are written in the transaction of whoever calls, so that an event is never lost between two stores and nothing is
told that did not happen. The same thing waits in the inbox once, however often it changed (lesson 25).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ibhelm_pipelines.db.connect import Connection

Source = Literal["nas", "content", "teamwork", "missive"]

NO_FOLDER = ""
"""Folder in the outbox of an asset without partitions."""

LIVE_CHANNEL = "ibhelm_inbox"
"""The channel of Postgres' NOTIFY on which workers hear that something waits; the payload is the source."""


@dataclass(frozen=True, kw_only=True)
class InboxItem:
    """One thing that changed.

    Attributes:
        kind: nas: `path` (at and below it), `directory` (files directly in it), `folder`, `share`; content: `hash`,
            `folder`; vendors: what their hook names.
        key: raw path below the NAS root, folder, content hash or vendor id.
        label: the key as people read it.
        folder: project folder, where there is one.
        weight: bytes to be worked on; the smallest goes first.
        events: how many events are summed up in it.
    """

    source: Source
    kind: str
    key: bytes
    label: str
    folder: str | None = None
    weight: int = 0
    events: int = 1


def enqueue(connection: Connection, items: Iterable[InboxItem]) -> None:
    """Put items into the inbox, merged with what waits there, and wake the workers when the transaction commits.

    What was given up is tried again. Two writers that meet the same keys do not deadlock: rows are written in order.
    """
    rows = [
        (item.source, item.kind, item.key, item.label, item.folder, item.weight, item.events)
        for item in sorted(items, key=lambda item: (item.source, item.kind, item.key))
    ]
    if not rows:
        return
    sql = load_queries("live")
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(sql["enqueue"], rows)
        for source in sorted({row[0] for row in rows}):
            cursor.execute(sql["wake_workers"], [LIVE_CHANNEL, source])


def tell(connection: Connection, asset: str, counts: Mapping[str, Mapping[str, int]]) -> None:
    """Write into the outbox what was done in each folder, in the caller's transaction.

    Args:
        asset: the Dagster asset that the same work of a run would materialise.
        counts: numbers by folder; a folder without any number but zero is not told.
    """
    rows = [
        (asset, folder, json.dumps(dict(numbers)))
        for folder, numbers in sorted(counts.items())
        if any(numbers.values())
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(load_queries("live")["tell"], rows)
