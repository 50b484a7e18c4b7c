"""The inbox as tests fill it and look into it."""

from __future__ import annotations

from typing import Any

import psycopg

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.live import InboxItem, Source, enqueue
from ibhelm_pipelines.settings import Settings


class Desk:
    """What lies in the inbox of these settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = settings.require_database_url()

    def put(self, *items: InboxItem) -> None:
        with connect(self.url, application="test") as connection:
            enqueue(connection, items)

    def paths(self, *paths: str, folder: str | None = "projekte/A", kind: str = "path", weight: int = 0) -> None:
        self.put(*(item("nas", kind, path, folder=folder, weight=weight) for path in paths))

    def folder(self, folder: str) -> None:
        self.put(item("nas", "folder", folder, folder=folder))

    def share(self) -> None:
        self.put(item("nas", "share", "share"))

    def hashes(self, weights: dict[str, int]) -> None:
        self.put(*(item("content", "hash", name, weight=weight) for name, weight in weights.items()))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(query, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def age(self, label: str, seconds: float) -> None:
        """Make an item older than it is."""
        self.rows(
            "update ops.inbox set first_event_at = first_event_at - %s * interval '1 second' where label = %s",
            seconds,
            label,
        )

    def make_due(self) -> None:
        self.rows("update ops.inbox set due_at = now()")

    def labels(self, where: str = "true") -> set[str]:
        return {label for (label,) in self.rows(f"select label from ops.inbox where {where}")}


def item(source: Source, kind: str, key: str, *, folder: str | None = None, weight: int = 0) -> InboxItem:
    return InboxItem(source=source, kind=kind, key=key.encode(), label=key, folder=folder, weight=weight)
