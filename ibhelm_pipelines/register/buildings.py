"""The buildings of each project: what turns `Haus A` in the name of a file into a place.

They are learned from where the office says that something is a place (`O-Haus A`), never from names of files. The same
building written in several ways is one, in the spelling that is used most.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ibhelm_pipelines.register.places import Buildings, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_Key = tuple[str, ...]
_MEMORY = 1 << 12


class ProjectBuildings:
    """Buildings by project.

    Args:
        told: project and building, as often as it was said.
    """

    def __init__(self, told: Iterable[tuple[int, str]] = ()) -> None:
        spellings: dict[int, dict[_Key, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        for project, building in told:
            spellings[project][_key(building)][building] += 1
        self._by_project = {
            project: {key: _usual(counts) for key, counts in buildings.items()}
            for project, buildings in spellings.items()
        }
        self.known = lru_cache(maxsize=_MEMORY)(self._known)

    def digests(self) -> Iterator[tuple[int, str]]:
        """Yield for each project what changes when its buildings do."""
        for project, buildings in self._by_project.items():
            yield project, "|".join(sorted(buildings.values()))

    def _known(self, projects: frozenset[int]) -> Buildings:
        """Return the buildings of these projects, to be found in names and texts."""
        return Buildings(name for project in projects for name in self._by_project.get(project, {}).values())

    def locate(self, place: Place, projects: Collection[int]) -> Iterator[tuple[int, Place]]:
        """Return the place in the projects that are meant: the only one, or those that know the building.

        A level without a building is in the only building that the project has, or nowhere.
        """
        for project in projects:
            own = self._by_project.get(project, {})
            if place.building is None:
                if len(projects) == len(own) == 1:
                    yield project, replace(place, building=next(iter(own.values())))
            elif _key(place.building) in own:
                yield project, replace(place, building=own[_key(place.building)])
            elif len(projects) == 1:
                yield project, place


@lru_cache(maxsize=_MEMORY)
def _key(building: str) -> _Key:
    return Place(building=building).key[0]


def _usual(counts: Counter[str]) -> str:
    return max(counts, key=lambda spelling: (counts[spelling], spelling))
