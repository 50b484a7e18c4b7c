"""Whether our tables say what Teamwork says: every row and column of the simulator's truth against ours.

Shares no code with the connector: the truth names the vendor's own keys, this file says which column holds each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tables

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

_TIMES = {"created_at": "createdAt", "updated_at": "updatedAt"}


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """A table of ours.

    Attributes:
        columns: the vendor's key of each of our columns.
        links: sets, by the vendor's key: SQL for the sorted list of ids.
        hidden: SQL that is true where a deleted project takes the row with it.
        refers: our reference and Teamwork's: (column, vendor's column, table), for what must be linked.
    """

    table: str
    columns: dict[str, str]
    links: dict[str, str] = field(default_factory=dict)
    hidden: str = "false"
    refers: tuple[tuple[str, str, str], ...] = ()


def _set(bridge: str, owner: str, column: str, where: str = "true") -> str:
    return (
        f"(select coalesce(array_agg(b.{column} order by b.{column}), '{{}}') from {bridge} b"
        f" where b.{owner} = t.id and {where})"
    )


_OF_PROJECT = "exists (select from projects p where p.id = t.project_id and p.deleted_at is not null)"
_OF_ITS_PROJECT = """t.teamwork_project_id is not null and not exists (
    select from projects p where p.teamwork_id = t.teamwork_project_id and p.deleted_at is null)"""
"""Gone with its project, be it one that we know, or one that went before anybody could read it."""

MIRRORS = {
    "companies": Mirror(
        table="companies",
        columns={"name": "name", "email": "emailOne", "phone": "phone", "website": "website", "street": "addressOne",
                 "zip": "zip", "city": "city", "country_code": "countryCode", "is_own": "isOwner"},
    ),
    "people": Mirror(
        table="people",
        columns={"first_name": "firstName", "last_name": "lastName", "email": "email", "title": "title",
                 "teamwork_company_id": "companyId", "is_client": "isClientUser", **_TIMES},
        refers=(("company_id", "teamwork_company_id", "companies"),),
    ),
    "teams": Mirror(table="teams", columns={"name": "name", "handle": "handle"}),
    "tags": Mirror(
        table="tags",
        columns={"name": "name", "color": "color", "teamwork_project_id": "projectId"},
        hidden=_OF_ITS_PROJECT,
    ),
    "projects": Mirror(
        table="projects",
        columns={"name": "name", "description": "description", "status": "status", "sub_status": "subStatus",
                 "teamwork_company_id": "companyId", "teamwork_owner_id": "ownerId", "starts_on": "startAt",
                 "ends_on": "endAt", "completed_at": "completedAt", "archived_at": "archivedAt", **_TIMES},
        links={"tagIds": _set("project_tags", "project_id", "teamwork_tag_id")},
        refers=(("company_id", "teamwork_company_id", "companies"), ("owner_id", "teamwork_owner_id", "people")),
    ),
    "milestones": Mirror(
        table="milestones",
        columns={"name": "name", "due_on": "deadline", "is_completed": "completed", "teamwork_project_id": "projectId",
                 "created_at": "createdOn", "updated_at": "lastChangedOn"},
        hidden=_OF_ITS_PROJECT,
        refers=(("project_id", "teamwork_project_id", "projects"),),
    ),
    "task_lists": Mirror(
        table="task_lists",
        columns={"name": "name", "description": "description", "status": "status", "position": "displayOrder",
                 "is_private": "isPrivate", "teamwork_project_id": "projectId",
                 "teamwork_milestone_id": "milestoneId", **_TIMES},
        hidden=_OF_ITS_PROJECT,
        refers=(("project_id", "teamwork_project_id", "projects"),
                ("milestone_id", "teamwork_milestone_id", "milestones")),
    ),
    "custom_fields": Mirror(
        table="custom_fields",
        columns={"name": "name", "type": "type", "entity": "entity", "options": "options",
                 "teamwork_project_id": "projectId"},
        hidden=_OF_ITS_PROJECT,
    ),
    "tasks": Mirror(
        table="tasks",
        columns={"name": "name", "status": "status", "priority": "priority", "progress": "progress",
                 "is_private": "isPrivate", "starts_on": "startDate", "due_on": "dueDate",
                 "original_due_on": "originalDueDate", "estimate_minutes": "estimateMinutes",
                 "teamwork_task_list_id": "tasklistId", "teamwork_parent_id": "parentTaskId",
                 "teamwork_creator_id": "createdBy", "teamwork_completer_id": "completedBy",
                 "completed_at": "completedAt", **_TIMES},
        links={
            "tagIds": _set("task_tags", "task_id", "teamwork_tag_id"),
            "assigneeUserIds": _set("task_assignees", "task_id", "teamwork_assignee_id", "b.kind = 'person'"),
            "assigneeTeamIds": _set("task_assignees", "task_id", "teamwork_assignee_id", "b.kind = 'team'"),
            "assigneeCompanyIds": _set("task_assignees", "task_id", "teamwork_assignee_id", "b.kind = 'company'"),
            "predecessorIds": _set("task_dependencies", "task_id", "teamwork_predecessor_id"),
        },
        hidden=f"{_OF_PROJECT} or t.project_id is null and t.state = 'deleted'",
        refers=(("task_list_id", "teamwork_task_list_id", "task_lists"), ("parent_id", "teamwork_parent_id", "tasks"),
                ("creator_id", "teamwork_creator_id", "people"), ("completer_id", "teamwork_completer_id", "people")),
    ),
    "comments": Mirror(
        table="task_comments",
        columns={"teamwork_task_id": "objectId", "teamwork_author_id": "postedBy", "created_at": "postedDateTime",
                 "updated_at": "dateLastEdited"},
        hidden="""t.task_id is null or exists (
            select from tasks k left join projects p on p.id = k.project_id
            where k.id = t.task_id and (p.deleted_at is not null or p.id is null and k.state = 'deleted'))""",
        refers=(("task_id", "teamwork_task_id", "tasks"), ("author_id", "teamwork_author_id", "people")),
    ),
    "time_entries": Mirror(
        table="time_entries",
        columns={"description": "description", "minutes": "minutes", "is_billable": "isBillable",
                 "spent_at": "timeLogged", "teamwork_task_id": "taskId", "teamwork_project_id": "projectId",
                 "teamwork_person_id": "userId", **_TIMES},
        links={"tagIds": _set("time_entry_tags", "time_entry_id", "teamwork_tag_id")},
        hidden=_OF_ITS_PROJECT,
        refers=(("task_id", "teamwork_task_id", "tasks"), ("project_id", "teamwork_project_id", "projects"),
                ("person_id", "teamwork_person_id", "people")),
    ),
}  # fmt: skip
_CUSTOM_VALUES = """select t.teamwork_id, v.teamwork_custom_field_id, v.value from task_custom_values v
                    join tasks t on t.id = v.task_id"""


def differences(settings: Settings, truth: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return in words where our tables say anything but the truth."""
    url = settings.require_database_url()
    found = [each for name, mirror in MIRRORS.items() for each in _compare(url, name, mirror, truth[name])]
    found += _unlinked(url)
    return found + _compare_custom_values(url, truth["tasks"]) + _compare_states(url, truth)


def _compare(url: str, name: str, mirror: Mirror, rows: list[dict[str, Any]]) -> list[str]:
    columns = [f"t.{column}" for column in mirror.columns]
    query = ", ".join(["t.teamwork_id", "t.deleted_at is not null", mirror.hidden, *columns, *mirror.links.values()])
    rows_of_ours = tables.ask(url, f"select {query} from {mirror.table} t where t.teamwork_id is not null")
    ours = {row[0]: row for row in rows_of_ours}
    wanted = {row["id"]: row for row in rows if name != "comments" or row["objectType"] in ("task", "tasks")}
    found = [f"{name} {number}: invented" for number in sorted(set(ours) - set(wanted))]
    for number, row in wanted.items():
        if number not in ours:
            # What came and went with its project between two readings is in no list that anybody could read.
            if row["readable"] and not row["project_deleted"]:
                found.append(f"{name} {number}: lost ({row})")
            continue
        found += [f"{name} {number}: {each}" for each in _compare_row(mirror, row, ours[number])]
    return found


def _compare_row(mirror: Mirror, row: dict[str, Any], ours: tuple[Any, ...]) -> list[str]:
    _, is_deleted, is_hidden, *values = ours
    found = []
    if (is_deleted or is_hidden) != (row["deleted"] or row["project_deleted"]):
        right = f"it is {row['deleted']}, its project {row['project_deleted']}"
        found.append(f"deleted is {is_deleted}, hidden {is_hidden}; {right}")
    if not row["project_deleted"] and is_deleted != row["deleted"]:
        found.append(f"deleted is {is_deleted}; it is {row['deleted']}")
    if not row["readable"] or row["project_deleted"]:
        return found
    keys = [*mirror.columns.values(), *mirror.links]
    for key, value in zip(keys, values, strict=True):
        wanted = bool(row[key]) if key == "isPrivate" else row[key]
        if _plain(value) != _plain(wanted):
            found.append(f"{key} is {value!r}; it is {wanted!r}")
    return found


def _plain(value: Any) -> Any:
    """Times and dates as texts; nothing and the empty text are the same."""
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ" if hasattr(value, "hour") else "%Y-%m-%d")
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and "@" in value:
        return value.lower()
    return value if value != "" else None


def _unlinked(url: str) -> list[str]:
    """References that are not resolved though their row is there, or that lead to another one."""
    found = []
    for mirror in MIRRORS.values():
        for column, named, target in mirror.refers:
            query = f"""select t.teamwork_id from {mirror.table} t left join {target} p on p.teamwork_id = t.{named}
                        where t.{column} is distinct from p.id"""
            found += [f"{mirror.table} {number}: {column} leads elsewhere" for (number,) in tables.ask(url, query)]
    for bridge, column, named, target, where in (
        ("task_tags", "tag_id", "teamwork_tag_id", "tags", "true"),
        ("project_tags", "tag_id", "teamwork_tag_id", "tags", "true"),
        ("time_entry_tags", "tag_id", "teamwork_tag_id", "tags", "true"),
        ("task_dependencies", "predecessor_id", "teamwork_predecessor_id", "tasks", "true"),
        ("task_custom_values", "custom_field_id", "teamwork_custom_field_id", "custom_fields", "true"),
        ("task_assignees", "person_id", "teamwork_assignee_id", "people", "b.kind = 'person'"),
        ("task_assignees", "team_id", "teamwork_assignee_id", "teams", "b.kind = 'team'"),
        ("task_assignees", "company_id", "teamwork_assignee_id", "companies", "b.kind = 'company'"),
    ):
        query = f"""select b.{named} from {bridge} b left join {target} p on p.teamwork_id = b.{named}
                    where {where} and b.{column} is distinct from p.id"""
        found += [f"{bridge} {number}: {column} leads elsewhere" for (number,) in tables.ask(url, query)]
    return found


def _compare_custom_values(url: str, tasks: list[dict[str, Any]]) -> list[str]:
    skipped = {row["id"] for row in tasks if not row["readable"] or row["project_deleted"]}
    ours = {(task, number): value for task, number, value in tables.ask(url, _CUSTOM_VALUES) if task not in skipped}
    wanted = {
        (row["id"], value["customfieldId"]): value["value"]
        for row in tasks
        if row["id"] not in skipped
        for value in row["customFieldValues"]
        if value["value"] not in (None, "", [])
    }
    wanted = {key: ", ".join(map(str, each)) if isinstance(each, list) else str(each) for key, each in wanted.items()}
    different = {key for key in ours.keys() | wanted.keys() if ours.get(key) != wanted.get(key)}
    return [f"custom value {key}: is {ours.get(key)!r}; it is {wanted.get(key)!r}" for key in sorted(different)]


def _compare_states(url: str, truth: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Tasks show their project, and what their list and their project make of them."""
    projects = {row["id"]: row for row in truth["projects"]}
    lists = {row["id"]: row for row in truth["task_lists"]}
    query = """select t.teamwork_id, t.state, p.teamwork_id, t.description_html, t.description
               from tasks t left join projects p on p.id = t.project_id"""
    wanted = {row["id"]: row for row in truth["tasks"]}
    found = []
    for number, state, project, html, plain in tables.ask(url, query):
        row = wanted[number]
        if not row["readable"]:
            continue
        home = projects[row["projectId"]]
        if row["deleted"] or home["deleted"] or lists[row["tasklistId"]]["deleted"]:
            right = "deleted"
        elif home["archived"]:
            right = "archived"
        else:
            right = "completed" if row["status"] == "completed" else "open"
        at_home = project == row["projectId"] or (row["project_deleted"] and project is None)
        if state != right or not at_home:
            found.append(f"task {number}: state {state} in {project}; it is {right} in {row['projectId']}")
        if not row["project_deleted"] and (html or plain or "") != (row["description"] or ""):
            found.append(f"task {number}: description {html or plain!r}; it is {row['description']!r}")
    return found
