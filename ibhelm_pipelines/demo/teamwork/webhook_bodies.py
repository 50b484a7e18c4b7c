"""What stands in a webhook: a form in version 1; JSON or a flat form in version 2, without the name of the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ibhelm_pipelines.demo.teamwork.state import Event, Office, Row

ACCOUNT_ID = 4711
_KEYS = {
    "tasks": "task",
    "task_lists": "taskList",
    "projects": "project",
    "milestones": "milestone",
    "comments": "comment",
    "time_entries": "time",
    "people": "user",
    "companies": "company",
}
_RENAMED = {
    "tasklistId": "taskListId",
    "assigneeUserIds": "assignedUserIds",
    "estimateMinutes": "estimatedMinutes",
    "createdAt": "dateCreated",
    "updatedAt": "dateUpdated",
}


def v1_body(event: Event) -> dict[str, Any]:
    """The form of version 1; where a row was deleted it names the project, too."""
    fields = {"accountId": ACCOUNT_ID, "event": event.name, "objectId": event.row["id"], "userId": event.by}
    if event.name.endswith(".DELETED") and event.project_id:
        fields["projectId"] = event.project_id
    return fields


def v2_body(office: Office, event: Event) -> dict[str, Any]:
    """The JSON of version 2."""
    who = office.tables["people"][event.by]
    creator = {"id": who["id"], "firstName": who["firstName"], "lastName": who["lastName"], "avatar": who["avatarUrl"]}
    body: dict[str, Any] = {"eventCreator": creator, _KEYS[event.table]: _plain(event.row, event.project_id)}
    if event.table == "tasks":
        tags = [office.tables["tags"][tag] for tag in event.row["tagIds"]]
        body["task"]["tags"] = [{"id": tag["id"], "name": tag["name"], "color": tag["color"]} for tag in tags]
        tasklist = office.tables["task_lists"][event.row["tasklistId"]]
        body["taskList"] = {"id": tasklist["id"], "name": tasklist["name"], "status": tasklist["status"]}
    if event.project_id and event.table != "projects":
        project = office.tables["projects"][event.project_id]
        body["project"] = {"id": project["id"], "name": project["name"], "status": project["status"]}
    return body


def flat_v2(office: Office, event: Event) -> dict[str, Any]:
    """The flat form of version 2; of a deleted task it has nothing but the id."""
    if event.name == "TASK.DELETED":
        return {"ID": event.row["id"]}
    nested = v2_body(office, event)
    return {
        f"{_capital(kind)}.{'ID' if key == 'id' else _capital(key)}": value
        for kind, values in nested.items()
        for key, value in values.items()
        if not isinstance(value, list | dict)
    }


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _plain(row: Row, project_id: int | None) -> Row:
    """The row itself under the names of webhooks; links but those to people are left out."""
    values = {
        _RENAMED.get(key, key): value
        for key, value in row.items()
        if key[0] != "_" and (key == "assigneeUserIds" or not isinstance(value, list | dict))
    }
    return {**values, **({"projectId": project_id} if project_id else {})}
