"""The lists of Teamwork that are mirrored: where each is, what must be asked so that nothing is left out, how one thing
of it is read again.

Every flag is off by default at Teamwork, and misspelt ones are ignored without a word: a test asserts the effect of
each against the simulator (shared/facts/apis.md, sections 2.3 to 2.5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.vendors.teamwork import records, tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.vendors.tables import Table
    from ibhelm_pipelines.vendors.teamwork.fields import Row
    from ibhelm_pipelines.vendors.teamwork.records import Reader

V3 = "/projects/api/v3"
PAGE_ROWS, PAGE_ROWS_V1 = 500, 250
"""The most that Teamwork gives at once, and its older API."""

DIRECTORY, TASKS, COMMENTS, TIME = "teamwork_directory", "teamwork_tasks", "teamwork_comments", "teamwork_time"
ASSETS = (DIRECTORY, TASKS, COMMENTS, TIME)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One list of Teamwork.

    Attributes:
        asset: to which asset it belongs.
        path: of the list, without `.json`; one thing of it is at PATH/ID.json.
        key: under which the list stands in the answer.
        single_keys: under which one thing stands.
        parameters: so that nothing is left out.
        single_parameters: for one thing.
        order: value of `orderBy` for the order of changes; empty where Teamwork has none. Such a list is read only
            where it changed (`updatedAfter`), all others whole.
        deletions_apart: whether deletions are asked for by their own time.
        v1: whether it is a list of the older API: pages by headers.
        wanted: whether a row of this list is one that we mirror.
    """

    name: str
    asset: str
    path: str
    key: str
    single_keys: tuple[str, ...]
    table: Table
    read: Reader
    parameters: Mapping[str, str] = field(default_factory=dict)
    single_parameters: Mapping[str, str] = field(default_factory=dict)
    order: str = ""
    deletions_apart: bool = False
    v1: bool = False
    only_object_type: str = ""

    @property
    def is_incremental(self) -> bool:
        return bool(self.order)

    @property
    def page_rows(self) -> int:
        return PAGE_ROWS_V1 if self.v1 else PAGE_ROWS

    def single_path(self, number: int) -> str:
        return f"{self.path}/{number}.json"

    def wants(self, row: Row) -> bool:
        """Comments hang on many kinds of things; only those on tasks are mirrored."""
        if not self.only_object_type:
            return True
        kind: Any = row.get("objectType") or (row.get("object") or {}).get("type") or ""
        return str(kind).lower().rstrip("s") == self.only_object_type


_TASK_PARTS = {
    "includeCustomFields": "true",
    "includeRelatedTasks": "true",
    "include": "customfieldTasks,tasklists",
}
_EVERYWHERE = {"includeArchivedProjects": "true"}

COMPANIES = Resource(
    name="companies",
    asset=DIRECTORY,
    path=f"{V3}/companies",
    key="companies",
    single_keys=("company",),
    table=tables.COMPANIES,
    read=records.read_company,
)
PEOPLE = Resource(
    name="people",
    asset=DIRECTORY,
    path=f"{V3}/people",
    key="people",
    single_keys=("person", "people"),
    table=tables.PEOPLE,
    read=records.read_person,
    parameters={"showDeleted": "true", "includeClients": "true"},
    single_parameters={"showDeleted": "true"},
)
TEAMS = Resource(
    name="teams",
    asset=DIRECTORY,
    path="/teams",
    key="teams",
    single_keys=("team",),
    table=tables.TEAMS,
    read=records.read_team,
    v1=True,
)
TAGS = Resource(
    name="tags",
    asset=DIRECTORY,
    path=f"{V3}/tags",
    key="tags",
    single_keys=("tag",),
    table=tables.TAGS,
    read=records.read_tag,
)
PROJECTS = Resource(
    name="projects",
    asset=DIRECTORY,
    path=f"{V3}/projects",
    key="projects",
    single_keys=("project",),
    table=tables.PROJECTS,
    read=records.read_project,
    parameters={**_EVERYWHERE, "includeCompletedStatus": "true"},
)
MILESTONES = Resource(
    name="milestones",
    asset=DIRECTORY,
    path=f"{V3}/milestones",
    key="milestones",
    single_keys=("milestone",),
    table=tables.MILESTONES,
    read=records.read_milestone,
    parameters={**_EVERYWHERE, "showDeleted": "true", "includeCompleted": "true"},
    single_parameters={"showDeleted": "true"},
)
TASK_LISTS = Resource(
    name="task_lists",
    asset=DIRECTORY,
    path=f"{V3}/tasklists",
    key="tasklists",
    single_keys=("tasklist",),
    table=tables.TASK_LISTS,
    read=records.read_task_list,
    parameters={**_EVERYWHERE, "showDeleted": "true", "showCompleted": "true", "getEmptyLists": "true"},
    single_parameters={"showDeleted": "true", "showCompleted": "true"},
)
CUSTOM_FIELDS = Resource(
    name="custom_fields",
    asset=DIRECTORY,
    path=f"{V3}/customfields",
    key="customfields",
    single_keys=("customfield",),
    table=tables.CUSTOM_FIELDS,
    read=records.read_custom_field,
    parameters={"showDeleted": "true"},
    single_parameters={"showDeleted": "true"},
)
TASKS_RESOURCE = Resource(
    name="tasks",
    asset=TASKS,
    path=f"{V3}/tasks",
    key="tasks",
    single_keys=("task",),
    table=tables.TASKS,
    read=records.read_task,
    parameters={
        **_EVERYWHERE,
        **_TASK_PARTS,
        "includeCompletedTasks": "true",
        "includeCompletedSubtasks": "true",
        "includeCompletedPredecessors": "true",
        "showCompletedLists": "true",
        "showDeleted": "true",
        "includeTasksFromDeletedLists": "true",
        "getSubTasks": "true",
        "taskFilter": "all",
        "projectType": "normal",
    },
    single_parameters={**_TASK_PARTS, "showDeleted": "true", "includeCompletedPredecessors": "true"},
    order="updatedat",
    deletions_apart=True,
)
COMMENTS_RESOURCE = Resource(
    name="comments",
    asset=COMMENTS,
    path=f"{V3}/comments",
    key="comments",
    single_keys=("comments", "comment"),
    table=tables.TASK_COMMENTS,
    read=records.read_comment,
    parameters={**_EVERYWHERE, "objectTypes": "tasks", "commentStatus": "all"},
    order="updatedat",
    only_object_type="task",
)
TIME_RESOURCE = Resource(
    name="time_entries",
    asset=TIME,
    path=f"{V3}/time",
    key="timelogs",
    single_keys=("timelog", "timelogs"),
    table=tables.TIME_ENTRIES,
    read=records.read_time_entry,
    parameters={**_EVERYWHERE, "showDeleted": "true"},
    single_parameters={"showDeleted": "true"},
    order="dateupdated",
)

RESOURCES = (
    COMPANIES, PEOPLE, TEAMS, TAGS, PROJECTS, CUSTOM_FIELDS, MILESTONES, TASK_LISTS, TASKS_RESOURCE, COMMENTS_RESOURCE,
    TIME_RESOURCE,
)  # fmt: skip
"""Parents before their children, so that links are there at once; what comes out of order is linked later."""
