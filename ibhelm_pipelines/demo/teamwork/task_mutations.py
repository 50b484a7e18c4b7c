"""What happens to tasks on a day in the office, the removal of the last tag, assignee and predecessor included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.teamwork import actions, wording
from ibhelm_pipelines.demo.teamwork.state import is_deleted

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.demo.teamwork.life import Life
    from ibhelm_pipelines.demo.teamwork.state import Row

_BULK = 40
_ASSIGNEES = ("assigneeUserIds", "assigneeTeamIds", "assigneeCompanyIds")


def _create(life: Life) -> int | None:
    target = life.pick("task_lists")
    if target is None:
        return None
    rng, seeding, live = life.rng, life.seeding, life.office.live
    name = rng.choice((rng.choice(wording.ODD_TASKS), seeding.text(rng.choice(wording.TASKS))))
    siblings = [row["id"] for row in live("tasks") if row["tasklistId"] == target["id"]]
    values: Row = {
        "description": seeding.text(rng.choice(wording.DESCRIPTIONS)),
        "parentTaskId": rng.choice(siblings) if siblings and rng.random() < 0.3 else None,
        "predecessorIds": seeding.some(siblings, (3, 1, 1)),
        "assigneeUserIds": life.people((2, 3, 1)),
        "assigneeTeamIds": seeding.some([row["id"] for row in live("teams")], (3, 1)),
        "assigneeCompanyIds": seeding.some([row["id"] for row in live("companies")], (3, 1)),
        "tagIds": life.tags((1, 2, 2)),
    }
    row = actions.create_task(life.office, name=name, tasklist_id=target["id"], by=life.by, values=values)
    return int(row["id"])


def _edit(life: Life) -> int | None:
    row = life.pick("tasks")
    if row is None:
        return None
    rng = life.rng
    changes: list[Row] = [
        {"name": rng.choice(wording.ODD_TASKS)},
        {"description": life.seeding.text(rng.choice(wording.DESCRIPTIONS))},
        {"dueDate": rng.choice((None, "2026-12-24"))},
        {"startDate": rng.choice((None, "2026-11-02"))},
        {"priority": rng.choice((None, "none", "high"))},
        {"progress": rng.choice((0, 10, 90))},
        {"isPrivate": rng.choice((0, 1))},
        {"estimateMinutes": rng.choice((0, 45))},
    ]
    actions.edit(life.office, "tasks", row, life.by, **rng.choice(changes))
    return int(row["id"])


def _edit_many(life: Life) -> int | None:
    """An edit of many at once: all in one second."""
    rows = list(life.office.live("tasks"))
    chosen = life.rng.sample(rows, min(_BULK, len(rows)))
    priority = life.rng.choice((None, "low", "high"))
    for row in chosen:
        actions.edit(life.office, "tasks", row, life.by, priority=priority)
    return len(chosen) or None


def _complete(life: Life) -> int | None:
    return _act(life, [row for row in life.office.live("tasks") if row["status"] != "completed"], actions.complete)


def _reopen(life: Life) -> int | None:
    return _act(life, [row for row in life.office.live("tasks") if row["status"] == "completed"], actions.reopen)


def _delete(life: Life) -> int | None:
    return _act(life, list(life.office.live("tasks")), actions.delete)


def _restore(life: Life) -> int | None:
    rows = [row for row in life.office.tables["tasks"].values() if is_deleted("tasks", row)]
    return _act(life, [row for row in rows if not life.office.in_deleted_project("tasks", row)], actions.restore)


def _act(life: Life, rows: list[Row], action: Callable[..., None]) -> int | None:
    row = life.choice(rows)
    if row is None:
        return None
    action(life.office, "tasks", row, life.by)
    return int(row["id"])


def _move(life: Life) -> int | None:
    row, target = life.pick("tasks"), life.pick("task_lists")
    if row is None or target is None or row["tasklistId"] == target["id"]:
        return None
    actions.move_task(life.office, row, target["id"], life.by)
    return int(row["id"])


def _set_parent(life: Life) -> int | None:
    """Make a task a subtask of an older one of its list, or a task of its own."""
    row = life.pick("tasks")
    if row is None:
        return None
    older = [
        each["id"]
        for each in life.office.live("tasks")
        if each["tasklistId"] == row["tasklistId"] and each["id"] < row["id"]
    ]
    parent = None if row["parentTaskId"] or not older else life.rng.choice(older)
    actions.edit(life.office, "tasks", row, life.by, parentTaskId=parent)
    return int(row["id"])


def _remove_last(life: Life, key: str) -> int | None:
    row = life.choice([row for row in life.office.live("tasks") if len(row[key]) == 1])
    if row is None:
        return None
    cleared: Row = {key: []}
    verb = "UNTAGGED" if key == "tagIds" else "UPDATED"
    actions.edit(life.office, "tasks", row, life.by, verb, **cleared)
    return int(row["id"])


def _remove_last_assignee(life: Life) -> int | None:
    return _remove_last(life, life.rng.choice(_ASSIGNEES))


def _remove_last_tag(life: Life) -> int | None:
    return _remove_last(life, "tagIds")


def _remove_last_predecessor(life: Life) -> int | None:
    return _remove_last(life, "predecessorIds")


def _tag(life: Life) -> int | None:
    row = life.pick("tasks")
    if row is None:
        return None
    actions.edit(life.office, "tasks", row, life.by, "TAGGED", tagIds=sorted({*row["tagIds"], *life.tags((0, 1, 1))}))
    return int(row["id"])


def _assign(life: Life) -> int | None:
    row = life.pick("tasks")
    if row is None:
        return None
    key, table = life.rng.choice(tuple(zip(_ASSIGNEES, ("people", "teams", "companies"), strict=True)))
    ids = [each["id"] for each in life.office.live(table)]
    assigned: Row = {key: life.seeding.some(ids, (0, 2, 1))}
    actions.edit(life.office, "tasks", row, life.by, **assigned)
    return int(row["id"])


def _wait_for(life: Life) -> int | None:
    """Let a task wait for an older one, of whatever project."""
    row, before = life.pick("tasks"), life.pick("tasks")
    if row is None or before is None or before["id"] >= row["id"]:
        return None
    ids = sorted({*row["predecessorIds"], before["id"]})
    actions.edit(life.office, "tasks", row, life.by, predecessorIds=ids)
    return int(row["id"])


def _set_value(life: Life) -> int | None:
    row, field = life.pick("tasks"), life.pick("custom_fields", entity="task")
    if row is None or field is None:
        return None
    value = life.rng.choice((None, "434", "Sanitär", "2.11 Büro"))
    actions.set_custom_value(life.office, "tasks", row, field_id=field["id"], value=value, by=life.by)
    return int(row["id"])


TASK_MUTATIONS: dict[str, tuple[float, Callable[[Life], int | None]]] = {
    "create task": (10, _create),
    "edit task": (16, _edit),
    "edit many tasks": (1, _edit_many),
    "complete task": (6, _complete),
    "reopen task": (4, _reopen),
    "delete task": (5, _delete),
    "restore task": (4, _restore),
    "move task": (4, _move),
    "set parent of task": (2, _set_parent),
    "remove last tag of task": (3, _remove_last_tag),
    "remove last assignee of task": (3, _remove_last_assignee),
    "remove last predecessor of task": (3, _remove_last_predecessor),
    "tag task": (3, _tag),
    "assign task": (3, _assign),
    "let task wait": (3, _wait_for),
    "set custom value of task": (4, _set_value),
}
