"""Fills the office: the projects of the demo NAS, with people, lists, tasks, comments and time, the same from a seed.

A share of everything is archived, completed, deleted, private or oddly written, so that whoever reads only what the
vendor shows by default is found out; and many rows share one second of change, as after an edit of many at once.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.model import LAST_DAY, make_projects
from ibhelm_pipelines.demo.teamwork import wording
from ibhelm_pipelines.demo.teamwork.actions import new_task
from ibhelm_pipelines.demo.teamwork.state import CATEGORIES, Office, Row, iso
from ibhelm_pipelines.demo.vocabulary import (
    COST_GROUPS,
    DRAUGHTSMEN,
    FIRM_CONTACTS,
    FIRMS,
    LEVELS,
    OFFICE_ADDRESS,
    OFFICE_MAIL_DOMAIN,
    OFFICE_NAME,
    SITES,
    STAFF,
)

if TYPE_CHECKING:
    from ibhelm_pipelines.demo.model import Project

_FOLDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ö": "Oe", " ": ".", "ı": "i"})
_FIRST_MOMENT = dt.datetime(2019, 1, 2, 8, tzinfo=dt.UTC)
_LAST_MOMENT = dt.datetime.combine(LAST_DAY, dt.time(15), dt.UTC)
_DAY_SECONDS = 24 * 3600
_BULK_SHARE = 0.04


@dataclass(kw_only=True)
class Seeding:
    """An office in the making."""

    office: Office
    rng: Random

    def moment(self, start: dt.date) -> str:
        """Some second in the two years from a day on."""
        seconds = self.rng.randrange(20 * _DAY_SECONDS, 700 * _DAY_SECONDS)
        began = dt.datetime.combine(start, dt.time(6), dt.UTC)
        return iso(min(began + dt.timedelta(seconds=seconds), _LAST_MOMENT))

    def later(self, moment: str) -> str:
        """Some second within half a year after another."""
        after = dt.datetime.fromisoformat(moment) + dt.timedelta(seconds=self.rng.randrange(180 * _DAY_SECONDS))
        return iso(min(after, _LAST_MOMENT))

    def ids(self, table: str, **values: object) -> list[int]:
        """The ids of the rows that have these values."""
        rows = self.office.tables[table].values()
        return [row["id"] for row in rows if all(row[key] == value for key, value in values.items())]

    def some(self, ids: list[int], weights: tuple[int, ...]) -> list[int]:
        """None, one, two ... of the ids, as the weights say, in order of their ids."""
        count = self.rng.choices(range(len(weights)), weights=weights)[0]
        return sorted(self.rng.sample(ids, min(count, len(ids))))

    def text(self, template: str) -> str:
        """Fill a template with firms, rooms and numbers."""
        rng = self.rng
        return template.format(
            firm=rng.choice(FIRMS)[0],
            level=rng.choice(LEVELS),
            room=f"{rng.randrange(5)}.{rng.randrange(1, 19):02d}",
            axis=rng.choice("ABCDEF"),
            number=rng.randrange(1, 40),
            trade=rng.choice(COST_GROUPS).title,
            staff=rng.choice(STAFF).name,
        )


def seed_office(office: Office, *, seed: int, projects: int, tasks: int) -> None:
    """Fill an empty office.

    Args:
        office: the office.
        seed: another seed makes another office; the projects are those of the NAS of that seed.
        projects: how many, at least 3.
        tasks: how many; there are half as many comments and half as many time entries.
    """
    seeding = Seeding(office=office, rng=Random(f"{seed} teamwork"))
    _companies(seeding)
    _people(seeding)
    _teams_tags_fields(seeding)
    nas = make_projects(projects, Random(f"{seed} projects"))
    rows = [_project(seeding, project, index) for index, project in enumerate(nas)]
    for row, project in zip(rows, nas, strict=True):
        _lists(seeding, row, project)
    _tasks(seeding, tasks)
    _comments(seeding, tasks // 2)
    _times(seeding, tasks // 2)


def _companies(seeding: Seeding) -> None:
    names = [(OFFICE_NAME, *OFFICE_ADDRESS)]
    names += [(name, "Unter den Eichen 1", "12203 Berlin") for name in dict.fromkeys(site.client for site in SITES)]
    for name, street, city in [*names, *FIRMS]:
        code, _, town = city.partition(" ")
        row: Row = {
            "name": name,
            "addressOne": street,
            "city": town,
            "zip": code,
            "countryCode": "DE",
            "emailOne": "",
            "phone": f"+49 30 {seeding.rng.randrange(10**6, 10**7)}",
            "website": "",
            "isOwner": name == OFFICE_NAME,
            "status": "active",
            "_gone": False,
            "_updatedAt": iso(_FIRST_MOMENT),
        }
        seeding.office.add("companies", row)


def _people(seeding: Seeding) -> None:
    own, *firms = seeding.ids("companies")
    for index, name in enumerate([staff.name for staff in STAFF] + list(DRAUGHTSMEN)):
        seeding.office.add("people", person(seeding, name, own, "account", isAdmin=index == 0))
    for index, name in enumerate(FIRM_CONTACTS):
        kind = "contact" if index % 3 == 0 else "account"
        row = person(seeding, name, firms[-1 - index % len(FIRMS)], kind, isClientUser=True)
        seeding.office.add("people", row)
    gone = person(seeding, "Jürgen Weggang-Müßig", own, "account")
    seeding.office.add("people", gone | {"deleted": True})


def person(seeding: Seeding, name: str, company: int, kind: str, **values: object) -> Row:
    """A person; the mail address is made of the name."""
    first, _, last = name.rpartition(" ")
    began = seeding.moment(_FIRST_MOMENT.date())
    return {
        "firstName": first,
        "lastName": last,
        "title": seeding.rng.choice(wording.TITLES),
        "email": f"{name.translate(_FOLDED)}@{OFFICE_MAIL_DOMAIN}".replace("..", ".").lower(),
        "companyId": company,
        "isAdmin": False,
        "isClientUser": False,
        "type": kind,
        "deleted": False,
        "avatarUrl": "",
        "lengthOfDay": 8.0,
        "timezone": "Europe/Berlin",
        "createdAt": began,
        "updatedAt": began,
        **values,
    }


def _teams_tags_fields(seeding: Seeding) -> None:
    staff = seeding.ids("people", isClientUser=False, deleted=False)
    stamp = iso(_FIRST_MOMENT)
    for name in wording.TEAMS:
        team: Row = {"name": name, "handle": name.split("/")[0].lower(), "description": ""}
        members = {"userIds": seeding.some(staff, (0, 0, 1, 1, 1))}
        seeding.office.add("teams", {**team, **members, "_gone": False, "_updatedAt": stamp})
    for index, name in enumerate(wording.TAGS):
        tag: Row = {"name": name, "color": wording.COLORS[index % len(wording.COLORS)], "projectId": None}
        seeding.office.add("tags", {**tag, "_gone": False, "_updatedAt": stamp})
    for name, kind, entity, options in (
        ("Kostengruppe", "number-integer", "task", None),
        ("Gewerk", "dropdown", "task", {"choices": [{"value": "Heizung"}, {"value": "Lüftung"}, {"value": "Sanitär"}]}),
        ("Raum", "text-short", "task", None),
        ("Honorarzone", "text-short", "project", None),
    ):
        field: Row = {"name": name, "type": kind, "entity": entity, "options": options, "projectId": None}
        seeding.office.add("custom_fields", {**field, "deleted": False, "createdAt": stamp, "updatedAt": stamp})


def _project(seeding: Seeding, project: Project, index: int) -> Row:
    office, rng = seeding.office, seeding.rng
    client = next(row for row in office.tables["companies"].values() if row["name"] == project.site.client)
    lead = next(row for row in office.tables["people"].values() if project.lead.name.endswith(row["lastName"]))
    began = iso(dt.datetime.combine(project.start, dt.time(9), dt.UTC))
    done = seeding.later(began) if project.finished else None
    archived = done is not None and index % 2 == 0
    values = {"value": rng.choice(("II", "III")), "createdAt": began, "createdBy": lead["id"]}
    zone = seeding.ids("custom_fields", entity="project")[0]
    row: Row = {
        "name": project.title,
        "description": f"<p>{project.site.street}, Gebäude: {', '.join(project.site.buildings)}</p>",
        "status": "inactive" if archived else "active",
        "subStatus": "completed" if done else "current",
        "type": "normal",
        "companyId": client["id"],
        "categoryId": rng.choice((None, *CATEGORIES)),
        "ownerId": lead["id"],
        "startAt": project.start.isoformat(),
        "endAt": (project.start + dt.timedelta(days=900)).isoformat() if index % 4 else None,
        "tagIds": seeding.some(seeding.ids("tags"), (3, 1, 1)),
        "createdAt": began,
        "updatedAt": done or seeding.later(began),
        "completedAt": done,
        "archivedAt": done if archived else None,
        "lastWorkedOn": None,
        "_values": {zone: {"id": office.new_value_id(), "customfieldId": zone, **values}},
        "_gone": False,
    }
    return office.add("projects", row)


def _lists(seeding: Seeding, project: Row, nas: Project) -> None:
    office, rng = seeding.office, seeding.rng
    stones = []
    for number, name in enumerate(wording.MILESTONES[: rng.randrange(2, 5)]):
        moment = seeding.moment(nas.start)
        stone: Row = {"name": name, "deadline": moment[:10], "projectId": project["id"]}
        people = [{"id": project["ownerId"], "type": "users"}]
        done = rng.random() < 0.4
        state: Row = {"completed": done, "status": "completed" if done else "new", "isDeleted": number == 3}
        times = {"createdOn": moment, "lastChangedOn": moment}
        stones.append(office.add("milestones", {**stone, "responsibleParties": people, **state, **times}))
    for number, name in enumerate(rng.sample(wording.LISTS, rng.randrange(4, len(wording.LISTS) + 1))):
        moment = seeding.moment(nas.start)
        status = rng.choices(("new", "completed", "deleted"), weights=(8, 2, 1))[0] if number else "new"
        row: Row = {
            "name": name,
            "description": "",
            "projectId": project["id"],
            "milestoneId": rng.choice((None, None, *(stone["id"] for stone in stones))),
            "status": status,
            "displayOrder": 2000 + number,
            "isPrivate": 0,
            "createdAt": moment,
            "updatedAt": moment,
            "_before": "new" if status == "deleted" else None,
        }
        office.add("task_lists", row)


@dataclass(frozen=True)
class _Pools:
    """What tasks draw from, gathered once."""

    lists: list[tuple[int, dt.date]]
    people: list[int]
    teams: list[int]
    companies: list[int]
    tags: list[int]
    fields: list[int]


def _pools(seeding: Seeding) -> _Pools:
    projects = seeding.office.tables["projects"]
    lists = seeding.office.tables["task_lists"].values()
    return _Pools(
        lists=[(row["id"], dt.date.fromisoformat(projects[row["projectId"]]["startAt"])) for row in lists],
        people=seeding.ids("people", isClientUser=False),
        teams=seeding.ids("teams"),
        companies=seeding.ids("companies"),
        tags=seeding.ids("tags"),
        fields=seeding.ids("custom_fields", entity="task"),
    )


def _tasks(seeding: Seeding, count: int) -> None:
    pools = _pools(seeding)
    bulk_moment = iso(_LAST_MOMENT - dt.timedelta(days=9))
    last_in: dict[int, list[Row]] = {}
    for number in range(count):
        tasklist, start = seeding.rng.choice(pools.lists)
        before = last_in.setdefault(tasklist, [])
        row = _task(seeding, pools, number, tasklist=tasklist, start=start, before=before)
        before.append(row)
        if seeding.rng.random() < _BULK_SHARE:
            row["updatedAt"] = bulk_moment


def _task(seeding: Seeding, pools: _Pools, number: int, *, tasklist: int, start: dt.date, before: list[Row]) -> Row:
    rng = seeding.rng
    created, by = seeding.moment(start), rng.choice(pools.people)
    template = rng.choice(wording.TASKS)
    name = wording.ODD_TASKS[number] if number < len(wording.ODD_TASKS) else seeding.text(template)
    due = seeding.later(created)[:10] if rng.random() < 0.6 else None
    values: Row = {
        "description": seeding.text(rng.choice(wording.DESCRIPTIONS)),
        "priority": rng.choice((None, None, "none", "low", "medium", "high")),
        "startDate": created[:10] if rng.random() < 0.4 else None,
        "dueDate": due,
        "originalDueDate": due,
        "estimateMinutes": rng.choice((0, 0, 30, 60, 480)),
        "assigneeUserIds": seeding.some(pools.people, (3, 5, 1, 1)),
        "assigneeTeamIds": seeding.some(pools.teams, (9, 1)),
        "assigneeCompanyIds": seeding.some(pools.companies, (19, 1)),
        "tagIds": seeding.some(pools.tags, (3, 4, 2, 1)),
        "isPrivate": rng.choices((0, 1, 2), weights=(20, 1, 1))[0],
        "displayOrder": 1000 + number,
        "updatedAt": seeding.later(created),
        "parentTaskId": rng.choice(before)["id"] if before and rng.random() < 0.15 else None,
        "predecessorIds": seeding.some([row["id"] for row in before[-9:]], (9, 1, 1)),
        **_ending(seeding, created, by),
        "_values": _custom_values(seeding, pools.fields, created, by),
    }
    return new_task(seeding.office, name=name, tasklist_id=tasklist, by=by, at=created, values=values)


def _ending(seeding: Seeding, created: str, by: int) -> Row:
    """How it stands with a task; those that were deleted were so when they were last changed."""
    status = seeding.rng.choices(("new", "completed", "reopened", "deleted"), weights=(10, 8, 1, 1))[0]
    moment = seeding.later(created)
    if status == "completed":
        return {"status": status, "progress": 100, "completedAt": moment, "completedBy": by, "updatedAt": moment}
    if status == "deleted":
        return {"status": status, "deletedAt": moment, "deletedBy": by, "updatedAt": moment, "_before": "new"}
    return {"status": status, "progress": seeding.rng.choice((0, 0, 25, 50))}


def _custom_values(seeding: Seeding, fields: list[int], created: str, by: int) -> dict[int, Row]:
    if seeding.rng.random() > 0.2:
        return {}
    values = {"createdAt": created, "createdBy": by}
    choices = dict(zip(fields, ("422", "Lüftung", "1.07 Büro"), strict=True))
    chosen = seeding.some(fields, (0, 3, 1, 1))
    new_id = seeding.office.new_value_id
    return {field: {"id": new_id(), "customfieldId": field, "value": choices[field], **values} for field in chosen}


def _comments(seeding: Seeding, count: int) -> None:
    office, rng = seeding.office, seeding.rng
    tasks = list(office.tables["tasks"].values())
    stones = list(office.tables["milestones"].values())
    people = seeding.ids("people")
    for _ in range(count if tasks else 0):
        kind = "milestone" if rng.random() < 0.03 else "task"
        target = rng.choice(stones if kind == "milestone" else tasks)
        body = seeding.text(rng.choice(wording.COMMENTS))
        posted = seeding.later(target["createdOn" if kind == "milestone" else "createdAt"])
        office.add("comments", comment(office, kind, target, body, by=rng.choice(people), posted=posted))
        if rng.random() < 0.05:
            row = office.tables["comments"][max(office.tables["comments"])]
            row |= {"deleted": True, "dateDeleted": posted, "deletedBy": row["postedBy"]}


def comment(office: Office, kind: str, target: Row, body: str, *, by: int, posted: str) -> Row:
    """A comment on a task or a milestone."""
    return {
        "body": body,
        "htmlBody": f"<p>{body}</p>",
        "contentType": "TEXT",
        "objectId": target["id"],
        "objectType": kind,
        "projectId": office.project_of(f"{kind}s", target),
        "postedBy": by,
        "postedDateTime": posted,
        "dateLastEdited": None,
        "lastEditedBy": None,
        "deleted": False,
        "dateDeleted": None,
        "deletedBy": None,
        "fileIds": [],
        "_updatedAt": posted,
    }


def _times(seeding: Seeding, count: int) -> None:
    office, rng = seeding.office, seeding.rng
    tasks = list(office.tables["tasks"].values())
    projects = list(office.tables["projects"])
    people = seeding.ids("people", isClientUser=False)
    for _ in range(count if tasks else 0):
        task = rng.choice(tasks) if rng.random() < 0.9 else None
        project = office.project_of("tasks", task) if task else rng.choice(projects)
        moment = seeding.later(task["createdAt"]) if task else seeding.moment(_FIRST_MOMENT.date())
        row = time_entry(task, project, rng.choice(people), moment, seeding.text(rng.choice(wording.WORK)))
        row |= {"minutes": rng.choice((15, 30, 45, 60, 90, 480)), "isBillable": rng.random() < 0.8}
        row["tagIds"] = seeding.some(seeding.ids("tags"), (9, 1)) if rng.random() < 0.1 else []
        if rng.random() < 0.05:
            row |= {"deleted": True, "deletedAt": moment, "deletedBy": row["userId"]}
        office.add("time_entries", row)


def time_entry(task: Row | None, project: int | None, by: int, moment: str, description: str) -> Row:
    """Time that somebody spent on a task, or on a project as a whole."""
    return {
        "description": description,
        "minutes": 30,
        "isBillable": True,
        "timeLogged": moment,
        "userId": by,
        "taskId": task["id"] if task else None,
        "projectId": project,
        "tagIds": [],
        "createdAt": moment,
        "updatedAt": moment,
        "deleted": False,
        "deletedAt": None,
        "deletedBy": None,
    }
