"""How Teamwork.com writes its rows: relations beside ids, zero ids, the year 1, and lists that are not there.

There is no project on a task: it stands on its list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.demo.teamwork.query import Query
    from ibhelm_pipelines.demo.teamwork.state import Office, Row

ZERO_TIME = "0001-01-01T00:00:00Z"
_ZERO_IDS = {"parentTaskId", "milestoneId", "projectId", "categoryId", "taskId", "ownerId"}
_TIMES = {
    *("createdAt", "updatedAt", "dateUpdated", "completedAt", "completedOn", "deletedAt", "archivedAt", "lastWorkedOn"),
    *("postedDateTime", "dateLastEdited", "dateDeleted", "createdOn", "lastChangedOn"),
    *("timeLogged", "dateCreated", "dateEdited"),
}
_DATES = {"startDate", "dueDate", "originalDueDate", "startAt", "endAt", "deadline"}


def render(office: Office, table: str, row: Row, query: Query) -> Row:
    """Return a row as the vendor sends it."""
    shape = _SHAPES.get(table)
    full = {**_public(row), **(shape(office, row, query) if shape else {})}
    wanted = query.words(f"fields[{FIELD_NAMES[table]}]")
    if wanted:
        full = {key: value for key, value in full.items() if key in wanted}
    return {key: value for key, value in _written(office, full) if value is not _MISSING}


FIELD_NAMES = {
    "companies": "companies",
    "people": "people",
    "teams": "teams",
    "tags": "tags",
    "projects": "projects",
    "task_lists": "tasklists",
    "milestones": "milestones",
    "custom_fields": "customfields",
    "tasks": "tasks",
    "comments": "comments",
    "time_entries": "timelogs",
}
"""The vendor's names of the tables: in paths, in `fields[...]`, in `included` and as types of relations."""

_MISSING = object()


def _public(row: Row) -> Row:
    return {key: value for key, value in row.items() if key[0] != "_"}


def _written(office: Office, row: Row) -> list[tuple[str, Any]]:
    """Write what is not there in the way that the switches say."""
    switches = office.switches
    empty: Any = {"list": [], "null": None, "missing": _MISSING}[switches.empty_lists]
    no_time = ZERO_TIME if switches.zero_times else None
    written: list[tuple[str, Any]] = []
    for key, value in row.items():
        if value is None and key in _TIMES:
            written.append((key, no_time))
        elif value is None and key in _ZERO_IDS:
            written.append((key, 0))
        elif value == [] and isinstance(value, list):
            written.append((key, empty))
        elif key in _DATES and value is not None and switches.dates_as == "datetime":
            written.append((key, f"{value}T00:00:00Z"))
        else:
            written.append((key, value))
    return written


def relation(row_id: int | None, kind: str, **meta: Any) -> Row | None:
    """Name another row."""
    if row_id is None:
        return None
    return {"id": row_id, "type": kind, **({"meta": meta} if meta else {})}


def _relations(ids: list[int], kind: str) -> list[Row | None]:
    return [relation(row_id, kind) for row_id in ids]


def _task(office: Office, row: Row, query: Query) -> Row:
    assignees = [
        each
        for key, kind in (
            ("assigneeUserIds", "users"),
            ("assigneeTeamIds", "teams"),
            ("assigneeCompanyIds", "companies"),
        )
        for each in _relations(row[key], kind)
    ]
    stamps = {"dateUpdated": row["updatedAt"], "completedOn": row["completedAt"], "createdByUserId": row["createdBy"]}
    return {
        "parentTask": relation(row["parentTaskId"], "tasks"),
        "tasklist": relation(row["tasklistId"], "tasklists"),
        "accumulatedEstimatedMinutes": row["estimateMinutes"],
        "assignees": assignees,
        "tags": _relations(row["tagIds"], "tags"),
        "workflowStages": [],
        "attachments": [],
        "isArchived": 0,
        **stamps,
        "userPermissions": {"canComplete": True, "canEdit": True},
        **_related(office, row, query),
    }


def _related(office: Office, row: Row, query: Query) -> Row:
    """Predecessors, those that wait, and subtasks: only on request, the completed ones on another."""
    if not query.flag("includeRelatedTasks"):
        return {"predecessorIds": _MISSING}
    tasks = office.tables["tasks"]
    by_default = not office.switches.related_leave_out_completed

    def shown(ids: list[int], flag: str) -> list[int]:
        all_of_them = query.flag(flag, default=by_default)
        return [each for each in ids if all_of_them or tasks[each]["status"] != "completed"]

    return {
        "predecessorIds": shown(row["predecessorIds"], "includeCompletedPredecessors"),
        "dependencyIds": sorted(office.dependents.get(row["id"], ())),
        "subTaskIds": shown(sorted(office.subtasks.get(row["id"], ())), "includeCompletedSubtasks"),
    }


def _project(_office: Office, row: Row, _query: Query) -> Row:
    return {
        "company": relation(row["companyId"], "companies"),
        "category": relation(row["categoryId"], "projectCategories"),
        "tags": _relations(row["tagIds"], "tags"),
    }


def _list(_office: Office, row: Row, _query: Query) -> Row:
    return {
        "project": relation(row["projectId"], "projects"),
        "milestone": relation(row["milestoneId"], "milestones"),
    }


def _person(_office: Office, row: Row, _query: Query) -> Row:
    return {"company": relation(row["companyId"], "companies")}


def _tag(office: Office, row: Row, query: Query) -> Row:
    if not query.flag("withCounters"):
        return {"count": 0}
    return {"count": sum(row["id"] in task["tagIds"] for task in office.live("tasks"))}


def _milestone(office: Office, row: Row, _query: Query) -> Row:
    return {"tasklistIds": tasklist_ids(office, row), "project": relation(row["projectId"], "projects")}


def tasklist_ids(office: Office, milestone: Row) -> list[int]:
    """The lists that lead to a milestone."""
    lists = office.tables["task_lists"].values()
    return [row["id"] for row in lists if row["milestoneId"] == milestone["id"]]


def _comment(_office: Office, row: Row, _query: Query) -> Row:
    return {"object": relation(row["objectId"], f"{row['objectType']}s"), "reactionsCount": 0}


def _time(_office: Office, row: Row, _query: Query) -> Row:
    return {
        "billable": row["isBillable"],
        "dateCreated": row["createdAt"],
        "dateEdited": row["updatedAt"],
        "dateDeleted": row["deletedAt"],
        "task": relation(row["taskId"], "tasks"),
        "project": relation(row["projectId"], "projects"),
        "user": relation(row["userId"], "users"),
        "tags": _relations(row["tagIds"], "tags"),
    }


_SHAPES: dict[str, Callable[[Office, Row, Query], Row]] = {
    "tasks": _task,
    "projects": _project,
    "task_lists": _list,
    "people": _person,
    "tags": _tag,
    "milestones": _milestone,
    "comments": _comment,
    "time_entries": _time,
}
