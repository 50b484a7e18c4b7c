"""The rules of public.link_rules, ready to be asked what they find in a text."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from psycopg.rows import class_row

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.register.cost_groups import CostGroup, CostGroups
from ibhelm_pipelines.register.patterns import PatternSet, parse_pattern
from ibhelm_pipelines.register.places import Buildings, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.register.patterns import Pattern

Decides = Literal["project", "cost_group", "place", "document_type"]
Reads = Literal["folder", "name", "extension", "tag", "label", "subject", "text"]

NO_BUILDINGS = Buildings()
_MEMORY = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A row of public.link_rules; the cost group by its number."""

    id: int
    name: str
    decides: Decides
    reads: Reads
    pattern: str
    project_id: int | None = None
    cost_group: int | None = None
    document_type_id: int | None = None
    building: str | None = None
    level: str | None = None
    room: str | None = None
    priority: int = 0
    confidence: float = 0.9
    is_enabled: bool = True

    @property
    def rank(self) -> tuple[float, int]:
        """By which of several rules for the same thing the best is chosen: the surest, then the oldest."""
        return self.confidence, -self.id

    @property
    def place(self) -> Place | None:
        """The place that it always means, if it is about a place of its own."""
        named = (self.building, self.level, self.room)
        return Place(building=self.building, level=self.level, room=self.room) if any(named) else None


@dataclass(frozen=True, kw_only=True)
class Match:
    """A rule that found something, and what that is."""

    rule: Rule
    cost_group: int | None = None
    place: Place | None = None


class RuleBook:
    """Rules and cost groups.

    Args:
        rules: those that count.
        groups: all cost groups.
        group_ids: their rows by number.

    Raises:
        ConfigurationError: a pattern cannot be used.
    """

    def __init__(self, rules: Iterable[Rule], groups: Iterable[CostGroup], group_ids: Mapping[int, int]) -> None:
        by_place: dict[tuple[Decides, Reads], list[tuple[Rule, Pattern]]] = defaultdict(list)
        for rule in rules:
            by_place[rule.decides, rule.reads].append((rule, _pattern_of(rule)))
        known = CostGroups(groups)
        self.cost_group_ids = dict(group_ids)
        self._patterns = {key: PatternSet(patterns, known) for key, patterns in by_place.items()}
        self.matches = lru_cache(maxsize=_MEMORY)(self._matches)

    def reads(self, decides: Decides, reads: Reads) -> bool:
        """Whether any rule for this reads that."""
        return (decides, reads) in self._patterns

    def _matches(
        self, decides: Decides, reads: Reads, text: str, buildings: Buildings = NO_BUILDINGS
    ) -> tuple[Match, ...]:
        """Return what the rules find in a text, in its order; remembered, for folders and tags come again and again."""
        patterns = self._patterns.get((decides, reads))
        if patterns is None:
            return ()
        return tuple(
            Match(rule=rule, cost_group=rule.cost_group or found.number, place=rule.place or found.place)
            for rule, found in patterns.find(text, buildings)
        )


def read_rules(connection: Connection) -> list[Rule]:
    """Return the rules as they are now, those that are switched off too."""
    with connection.cursor(row_factory=class_row(Rule)) as cursor:
        return cursor.execute(load_queries("register")["rules"]).fetchall()


def make_book(connection: Connection, rules: Iterable[Rule]) -> RuleBook:
    """Return these rules, ready to be asked.

    Raises:
        ConfigurationError: a pattern cannot be used.
    """
    rows = connection.execute(load_queries("register")["cost_groups"]).fetchall()
    groups = [CostGroup(number=number, name=name, aliases=aliases) for _, number, name, aliases in rows]
    return RuleBook(rules, groups, {number: group_id for group_id, number, _, _ in rows})


def enabled(rules: Iterable[Rule]) -> list[Rule]:
    """Return those that are switched on."""
    return [rule for rule in rules if rule.is_enabled]


def _pattern_of(rule: Rule) -> Pattern:
    try:
        return parse_pattern(rule.pattern)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"The rule {rule.name!r} cannot be used. {error.problem}",
            next_step=f"Correct it in the table link_rules, or switch it off. {error.next_step}",
        ) from error
