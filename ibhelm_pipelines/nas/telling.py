"""What a scan did, told in the transaction that did it: to Dagster through the outbox, to the next step through the
inbox.

So a killed scan has never placed a file of which nobody hears, and nobody hears of it twice.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.db.live import InboxItem, enqueue, tell
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.report import FolderCounts

Unit = Literal["hash", "folder"]
"""What is asked for to be derived: each content that was placed, or all that is missing in the folders."""

_ASSET = "nas_files"
_TOLD = ("new", "changed", "moved", "deleted", "restored", "bytes")


class Teller:
    """Tells of one scan, on its connection and in its temporary tables."""

    def __init__(self, connection: Connection, *, unit: Unit) -> None:
        self._connection = connection
        self._unit = unit

    def ask_for_contents(self) -> None:
        """Put what `placed` holds now into the inbox, for previews and text."""
        enqueue(self._connection, self._hashes() if self._unit == "hash" else self._folders())

    def tell(self, news: Mapping[str, FolderCounts]) -> None:
        """Write what this transaction did in each folder into the outbox."""
        tell(
            self._connection,
            _ASSET,
            {folder: {name: asdict(counts)[name] for name in _TOLD} for folder, counts in news.items()},
        )

    def _hashes(self) -> list[InboxItem]:
        rows = self._connection.execute(load_queries("nas")["placed_contents"])
        return [
            InboxItem(source="content", kind="hash", key=sha256.encode(), label=path, folder=folder, weight=size)
            for sha256, path, folder, size in rows
        ]

    def _folders(self) -> list[InboxItem]:
        rows = self._connection.execute(load_queries("nas")["placed_folders"])
        return [
            InboxItem(source="content", kind="folder", key=folder.encode(), label=folder, folder=folder, weight=size)
            for folder, size in rows
        ]
