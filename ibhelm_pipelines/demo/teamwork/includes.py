"""Sideloading: `include=` brings the rows that others name, by kind and by id as a text.

Rows may be missing there (a switch), except for values of custom fields, which stand nowhere else in a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from ibhelm_pipelines.demo.teamwork.query import Query
from ibhelm_pipelines.demo.teamwork.rows import FIELD_NAMES, render
from ibhelm_pipelines.demo.teamwork.state import CATEGORIES, Office, Row

Included = dict[str, dict[str, Row]]

_Ids = Callable[[Office, list[Row]], Iterable[int | None]]
_MISSING_EVERY = 4


def _ids(key: str) -> _Ids:
    """The ids that stand in the rows under a key, alone or in a list."""
    return lambda _office, rows: chain.from_iterable(
        row[key] if isinstance(row[key], list) else [row[key]] for row in rows
    )


def _project_of(table: str) -> _Ids:
    return lambda office, rows: [office.project_of(table, row) for row in rows]


def _task_milestones(office: Office, rows: list[Row]) -> Iterable[int | None]:
    return [office.tables["task_lists"][row["tasklistId"]]["milestoneId"] for row in rows]


def _task_comments(office: Office, rows: list[Row]) -> Iterable[int | None]:
    tasks = {row["id"] for row in rows}
    comments = office.tables["comments"].values()
    return [each["id"] for each in comments if each["objectType"] == "task" and each["objectId"] in tasks]


def _task_users(_office: Office, rows: list[Row]) -> Iterable[int | None]:
    keys = ("createdBy", "updatedBy", "completedBy", "deletedBy")
    return chain.from_iterable([*row["assigneeUserIds"], *(row[key] for key in keys)] for row in rows)


_INCLUDES: dict[str, dict[str, tuple[str, _Ids]]] = {
    "tasks": {
        "projects": ("projects", _project_of("tasks")),
        "tasklists": ("task_lists", _ids("tasklistId")),
        "parentTasks": ("tasks", _ids("parentTaskId")),
        "predecessors": ("tasks", _ids("predecessorIds")),
        "users": ("people", _task_users),
        "teams": ("teams", _ids("assigneeTeamIds")),
        "companies": ("companies", _ids("assigneeCompanyIds")),
        "tags": ("tags", _ids("tagIds")),
        "milestones": ("milestones", _task_milestones),
        "comments": ("comments", _task_comments),
    },
    "projects": {
        "companies": ("companies", _ids("companyId")),
        "tags": ("tags", _ids("tagIds")),
        "projectOwners": ("people", _ids("ownerId")),
    },
    "task_lists": {
        "projects": ("projects", _ids("projectId")),
        "milestones": ("milestones", _ids("milestoneId")),
    },
    "people": {"companies": ("companies", _ids("companyId"))},
    "milestones": {"projects": ("projects", _ids("projectId"))},
    "comments": {
        "projects": ("projects", _ids("projectId")),
        "users": ("people", _ids("postedBy")),
    },
    "time_entries": {
        "projects": ("projects", _ids("projectId")),
        "tasks": ("tasks", _ids("taskId")),
        "users": ("people", _ids("userId")),
        "tags": ("tags", _ids("tagIds")),
    },
}
_CUSTOM = {"tasks": ("task", "customfieldTasks"), "projects": ("project", "customfieldProjects")}
_NO_QUERY = Query({})


def included(office: Office, table: str, rows: list[Row], query: Query) -> Included:
    """Return what a query wants beside its rows."""
    found: Included = {}
    for path in query.words("include"):
        _follow(office, table, rows, path, found)
    if "projectCategories" in query.words("include") and table == "projects":
        _categories(office, rows, found)
    if "timeTotals" in query.words("include") and table == "tasks":
        _time_totals(office, rows, found)
    if table in _CUSTOM:
        _custom(table, rows, query, found, office)
    return found


def _follow(office: Office, table: str, rows: list[Row], path: str, found: Included) -> None:
    """Walk a path such as `projects.companies` and gather each step."""
    head, _, rest = path.partition(".")
    target, ids_of = _INCLUDES.get(table, {}).get(head, ("", None))
    if ids_of is None:
        return
    ids = sorted({row_id for row_id in ids_of(office, rows) if row_id is not None})
    others = [office.tables[target][row_id] for row_id in ids if not office.tables[target][row_id].get("_gone")]
    kind = "users" if target == "people" else FIELD_NAMES[target]
    shown = found.setdefault(kind, {})
    shown |= {str(row["id"]): render(office, target, row, _NO_QUERY) for row in others if _is_there(office, row["id"])}
    if rest:
        _follow(office, target, others, rest, found)


def _is_there(office: Office, row_id: int) -> bool:
    return not office.switches.included_rows_missing or row_id % _MISSING_EVERY != 0


def _categories(office: Office, rows: list[Row], found: Included) -> None:
    wanted = {row["categoryId"] for row in rows} if not office.switches.included_rows_missing else set()
    found["projectCategories"] = {
        str(number): {"id": number, "name": name} for number, name in CATEGORIES.items() if number in wanted
    }


def _time_totals(office: Office, rows: list[Row], found: Included) -> None:
    minutes = {row["id"]: 0 for row in rows}
    for entry in office.tables["time_entries"].values():
        if entry["taskId"] in minutes and not entry["deleted"]:
            minutes[entry["taskId"]] += entry["minutes"]
    found["timeTotals"] = {str(task): {"taskId": task, "loggedMinutes": total} for task, total in minutes.items()}


def _custom(table: str, rows: list[Row], query: Query, found: Included, office: Office) -> None:
    entity, kind = _CUSTOM[table]
    wanted = query.words("include")
    everything = query.flag("includeCustomFields")
    if everything or kind in wanted:
        found[kind] = {str(value["id"]): value for row in rows for value in custom_values(table, row)}
    if everything or "customfields" in wanted:
        fields = [row for row in office.tables["custom_fields"].values() if row["entity"] == entity]
        found["customfields"] = {str(row["id"]): render(office, "custom_fields", row, _NO_QUERY) for row in fields}


def custom_values(table: str, row: Row) -> list[Row]:
    """The values of a row's custom fields, as the vendor writes them."""
    owner = "taskId" if table == "tasks" else "projectId"
    return [{**value, owner: row["id"]} for value in row["_values"].values()]
