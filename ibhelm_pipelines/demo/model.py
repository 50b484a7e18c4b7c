"""What the generator works with: the projects of the office, places in their buildings, and one file in the making.

A recipe (in `letters`, `drawings`, `pictures`, `papers`) is a function from a project and a seeded generator to the
files it leaves behind. It never touches the disk and never asks the clock: that makes the office the same each time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ibhelm_pipelines.demo.vocabulary import COST_GROUPS, LEVELS, SITES, STAFF, CostGroup, Site, Staff

FIRST_YEAR = 2019
LAST_YEAR = 2026
LAST_DAY = dt.date(2026, 10, 30)  # fixed: the clock must not change the office


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a project something stands; a level may be known without a room, never a room without its level."""

    building: str
    level: str | None = None
    room: str | None = None

    @property
    def folder(self) -> str:
        """The folders by which the office files it: `O-` marks a place."""
        return "/".join(filter(None, (f"O-{self.building}", self.level, self.room and f"Raum {self.room}")))


@dataclass(frozen=True, kw_only=True)
class Project:
    """One project: its number and lead give the folder its name."""

    number: str
    site: Site
    lead: Staff
    start: dt.date
    finished: bool

    @property
    def name(self) -> str:
        return f"{self.number}-{self.site.name}-{self.lead.initials}"

    @property
    def folder(self) -> str:
        return f"{'projekte-erledigt' if self.finished else 'projekte'}/{self.name}"

    @property
    def title(self) -> str:
        return f"{self.number} {self.site.name}"

    def day(self, rng: Random) -> dt.date:
        """A working day in the course of the project."""
        day = min(self.start + dt.timedelta(days=rng.randrange(20, 500)), LAST_DAY)
        return day - dt.timedelta(days=max(0, day.weekday() - 4))

    def place(self, rng: Random, *, room: bool = False) -> Place:
        level = rng.choice(LEVELS)
        number = f"{LEVELS.index(level)}.{rng.randrange(1, 19):02d}" if room else None
        return Place(building=rng.choice(self.site.buildings), level=level, room=number)

    def cost_group(self, rng: Random) -> CostGroup:
        return rng.choice(COST_GROUPS)


@dataclass(frozen=True, kw_only=True)
class OfficeFile:
    """A file in the making, with what is true about it.

    Attributes:
        folder: below the project's folder (below the root when there is no project).
        kind: what a person would call it: Angebot, Rechnung, Plan, Foto, ...
        day: last change; becomes the modification time.
        defect: why it cannot be read, when it cannot: empty, broken or encrypted.
        text_tells: which of these its text says where one begins to read: cost_group, building, level.
        mentions: cost groups that it treats among others, without being about one of them.
    """

    folder: str
    name: str
    data: bytes
    kind: str
    day: dt.date
    cost_group: int | None = None
    place: Place | None = None
    defect: str | None = None
    text_tells: tuple[str, ...] = ()
    mentions: tuple[int, ...] = ()


Recipe = Callable[[Project, Random], list[OfficeFile]]


def make_projects(count: int, rng: Random) -> list[Project]:
    """Return the projects, oldest first; every fifth or so is finished, none of the last two years is."""
    projects: list[Project] = []
    for index in range(count):
        year = FIRST_YEAR + index * (LAST_YEAR - FIRST_YEAR + 1) // count
        sequence = 1 + sum(project.start.year == year for project in projects)
        projects.append(
            Project(
                number=f"{year % 100}{sequence:02d}",
                site=SITES[index % len(SITES)],
                lead=rng.choice(STAFF),
                start=dt.date(year, rng.randrange(1, 5), rng.randrange(1, 28)),
                finished=year < LAST_YEAR - 2 and index % 3 == 0,
            )
        )
    return projects


def euros(amount: float) -> str:
    """1234.5 as Germans write it: 1.234,50."""
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def german(day: dt.date) -> str:
    """A day as Germans write it: 31.12.2025."""
    return f"{day:%d.%m.%Y}"
