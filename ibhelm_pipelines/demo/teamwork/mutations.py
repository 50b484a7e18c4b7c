"""A day in the office: random changes from a seed, of every kind that a mirror of Teamwork.com may miss."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.teamwork import actions, wording
from ibhelm_pipelines.demo.teamwork.seed import Seeding, comment, person, time_entry
from ibhelm_pipelines.demo.teamwork.state import Office, Row, is_deleted

if TYPE_CHECKING:
    from collections.abc import Callable

    Mutation = Callable[["Life"], str]

_MIN_PROJECTS = 3
_MIN_ROWS = 4


class Life:
    """The office and the dice."""

    def __init__(self, office: Office, rng: Random) -> None:
        self.office, self.rng = office, rng
        self.seeding = Seeding(office=office, rng=rng)
        self.by = self.pick("people")["id"]

    def pick(self, table: str, **values: object) -> Row:
        """Return a live row with these values; an empty one where there is none."""
        rows = [row for row in self.office.live(table) if all(row[key] == value for key, value in values.items())]
        return self.rng.choice(rows) if rows else {}

    def with_links(self, key: str, *, count: int) -> Row:
        """Return a live task with exactly so many links of a kind."""
        rows = [row for row in self.office.live("tasks") if len(row[key]) == count]
        return self.rng.choice(rows) if rows else {}

    def deleted(self, table: str) -> Row:
        """Return a row that can be restored."""
        rows = [
            row
            for row in self.office.tables[table].values()
            if is_deleted(table, row) and not self.office.in_deleted_project(table, row)
        ]
        return self.rng.choice(rows) if rows else {}


def mutate(office: Office, rng: Random, count: int) -> list[str]:
    """Change the office so many times; return what was done, in words for a person who looks for a fault."""
    done: list[str] = []
    kinds, weights = list(_MUTATIONS), list(_MUTATIONS.values())
    with office.lock:
        while len(done) < count:
            kind = rng.choices(kinds, weights=weights)[0]
            what = kind(Life(office, rng))
            if what:
                done.append(f"{kind.__name__.strip('_')}: {what}")
    return done


def _create_task(life: Life) -> str:
    target = life.pick("task_lists")
    if not target:
        return ""
    rng, seeding = life.rng, life.seeding
    name = rng.choice((rng.choice(wording.ODD_TASKS), seeding.text(rng.choice(wording.TASKS))))
    siblings = [row["id"] for row in life.office.live("tasks") if row["tasklistId"] == target["id"]]
    values: Row = {
        "description": seeding.text(rng.choice(wording.DESCRIPTIONS)),
        "parentTaskId": rng.choice(siblings) if siblings and rng.random() < 0.3 else None,
        "predecessorIds": seeding.some(siblings, (3, 1, 1)),
        "assigneeUserIds": seeding.some(seeding.ids("people", deleted=False), (2, 3, 1)),
        "assigneeTeamIds": seeding.some([row["id"] for row in life.office.live("teams")], (3, 1)),
        "assigneeCompanyIds": seeding.some([row["id"] for row in life.office.live("companies")], (3, 1)),
        "tagIds": seeding.some([row["id"] for row in life.office.live("tags")], (1, 2, 2)),
    }
    row = actions.create_task(life.office, name=name, tasklist_id=target["id"], by=life.by, values=values)
    return str(row["id"])


def _edit_task(life: Life) -> str:
    row = life.pick("tasks")
    if not row:
        return ""
    rng = life.rng
    changes: list[Row] = [
        {"name": rng.choice(wording.ODD_TASKS)},
        {"description": life.seeding.text(rng.choice(wording.DESCRIPTIONS))},
        {"dueDate": rng.choice((None, "2026-12-24"))},
        {"startDate": rng.choice((None, "2026-11-02"))},
        {"priority": rng.choice((None, "none", "high"))},
        {"progress": rng.choice((0, 10, 90))},
        {"isPrivate": rng.choice((0, 1))},
        {"estimateMinutes": rng.choice((0, 45))},
    ]
    change = rng.choice(changes)
    actions.edit(life.office, "tasks", row, life.by, **change)
    return f"{row['id']} {', '.join(change)}"


_MUTATIONS: dict[Mutation, int] = {_create_task: 10, _edit_task: 20}
