"""A day in the office: random changes from a seed, of every kind that a mirror of Teamwork.com may miss."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.teamwork import actions, wording
from ibhelm_pipelines.demo.teamwork.life import Life
from ibhelm_pipelines.demo.teamwork.seed import comment, person, time_entry
from ibhelm_pipelines.demo.teamwork.task_mutations import TASK_MUTATIONS
from ibhelm_pipelines.demo.vocabulary import FIRM_CONTACTS, SITES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from ibhelm_pipelines.demo.teamwork.state import Office, Row

_KEPT = {"projects": 3, "people": 5, "companies": 5, "task_lists": 4, "tags": 4, "teams": 1, "custom_fields": 2}
"""So many live rows are never deleted, or the office would come to an end."""


def mutate(office: Office, rng: Random, count: int, names: Sequence[str] = ()) -> list[str]:
    """Change the office so many times; return what was done, in words for a person who looks for a fault.

    Args:
        office: what is changed.
        rng: the dice.
        count: how often.
        names: kinds of changes; all when none is named.
    """
    done: list[str] = []
    names = names or list(MUTATIONS)
    weights = [MUTATIONS[name][0] for name in names]
    with office.lock:
        while len(done) < count:
            name = rng.choices(names, weights=weights)[0]
            row_id = MUTATIONS[name][1](Life(office, rng))
            if row_id is not None:
                done.append(f"{name} {row_id}")
    return done


def _with(action: Callable[[Office, str, Row, int], None], table: str, life: Life, **values: object) -> int | None:
    """Do something to a live row that has these values."""
    row = life.pick(table, **values)
    if row is None:
        return None
    action(life.office, table, row, life.by)
    return int(row["id"])


def _delete(table: str, life: Life) -> int | None:
    rows = list(life.office.live(table))
    spared = {next(iter(life.office.tables[table]))} if table in {"people", "companies"} else set()
    row = life.choice([row for row in rows if row["id"] not in spared])
    if row is None or len(rows) <= _KEPT.get(table, 0):
        return None
    actions.delete(life.office, table, row, life.by)
    return int(row["id"])


def _restore(table: str, life: Life) -> int | None:
    row = life.deleted(table)
    if row is None:
        return None
    actions.restore(life.office, table, row, life.by)
    return int(row["id"])


def _rename(table: str, key: str, life: Life) -> int | None:
    row = life.pick(table)
    if row is None:
        return None
    name = f"{str(row[key])[:60]} {life.rng.choice('äöüß€')}{life.rng.randrange(100)}"
    actions.edit(life.office, table, row, life.by, **{key: name})
    return int(row["id"])


def _archive(life: Life) -> int | None:
    row = life.pick("projects", archivedAt=None)
    if row is None or sum(each["archivedAt"] is None for each in life.office.live("projects")) <= _KEPT["projects"]:
        return None
    actions.archive(life.office, row, life.by)
    return int(row["id"])


def _unarchive(life: Life) -> int | None:
    row = life.choice([row for row in life.office.live("projects") if row["archivedAt"]])
    if row is None:
        return None
    actions.unarchive(life.office, row, life.by)
    return int(row["id"])


def _create_project(life: Life) -> int | None:
    model = life.pick("projects")
    if model is None:
        return None
    now, site = life.office.now(), life.rng.choice(SITES)
    fresh = {"name": f"99{life.rng.randrange(100):02d} {site.name}", "tagIds": life.tags((2, 1, 1))}
    times: Row = {"createdAt": now, "updatedAt": now, "completedAt": None, "archivedAt": None, "startAt": now[:10]}
    state: Row = {"status": "active", "subStatus": "current", "_values": {}, "_gone": False}
    row = {key: value for key, value in model.items() if key != "id" and key[0] != "_"} | fresh | times | state
    project = actions.create(life.office, "projects", row, life.by)
    _add_list(life, project["id"])
    return int(project["id"])


def _create_list(life: Life) -> int | None:
    project = life.pick("projects")
    return _add_list(life, project["id"]) if project else None


def _add_list(life: Life, project: int) -> int:
    now = life.office.now()
    stones = [row["id"] for row in life.office.live("milestones") if row["projectId"] == project]
    row: Row = {
        "name": life.rng.choice(wording.LISTS),
        "description": "",
        "projectId": project,
        "milestoneId": life.rng.choice([None, *stones]),
        "status": "new",
        "displayOrder": 3000,
        "isPrivate": 0,
        "createdAt": now,
        "updatedAt": now,
        "_before": None,
    }
    return int(actions.create(life.office, "task_lists", row, life.by)["id"])


def _create_milestone(life: Life) -> int | None:
    project = life.pick("projects")
    if project is None:
        return None
    now = life.office.now()
    row: Row = {"name": life.rng.choice(wording.MILESTONES), "deadline": "2027-03-31", "projectId": project["id"]}
    row |= {"responsibleParties": [{"id": life.by, "type": "users"}], "completed": False, "status": "new"}
    row |= {"isDeleted": False, "createdOn": now, "lastChangedOn": now}
    return int(actions.create(life.office, "milestones", row, life.by)["id"])


def _create_comment(life: Life) -> int | None:
    task = life.pick("tasks")
    if task is None:
        return None
    body = life.seeding.text(life.rng.choice(wording.COMMENTS))
    row = comment(life.office, "task", task, body, by=life.by, posted=life.office.now())
    return int(actions.create(life.office, "comments", row, life.by)["id"])


def _edit_comment(life: Life) -> int | None:
    row = life.pick("comments")
    if row is None:
        return None
    body = life.seeding.text(life.rng.choice(wording.COMMENTS))
    actions.edit(life.office, "comments", row, life.by, body=body, htmlBody=f"<p>{body}</p>")
    return int(row["id"])


def _create_time(life: Life) -> int | None:
    task = life.pick("tasks")
    if task is None:
        return None
    project = life.office.project_of("tasks", task)
    row = time_entry(task, project, life.by, life.office.now(), life.rng.choice(("Telefonat", "Begehung 🦺")))
    return int(actions.create(life.office, "time_entries", row, life.by)["id"])


def _edit_time(life: Life) -> int | None:
    row = life.pick("time_entries")
    if row is None:
        return None
    values: Row = {
        "minutes": life.rng.randrange(5, 600, 5),
        "tagIds": life.tags((1, 1)),
        "isBillable": not row["isBillable"],
    }
    actions.edit(life.office, "time_entries", row, life.by, **values)
    return int(row["id"])


def _create_person(life: Life) -> int | None:
    company = life.pick("companies")
    if company is None:
        return None
    row = person(life.seeding, life.rng.choice(FIRM_CONTACTS), company["id"], "account", isClientUser=True)
    row["createdAt"] = life.office.now()
    return int(actions.create(life.office, "people", row, life.by)["id"])


def _create_company(life: Life) -> int | None:
    model = life.pick("companies")
    if model is None:
        return None
    row = {key: value for key, value in model.items() if key != "id"}
    row |= {"name": f"Gutachterbüro Öztürk {life.rng.randrange(100)}", "isOwner": False}
    return int(actions.create(life.office, "companies", row, life.by)["id"])


def _create_tag(life: Life) -> int | None:
    name = f"{life.rng.choice(wording.TAGS)} {life.rng.randrange(100)}"
    project = life.pick("projects") if life.rng.random() < 0.3 else None
    row: Row = {"name": name, "color": life.rng.choice(wording.COLORS), "projectId": project and project["id"]}
    row["_gone"] = False
    return int(actions.create(life.office, "tags", row, life.by)["id"])


def _create_team(life: Life) -> int | None:
    row: Row = {"name": f"Trupp {life.rng.randrange(100)}", "handle": "trupp", "description": "", "_gone": False}
    row["userIds"] = life.people((0, 1, 1))
    return int(actions.create(life.office, "teams", row, life.by)["id"])


def _change_team(life: Life) -> int | None:
    row = life.pick("teams")
    if row is None:
        return None
    actions.edit(life.office, "teams", row, life.by, userIds=life.people((1, 1, 1, 1)))
    return int(row["id"])


_complete, _reopen = partial(_with, actions.complete), partial(_with, actions.reopen)
MUTATIONS: dict[str, tuple[float, Callable[[Life], int | None]]] = {
    **TASK_MUTATIONS,
    "archive project": (1, _archive),
    "unarchive project": (1, _unarchive),
    "complete project": (0.5, partial(_complete, "projects", subStatus="current")),
    "reopen project": (0.5, partial(_reopen, "projects", subStatus="completed")),
    "create project": (1, _create_project),
    "create list": (2, _create_list),
    "complete list": (1, partial(_complete, "task_lists", status="new")),
    "reopen list": (1, partial(_reopen, "task_lists", status="completed")),
    "create milestone": (1, _create_milestone),
    "complete milestone": (0.5, partial(_complete, "milestones", completed=False)),
    "reopen milestone": (0.5, partial(_reopen, "milestones", completed=True)),
    "create comment": (5, _create_comment),
    "edit comment": (4, _edit_comment),
    "create time": (4, _create_time),
    "edit time": (3, _edit_time),
    "create person": (1, _create_person),
    "create company": (0.5, _create_company),
    "create tag": (2, _create_tag),
    "create team": (0.5, _create_team),
    "change team": (1, _change_team),
    **{
        f"rename {table}": (weight, partial(_rename, table, key))
        for table, key, weight in (
            ("projects", "name", 1.0),
            ("task_lists", "name", 1.0),
            ("milestones", "name", 1.0),
            ("people", "lastName", 1.0),
            ("companies", "name", 1.0),
            ("tags", "name", 1.0),
            ("custom_fields", "name", 0.5),
        )
    },
    **{
        f"delete {table}": (weight, partial(_delete, table))
        for table, weight in (
            ("projects", 1.0),
            ("task_lists", 1.0),
            ("milestones", 1.0),
            ("comments", 3.0),
            ("time_entries", 3.0),
            ("people", 1.0),
            ("companies", 0.5),
            ("tags", 1.0),
            ("teams", 0.5),
            ("custom_fields", 0.2),
        )
    },
    **{
        f"restore {table}": (weight, partial(_restore, table))
        for table, weight in (
            ("projects", 2.0),
            ("task_lists", 1.0),
            ("milestones", 1.0),
            ("time_entries", 1.0),
            ("people", 0.5),
        )
    },
}
