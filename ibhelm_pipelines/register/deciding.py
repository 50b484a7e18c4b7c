"""Decides what an item belongs to: a pure function of what is written on it and of the rules.

The order in which things were seen plays no part (lesson 14), nor what was decided before (lesson 13). Folders, names,
tags, labels and subjects count alike; the text of a file counts only where none of them says anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from ibhelm_pipelines.register.cost_groups import drop_ancestors
from ibhelm_pipelines.register.places import Place, continue_place
from ibhelm_pipelines.register.rulebook import NO_BUILDINGS
from ibhelm_pipelines.register.writing import Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ibhelm_pipelines.register.buildings import ProjectBuildings
    from ibhelm_pipelines.register.places import Buildings
    from ibhelm_pipelines.register.rulebook import Decides, Match, Reads, Rule, RuleBook

LAST: Reads = "text"
"""What is read only where nothing else tells."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Item:
    """What is written on a file, task or conversation.

    Attributes:
        texts: by where they stand; folders from the top down.
        projects: that it is known to belong to, by other things than rules.
    """

    id: int
    texts: Mapping[Reads, tuple[str, ...]]
    projects: Mapping[int, Link] = field(default_factory=dict)

    def with_text(self, text: str) -> Item:
        """Return the item with the beginning of its text."""
        return replace(self, texts={**self.texts, "text": (text,)})


@dataclass(frozen=True, kw_only=True)
class DocumentType:
    """What kind of document a file is, and by which rule."""

    id: int
    rule: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What an item belongs to.

    Attributes:
        projects: by id.
        cost_groups: by number.
        places: by project and place; each with its building.
    """

    projects: Mapping[int, Link]
    cost_groups: Mapping[int, Link]
    places: Mapping[tuple[int, Place], Link]
    document_type: DocumentType | None

    @property
    def is_unclear(self) -> bool:
        """Whether the text may say what nothing else does."""
        return not (self.cost_groups and self.places)


def decide(item: Item, book: RuleBook, buildings: ProjectBuildings) -> Decision:
    """Return what an item belongs to.

    Args:
        item: what is written on it.
        book: the rules.
        buildings: those that are known, by project.
    """
    projects = item.projects or _surest((match.rule.project_id, match) for match in _told("project", item, book))
    known = buildings.known(frozenset(projects))
    groups = _surest((match.cost_group, match) for match in _told("cost_group", item, book, known))
    wanted = drop_ancestors(groups)
    places = _surest(
        ((project, place), match)
        for match in _told("place", item, book, known)
        if match.place is not None
        for project, place in buildings.locate(match.place, projects)
    )
    return Decision(
        projects=projects,
        cost_groups={number: link for number, link in groups.items() if number in wanted},
        places={key: link for key, link in places.items() if not any(_is_within(other, key) for other in places)},
        document_type=_document_type(item, book),
    )


def places_of_folders(folders: Sequence[str], book: RuleBook) -> Iterator[Place]:
    """Return the places that a chain of folders names: `O-Haus A`, below it `EG`, below that `Raum 1.04`."""
    yield from (match.place for match in _of_folders(folders, book, NO_BUILDINGS) if match.place is not None)


def _told(decides: Decides, item: Item, book: RuleBook, known: Buildings = NO_BUILDINGS) -> list[Match]:
    """Return what the rules find; in the text only what nothing else tells."""
    first = [
        match
        for reads, texts in item.texts.items()
        if reads != LAST and book.reads(decides, reads)
        for match in _matches(decides, reads, texts, book, known)
    ]
    if first or LAST not in item.texts:
        return first
    return list(_matches(decides, LAST, item.texts[LAST], book, known))


def _matches(decides: Decides, reads: Reads, texts: Sequence[str], book: RuleBook, known: Buildings) -> Iterator[Match]:
    if (decides, reads) == ("place", "folder"):
        return _of_folders(texts, book, known)
    return chain.from_iterable(book.matches(decides, reads, text, known) for text in texts)


def _of_folders(folders: Sequence[str], book: RuleBook, known: Buildings) -> Iterator[Match]:
    current: list[Match] = []
    for folder in folders:
        found = book.matches("place", "folder", folder, known)
        current = list(found) if found else [_continued(match, folder) for match in current]
        yield from current


def _continued(match: Match, folder: str) -> Match:
    return match if match.place is None else replace(match, place=continue_place(match.place, folder))


def _surest(found: Iterable[tuple[T | None, Match]]) -> dict[T, Link]:
    """Return each target with the surest rule that names it; of equal ones the oldest."""
    best: dict[T, Match] = {}
    for target, match in found:
        if target is not None and (target not in best or match.rule.rank > best[target].rule.rank):
            best[target] = match
    return {target: Link(rule=match.rule.name, confidence=match.rule.confidence) for target, match in best.items()}


def _is_within(other: tuple[int, Place], key: tuple[int, Place]) -> bool:
    """Whether another place of the same project is a part of this one, so that this one says nothing more."""
    (project, inner), (own_project, outer) = other, key
    if inner == outer or project != own_project or inner.building != outer.building:
        return False
    return outer.level in (None, inner.level) and outer.room in (None, inner.room)


def _document_type(item: Item, book: RuleBook) -> DocumentType | None:
    found = [match.rule for match in _told("document_type", item, book) if match.rule.document_type_id is not None]
    if not found:
        return None
    rule = max(found, key=_precedence)
    return DocumentType(id=rule.document_type_id or 0, rule=rule.name)


def _precedence(rule: Rule) -> tuple[int, int]:
    return rule.priority, -rule.id
