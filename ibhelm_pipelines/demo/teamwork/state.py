"""The office as Teamwork.com has it: every row that ever was, by table and id, and the hours at which they changed.

Rows carry the vendor's own key names. Inside, times are texts like `2025-10-15T22:12:53Z`, dates like `2025-10-15`, and
what is not there is None; how the vendor writes that is a matter of `rows.py`. Keys that begin with an underscore never
leave the simulator. Rows are never taken out: `_gone` marks those that have vanished without a trace.

Invariant: whoever reads or changes anything holds `lock`, and every change raises `version`.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.teamwork.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]

TABLES = (
    "companies",
    "people",
    "teams",
    "tags",
    "projects",
    "task_lists",
    "milestones",
    "custom_fields",
    "tasks",
    "comments",
    "time_entries",
)
UPDATED = dict.fromkeys(TABLES, "updatedAt") | {
    "milestones": "lastChangedOn",
    **dict.fromkeys(("companies", "teams", "tags", "comments"), "_updatedAt"),
}
"""The key that says when a row was last changed; with an underscore where the vendor has it, but does not show it."""

CREATED = dict.fromkeys(TABLES, "createdAt") | {"milestones": "createdOn", "comments": "postedDateTime"}
EVENT_NAMES = {
    "tasks": "TASK",
    "task_lists": "TASKLIST",
    "projects": "PROJECT",
    "milestones": "MILESTONE",
    "comments": "COMMENT",
    "time_entries": "TIME",
    "people": "USER",
    "companies": "COMPANY",
}
CATEGORIES = {401: "Wärme und Kälte", 402: "Lüftung", 403: "Sanierung im Bestand"}
_FIRST_IDS: dict[str, int] = {table: 1_000 * 7**position // 3 for position, table in enumerate(TABLES)} | {
    "tasks": 21_000_000
}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that a webhook may tell.

    Attributes:
        name: such as `TASK.UPDATED`.
        table: of the row.
        row: as it was then.
        project_id: the project it belongs to, if any.
        by: id of the person who did it.
    """

    name: str
    table: str
    row: Row
    project_id: int | None
    by: int


def iso(moment: dt.datetime) -> str:
    """Write a time as the vendor does: UTC, whole seconds."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


class Office:
    """All rows, the clock they are stamped with, and who listens to changes.

    Args:
        clock: says what time it is; the only source of time.
        switches: the vendor's habits, some of which show when rows change.
    """

    def __init__(self, *, clock: Callable[[], dt.datetime], switches: Switches | None = None) -> None:
        self.lock = threading.RLock()
        self.clock, self.switches = clock, switches or Switches()
        self.skew_seconds = 0.0
        self.version = 0
        self.listeners: list[Callable[[Event], None]] = []
        self.tables: dict[str, dict[int, Row]] = {table: {} for table in TABLES}
        self.subtasks: dict[int, set[int]] = defaultdict(set)
        self.dependents: dict[int, set[int]] = defaultdict(set)
        self._next_ids = dict(_FIRST_IDS)
        self._next_value_id = 5_001

    def as_json(self) -> dict[str, Any]:
        """Return all of it in a shape that survives JSON."""
        with self.lock:
            tables = {table: [dict(row) for row in rows.values()] for table, rows in self.tables.items()}
            return {"tables": tables, "next_ids": dict(self._next_ids), "next_value_id": self._next_value_id}

    def take(self, kept: dict[str, Any]) -> None:
        """Become the office that `as_json` kept, instead of this one."""
        with self.lock:
            self.subtasks.clear()
            self.dependents.clear()
            for table in TABLES:
                self.tables[table].clear()
                for row in kept["tables"][table]:
                    if "_values" in row:
                        row["_values"] = {int(field): value for field, value in row["_values"].items()}
                    self.add(table, row)
            self._next_ids, self._next_value_id = dict(kept["next_ids"]), kept["next_value_id"]

    def moment(self) -> dt.datetime:
        """The time by the vendor's clock, which may be wrong."""
        return self.clock() + dt.timedelta(seconds=self.skew_seconds)

    def now(self) -> str:
        """The same as a text."""
        return iso(self.moment())

    def new_id(self, table: str) -> int:
        """An id that no row of the table ever had; some are skipped, for the vendor has other customers."""
        self._next_ids[table] += 1 + self._next_ids[table] % 3
        return self._next_ids[table]

    def new_value_id(self) -> int:
        """An id for the value of a custom field."""
        self._next_value_id += 1
        return self._next_value_id

    def add(self, table: str, row: Row) -> Row:
        """Keep a new row; it gets an id unless it has one."""
        row.setdefault("id", self.new_id(table))
        self.tables[table][row["id"]] = row
        if table == "tasks":
            if row["parentTaskId"]:
                self.subtasks[row["parentTaskId"]].add(row["id"])
            for before in row["predecessorIds"]:
                self.dependents[before].add(row["id"])
        self.version += 1
        return row

    def change(self, table: str, row: Row, values: Row) -> None:
        """Set values of a row without telling anybody, not even its own time of change."""
        if table == "tasks" and "predecessorIds" in values:
            for before in row["predecessorIds"]:
                self.dependents[before].discard(row["id"])
            for before in values["predecessorIds"]:
                self.dependents[before].add(row["id"])
        if table == "tasks" and "parentTaskId" in values:
            if row["parentTaskId"]:
                self.subtasks[row["parentTaskId"]].discard(row["id"])
            if values["parentTaskId"]:
                self.subtasks[values["parentTaskId"]].add(row["id"])
        row.update(values)
        self.version += 1

    def touch(self, table: str, row: Row, by: int) -> None:
        """Note when a row was changed, and by whom where the vendor tells."""
        row[UPDATED[table]] = self.now()
        if "updatedBy" in row:
            row["updatedBy"] = by
        self.version += 1

    def emit(self, table: str, verb: str, row: Row, by: int) -> None:
        """Tell the listeners what happened."""
        if table not in EVENT_NAMES:
            return
        event = Event(
            name=f"{EVENT_NAMES[table]}.{verb}",
            table=table,
            row=dict(row),
            project_id=self.project_of(table, row),
            by=by,
        )
        for listener in self.listeners:
            listener(event)

    def project_of(self, table: str, row: Row) -> int | None:
        """Return the id of the project that a row belongs to; a task knows it through its list only."""
        owner = self.tables["task_lists"][row["tasklistId"]] if table == "tasks" else row
        project: int | None = owner.get("id" if table == "projects" else "projectId")
        return project

    def in_deleted_project(self, table: str, row: Row) -> bool:
        """Return whether the row's project has vanished."""
        project = self.project_of(table, row)
        return table != "projects" and project is not None and bool(self.tables["projects"][project]["_gone"])

    def in_archived_project(self, table: str, row: Row) -> bool:
        """Return whether the row's project is archived."""
        project = self.project_of(table, row)
        return project is not None and self.tables["projects"][project]["archivedAt"] is not None

    def live(self, table: str) -> Iterator[Row]:
        """The rows that a person sees and could change."""
        return (
            row
            for row in self.tables[table].values()
            if not is_deleted(table, row) and not row.get("_gone") and not self.in_deleted_project(table, row)
        )


def is_deleted(table: str, row: Row) -> bool:
    """Return whether the row itself was deleted, and can be restored."""
    if table in {"tasks", "task_lists"}:
        return bool(row["status"] == "deleted")
    if table == "milestones":
        return bool(row["isDeleted"])
    return bool(row.get("deleted", False))
