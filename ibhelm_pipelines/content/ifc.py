"""Building models (IFC): project, site, buildings, storeys and rooms by name, and how many things of which kind.

Runs inside the sandbox only. The model is read as a stream of statements, so that one of a gigabyte takes no more
memory than a small one; its geometry is not looked at.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Facts, Outcome
from ibhelm_pipelines.content.page import MAX_LINES, draw_text
from ibhelm_pipelines.content.part21 import CUT_OFF, END, arguments, statements, text_of
from ibhelm_pipelines.content.step import Header
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import storable

DAMAGED = "The building model is damaged: it has no statement that can be read"

TIME_SHARE = 0.6
"""Part of the time limit after which no further statement is read."""

MAX_PLACES = 100_000
MAX_NAMES = 5000
MAX_DEPTH = 12
SHOWN_KINDS = 14

# Everything with an identity is written NAME('22 letters of its identity',...).
_ROOTED = re.compile(rb"#(\d+)\s*=\s*(IFC[A-Z0-9]+)\s*\(\s*'[0-9A-Za-z_$]{22}'")
_REFERENCE = re.compile(rb"#(\d+)")

PLACES = {
    b"IFCPROJECT": ("Project", 5),
    b"IFCSITE": ("Site", 7),
    b"IFCBUILDING": ("Building", 7),
    b"IFCBUILDINGSTOREY": ("Storey", 7),
    b"IFCSPACE": ("Space", 7),
}
"""What each is called, and which of its arguments is the long name; the short one is the third."""

NAMED = frozenset({b"IFCSYSTEM", b"IFCDISTRIBUTIONSYSTEM", b"IFCZONE"})
AGGREGATES = b"IFCRELAGGREGATES"
SPACE = "Space"


@dataclass
class Place:
    """A project, site, building, storey or room."""

    kind: str
    name: str
    parts: list[int] = field(default_factory=list)

    def line(self) -> str:
        return f"{self.kind}: {self.name}" if self.name else self.kind


@dataclass
class Model:
    """What was read of a building model."""

    header: Header = field(default_factory=Header)
    places: dict[int, Place] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    names: dict[str, None] = field(default_factory=dict)
    statements: int = 0
    stopped: bool = False
    ended: bool = False

    def facts(self) -> Facts:
        """Return what the file and its project say."""
        project = next((place.name for place in self.places.values() if place.kind == "Project"), "")
        return self.header.facts(project)

    def tree(self, *, rooms: bool) -> list[str]:
        """Return the places, indented below what they are part of; rooms by name or only how many."""
        inside = {part for place in self.places.values() if place.kind for part in place.parts}
        lines: list[str] = []
        seen: set[int] = set()
        waiting = [(number, 0) for number in reversed(self.places) if number not in inside]
        while waiting:
            number, depth = waiting.pop()
            place = self.places.get(number)
            if place is None or not place.kind or number in seen or depth > MAX_DEPTH:
                continue
            seen.add(number)
            shown, others = self._parts(place, rooms=rooms)
            if rooms or place.kind != SPACE:
                lines.append("  " * depth + place.line() + shown)
            waiting += [(part, depth + 1) for part in reversed(others)]
        return lines

    def _parts(self, place: Place, *, rooms: bool) -> tuple[str, list[int]]:
        if rooms:
            return "", place.parts
        others = [part for part in place.parts if part in self.places and self.places[part].kind != SPACE]
        count = sum(1 for part in place.parts if part in self.places) - len(others)
        return (f" ({count} rooms)" if count else ""), others

    def counts(self) -> list[str]:
        """Return how many things there are of which kind, the most frequent first."""
        return [f"{kind} {count}" for kind, count in self.kinds.most_common()]


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the tree of places and the most frequent kinds on a page."""
    model = _read(file, limits)
    facts = model.facts()
    counts = model.counts()[:SHOWN_KINDS]
    tree = model.tree(rooms=False)[: MAX_LINES - len(counts) - 1]
    lines = [*tree, "", *counts] if tree or counts else model.header.lines()
    return Outcome(state="ok", preview=draw_text("\n".join(lines), title=facts.title), facts=facts)


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the header, the places, systems and types by name, and the counts of all kinds."""
    model = _read(file, limits)
    whole = storable("\n".join((*model.header.lines(), *model.tree(rooms=True), *model.names, *model.counts())))
    cut_off = not (model.ended or model.stopped)
    truncated = cut_off or model.stopped or len(whole) > limits.text_chars
    reason = CUT_OFF if cut_off else None
    return Outcome(state="ok", reason=reason, text=whole[: limits.text_chars], truncated=truncated, facts=model.facts())


def _read(file: BinaryIO, limits: Limits) -> Model:
    model = Model()
    deadline = time.monotonic() + limits.seconds * TIME_SHARE

    def enough() -> bool:
        model.stopped = time.monotonic() > deadline
        return model.stopped

    for statement in statements(file, enough):
        model.statements += 1
        model.ended = statement == END
        rooted = _ROOTED.match(statement)
        if rooted is not None:
            _take(model, int(rooted[1]), rooted[2], statement)
        elif model.statements < 100:
            model.header.take(statement)
    if model.statements < 2:
        raise SuspectFileError(DAMAGED)
    return model


def _take(model: Model, number: int, kind: bytes, statement: bytes) -> None:
    if kind in PLACES:
        if len(model.places) < MAX_PLACES:
            model.places[number] = _place(model.places.get(number), kind, statement)
    elif kind == AGGREGATES:
        _join(model, statement)
    elif kind in NAMED or kind.endswith((b"TYPE", b"STYLE")):
        name = text_of([*arguments(statement), b"", b"", b""][2])
        if name and len(model.names) < MAX_NAMES:
            model.names[name] = None
    elif not kind.startswith((b"IFCREL", b"IFCPROPERTY", b"IFCELEMENTQUANTITY")):
        model.kinds[kind.decode("ascii")] += 1


def _place(known: Place | None, kind: bytes, statement: bytes) -> Place:
    word, at = PLACES[kind]
    parts = [*arguments(statement), *[b""] * 8]
    names = dict.fromkeys(name for name in (text_of(parts[2]), text_of(parts[at])) if name)
    return Place(word, " ".join(names), known.parts if known else [])


def _join(model: Model, statement: bytes) -> None:
    """A whole and its parts; they may be told before the whole itself is."""
    whole, parts = [*arguments(statement), *[b""] * 6][4:6]
    numbers = [int(number) for number in _REFERENCE.findall(whole + b" " + parts)]
    if len(numbers) > 1 and len(model.places) < MAX_PLACES:
        model.places.setdefault(numbers[0], Place("", "")).parts.extend(numbers[1:])
