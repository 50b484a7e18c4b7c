"""What a perfect mirror of the office would hold: every row that ever was, with every value that the vendor shows.

`truth(office)` returns, for each of companies, people, teams, tags, projects, task_lists, milestones, custom_fields,
tasks, comments and time_entries, a list of rows in order of `id`. A row has the vendor's own key names (`tasklistId`,
`parentTaskId`, `postedDateTime`, ...), without relations that only say an id once more, and:

- times are texts in UTC like `2025-10-15T22:12:53Z`, dates texts like `2025-10-15`; what is not there is None: no year
  1, no zero id (a time entry without a task has `taskId` None, a tag of no project `projectId` None);
- links are sorted lists of ids, never None: tasks have `assigneeUserIds`, `assigneeTeamIds`, `assigneeCompanyIds`,
  `tagIds`, `predecessorIds`, `subTaskIds`; projects and time entries `tagIds`; teams `userIds`; milestones
  `tasklistIds` and `responsibleParties` ([{id, type}]); a link may name a row that is deleted;
- tasks and projects have `customFieldValues`: [{id, customfieldId, value, createdAt, createdBy}] by customfieldId;
- tasks have `projectId`, which the vendor shows on their list only; projects have `archived`.

Every row has three more:

- `deleted`: the row was deleted or has vanished. Under `rows_of_deleted_projects` = gone, this takes in all rows of a
  deleted project; else they are what they were before, for the vendor says nothing else about them;
- `project_deleted`: the project that it belongs to has vanished (False where it belongs to none);
- `readable`: some address, a list with all flags or its own, still shows the row with its values. A mirror can know the
  last values of readable rows only; of others it knows what it saw before, and nothing if it came too late.
"""

from __future__ import annotations

from typing import Any

from ibhelm_pipelines.demo.teamwork.rows import tasklist_ids
from ibhelm_pipelines.demo.teamwork.state import TABLES, Office, Row, is_deleted

_LINKS = ("assigneeUserIds", "assigneeTeamIds", "assigneeCompanyIds", "tagIds", "predecessorIds", "userIds")


def truth(office: Office) -> dict[str, list[dict[str, Any]]]:
    """Return all rows by table; see the module's text for their shape."""
    with office.lock:
        return {
            table: [_row(office, table, row) for _, row in sorted(office.tables[table].items())] for table in TABLES
        }


def _row(office: Office, table: str, row: Row) -> Row:
    values = {key: value for key, value in row.items() if key[0] != "_"}
    values |= {key: sorted(row[key]) for key in _LINKS if key in row}
    if "_values" in row:
        ordered = sorted(row["_values"].values(), key=lambda value: int(value["customfieldId"]))
        values["customFieldValues"] = [dict(value) for value in ordered]
    if table == "tasks":
        values["subTaskIds"] = sorted(office.subtasks.get(row["id"], ()))
        values["projectId"] = office.project_of(table, row)
    if table == "milestones":
        values["tasklistIds"] = sorted(tasklist_ids(office, row))
    if table == "projects":
        values["archived"] = row["archivedAt"] is not None
    return values | _fate(office, table, row)


def _fate(office: Office, table: str, row: Row) -> Row:
    project_deleted = office.in_deleted_project(table, row)
    vanished = bool(row.get("_gone")) or (project_deleted and office.switches.rows_of_deleted_projects == "gone")
    deleted = is_deleted(table, row)
    hidden = project_deleted and deleted and office.switches.rows_of_deleted_projects == "singly"
    unseen = hidden and office.switches.deleted_rows_singly == "not_found"
    return {
        "deleted": deleted or vanished,
        "project_deleted": project_deleted,
        "readable": not vanished and not unseen,
    }
