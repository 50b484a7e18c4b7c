"""The addresses of Missive's API: which rows they show, page by page, and the few that write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.mailboxes import in_mailboxes
from ibhelm_pipelines.demo.missive.state import Office, Row, time_of
from ibhelm_pipelines.demo.missive.webhooks import API_TYPES
from ibhelm_pipelines.demo.vendor.exchange import BadQuery, Parameters, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.demo.missive.rows import Rows
    from ibhelm_pipelines.demo.missive.webhooks import Webhooks

PREFIX = "/v1"
DIRECTORIES = ("users", "teams", "organizations", "shared_labels", "contact_books", "contact_groups", "contacts")
INNER_LIMIT = 10
TASKS_LIMIT = 50
MAX_FOUND = 10
_MAX_DIRECTORY = 200
_NOT_FOUND = "Not found"


class Refused(Exception):  # noqa: N818 - an answer, not a failure of ours
    """The request is refused with this status; the message is for the vendor's error body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Answers requests; the office is locked meanwhile.

    Args:
        office: what they are about.
        rows: writes the office's rows.
        webhooks: what hooks are made in.
    """

    def __init__(self, office: Office, rows: Rows, webhooks: Webhooks) -> None:
        self._office, self._rows, self._webhooks = office, rows, webhooks
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Reply]]] = [
            (method, re.compile(f"{PREFIX}{path}".replace("ID", "([^/]+)")), answer)
            for method, path, answer in (
                ("GET", "/conversations", self._conversations),
                ("GET", "/conversations/ID", self._conversation),
                ("GET", "/conversations/ID/(messages|comments|drafts|posts)", self._inside),
                ("POST", "/conversations/ID/merge", self._merge),
                ("GET", "/messages", self._search_messages),
                ("GET", "/messages/ID", self._messages),
                ("GET", "/tasks", self._tasks),
                ("POST", "/posts", self._post),
                ("POST", "/hooks", self._add_hook),
                ("DELETE", "/hooks/ID", self._remove_hook),
                ("GET", f"/({'|'.join(DIRECTORIES)})", self._directory),
            )
        ]

    def answer(self, method: str, path: str, query: Parameters, body: Any) -> Reply:
        """Answer a request.

        Raises:
            Refused: it is refused.
        """
        for verb, pattern, answer in self._routes:
            match = pattern.fullmatch(path)
            if match and verb == method:
                try:
                    return answer(*match.groups(), query if method == "GET" else body)
                except BadQuery as bad:
                    raise Refused(400, str(bad)) from bad
        raise Refused(404, _NOT_FOUND)

    def _conversations(self, query: Parameters) -> Reply:
        wanted = in_mailboxes(self._office, query)
        rows = [row for row in self._office.tables["conversations"].values() if wanted(row)]
        limit = _limit(query, 25, self._office.switches.conversations_limit)
        page, more = self._page(rows, lambda row: row["last_activity_at"], query, limit)
        return _listed("conversations", [self._rows.conversation(row, listed=True) for row in page], more=more)

    def _conversation(self, conversation_id: str, _query: Parameters) -> Reply:
        return Reply(body={"conversations": [self._rows.conversation(self._listed(conversation_id))]})

    def _listed(self, conversation_id: str) -> Row:
        row = self._office.survivor(conversation_id)
        if row is None or not self._office.is_listed(row):
            raise Refused(404, "Conversation not found")
        return row

    def _inside(self, conversation_id: str, table: str, query: Parameters) -> Reply:
        conversation = self._listed(conversation_id)
        if not self._office.is_readable(conversation):
            raise Refused(404, "Conversation not found")
        rows = self._office.inside(table, conversation["id"])
        limit = _limit(query, INNER_LIMIT, INNER_LIMIT)
        page, more = self._page(rows, lambda row: time_of(table, row), query, limit)
        writers = {"comments": self._rows.comment, "posts": self._rows.plain, "drafts": self._rows.whole_message}
        write = writers.get(table, self._rows.message)
        return _listed(table, [write(row) for row in page], more=more)

    def _page(
        self, rows: list[Row], time: Callable[[Row], int], query: Parameters, limit: int
    ) -> tuple[list[Row], bool]:
        """Cut a page off, newest first; all rows of its last second belong to it, however many there are."""
        until = query.text("until")
        if until and not re.fullmatch(r"-?\d+", until):
            raise BadQuery("'until' must be a timestamp")
        last = int(until) if until else None
        if last is not None and not self._office.switches.until_inclusive:
            last -= 1
        ordered = sorted(rows, key=lambda row: (time(row), row["id"]), reverse=True)
        wanted = [row for row in ordered if last is None or time(row) <= last]
        page = wanted[:limit]
        page += [row for row in wanted[limit:] if time(row) == time(page[-1])]
        return page, len(page) < len(wanted)

    def _messages(self, ids: str, _query: Parameters) -> Reply:
        wanted, switches = ids.split(","), self._office.switches
        if len(wanted) > switches.bulk_ids:
            raise Refused(400, f"You can request {switches.bulk_ids} messages at most")
        rows = [self._readable_message(each) for each in wanted]
        found = [row for row in rows if row]
        if not found or (len(found) < len(wanted) and switches.bulk_missing == "not_found"):
            raise Refused(404, "Message not found")
        if len(wanted) == 1:
            whole = self._rows.whole_message(found[0])
            return Reply(body={"messages": whole if switches.single_message_as == "object" else [whole]})
        with_conversation = switches.bulk_has_conversation
        several = [self._rows.whole_message(row, with_conversation=with_conversation) for row in found]
        return Reply(body={"messages": several})

    def _readable_message(self, message_id: str) -> Row | None:
        row = self._office.tables["messages"].get(message_id)
        return row if row and self._is_readable("messages", row) else None

    def _is_readable(self, table: str, row: Row) -> bool:
        conversation = self._office.tables["conversations"][row["conversation"]]
        return self._office.is_shown(table, row) and self._office.is_readable(conversation)

    def _search_messages(self, query: Parameters) -> Reply:
        wanted = query.text("email_message_id")
        if not wanted:
            raise Refused(400, "'email_message_id' is required")
        rows = [
            row
            for row in self._office.tables["messages"].values()
            if row["email_message_id"] == wanted and self._is_readable("messages", row)
        ]
        rows.sort(key=lambda row: time_of("messages", row), reverse=True)
        return Reply(body={"messages": [self._rows.message(row) for row in rows[:MAX_FOUND]]})

    def _tasks(self, query: Parameters) -> Reply:
        comments = self._office.tables["comments"].values()
        rows = [row for row in comments if row["task"] and self._is_readable("comments", row)]
        page, more = self._page(rows, lambda row: time_of("comments", row), query, _limit(query, 25, TASKS_LIMIT))
        return _listed("tasks", [self._rows.listed_task(row) for row in page], more=more)

    def _directory(self, table: str, query: Parameters) -> Reply:
        rows = [row for row in self._office.tables[table].values() if not row["_gone"]]
        if table in {"contacts", "contact_groups"}:
            rows = self._of_contact_book(table, query)
        limit = query.number("limit", 50, least=1, most=_MAX_DIRECTORY)
        offset = query.number("offset", 0, least=0, most=10**9)
        write = self._rows.directory(table)
        return _listed(table, [write(row) for row in rows[offset : offset + limit]], more=offset + limit < len(rows))

    def _of_contact_book(self, table: str, query: Parameters) -> list[Row]:
        book = query.text("contact_book")
        if book not in self._office.tables["contact_books"]:
            raise Refused(400, "'contact_book' is required")
        rows = [row for row in self._office.tables[table].values() if row["contact_book"] == book]
        if table == "contact_groups":
            kind = query.text("kind", "group")
            return [row for row in rows if row["kind"] == kind and not row["_gone"]]
        since = query.text("modified_since")
        if query.flag("include_deleted") and not since:
            raise Refused(400, "'include_deleted' needs 'modified_since'")
        if not query.flag("include_deleted"):
            rows = [row for row in rows if not row["_gone"]]
        if since:
            earliest = query.number("modified_since", 0, least=0, most=10**11)
            rows = [row for row in rows if row["modified_at"] >= earliest]
        words = query.text("search").casefold()
        rows = [row for row in rows if words in f"{row['first_name']} {row['last_name']} {row['infos']}".casefold()]
        key = "modified_at" if query.text("order") == "last_modified" else "last_name"
        return sorted(rows, key=lambda row: (row[key], row["id"]), reverse=key == "modified_at")

    def _merge(self, conversation_id: str, body: Any) -> Reply:
        source, target = self._listed(conversation_id), self._listed(str(_value(body, "target")))
        if source is target:
            raise Refused(400, "A conversation cannot be merged into itself")
        row = actions.merge(self._office, source, target, body.get("subject"))
        return Reply(body={"conversations": self._rows.conversation(row)})

    def _post(self, body: Any) -> Reply:
        """A notice of an integration, which may put labels onto its conversation and take them off."""
        wish = _value(body, "posts")
        conversation = self._listed(str(_value(wish, "conversation")))
        now = self._office.now()
        text = wish.get("text") or wish.get("markdown") or ""
        values = {"conversation": conversation["id"], "created_at": now, "text": text, "username": wish.get("username")}
        row = self._office.add("posts", values)
        added, removed = wish.get("add_shared_labels", []), wish.get("remove_shared_labels", [])
        unknown = [label for label in added if label not in self._office.tables["shared_labels"]]
        if unknown:
            raise Refused(400, f"No shared label {unknown[0]}")
        kept = [label for label in conversation["shared_labels"] if label not in {*removed, *added}]
        if added or removed:
            actions.set_labels(self._office, conversation, [*kept, *added])
        self._office.touch(conversation)
        return Reply(status=201, body={"posts": {"id": row["id"], "conversation": conversation["id"]}})

    def _add_hook(self, body: Any) -> Reply:
        wish = _value(body, "hooks")
        kind, url = _value(wish, "type"), _value(wish, "url")
        if kind not in API_TYPES:
            raise Refused(400, f"'type' must be one of {', '.join(API_TYPES)}")
        if not re.match(r"https?://", url):
            raise Refused(400, "'url' must be an address")
        filters = {key: value for key, value in wish.items() if key not in {"type", "url", "organization"}}
        hook = self._webhooks.add(kind=kind, url=url, organization=wish.get("organization"), filters=filters)
        return Reply(status=201, body={"hooks": {"id": hook.id}})

    def _remove_hook(self, hook_id: str, _body: Any) -> Reply:
        if self._webhooks.hooks.pop(hook_id, None) is None:
            raise Refused(404, "Hook not found")
        return Reply()


def _value(body: Any, key: str) -> Any:
    if not isinstance(body, dict) or not body.get(key):
        raise Refused(400, f"'{key}' is required")
    return body[key]


def _limit(query: Parameters, default: int, most: int) -> int:
    value = query.text("limit", str(min(default, most)))
    if not value.isdigit():
        raise BadQuery("'limit' must be a number")
    if int(value) < 2:
        raise BadQuery("min 'limit' value is 2")
    if int(value) > most:
        raise BadQuery(f"max 'limit' value is {most}")
    return int(value)


def _listed(key: str, rows: list[Row], *, more: bool) -> Reply:
    return Reply(body={key: rows}, more=more)
