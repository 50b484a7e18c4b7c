"""Reads items and decides what they belong to, with one set of rules; writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.register import items
from ibhelm_pipelines.register.deciding import Decision, Item, decide

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.register.buildings import ProjectBuildings
    from ibhelm_pipelines.register.items import Directory
    from ibhelm_pipelines.register.rulebook import RuleBook
    from ibhelm_pipelines.register.writing import ItemKind

BATCH = 5_000
"""Items that are read at once: a second or so."""


class Judge:
    """Decides over one connection.

    Args:
        connection: to read with.
        book: the rules.
        directory: projects, folders and labels.
        buildings: those that are known.
    """

    def __init__(
        self, connection: Connection, *, book: RuleBook, directory: Directory, buildings: ProjectBuildings
    ) -> None:
        self._connection, self._directory, self._buildings = connection, directory, buildings
        self.book = book

    def judge(self, kind: ItemKind, ids: Sequence[int]) -> Iterator[tuple[Item, Decision]]:
        """Yield those of these items that are live, with what they belong to."""
        for item in self._read(kind, ids):
            yield item, self._decide(item)

    def _read(self, kind: ItemKind, ids: Sequence[int]) -> Iterator[Item]:
        if kind == "task":
            yield from items.read_tasks(self._connection, ids)
        elif kind == "conversation":
            yield from items.read_conversations(self._connection, ids, self._directory)
        else:
            yield from self._read_files(ids)

    def _read_files(self, ids: Sequence[int]) -> Iterator[Item]:
        """Yield files; those of which nothing else says enough with the beginning of their text."""
        files = items.read_files(self._connection, ids, self._directory)
        unclear = [content for item, content in files if content and self._decide(item).is_unclear]
        texts = items.read_texts(self._connection, unclear)
        for item, content in files:
            yield item.with_text(texts[content]) if content in texts else item

    def _decide(self, item: Item) -> Decision:
        return decide(item, self.book, self._buildings)


def batches(connection: Connection, kind: ItemKind) -> Iterator[list[int]]:
    """Yield the ids of all live items of a kind, in their order."""
    query, after = load_queries("register")[f"{kind}_ids"], 0
    while ids := [number for (number,) in connection.execute(query, {"after": after, "size": BATCH})]:
        yield ids
        after = ids[-1]
