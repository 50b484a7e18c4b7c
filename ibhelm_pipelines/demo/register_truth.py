"""What is true about an item of the office, for the register: its projects, cost groups and places.

Whoever makes an item says what it is about. That is never read out of how it is spelled: tests measure that against
this. Projects go by the number that the office gave them, and by their name where they have none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.model import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNNUMBERED = "Pruefstand Wärmepumpen"
"""A project without a number; its folder is the one that Macs and people made of its name."""
UNNUMBERED_FOLDER = "projekte/PRÜFSTAND Wärmepumpen"
UNNUMBERED_BUILDING = "Prüfhalle"
INTERNAL = "Büro intern"
"""A project that has no folder."""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a tag or a label means, or what an item is about."""

    projects: frozenset[str] = frozenset()
    cost_groups: frozenset[int] = frozenset()
    places: frozenset[Place] = frozenset()

    def __or__(self, other: Meaning) -> Meaning:
        return Meaning(
            projects=self.projects | other.projects,
            cost_groups=self.cost_groups | other.cost_groups,
            places=self.places | other.places,
        )

    def as_json(self) -> dict[str, Any]:
        """Return it in a shape that survives JSON."""
        return {
            "projects": sorted(self.projects),
            "cost_groups": sorted(self.cost_groups),
            "places": [asdict(place) for place in sorted(self.places, key=str)],
        }


@dataclass(frozen=True, kw_only=True)
class About:
    """What an item is about, by what tells it.

    Attributes:
        told_by: such as tag, label, subject; what the first one tells, the others may tell again.
        untold: what no number and no whole name tells, but a person knows.
    """

    told_by: Mapping[str, Meaning]
    untold: Meaning = field(default_factory=Meaning)

    @property
    def meaning(self) -> Meaning:
        """All of it."""
        return reduce(or_, self.told_by.values(), self.untold)


def meaning(*, project: str | None = None, cost_group: int | None = None, place: Place | None = None) -> dict[str, Any]:
    """Return what one tag or label means, for a row of a simulator."""
    return Meaning(
        projects=frozenset({project} if project else ()),
        cost_groups=frozenset({cost_group} if cost_group else ()),
        places=frozenset({place} if place else ()),
    ).as_json()


def meant(rows: Iterable[dict[str, Any]]) -> Meaning:
    """Return all that some rows mean; those that mean nothing say nothing."""
    return reduce(or_, (_meant_by(row.get("_means") or {}) for row in rows), Meaning())


def _meant_by(kept: dict[str, Any]) -> Meaning:
    return Meaning(
        projects=frozenset(kept.get("projects", ())),
        cost_groups=frozenset(kept.get("cost_groups", ())),
        places=frozenset(Place(**place) for place in kept.get("places", ())),
    )
