"""Which tables hold Teamwork's rows: all in which they differ; what is the same for all is in vendors/store.py."""

from __future__ import annotations

from functools import partial

from ibhelm_pipelines.vendors.tables import Bridge, Hidden, Link, Vendor
from ibhelm_pipelines.vendors.tables import Table as VendorTable

TEAMWORK = Vendor(name="teamwork", id_type="bigint", id_of=int)

Table = partial(VendorTable, vendor=TEAMWORK)


def _link(what: str, target: str) -> Link:
    return Link(named=f"teamwork_{what}_id", column=f"{what}_id", target=target)


def _tags_of(table: str, owner: str) -> Bridge:
    return Bridge(table=table, owner=owner, key=("teamwork_tag_id",), links=(_link("tag", "tags"),))


_ASSIGNEES = Bridge(
    table="task_assignees",
    owner="task_id",
    key=("kind", "teamwork_assignee_id"),
    links=tuple(
        Link(named="teamwork_assignee_id", column=f"{kind}_id", target=target, kind=kind)
        for kind, target in (("person", "people"), ("team", "teams"), ("company", "companies"))
    ),
)
_DEPENDENCIES = Bridge(
    table="task_dependencies",
    owner="task_id",
    key=("teamwork_predecessor_id",),
    links=(_link("predecessor", "tasks"),),
)
_CUSTOM_VALUES = Bridge(
    table="task_custom_values",
    owner="task_id",
    key=("teamwork_custom_field_id",),
    values=("value",),
    links=(_link("custom_field", "custom_fields"),),
)
_WITH_PROJECT = Hidden(column="project_id", parent="projects", gone="deleted_at is not null")
_TIMES = ("created_at", "updated_at", "deleted_at")

COMPANIES = Table(
    name="companies",
    columns=("name", "email", "phone", "website", "street", "zip", "city", "country_code", "is_own", *_TIMES),
)
PEOPLE = Table(
    name="people",
    columns=("name", "first_name", "last_name", "email", "title", "teamwork_company_id", "is_client", *_TIMES),
    links=(_link("company", "companies"),),
)
TEAMS = Table(name="teams", columns=("name", "handle", "deleted_at"))
TAGS = Table(name="tags", columns=("name", "color", "teamwork_project_id", "deleted_at"))
PROJECTS = Table(
    name="projects",
    columns=(
        "name", "description", "status", "sub_status", "teamwork_company_id", "teamwork_owner_id", "starts_on",
        "ends_on", "completed_at", "archived_at", "url", *_TIMES,
    ),
    links=(_link("company", "companies"), _link("owner", "people")),
    bridges=(_tags_of("project_tags", "project_id"),),
)  # fmt: skip
MILESTONES = Table(
    name="milestones",
    columns=("name", "description", "due_on", "is_completed", "teamwork_project_id", *_TIMES),
    links=(_link("project", "projects"),),
    hidden=_WITH_PROJECT,
)
TASK_LISTS = Table(
    name="task_lists",
    columns=(
        "name", "description", "status", "position", "is_private", "teamwork_project_id", "teamwork_milestone_id",
        *_TIMES,
    ),
    links=(_link("project", "projects"), _link("milestone", "milestones")),
    hidden=_WITH_PROJECT,
)  # fmt: skip
CUSTOM_FIELDS = Table(
    name="custom_fields", columns=("name", "type", "entity", "options", "teamwork_project_id", "deleted_at")
)
TASKS = Table(
    name="tasks",
    columns=(
        "name", "description", "description_html", "status", "priority", "progress", "is_private", "starts_on",
        "due_on", "original_due_on", "estimate_minutes", "teamwork_task_list_id", "teamwork_parent_id",
        "teamwork_creator_id", "teamwork_completer_id", "completed_at", "url", *_TIMES,
    ),
    links=(
        _link("task_list", "task_lists"),
        _link("parent", "tasks"),
        _link("creator", "people"),
        _link("completer", "people"),
    ),
    bridges=(_tags_of("task_tags", "task_id"), _ASSIGNEES, _DEPENDENCIES, _CUSTOM_VALUES),
    hidden=_WITH_PROJECT,
)  # fmt: skip
TASK_COMMENTS = Table(
    name="task_comments",
    columns=("body", "body_html", "teamwork_task_id", "teamwork_author_id", *_TIMES),
    links=(_link("task", "tasks"), _link("author", "people")),
    hidden=Hidden(column="task_id", parent="tasks", gone="state = 'deleted'"),
)
TIME_ENTRIES = Table(
    name="time_entries",
    columns=(
        "description", "minutes", "is_billable", "spent_at", "teamwork_task_id", "teamwork_project_id",
        "teamwork_person_id", *_TIMES,
    ),
    links=(_link("task", "tasks"), _link("project", "projects"), _link("person", "people")),
    bridges=(_tags_of("time_entry_tags", "time_entry_id"),),
    hidden=_WITH_PROJECT,
)  # fmt: skip

TABLES = (
    COMPANIES, PEOPLE, TEAMS, TAGS, PROJECTS, MILESTONES, TASK_LISTS, CUSTOM_FIELDS, TASKS, TASK_COMMENTS, TIME_ENTRIES,
)  # fmt: skip
"""Parents before their children."""
