"""Which rows a list of Teamwork.com has: without flags, far fewer than there are.

Every flag is off unless it is sent. Rows of a deleted project stand in no list, whatever is asked (unless a switch says
so); rows of a deleted list or an archived project are themselves unchanged and wait for their flag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.teamwork.state import CREATED, UPDATED, Office, Row, is_deleted

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.demo.teamwork.query import Query

    Test = Callable[[Row], bool]

_UPDATED_AFTER = {"tasks", "projects", "tags", "comments", "time_entries", "milestones"}
_DELETED_AT = {"tasks": "deletedAt", "time_entries": "deletedAt", "comments": "dateDeleted"}


def visible_ids(office: Office, table: str, query: Query, scope: Test | None) -> list[int]:
    """Return the ids of the rows that a query asks for, in its order."""
    tests = [*_common(office, table, query), *_OWN.get(table, _nothing)(office, query)]
    if scope:
        tests.append(scope)
    rows = [row for row in office.tables[table].values() if all(test(row) for test in tests)]
    return [row["id"] for row in _ordered(office, table, rows, query)]


def is_gone(office: Office, table: str, row: Row) -> bool:
    """Return whether the row has vanished from every list."""
    if row.get("_gone"):
        return True
    return office.switches.rows_of_deleted_projects != "listed" and office.in_deleted_project(table, row)


def _nothing(_office: Office, _query: Query) -> list[Test]:
    return []


def _common(office: Office, table: str, query: Query) -> list[Test]:
    tests: list[Test] = [lambda row: not is_gone(office, table, row)]
    ids = query.ids("ids")
    if ids is not None:
        tests.append(lambda row: row["id"] in ids)
    projects = query.ids("projectIds")
    if projects is not None and table not in {"projects", "people", "companies"}:
        tests.append(lambda row: office.project_of(table, row) in projects)
    tests += _deletions(office, table, query)
    tests += _times(office, table, query)
    return tests


def _deletions(office: Office, table: str, query: Query) -> list[Test]:
    """Deleted rows have to be asked for; comments tell on their own."""
    if table == "comments":
        return _comment_deletions(office, query)
    tests: list[Test] = []
    if query.flag("deletedOnly") and table == "tasks":
        tests.append(lambda row: is_deleted(table, row))
    elif not query.flag("showDeleted"):
        tests.append(lambda row: not is_deleted(table, row))
    after = query.time("deletedAfter")
    if after and table in _DELETED_AT and office.switches.deleted_after_supported:
        tests.append(lambda row: (row[_DELETED_AT[table]] or "") >= after)
    return tests


def _comment_deletions(office: Office, query: Query) -> list[Test]:
    status = query.text("commentStatus", "all" if office.switches.deleted_comments_listed else "active")
    if status == "all":
        return []
    return [lambda row: row["deleted"] == (status == "deleted")]


def _times(office: Office, table: str, query: Query) -> list[Test]:
    tests: list[Test] = []
    updated, created = UPDATED[table], CREATED[table]
    after, before = query.time("updatedAfter"), query.time("updatedBefore")
    if after and (table in _UPDATED_AFTER or office.switches.updated_after_everywhere):
        inclusive = office.switches.updated_after_inclusive
        tests.append(lambda row: row[updated] > after or (inclusive and row[updated] == after))
    if before and table == "tasks":
        tests.append(lambda row: row[updated] < before)
    since, until = query.time("createdAfter"), query.time("createdBefore")
    if since and table == "tasks":
        tests.append(lambda row: row[created] > since)
    if until and table == "tasks":
        tests.append(lambda row: row[created] < until)
    return tests


def _tasks(office: Office, query: Query) -> list[Test]:
    lists = office.tables["task_lists"]
    tests: list[Test] = []
    if not query.flag("includeCompletedTasks"):
        tests.append(lambda row: row["status"] != "completed")
    if not query.flag("showCompletedLists"):
        tests.append(lambda row: lists[row["tasklistId"]]["status"] != "completed")
    if not query.flag("includeTasksFromDeletedLists"):
        tests.append(lambda row: lists[row["tasklistId"]]["status"] != "deleted")
    if not query.flag("getSubTasks", default=office.switches.get_subtasks_default):
        tests.append(lambda row: not row["parentTaskId"])
    for name, key in (("tasklistIds", "tasklistId"), ("tagIds", "tagIds"), ("responsiblePartyIds", "assigneeUserIds")):
        tests += _one_of(query.ids(name), key)
    return [*tests, *_archived(office, "tasks", query)]


def _one_of(wanted: frozenset[int] | None, key: str) -> list[Test]:
    if wanted is None:
        return []
    return [lambda row: not wanted.isdisjoint(row[key] if isinstance(row[key], list) else [row[key]])]


def _archived(office: Office, table: str, query: Query) -> list[Test]:
    if query.flag("includeArchivedProjects"):
        return []
    return [lambda row: not office.in_archived_project(table, row)]


def _projects(office: Office, query: Query) -> list[Test]:
    tests = _archived(office, "projects", query)
    statuses = query.words("projectStatuses")
    if statuses and "all" not in statuses:
        tests.append(lambda row: row["subStatus"] in statuses or row["status"] in statuses)
    elif not query.flag("includeCompletedStatus") and not statuses:
        tests.append(lambda row: row["subStatus"] != "completed")
    return tests


def _lists(office: Office, query: Query) -> list[Test]:
    tests = _archived(office, "task_lists", query)
    if not query.flag("showCompleted"):
        tests.append(lambda row: row["status"] != "completed")
    if not query.flag("getEmptyLists"):
        filled = {task["tasklistId"] for task in office.tables["tasks"].values() if not is_deleted("tasks", task)}
        tests.append(lambda row: row["id"] in filled)
    return tests


def _people(office: Office, query: Query) -> list[Test]:
    companies = office.tables["companies"]
    tests: list[Test] = []
    if not query.flag("includeClients"):
        tests.append(lambda row: not row["isClientUser"])
    if query.flag("excludeContacts"):
        tests.append(lambda row: row["type"] != "contact")
    if query.flag("onlyOwnerCompany"):
        tests.append(lambda row: bool(companies[row["companyId"]]["isOwner"]))
    return tests


def _milestones(office: Office, query: Query) -> list[Test]:
    tests = _archived(office, "milestones", query)
    if not query.flag("includeCompleted"):
        tests.append(lambda row: not row["completed"])
    return tests


def _comments(office: Office, query: Query) -> list[Test]:
    kinds = [kind.removesuffix("s") for kind in query.words("objectTypes")]
    tests = _archived(office, "comments", query)
    if kinds:
        tests.append(lambda row: row["objectType"] in kinds)
    return tests


def _entries(office: Office, query: Query) -> list[Test]:
    tests = _archived(office, "time_entries", query)
    start, end = query.time("startDate"), query.time("endDate")
    if start:
        tests.append(lambda row: row["timeLogged"] >= start)
    if end:
        tests.append(lambda row: row["timeLogged"][:10] <= end[:10])
    return tests


def _fields(_office: Office, query: Query) -> list[Test]:
    entities = [entity.removesuffix("s") for entity in query.words("entities")]
    return [lambda row: row["entity"] in entities] if entities else []


_OWN: dict[str, Callable[[Office, Query], list[Test]]] = {
    "tasks": _tasks,
    "projects": _projects,
    "task_lists": _lists,
    "people": _people,
    "milestones": _milestones,
    "comments": _comments,
    "time_entries": _entries,
    "custom_fields": _fields,
}
_DEFAULT_ORDERS = {"tasks": "duedate", "comments": "date", "time_entries": "date", "projects": "name"}


def _ordered(office: Office, table: str, rows: list[Row], query: Query) -> list[Row]:
    """Order by what is asked for where the vendor honours that, then by id."""
    default = _DEFAULT_ORDERS.get(table, "id")
    honoured = table == "tasks" or office.switches.order_by_beyond_tasks
    order = query.text("orderBy", default).lower() if honoured else default
    keys: dict[str, Callable[[Row], Any]] = {
        "duedate": lambda row: row.get("dueDate") or "9999",
        "updatedat": lambda row: row[UPDATED[table]],
        "dateupdated": lambda row: row[UPDATED[table]],
        "createdat": lambda row: row.get(CREATED[table], ""),
        "date": lambda row: row.get("timeLogged") or row.get(CREATED[table], ""),
        "name": lambda row: str(row.get("name", "")).casefold(),
        "id": lambda row: row["id"],
    }
    key = keys.get(order, keys[default])
    descending = honoured and query.text("orderMode").lower() == "desc"
    return sorted(rows, key=lambda row: (key(row), row["id"]), reverse=descending)
