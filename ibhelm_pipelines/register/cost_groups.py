"""The cost groups of DIN 276: which exist, what lies within which, and by which words the office calls them.

Their numbers have three digits; 434 lies within 430 and that within 400. Only what stands in public.cost_groups is one
(lesson 20): a number that is none of them never becomes one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ibhelm_pipelines.folding import words

if TYPE_CHECKING:
    from collections.abc import Iterable

_MIN_LETTERS = 4
"""Fewer letters in common are chance; shorter words (RLT, MSR) count only whole and only as an alias."""

_KIND_OF_THING = re.compile(r"s?(anlagen?|einrichtungen|netze|massnahmen|technische|konstruktionen|kosten)$")
"""What every other name ends with; `Kälteanlagen` is known by `Kälte`."""

_SAYS_NOTHING = frozenset({"sonstige", "sonstiges", "allgemeine", "besondere", "weitere", "nach", "fuer", "innen"})


@dataclass(frozen=True, kw_only=True)
class CostGroup:
    """A cost group.

    Attributes:
        aliases: other words for it, separated by commas, as in public.cost_groups.
    """

    number: int
    name: str
    aliases: str = ""


class CostGroups:
    """All cost groups, for patterns to look up."""

    def __init__(self, groups: Iterable[CostGroup]) -> None:
        self._beginnings: dict[int, frozenset[str]] = {}
        self._whole: dict[int, frozenset[str]] = {}
        for group in groups:
            aliases = [words(alias) for alias in group.aliases.split(",")]
            said = {word for part in (words(group.name), *aliases) for word in part} - _SAYS_NOTHING
            stems = {_KIND_OF_THING.sub("", word) for word in said}
            self._beginnings[group.number] = frozenset(stem for stem in stems if len(stem) >= _MIN_LETTERS)
            self._whole[group.number] = frozenset(alias[0] for alias in aliases if len(alias) == 1)
        self.is_called = lru_cache(maxsize=1 << 14)(self._is_called)

    def number(self, word: str) -> int | None:
        """Return the number of the group that this word is, if it is one."""
        number = int(word) if len(word) == 3 and word.isdecimal() else 0
        return number if number in self._beginnings else None

    def _is_called(self, number: int, word: str) -> bool:
        """Whether a group, or one that it lies within, is called like this: `Kälte` or `Kältetechnik` for 434."""
        return any(
            word in self._whole.get(each, ())
            or (len(word) >= _MIN_LETTERS and any(_agree(word, stem) for stem in self._beginnings.get(each, ())))
            for each in (number, *ancestors(number))
        )


def _agree(word: str, stem: str) -> bool:
    return stem.startswith(word) or word.startswith(stem)


def ancestors(number: int) -> tuple[int, ...]:
    """Return the groups that a group lies within: 430 and 400 for 434."""
    return tuple(each for each in dict.fromkeys((number // 10 * 10, number // 100 * 100)) if each != number)


def drop_ancestors(numbers: Iterable[int]) -> tuple[int, ...]:
    """Return the narrowest groups only, sorted: of 430 and 434 it is 434, which a search for 430 finds as well."""
    given = set(numbers)
    return tuple(sorted(given - {above for number in given for above in ancestors(number)}))
