"""The names of projects and folders: the number in front, and the rest.

Substrings prove nothing (lesson 15): names are compared whole, folded, and numbers with their boundaries.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ibhelm_pipelines.folding import folded, words

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = r"[0-9]+(?:[-./_][0-9]+)*(?![^\W_])(?![-./_,:][0-9])"
_UNIT = r"(?!\s*(?:€|%|(?:eur|euro|uhr|kw|kwh|w|mm|m|m2|m3|m²|m³|l|kg|t|st|stk|stueck)(?![^\W_])))"
_AT_START = re.compile(rf"({_NUMBER})")
_ANYWHERE = re.compile(rf"(?<![^\W_])(?<![0-9][-./_,:])({_NUMBER}){_UNIT}(?=[\W_]*([^\W_]*))")
_SEPARATORS = re.compile(r"[-./_]")
_YEAR = re.compile(r"(19|20)\d\d")
_MIN_DIGITS = 3
"""Of a number in front of a name: 01 and 00 order the folders of an office, they number no project."""
_MIN_DIGITS_ANYWHERE = 4
"""Shorter numbers stand in too many subjects: rooms, cost groups, amounts."""
_MIN_WORDS = 2
"""Of a name that is looked for within a subject: one word alone (Umbau, Labor) stands in too many."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name as it is compared.

    Attributes:
        number: that it begins with, as 2301 or 2301.2; empty where it begins with none.
        rest: words after the number.
    """

    number: str
    rest: tuple[str, ...]


def read_name(text: str) -> Name:
    """Take a name apart."""
    start = _AT_START.match(folded(text))
    number = _SEPARATORS.sub(".", start[1]) if start else ""
    if start is None or sum(map(str.isdigit, number)) < _MIN_DIGITS:
        return Name(number="", rest=words(text))
    return Name(number=number, rest=words(folded(text)[start.end() :]))


Project = TypeVar("Project", bound=Hashable)


class ProjectNames(Generic[Project]):
    """Finds the projects that a name or a text names.

    Args:
        names: of the projects, one by one: a project may have several.
    """

    def __init__(self, names: Iterable[tuple[Project, str]]) -> None:
        self._by_number: dict[str, set[Project]] = defaultdict(set)
        self._by_name: dict[tuple[str, ...], set[Project]] = defaultdict(set)
        self._by_rest: dict[tuple[str, ...], set[Project]] = defaultdict(set)
        self._numbers: dict[Project, set[str]] = defaultdict(set)
        self._next_words: dict[Project, set[str]] = defaultdict(set)
        for project, text in names:
            self._add(project, text)
        self._longest = max(map(len, self._by_rest), default=0)

    def _add(self, project: Project, text: str) -> None:
        name = read_name(text)
        self._by_name[words(text)].add(project)
        if name.rest:
            self._by_rest[name.rest].add(project)
            self._next_words[project].add(name.rest[0])
        if name.number:
            self._by_number[name.number].add(project)
            self._numbers[project].add(name.number)

    def with_number(self, number: str) -> set[Project]:
        """Return the projects with this number."""
        return self._by_number.get(number, set())

    def whole(self, text: str) -> set[Project]:
        """Return the projects whose whole name this is, number and all."""
        return self._by_name.get(words(text), set())

    def named(self, text: str) -> set[Project]:
        """Return the projects whose whole name this is; of name and text only one need have a number."""
        name = read_name(text)
        rests = self._by_rest.get(name.rest, set()) if name.rest else set()
        unlike = {each for each in rests if name.number and self._numbers[each] - {name.number}}
        return self.whole(text) | (rests - unlike)

    def numbered_in(self, text: str) -> set[Project]:
        """Return the projects whose number stands in a text by itself; a year proves nothing without the name."""
        found: set[Project] = set()
        for written, next_word in _ANYWHERE.findall(folded(text)):
            number = _SEPARATORS.sub(".", written)
            if sum(map(str.isdigit, number)) >= _MIN_DIGITS_ANYWHERE:
                found |= {
                    project
                    for project in self.with_number(number)
                    if not _YEAR.fullmatch(number) or (next_word and next_word in self._next_words[project])
                }
        return found

    def named_in(self, text: str) -> set[Project]:
        """Return the projects whose name without its number stands in a text, word for word, as a whole.

        A name that several projects share names none of them.
        """
        said = words(text)
        found: dict[tuple[str, ...], set[Project]] = {}
        for start in range(len(said)):
            for end in range(start + _MIN_WORDS, min(len(said), start + self._longest) + 1):
                if projects := self._by_rest.get(said[start:end]):
                    found[said[start:end]] = projects
        longest = {name for name in found if not any(name != other and _contains(other, name) for other in found)}
        return {next(iter(found[name])) for name in longest if len(found[name]) == 1}


def _contains(longer: tuple[str, ...], shorter: tuple[str, ...]) -> bool:
    return any(longer[at : at + len(shorter)] == shorter for at in range(len(longer) - len(shorter) + 1))
