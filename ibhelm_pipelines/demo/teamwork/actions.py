"""What people do in Teamwork.com: each action changes the office as the vendor would, and tells it to the webhooks.

Deleting a list or a project, and archiving a project, leaves the rows below alone: they keep their time of change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.teamwork.state import UPDATED, Office, Row, is_deleted

if TYPE_CHECKING:
    from collections.abc import Iterable

_NEW_TASK: Row = {
    "description": "",
    "descriptionContentType": "HTML",
    "priority": None,
    "progress": 0,
    "status": "new",
    "parentTaskId": None,
    "startDate": None,
    "dueDate": None,
    "originalDueDate": None,
    "estimateMinutes": 0,
    "isPrivate": 0,
    "displayOrder": 0,
    "sequenceId": None,
    "completedBy": None,
    "completedAt": None,
    "deletedBy": None,
    "deletedAt": None,
    "_before": None,
}
_LINKS = ("assigneeUserIds", "assigneeTeamIds", "assigneeCompanyIds", "tagIds", "predecessorIds")
_DELETION: dict[str, Row] = {
    "tasks": {"status": "deleted", "deletedBy": "by", "deletedAt": "now"},
    "task_lists": {"status": "deleted"},
    "milestones": {"isDeleted": True},
    "people": {"deleted": True},
    "custom_fields": {"deleted": True},
    "comments": {"deleted": True, "dateDeleted": "now", "deletedBy": "by"},
    "time_entries": {"deleted": True, "deletedAt": "now", "deletedBy": "by"},
}


def new_task(office: Office, *, name: str, tasklist_id: int, by: int, at: str, values: Row) -> Row:
    """Keep a new task without telling anybody."""
    links = {key: list[int]() for key in _LINKS}
    stamps = {"createdBy": by, "createdAt": at, "updatedBy": by, "updatedAt": at, "_values": {}}
    return office.add("tasks", {**_NEW_TASK, **links, **stamps, "name": name, "tasklistId": tasklist_id, **values})


def create_task(office: Office, *, name: str, tasklist_id: int, by: int, values: Row) -> Row:
    """Create a task, now."""
    row = new_task(office, name=name, tasklist_id=tasklist_id, by=by, at=office.now(), values=values)
    office.emit("tasks", "CREATED", row, by)
    return row


def create(office: Office, table: str, row: Row, by: int) -> Row:
    """Create a row of any other table, now."""
    office.add(table, row)
    office.touch(table, row, by)
    office.emit(table, "CREATED", row, by)
    return row


def edit(office: Office, table: str, row: Row, by: int, verb: str = "UPDATED", **values: Any) -> None:
    """Change values of a row."""
    office.change(table, row, values)
    if table == "comments":
        office.change(table, row, {"dateLastEdited": office.now(), "lastEditedBy": by})
    office.touch(table, row, by)
    office.emit(table, verb, row, by)


def set_custom_value(office: Office, table: str, row: Row, *, field_id: int, value: str | None, by: int) -> None:
    """Set the value of a custom field of a task or a project, or take it away."""
    values = {key: kept for key, kept in row["_values"].items() if key != field_id}
    if value is not None:
        values[field_id] = {
            "id": office.new_value_id(),
            "customfieldId": field_id,
            "value": value,
            "createdAt": office.now(),
            "createdBy": by,
        }
    edit(office, table, row, by, _values=values)


def complete(office: Office, table: str, row: Row, by: int) -> None:
    """Complete a task, a list, a milestone or a project."""
    done: dict[str, Row] = {
        "tasks": {"status": "completed", "progress": 100, "completedAt": office.now(), "completedBy": by},
        "task_lists": {"status": "completed"},
        "milestones": {"completed": True, "status": "completed"},
        "projects": {"subStatus": "completed", "completedAt": office.now()},
    }
    edit(office, table, row, by, "COMPLETED", **done[table])


def reopen(office: Office, table: str, row: Row, by: int) -> None:
    """Take a completion back."""
    again: dict[str, Row] = {
        "tasks": {"status": "reopened", "progress": 0, "completedAt": None, "completedBy": None},
        "task_lists": {"status": "reopened"},
        "milestones": {"completed": False, "status": "reopened"},
        "projects": {"subStatus": "current", "completedAt": None},
    }
    edit(office, table, row, by, "REOPENED", **again[table])


def delete(office: Office, table: str, row: Row, by: int) -> None:
    """Delete a row: to the trash can where the vendor has one for its kind, else without a trace."""
    if table in _DELETION:
        _to_trash(office, table, row, by, office.now())
    else:
        office.change(table, row, {"_gone": True})
        if table in {"tags", "teams"}:
            _unlink(office, table, row["id"], by)
    office.emit(table, "DELETED", row, by)


def _to_trash(office: Office, table: str, row: Row, by: int, now: str) -> None:
    """Subtasks go with their task."""
    stamps = {"now": now, "by": by}
    values = {
        key: stamps[value] if isinstance(value, str) and value in stamps else value
        for key, value in _DELETION[table].items()
    }
    office.change(table, row, {**values, **({"_before": row["status"]} if "_before" in row else {})})
    if office.switches.deletion_moves_updated_at:
        office.touch(table, row, by)
    for child in office.subtasks.get(row["id"], ()) if table == "tasks" else ():
        subtask = office.tables["tasks"][child]
        if not is_deleted("tasks", subtask):
            _to_trash(office, "tasks", subtask, by, now)


def _unlink(office: Office, table: str, row_id: int, by: int) -> None:
    key = {"tags": "tagIds", "teams": "assigneeTeamIds"}[table]
    for other in ("tasks", "projects", "time_entries"):
        for row in _linked(office.tables[other].values(), key, row_id):
            office.change(other, row, {key: [kept for kept in row[key] if kept != row_id]})
            if office.switches.unlinking_moves_updated_at:
                office.touch(other, row, by)


def _linked(rows: Iterable[Row], key: str, row_id: int) -> list[Row]:
    return [row for row in rows if row_id in row.get(key, ())]


def restore(office: Office, table: str, row: Row, by: int) -> None:
    """Bring a deleted row back; the rows of a restored project come back as they were, with it."""
    if table == "projects":
        office.change(table, row, {"_gone": False})
        office.touch(table, row, by)
    else:
        _out_of_trash(office, table, row, by)
    office.emit(table, "UPDATED", row, by)


def _out_of_trash(office: Office, table: str, row: Row, by: int) -> None:
    """With a task, those of its subtasks come back that went with it."""
    went_at = row.get("deletedAt")
    back: Row = {"deletedBy": None, "deletedAt": None, "dateDeleted": None, "deleted": False, "isDeleted": False}
    values = {key: value for key, value in back.items() if key in row}
    if "_before" in row:
        values |= {"status": row["_before"], "_before": None}
    office.change(table, row, values)
    office.touch(table, row, by)
    for child in office.subtasks.get(row["id"], ()) if table == "tasks" else ():
        subtask = office.tables["tasks"][child]
        if is_deleted("tasks", subtask) and subtask["deletedAt"] == went_at:
            _out_of_trash(office, "tasks", subtask, by)


def archive(office: Office, row: Row, by: int) -> None:
    """Archive a project; its tasks are left alone."""
    edit(office, "projects", row, by, "ARCHIVED", archivedAt=office.now(), status="inactive")


def unarchive(office: Office, row: Row, by: int) -> None:
    """Take a project out of the archive."""
    edit(office, "projects", row, by, archivedAt=None, status="active")


def move_task(office: Office, row: Row, tasklist_id: int, by: int) -> None:
    """Move a task with its subtasks to another list, maybe of another project; comments and time follow."""
    project = office.tables["task_lists"][tasklist_id]["projectId"]
    for member in family(office, row):
        office.change("tasks", member, {"tasklistId": tasklist_id})
        office.touch("tasks", member, by)
        _follow(office, member["id"], project, by)
    office.change("tasks", row, {"parentTaskId": None})
    office.emit("tasks", "MOVED", row, by)


def _follow(office: Office, task_id: int, project: int, by: int) -> None:
    comments = [
        each
        for each in office.tables["comments"].values()
        if each["objectType"] == "task" and each["objectId"] == task_id
    ]
    times = [each for each in office.tables["time_entries"].values() if each["taskId"] == task_id]
    for table, rows in (("comments", comments), ("time_entries", times)):
        for each in rows:
            if each["projectId"] != project:
                office.change(table, each, {"projectId": project})
                office.touch(table, each, by)


def family(office: Office, row: Row) -> list[Row]:
    """A task and all below it."""
    members, waiting = [], [row]
    while waiting:
        members.append(waiting.pop())
        waiting += [office.tables["tasks"][child] for child in sorted(office.subtasks.get(members[-1]["id"], ()))]
    return members


def updated_at(table: str, row: Row) -> str:
    """When the row was last changed, as the vendor counts."""
    return str(row[UPDATED[table]])
