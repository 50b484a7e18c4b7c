"""The third version of Teamwork.com's API, below `/projects/api/v3`: lists, single rows, and writing tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.includes import custom_values, included
from ibhelm_pipelines.demo.teamwork.query import MAX_RECORDS, Page, Query
from ibhelm_pipelines.demo.teamwork.rows import render
from ibhelm_pipelines.demo.teamwork.state import Office, Row, is_deleted
from ibhelm_pipelines.demo.teamwork.visible import visible_ids
from ibhelm_pipelines.demo.vendor.exchange import BadQuery, Reply

if TYPE_CHECKING:
    from ibhelm_pipelines.demo.teamwork.visible import Test

PREFIX = "/projects/api/v3/"
_MAX_REMEMBERED = 32


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A kind of rows: its table, the key of a list and that of a single row."""

    table: str
    many: str
    one: str
    page_size: int = 50


RESOURCES = {
    "tasks": Resource(table="tasks", many="tasks", one="task"),
    "tasklists": Resource(table="task_lists", many="tasklists", one="tasklist"),
    "projects": Resource(table="projects", many="projects", one="project"),
    "people": Resource(table="people", many="people", one="person"),
    "companies": Resource(table="companies", many="companies", one="company"),
    "tags": Resource(table="tags", many="tags", one="tag", page_size=500),
    "comments": Resource(table="comments", many="comments", one="comments"),
    "time": Resource(table="time_entries", many="timelogs", one="timelog"),
    "milestones": Resource(table="milestones", many="milestones", one="milestone"),
    "customfields": Resource(table="custom_fields", many="customfields", one="customfield"),
}
_BELOW = {
    ("projects", "tasks"),
    ("projects", "tasklists"),
    ("projects", "milestones"),
    ("projects", "comments"),
    ("projects", "time"),
    ("tasklists", "tasks"),
    ("tasks", "comments"),
    ("tasks", "time"),
    ("tasks", "subtasks"),
}
_LIST = re.compile(r"(\w+)")
_ONE = re.compile(r"(\w+)/(\d+)")
_SUB = re.compile(r"(\w+)/(\d+)/(\w+)")
NOT_FOUND = Reply(status=404)


def error(status: int, title: str, detail: str) -> Reply:
    """Return an error in the words of this version."""
    code = title.upper().replace(" ", "_")
    return Reply(status=status, body={"errors": [{"id": "", "code": code, "title": title, "detail": detail}]})


class ApiV3:
    """Answers requests; `by` is the person to whom the API key belongs."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._remembered: dict[Any, list[int]] = {}
        self._remembered_version = -1

    def answer(self, method: str, path: str, query: Query, body: Any, by: int) -> Reply:
        """Answer a request whose path is given without the prefix."""
        path = path.removesuffix(".json")
        try:
            return self._read(path, query) if method == "GET" else self._write(method, path, body, by)
        except BadQuery as bad:
            return error(400, "Bad Request", str(bad))

    def _read(self, path: str, query: Query) -> Reply:
        if (match := _LIST.fullmatch(path)) and match[1] in RESOURCES:
            return self._many(RESOURCES[match[1]], query, None)
        if (match := _ONE.fullmatch(path)) and match[1] in RESOURCES:
            return self._one(RESOURCES[match[1]], int(match[2]), query)
        if match := _SUB.fullmatch(path):
            return self._sub(match[1], int(match[2]), match[3], query)
        return NOT_FOUND

    def _many(self, resource: Resource, query: Query, scope: tuple[str, int, Test] | None) -> Reply:
        page = Page.of(query, resource.page_size)
        ids = self._ids(resource, query, scope)
        part, meta = page.cut(ids)
        rows = [self._office.tables[resource.table][row_id] for row_id in part]
        body: dict[str, Any] = {resource.many: [render(self._office, resource.table, row, query) for row in rows]}
        if not rows and self._office.switches.empty_lists == "null":
            body[resource.many] = None
        body["meta"] = meta
        beside = included(self._office, resource.table, rows, query)
        return Reply(body={**body, **({"included": beside} if beside else {})})

    def _ids(self, resource: Resource, query: Query, scope: tuple[str, int, Test] | None) -> list[int]:
        """Remember the ids of a query for its next page, as long as nothing changes."""
        if self._remembered_version != self._office.version or len(self._remembered) > _MAX_REMEMBERED:
            self._remembered, self._remembered_version = {}, self._office.version
        key = (resource.table, self._office.switches, query.without("page", "skipCounts"), scope and scope[:2])
        if key not in self._remembered:
            ids = visible_ids(self._office, resource.table, query, scope[2] if scope else None)
            self._remembered[key] = ids[:MAX_RECORDS]
        return self._remembered[key]

    def _one(self, resource: Resource, row_id: int, query: Query) -> Reply:
        row = self.readable(resource.table, row_id)
        if row is None:
            return NOT_FOUND
        beside = included(self._office, resource.table, [row], query)
        body = {resource.one: render(self._office, resource.table, row, query)}
        return Reply(body={**body, **({"included": beside} if beside else {})})

    def readable(self, table: str, row_id: int) -> Row | None:
        """Return a row that its own address shows, else None."""
        row = self._office.tables[table].get(row_id)
        return row if row is not None and is_readable_singly(self._office, table, row) else None

    def _sub(self, parent: str, row_id: int, child: str, query: Query) -> Reply:
        owner = RESOURCES.get(parent)
        row = self.readable(owner.table, row_id) if owner else None
        if row is None:
            return NOT_FOUND
        if child == "customfields" and parent in {"tasks", "projects"}:
            return self._values(parent, row, query)
        if (parent, child) not in _BELOW:
            return NOT_FOUND
        resource = RESOURCES["tasks" if child == "subtasks" else child]
        if child == "subtasks":
            query = Query({**dict(query.without()), "getSubTasks": "true"})
        return self._many(resource, query, (f"{parent}/{child}", row_id, self._scope(parent, child, row_id)))

    def _scope(self, parent: str, child: str, row_id: int) -> Test:
        if parent == "projects":
            table = RESOURCES[child].table
            return lambda row: self._office.project_of(table, row) == row_id
        if child == "comments":
            return lambda row: row["objectType"] == "task" and row["objectId"] == row_id
        key = {"subtasks": "parentTaskId", "time": "taskId", "tasks": "tasklistId"}[child]
        return lambda row: bool(row[key] == row_id)

    def _values(self, parent: str, row: Row, query: Query) -> Reply:
        key = {"tasks": "customfieldTasks", "projects": "customfieldProjects"}[parent]
        values = custom_values(parent, row)
        part, meta = Page.of(query, 50).cut(range(len(values)))
        return Reply(body={key: [values[place] for place in part], "meta": meta})

    def _write(self, method: str, path: str, body: Any, by: int) -> Reply:
        values = body.get("task") if isinstance(body, dict) else None
        match = _SUB.fullmatch(path) if method == "POST" else _ONE.fullmatch(path)
        if not match or not isinstance(values, dict):
            return NOT_FOUND if not match else error(422, "Unprocessable Entity", "task is required")
        if match[1] == "tasklists" and method == "POST" and match[3] == "tasks":
            return self._create(int(match[2]), values, by)
        if match[1] == "tasks" and method in {"PATCH", "PUT"}:
            return self._edit(int(match[2]), values, by)
        return NOT_FOUND

    def _create(self, tasklist_id: int, values: Row, by: int) -> Reply:
        if self.readable("task_lists", tasklist_id) is None:
            return NOT_FOUND
        if not values.get("name"):
            return error(422, "Unprocessable Entity", "name is required")
        row = actions.create_task(
            self._office, name=values["name"], tasklist_id=tasklist_id, by=by, values=_task_values(values)
        )
        return Reply(status=201, body={"task": render(self._office, "tasks", row, Query({}))})

    def _edit(self, task_id: int, values: Row, by: int) -> Reply:
        row = self.readable("tasks", task_id)
        if row is None:
            return NOT_FOUND
        name = {"name": values["name"]} if values.get("name") else {}
        actions.edit(self._office, "tasks", row, by, **name, **_task_values(values))
        return Reply(body={"task": render(self._office, "tasks", row, Query({}))})


def is_readable_singly(office: Office, table: str, row: Row) -> bool:
    """Return whether the address of the single row shows it."""
    switches = office.switches
    if row.get("_gone") or (switches.rows_of_deleted_projects == "gone" and office.in_deleted_project(table, row)):
        return False
    return not is_deleted(table, row) or switches.deleted_rows_singly == "row"


def _task_values(values: Row) -> Row:
    """The values of a task that may be written."""
    plain: Row = {key: values[key] for key in ("description", "priority", "progress", "tagIds") if key in values}
    dates: Row = {key: str(values[key])[:10] for key in ("startDate", "dueDate") if values.get(key)}
    assignees = values.get("assignees")
    users: Row = {"assigneeUserIds": sorted(assignees.get("userIds", []))} if isinstance(assignees, dict) else {}
    return {**plain, **dates, **users}
