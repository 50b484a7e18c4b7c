"""Which person each group of identities is: numbers of persons stay the same, whatever comes and goes.

Each person is anchored in the identity that it was made for. A group is the person of its oldest anchor; who else is
anchored in it is merged into that one, and is there again when the group falls apart. What people said of persons
being the same counts on top of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.register.people_grouping import Sets

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ibhelm_pipelines.register.people_grouping import Group, Grouping

NewIds = Callable[[int], Iterator[int]]
"""Reserves so many ids of persons."""


@dataclass(kw_only=True)
class Assignment:
    """Who is who.

    Attributes:
        persons: of each identity, by id; those of nobody are not in it.
        anchors: identities of persons that are new or lost theirs.
        new: persons that are to be made.
        split: those of them whose identities were somebody else's.
        merges: persons that are another one by rule.
    """

    persons: dict[int, int] = field(default_factory=dict)
    anchors: dict[int, int] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)
    split: int = 0
    merges: dict[int, int] = field(default_factory=dict)


def assign(grouping: Grouping, decided: Mapping[int, int], new_ids: NewIds) -> Assignment:
    """Give each group its person.

    Args:
        grouping: of all identities.
        decided: who is who else, as people said: person and the one that stays.
        new_ids: is asked once.
    """
    return _Assigning(grouping, decided, new_ids).run()


class _Assigning:
    def __init__(self, grouping: Grouping, decided: Mapping[int, int], new_ids: NewIds) -> None:
        self._decided, self._new_ids = decided, new_ids
        ordered = sorted(grouping.groups, key=lambda each: each.identities[0].id)
        self._moved = [each for each in ordered if each.person_id is not None]
        self._free = [each for each in ordered if each.person_id is None]
        self._done = Assignment()
        self._homes: list[int] = []
        self._sets = Sets()
        self._roots: dict[Hashable, int] = {}

    def run(self) -> Assignment:
        self._homes = self._find_homes()
        self._join()
        for group_, home in self._homed():
            self._give(group_, home)
        for group_ in self._moved:
            assert group_.person_id is not None
            self._give(group_, group_.person_id)
        self._merge_emptied()
        return self._done

    def _find_homes(self) -> list[int]:
        homes = [next((e.anchors for e in group_.identities if e.anchors is not None), None) for group_ in self._free]
        taken = {each.anchors for group_ in self._free for each in group_.identities if each.anchors is not None}
        for at, group_ in enumerate(self._free):
            if homes[at] is None and (claimed := _present(group_)) is not None and claimed not in taken:
                taken.add(claimed)
                homes[at] = self._anchor(group_, claimed)
        fresh = self._new_ids(homes.count(None))
        return [self._make(group_, next(fresh)) if home is None else home
                for group_, home in zip(self._free, homes, strict=True)]  # fmt: skip

    def _anchor(self, group_: Group, person: int) -> int:
        self._done.anchors[person] = group_.identities[0].id
        return person

    def _make(self, group_: Group, person: int) -> int:
        self._done.new.add(person)
        self._done.split += _present(group_) is not None
        return self._anchor(group_, person)

    def _join(self) -> None:
        """Find out which persons are one, and which of them stays."""
        for one, other in self._decided.items():
            self._sets.join(one, other)
        anchored = {each.anchors: home for group_, home in self._homed() for each in group_.identities if each.anchors}
        for person, home in anchored.items():
            self._sets.join(person, home)
        self._choose()
        for person in {*anchored, *self._homes, *self._decided.values()}:
            self._merge(person, self._root(person))

    def _choose(self) -> None:
        """Of those who are one, the one stays whom people said; else whose anchor is the oldest of the only group."""
        for home in sorted(self._homes, reverse=True):
            self._roots[self._sets.find(home)] = home
        for person in sorted(set(self._decided.values()) - self._decided.keys(), reverse=True):
            self._roots[self._sets.find(person)] = person

    def _homed(self) -> Iterator[tuple[Group, int]]:
        return zip(self._free, self._homes, strict=True)

    def _root(self, person: int) -> int:
        return self._roots.get(self._sets.find(person), person)

    def _merge(self, person: int, into: int) -> None:
        if person != into and person not in self._decided:
            self._done.merges[person] = into

    def _give(self, group_: Group, person: int) -> None:
        self._done.persons |= dict.fromkeys((each.id for each in group_.identities), self._root(person))

    def _merge_emptied(self) -> None:
        """Who has nothing left, because people gave it to somebody else, is that one."""
        present = set(self._done.persons.values())
        for group_ in self._moved:
            for each in group_.identities:
                if each.anchors is not None and each.anchors not in present and each.anchors not in self._done.merges:
                    self._merge(each.anchors, self._done.persons[each.id])


def _present(group_: Group) -> int | None:
    """Return whose the oldest identity of a group is at present."""
    return next((each.person_id for each in group_.identities if each.person_id is not None), None)
