"""How the office files its tasks: tags that name cost groups and places, each written in the ways that people have.

What a tag means is kept beside it (`_means`), as it was meant and not as it is spelled; a task is about what its tags
and the values of its fields mean. All of it is made after the rest of the office and by dice of its own, so that an
office without it is the same.
"""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.model import Place, make_projects
from ibhelm_pipelines.demo.register_truth import (
    INTERNAL,
    UNNUMBERED,
    UNNUMBERED_BUILDING,
    About,
    Meaning,
    meaning,
    meant,
)
from ibhelm_pipelines.demo.teamwork import wording
from ibhelm_pipelines.demo.teamwork.actions import new_task
from ibhelm_pipelines.demo.teamwork.state import Office, Row, iso
from ibhelm_pipelines.demo.vocabulary import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEGAN = iso(dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC))
_TASKS_OF_EXTRA_PROJECTS = 4


def file_tasks(office: Office, *, seed: int, projects: int) -> None:
    """Let people file the tasks of an office that was just made, and give it two projects that are hard to find.

    Args:
        office: the office.
        seed: that it was made with.
        projects: how many it was made with.
    """
    filing = _Filing(office, Random(f"{seed} filing"))
    made = make_projects(projects, Random(f"{seed} projects"))
    rows = list(office.tables["projects"].values())
    for row, each in zip(rows, made, strict=True):
        row |= {"_key": each.number, "_buildings": list(each.site.buildings)}
    filing.add_project(UNNUMBERED, model=rows[-1], buildings=[UNNUMBERED_BUILDING])
    filing.add_project(INTERNAL, model=rows[-1], buildings=[])
    for tag in office.tables["tags"].values():
        building = wording.TAG_BUILDINGS.get(tag["name"])
        place = Place(building=building) if building else None
        tag["_means"] = meaning(cost_group=wording.TAG_GROUPS.get(tag["name"]), place=place)
    for task in list(office.tables["tasks"].values()):
        project = office.tables["projects"][office.project_of("tasks", task) or 0]
        filing.file(task, project["_buildings"])


def tasks_meant(office: Office) -> dict[int, About]:
    """Return what each task that a person sees is about, by its id; its project is that of its list."""
    with office.lock:
        return {task["id"]: _about(office, task) for task in office.live("tasks")}


def _about(office: Office, task: Row) -> About:
    tags = [tag for each in task["tagIds"] if not (tag := office.tables["tags"][each])["_gone"]]
    fields = [(office.tables["custom_fields"][field], value["value"]) for field, value in task["_values"].items()]
    kept = [(field["name"], value) for field, value in fields if not field["deleted"] and value]
    by_field = {wording.FIELD_GROUPS[each] for each in kept if each in wording.FIELD_GROUPS}
    by_trade = {wording.FIELD_TRADES[each] for each in kept if each in wording.FIELD_TRADES}
    return About(
        told_by={"tag": meant(tags), "field": Meaning(cost_groups=frozenset(by_field))},
        untold=Meaning(cost_groups=frozenset(by_trade)),
    )


def projects_meant(office: Office) -> dict[str, int]:
    """Return the id of each project that a person sees, by its number, or by its name where it has none."""
    with office.lock:
        return {row["_key"]: row["id"] for row in office.live("projects") if "_key" in row}


class _Filing:
    """Tags one task after the other."""

    def __init__(self, office: Office, rng: Random) -> None:
        self._office, self._rng = office, rng
        self._by_name: dict[str, int] = {}

    def add_project(self, name: str, *, model: Row, buildings: list[str]) -> None:
        """Add a project without a number, with a few tasks."""
        office, rng = self._office, self._rng
        fresh: Row = {
            "name": name,
            "_key": name,
            "_buildings": buildings,
            "tagIds": [],
            "archivedAt": None,
            "completedAt": None,
            "_values": {},
        }
        state = {"status": "active", "subStatus": "current", "_gone": False}
        values = {key: value for key, value in model.items() if key != "id"}
        project = office.add("projects", {**values, **fresh, **state})
        tasklist = next(row for row in office.tables["task_lists"].values() if row["status"] == "new")
        fresh = {"projectId": project["id"], "milestoneId": None, "name": wording.LISTS[0]}
        values = {key: value for key, value in tasklist.items() if key != "id"}
        added = office.add("task_lists", {**values, **fresh})
        for title in rng.sample(wording.PLAIN_TASKS, _TASKS_OF_EXTRA_PROJECTS):
            new_task(office, name=title, tasklist_id=added["id"], by=model["ownerId"], at=_BEGAN, values={})

    def file(self, task: Row, buildings: Sequence[str]) -> None:
        """Give a task the tags that say what it is about, and sometimes one that says nothing."""
        rng = self._rng
        tags = set(task["tagIds"])
        if rng.random() < 0.5:
            number = rng.choice(tuple(wording.GROUP_SPELLINGS))
            tags.add(self._tag(rng.choice(wording.GROUP_SPELLINGS[number]), meaning(cost_group=number)))
        if buildings and rng.random() < 0.4:
            place, spelling = self._place(buildings)
            tags.add(self._tag(spelling, meaning(place=place)))
        if rng.random() < 0.12:
            tags.add(self._tag(rng.choice(wording.MEANINGLESS_TAGS), meaning()))
        self._office.change("tasks", task, {"tagIds": sorted(tags)})

    def _place(self, buildings: Sequence[str]) -> tuple[Place, str]:
        """Some place in the project's own buildings, and how somebody writes it."""
        rng = self._rng
        building, level = rng.choice(buildings), rng.choice(LEVELS)
        room = f"{LEVELS.index(level)}.{rng.randrange(1, 5):02d}"
        places = (
            (Place(building=building), f"O-{building}"),
            (Place(building=building, level=level), f"O-{building} / {level}"),
            (Place(building=building, level=level), f"O-{building}/{level}"),
            (Place(building=building, level=level, room=room), f"O-{building} / {level} / Raum {room}"),
            (Place(building=building, room=room), f"O-{building} / Raum {room}"),
        )
        return rng.choices(places, weights=(4, 4, 1, 3, 1))[0]

    def _tag(self, name: str, means: Row) -> int:
        """The id of the tag of this name; it is made when it is wanted for the first time."""
        if name not in self._by_name:
            known = (row["id"] for row in self._office.tables["tags"].values() if row["name"] == name)
            self._by_name[name] = next(known, 0) or self._new_tag(name, means)
        return self._by_name[name]

    def _new_tag(self, name: str, means: Row) -> int:
        color = wording.COLORS[len(self._by_name) % len(wording.COLORS)]
        row: Row = {"name": name, "color": color, "projectId": None, "_gone": False, "_updatedAt": _BEGAN}
        return int(self._office.add("tags", {**row, "_means": means})["id"])
