"""Reads items and decides what they belong to, with one set of rules; writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.register import items
from ibhelm_pipelines.register.deciding import Decision, Item, decide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
        if kind == "file":
            yield from self._judge_files(ids)
        elif kind == "task":
            yield from self._judged(items.read_tasks(self._connection, ids))
        else:
            yield from self._judged(items.read_conversations(self._connection, ids, self._directory))

    def _judged(self, read: Iterable[Item]) -> Iterator[tuple[Item, Decision]]:
        return ((item, self._decide(item)) for item in read)

    def _judge_files(self, ids: Sequence[int]) -> Iterator[tuple[Item, Decision]]:
        """Judge files; those of which nothing else says enough with the beginning of their text."""
        files = items.read_files(self._connection, ids, self._directory)
        judged = [(item, content, self._decide(item)) for item, content in files]
        unclear = [content for _, content, decision in judged if content and decision.is_unclear]
        texts = items.read_texts(self._connection, unclear)
        for item, content, decision in judged:
            text = texts.get(content) if content and decision.is_unclear else None
            yield (item, decision) if text is None else (item, self._decide(item.with_text(text)))

    def _decide(self, item: Item) -> Decision:
        return decide(item, self.book, self._buildings)


def batches(connection: Connection, kind: ItemKind) -> Iterator[list[int]]:
    """Yield the ids of all live items of a kind, in their order."""
    query, values = load_queries("register")["live_ids"], {"item": kind, "size": BATCH, "after": 0}
    while ids := [number for (number,) in connection.execute(query, values)]:
        yield ids
        values["after"] = ids[-1]
