"""The first version of Teamwork.com's API, at the root: webhooks, teams, the trash can, predecessors. Ids are texts."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.api_v3 import is_readable_singly
from ibhelm_pipelines.demo.teamwork.query import Query
from ibhelm_pipelines.demo.teamwork.state import EVENT_NAMES, Office, Row, is_deleted
from ibhelm_pipelines.demo.teamwork.webhooks import Webhook, Webhooks
from ibhelm_pipelines.demo.vendor.exchange import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Handler = Callable[["ApiV1", "Call"], Reply]

_VERBS = ("CREATED", "UPDATED", "DELETED", "COMPLETED", "REOPENED")
EVENTS = sorted(
    {f"{name}.{verb}" for name in EVENT_NAMES.values() for verb in _VERBS[:3]}
    | {f"{name}.{verb}" for name in ("TASK", "TASKLIST", "PROJECT", "MILESTONE") for verb in _VERBS[3:]}
    | {"TASK.MOVED", "TASK.TAGGED", "TASK.UNTAGGED", "TASK.REMINDER"}
    | {"PROJECT.ARCHIVED", "PROJECT.COPIED", "PROJECT.TAGGED", "PROJECT.UNTAGGED"}
    | {f"FILE.{verb}" for verb in ("UPLOADED", "UPDATED", "DELETED", "DOWNLOADED")}
)
_TRASH = {"tasks": "tasks", "tasklists": "task_lists", "milestones": "milestones", "projects": "projects"}
_MAX_PAGE_SIZE = 250


def failed(status: int, message: str) -> Reply:
    """Return an error in the words of this version."""
    return Reply(status=status, body={"MESSAGE": message, "STATUS": "Error"})


def _ok(status: int = 200, **values: Any) -> Reply:
    return Reply(status=status, body={"STATUS": "OK", **values})


class Call:
    """One request, with the ids of its path."""

    def __init__(self, ids: tuple[str, ...], query: Query, body: Any, by: int) -> None:
        self.ids, self.query, self.by = ids, query, by
        self.body: Row = body if isinstance(body, dict) else {}

    @property
    def id(self) -> int:
        return int(self.ids[-1])

    def inner(self, key: str) -> Row:
        """Return an object within the body."""
        value = self.body.get(key)
        return value if isinstance(value, dict) else {}


class ApiV1:
    """Answers requests; `by` is the person to whom the API key belongs."""

    def __init__(self, office: Office, webhooks: Webhooks) -> None:
        self._office, self._webhooks = office, webhooks

    def answer(self, method: str, path: str, query: Query, body: Any, by: int) -> Reply:
        """Answer a request."""
        for route_method, pattern, handler in _ROUTES:
            match = pattern.fullmatch(path) if route_method == method else None
            if match:
                return handler(self, Call(match.groups(), query, body, by))
        return failed(404, "Not found")

    def _teams(self, call: Call) -> Reply:
        rows = [row for row in self._office.tables["teams"].values() if not row["_gone"]]
        return _page(call.query, "teams", [_team(row) for row in rows])

    def _deleted_people(self, call: Call) -> Reply:
        rows = [row for row in self._office.tables["people"].values() if row["deleted"]]
        return _page(call.query, "people", [_person(row) for row in rows])

    def _predecessors(self, call: Call) -> Reply:
        row = self._task(call.id)
        return _ok(predecessors=[self._other(task) for task in row["predecessorIds"]]) if row else _no_task()

    def _dependencies(self, call: Call) -> Reply:
        row = self._task(call.id)
        ids = sorted(self._office.dependents.get(call.id, ()))
        return _ok(dependents=[self._other(task) for task in ids]) if row else _no_task()

    def _task(self, task_id: int) -> Row | None:
        row = self._office.tables["tasks"].get(task_id)
        return row if row and is_readable_singly(self._office, "tasks", row) else None

    def _other(self, task_id: int) -> Row:
        row = self._office.tables["tasks"][task_id]
        project = self._office.project_of("tasks", row)
        musts = {"predecessorMust": "complete", "dependentCant": "start"}
        return {"id": str(task_id), "name": row["name"], "projectId": str(project), **musts}

    def _complete(self, call: Call) -> Reply:
        return self._act(call, "tasks", actions.complete)

    def _reopen(self, call: Call) -> Reply:
        return self._act(call, "tasks", actions.reopen)

    def _delete_task(self, call: Call) -> Reply:
        return self._act(call, "tasks", actions.delete)

    def _delete_project(self, call: Call) -> Reply:
        return self._act(call, "projects", actions.delete)

    def _act(self, call: Call, table: str, action: Callable[[Office, str, Row, int], None]) -> Reply:
        row = self._office.tables[table].get(call.id)
        if not row or is_deleted(table, row) or row.get("_gone"):
            return failed(404, "The requested resource was not found")
        action(self._office, table, row, call.by)
        return _ok()

    def _trash(self, call: Call) -> Reply:
        office = self._office
        found: Row = {
            kind: [
                {"id": str(row["id"]), "name": row["name"]}
                for row in office.tables[table].values()
                if is_deleted(table, row) and office.project_of(table, row) == call.id
            ]
            for kind, table in _TRASH.items()
            if kind != "projects"
        }
        return Reply(body={"STATUS": "OK", **found})

    def _restore(self, call: Call) -> Reply:
        table = _TRASH.get(call.ids[0], "")
        row = self._office.tables[table].get(call.id) if table else None
        if not row or not (is_deleted(table, row) or row.get("_gone")):
            return failed(404, "The requested resource was not found")
        actions.restore(self._office, table, row, call.by)
        return _ok()

    def _hooks(self, call: Call) -> Reply:
        return _page(call.query, "webhooks", [_hook(hook) for hook in self._webhooks.hooks.values()])

    def _add_hook(self, call: Call) -> Reply:
        values = call.inner("webhook")
        event, url = str(values.get("event", "")), str(values.get("url", ""))
        if event not in EVENTS or not url.startswith(("http://", "https://")):
            return failed(422, f"Invalid event or url: {event!r} {url!r}")
        project = int(call.ids[0]) if call.ids else None
        hook = self._webhooks.add(event=event, url=url, project_id=project, **_hook_values(values))
        return _ok(201, id=str(hook.id))

    def _one_hook(self, call: Call) -> Reply:
        hook = self._webhooks.hooks.get(call.id)
        return _ok(webhook=_hook(hook)) if hook else _no_hook()

    def _change_hook(self, call: Call) -> Reply:
        hook, values = self._webhooks.hooks.get(call.id), call.inner("webhook")
        if not hook:
            return _no_hook()
        hook.event, hook.url = str(values.get("event", hook.event)), str(values.get("url", hook.url))
        for name, value in _hook_values(values).items():
            setattr(hook, name, value)
        return _ok()

    def _delete_hook(self, call: Call) -> Reply:
        return _ok() if self._webhooks.hooks.pop(call.id, None) else _no_hook()

    def _enable(self, _call: Call) -> Reply:
        self._webhooks.enabled = True
        return _ok()

    def _disable(self, _call: Call) -> Reply:
        self._webhooks.enabled = False
        return _ok()

    def _pause(self, call: Call) -> Reply:
        return self._set_status(call.id, "PAUSED")

    def _resume(self, call: Call) -> Reply:
        return self._set_status(call.id, "ACTIVE")

    def _set_status(self, hook_id: int, status: str) -> Reply:
        hook = self._webhooks.hooks.get(hook_id)
        if not hook:
            return _no_hook()
        hook.status, hook.discarded = status, 0
        return _ok()

    def _events(self, _call: Call) -> Reply:
        return _ok(events=EVENTS)

    def _deliveries(self, call: Call) -> Reply:
        hook = self._webhooks.hooks.get(call.id)
        if not hook:
            return _no_hook()
        told = [{"uuid": each.uuid, "event": each.event, "statuses": each.answers} for each in hook.deliveries]
        return _page(call.query, "deliveries", told)

    def _redeliver(self, call: Call) -> Reply:
        hook = self._webhooks.hooks.get(call.id)
        known = hook is not None and self._webhooks.redeliver(hook, str(call.body.get("uuid", "")))
        return _ok() if known else _no_hook()


def _no_task() -> Reply:
    return failed(404, "Task not found")


def _no_hook() -> Reply:
    return failed(404, "Webhook not found")


def _page(query: Query, key: str, rows: list[Row]) -> Reply:
    """Cut a list; what this version says about its pages stands in headers."""
    size = query.number("pageSize", 50, least=1, most=_MAX_PAGE_SIZE)
    number = query.number("page", 1, least=1, most=10**9)
    headers = {"X-Page": str(number), "X-Pages": str(math.ceil(len(rows) / size)), "X-Records": str(len(rows))}
    body = {"STATUS": "OK", key: rows[(number - 1) * size : number * size]}
    return Reply(body=body, headers=headers)


def _texts(ids: Iterable[int]) -> list[Row]:
    return [{"id": str(row_id), "type": "user"} for row_id in ids]


def _team(row: Row) -> Row:
    named = {key: row[key] for key in ("name", "handle", "description")}
    return {"id": str(row["id"]), **named, "parentTeamId": "0", "projectId": "0", "users": _texts(row["userIds"])}


def _person(row: Row) -> Row:
    hyphenated = {"first-name": row["firstName"], "last-name": row["lastName"], "email-address": row["email"]}
    return {"id": str(row["id"]), **hyphenated, "company-id": str(row["companyId"]), "deleted": True}


def _hook(hook: Webhook) -> Row:
    return {
        "id": str(hook.id),
        "event": hook.event,
        "url": hook.url,
        "status": hook.status,
        "version": hook.version,
        "contentType": hook.content_type,
        "projectId": str(hook.project_id or 0),
        "validated": True,
    }


def _hook_values(values: Row) -> dict[str, str]:
    names = {"version": "version", "contentType": "content_type", "token": "token"}
    return {ours: str(values[theirs]) for theirs, ours in names.items() if theirs in values}


def _route(method: str, path: str, handler: Handler) -> tuple[str, re.Pattern[str], Handler]:
    pattern = path.replace(".", r"\.").replace("{kind}", r"(\w+)").replace("{id}", r"(\d+)")
    return method, re.compile(pattern), handler


# Ours are private methods, so the table stands in this module.
_ROUTES = [
    _route("GET", "/teams.json", ApiV1._teams),
    _route("GET", "/people/deleted.json", ApiV1._deleted_people),
    _route("GET", "/tasks/{id}/predecessors.json", ApiV1._predecessors),
    _route("GET", "/tasks/{id}/dependencies.json", ApiV1._dependencies),
    _route("PUT", "/tasks/{id}/complete.json", ApiV1._complete),
    _route("PUT", "/tasks/{id}/uncomplete.json", ApiV1._reopen),
    _route("DELETE", "/tasks/{id}.json", ApiV1._delete_task),
    _route("DELETE", "/projects/{id}.json", ApiV1._delete_project),
    _route("GET", "/trashcan/projects/{id}.json", ApiV1._trash),
    _route("PUT", "/trashcan/{kind}/{id}/restore.json", ApiV1._restore),
    _route("GET", "/webhooks.json", ApiV1._hooks),
    _route("POST", "/webhooks.json", ApiV1._add_hook),
    _route("POST", "/projects/{id}/webhooks.json", ApiV1._add_hook),
    _route("GET", "/webhooks/events.json", ApiV1._events),
    _route("PUT", "/webhooks/enable.json", ApiV1._enable),
    _route("PUT", "/webhooks/disable.json", ApiV1._disable),
    _route("GET", "/webhooks/{id}.json", ApiV1._one_hook),
    _route("PUT", "/webhooks/{id}.json", ApiV1._change_hook),
    _route("DELETE", "/webhooks/{id}.json", ApiV1._delete_hook),
    _route("PUT", "/webhooks/{id}/pause.json", ApiV1._pause),
    _route("PUT", "/webhooks/{id}/resume.json", ApiV1._resume),
    _route("GET", "/webhooks/{id}/deliveries.json", ApiV1._deliveries),
    _route("POST", "/webhooks/{id}/redeliver.json", ApiV1._redeliver),
]
