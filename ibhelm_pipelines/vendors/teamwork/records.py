"""What Teamwork's API says of one thing, made the columns of one row and the members of its bridges.

Pure functions. What cannot be understood raises ValueError, TypeError or KeyError; whoever calls keeps the body with
the reason, and goes on with the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ibhelm_pipelines.vendors.tables import DELETED_SOMETIME, Record
from ibhelm_pipelines.vendors.teamwork.fields import (
    Row,
    day,
    first,
    flag,
    formatted,
    identifier,
    identifiers,
    moment,
    number,
    reference,
    text,
)

CUSTOM_VALUES = "customfieldTasks"
"""What a task says in custom fields comes beside it; kept in its raw body under the same name."""


Reader = Callable[[Row, str], Record]
"""From a body and the address of the site, for links that people click."""


def read_company(row: Row, _site: str) -> Record:
    """Read a company."""
    return _record(
        row,
        name=_name(row),
        email=text(first(row, "emailOne", "email")),
        phone=text(row.get("phone")),
        website=text(row.get("website")),
        street=text(row.get("addressOne")),
        zip=text(row.get("zip")),
        city=text(row.get("city")),
        country_code=text(row.get("countryCode")),
        is_own=flag(row.get("isOwner")),
    )


def read_person(row: Row, _site: str) -> Record:
    """Read somebody."""
    given, family = text(row.get("firstName")) or "", text(row.get("lastName")) or ""
    email = text(row.get("email"))
    return _record(
        row,
        name=f"{given} {family}".strip() or email or f"({row['id']})",
        first_name=given,
        last_name=family,
        email=email.strip().lower() if email else None,
        title=text(row.get("title")),
        teamwork_company_id=reference(row, "companyId", "company"),
        is_client=flag(row.get("isClientUser")),
    )


def read_team(row: Row, _site: str) -> Record:
    """Read a team."""
    return _record(row, timed=False, name=_name(row), handle=text(row.get("handle")))


def read_tag(row: Row, _site: str) -> Record:
    """Read a tag."""
    project = reference(row, "projectId", "project")
    return _record(row, timed=False, name=_name(row), color=text(row.get("color")), teamwork_project_id=project)


def read_project(row: Row, site: str) -> Record:
    """Read a project."""
    record = _record(
        row,
        name=_name(row),
        description=text(row.get("description")),
        status=text(row.get("status")),
        sub_status=text(row.get("subStatus")),
        teamwork_company_id=reference(row, "companyId", "company"),
        teamwork_owner_id=reference(row, "ownerId", "projectOwner", "owner"),
        starts_on=day(first(row, "startAt", "startDate")),
        ends_on=day(first(row, "endAt", "endDate")),
        completed_at=moment(row.get("completedAt")),
        archived_at=moment(row.get("archivedAt")),
        url=f"{site}/app/projects/{row['id']}",
    )
    record.members["project_tags"] = _tags(row)
    return record


def read_milestone(row: Row, _site: str) -> Record:
    """Read a milestone."""
    return _record(
        row,
        name=_name(row),
        description=text(row.get("description")),
        due_on=day(row.get("deadline")),
        is_completed=flag(row.get("completed")) or row.get("status") == "completed",
        teamwork_project_id=reference(row, "projectId", "project"),
    )


def read_task_list(row: Row, _site: str) -> Record:
    """Read a list of tasks."""
    return _record(
        row,
        name=_name(row),
        description=text(row.get("description")),
        status=text(row.get("status")),
        position=number(row.get("displayOrder")),
        is_private=flag(first(row, "isPrivate", "private")),
        teamwork_project_id=reference(row, "projectId", "project"),
        teamwork_milestone_id=reference(row, "milestoneId", "milestone"),
    )


def read_custom_field(row: Row, _site: str) -> Record:
    """Read a field that the office added."""
    project = reference(row, "projectId", "project")
    return _record(
        row,
        timed=False,
        name=_name(row),
        type=text(row.get("type")),
        entity=text(row.get("entity")),
        options=row.get("options"),
        teamwork_project_id=project,
    )


def read_task(row: Row, site: str) -> Record:
    """Read a task, and its tags, assignees, predecessors and custom values."""
    plain, html = formatted(row.get("description"), row.get("descriptionContentType"))
    record = _record(
        row,
        name=_name(row),
        description=plain,
        description_html=html,
        status=text(row.get("status")),
        priority=text(row.get("priority")),
        progress=number(row.get("progress")),
        is_private=flag(first(row, "isPrivate", "private")),
        starts_on=day(row.get("startDate")),
        due_on=day(row.get("dueDate")),
        original_due_on=day(row.get("originalDueDate")),
        estimate_minutes=number(row.get("estimateMinutes")),
        teamwork_task_list_id=reference(row, "tasklistId", "tasklist"),
        teamwork_parent_id=reference(row, "parentTaskId", "parentTask"),
        teamwork_creator_id=reference(row, "createdByUserId", "createdBy"),
        teamwork_completer_id=reference(row, "completedByUserId", "completedBy"),
        completed_at=moment(first(row, "completedAt", "completedOn")),
        url=f"{site}/app/tasks/{row['id']}",
    )
    record.members["task_tags"] = _tags(row)
    record.members["task_assignees"] = list(_assignees(row))
    predecessors = identifiers([*(row.get("predecessorIds") or ()), *(row.get("predecessors") or ())])
    record.members["task_dependencies"] = [{"teamwork_predecessor_id": each} for each in predecessors]
    record.members["task_custom_values"] = list(_custom_values(row))
    return record


def read_comment(row: Row, _site: str) -> Record:
    """Read a comment."""
    written = first(row, "htmlBody", "body")
    content_type = "HTML" if row.get("htmlBody") else row.get("contentType")
    plain, html = formatted(written, content_type)
    return _record(
        row,
        body=plain,
        body_html=html,
        teamwork_task_id=reference(row, "objectId", "object"),
        teamwork_author_id=reference(row, "postedBy", "postedByUserId"),
    )


def read_time_entry(row: Row, _site: str) -> Record:
    """Read time that somebody spent."""
    record = _record(
        row,
        description=text(row.get("description")),
        minutes=number(row.get("minutes")) or 0,
        is_billable=flag(first(row, "billable", "isBillable")),
        spent_at=moment(first(row, "timeLogged", "date")),
        teamwork_task_id=reference(row, "taskId", "task"),
        teamwork_project_id=reference(row, "projectId", "project"),
        teamwork_person_id=reference(row, "userId", "user"),
    )
    record.members["time_entry_tags"] = _tags(row)
    return record


def _record(row: Row, *, timed: bool = True, **values: Any) -> Record:
    number_ = identifier(row["id"])
    if number_ is None:
        raise ValueError("it has no id")
    if timed:
        values["created_at"] = moment(first(row, *CREATED))
        values["updated_at"] = moment(first(row, *UPDATED))
    values["deleted_at"] = _deleted_at(row)
    return Record(vendor_id=number_, values=values)


CREATED = ("createdAt", "dateCreated", "createdOn", "postedDateTime")
UPDATED = ("updatedAt", "dateUpdated", "dateLastEdited", "dateEdited", "lastChangedOn", "lastUpdated")


def is_deleted(row: Mapping[str, Any]) -> bool:
    """Return whether Teamwork shows this as deleted."""
    said = first(row, "deletedAt", "dateDeleted")
    return moment(said) is not None or flag(first(row, "deleted", "isDeleted")) or row.get("status") == "deleted"


def _deleted_at(row: Mapping[str, Any]) -> object:
    when = moment(first(row, "deletedAt", "dateDeleted"))
    return when or (DELETED_SOMETIME if is_deleted(row) else None)


def _name(row: Row) -> str:
    return text(first(row, "name", "title")) or f"({row['id']})"


def _tags(row: Row) -> list[dict[str, Any]]:
    ids = identifiers([*(row.get("tagIds") or ()), *(row.get("tags") or ())])
    return [{"teamwork_tag_id": each} for each in ids]


_ASSIGNEE_KINDS = {"users": "person", "people": "person", "teams": "team", "companies": "company"}
_ASSIGNEE_LISTS = {"assigneeUserIds": "person", "assigneeTeamIds": "team", "assigneeCompanyIds": "company"}


def _assignees(row: Row) -> list[dict[str, Any]]:
    found = {(kind, each) for name, kind in _ASSIGNEE_LISTS.items() for each in identifiers(row.get(name))}
    for each in row.get("assignees") or ():
        kind, assignee = _ASSIGNEE_KINDS[each["type"]], identifier(each)
        if assignee is not None:
            found.add((kind, assignee))
    return [{"kind": kind, "teamwork_assignee_id": each} for kind, each in sorted(found)]


def _custom_values(row: Row) -> list[dict[str, Any]]:
    values = {
        reference(each, "customfieldId", "customfield"): each.get("value") for each in row.get(CUSTOM_VALUES) or ()
    }
    return [
        {"teamwork_custom_field_id": number_, "value": _plain(value)}
        for number_, value in values.items()
        if number_ is not None and value not in (None, "", [])
    ]


def _plain(value: object) -> str:
    """A field may hold text, a number, or several choices."""
    return ", ".join(map(str, value)) if isinstance(value, list) else text(value) or ""
