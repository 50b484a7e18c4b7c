"""What rows look like on their way out: nested as the vendor nests them, lists and mentions as the switches have it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ibhelm_pipelines.demo.missive.state import Office, Row

if TYPE_CHECKING:
    from collections.abc import Callable

WEB_URL = "https://mail.missiveapp.com/#inbox/conversations/"
APP_URL = "missive://mail.missiveapp.com/#inbox/conversations/"
USER_FLAGS = ("unassigned", "closed", "archived", "trashed", "junked", "assigned", "flagged", "snoozed")
_MESSAGE_KEYS = (
    "id",
    "subject",
    "draft",
    "preview",
    "type",
    "delivered_at",
    "updated_at",
    "created_at",
    "email_message_id",
    "in_reply_to",
    "references",
    "from_field",
    "to_fields",
    "cc_fields",
    "bcc_fields",
    "reply_to_fields",
)


class Rows:
    """Writes rows of one office.

    Args:
        office: whose rows they are.
        attachments_url: the host of the attachments.
        secret: what addresses of attachments are signed with.
    """

    def __init__(self, office: Office, *, attachments_url: str, secret: str) -> None:
        self._office, self._attachments_url, self._secret = office, attachments_url, secret.encode()

    def conversation(self, row: Row, *, embedded: bool = False, listed: bool = False) -> Row:
        """A conversation of a list or by itself; embedded in a message it has no `last_activity_at`."""
        if (listed and row["_guest"]) or not self._office.is_readable(row):
            return {"id": row["id"], "last_activity_at": row["last_activity_at"]}
        written = self.whole_conversation(row)
        if embedded:
            del written["last_activity_at"]
        return self._habits(written)

    def whole_conversation(self, row: Row) -> Row:
        """A conversation with all its values, whoever may see them."""
        office = self._office
        messages, comments = office.inside("messages", row["id"]), office.inside("comments", row["id"])
        tasks = [comment["task"] for comment in comments if comment["task"]]
        labels = [self.label(office.tables["shared_labels"][each]) for each in row["shared_labels"]]
        users = [office.tables["users"][each] for each in row["assignees"]]
        return {
            "id": row["id"],
            "created_at": row["created_at"],
            "subject": row["subject"],
            "latest_message_subject": messages[0]["subject"] if messages else None,
            "organization": self._organization(row["organization"]),
            "color": row["color"],
            "assignees": [self._state(row, user) for user in users],
            "users": [self._state(row, office.tables["users"][each]) for each in row["users"]],
            "attachments_count": sum(len(message["attachments"]) for message in messages),
            "messages_count": len(messages) + row["_uncounted"],
            "authors": _distinct([message["from_field"] for message in messages]),
            "drafts_count": len(office.inside("drafts", row["id"])),
            "send_later_messages_count": 0,
            "tasks_count": len(tasks),
            "completed_tasks_count": sum(task["state"] == "closed" for task in tasks),
            "web_url": WEB_URL + row["id"],
            "app_url": APP_URL + row["id"],
            "assignee_names": ", ".join(user["name"] for user in users),
            "assignee_emails": ", ".join(user["email"] for user in users),
            "shared_label_names": ", ".join(label["name"] for label in labels),
            "team": self._team(row["team"]),
            "shared_labels": labels,
            "last_activity_at": row["last_activity_at"],
        }

    def message(self, row: Row) -> Row:
        """A message of a list: without its body."""
        written = {key: row[key] for key in _MESSAGE_KEYS}
        return self._habits({**written, "attachments": [self.attachment(each) for each in row["attachments"]]})

    def whole_message(self, row: Row, *, with_conversation: bool = True) -> Row:
        """A message by itself: with its body and its conversation."""
        whole = {**self.message(row), "body": row["body"]}
        if with_conversation:
            conversation = self._office.tables["conversations"][row["conversation"]]
            whole["conversation"] = self.conversation(conversation, embedded=True)
        return whole

    def attachment(self, row: Row) -> Row:
        """An attachment with an address that is good for a while."""
        facts = self._office.contents.facts(row["_content"])
        known = {key: value for key, value in row.items() if key[0] != "_"}
        measures = {"size": facts.size, "width": facts.width, "height": facts.height}
        return {**known, "url": self._url(row) if row["_url"] else None, **measures}

    def _url(self, row: Row) -> str:
        expires = self._office.now() + self._office.switches.attachment_url_seconds
        shown = "".join(each if each.isprintable() else "_" for each in row["filename"])  # it is only there for people
        name = quote(shown.encode("utf-8", "replace"), safe="")
        signature = self.signature(row["id"], str(expires))
        query = f"Expires={expires}&Signature={signature}&Key-Pair-Id=KSIMULATED"
        return f"{self._attachments_url}/{row['id']}/{name}?{query}"

    def signature(self, attachment_id: str, expires: str) -> str:
        """Return what proves that an address is one of ours."""
        return hmac.new(self._secret, f"{attachment_id} {expires}".encode(), hashlib.sha256).hexdigest()[:40]

    def comment(self, row: Row) -> Row:
        """A comment with its author, and with mentions in the spelling of the switch."""
        author = self._office.tables["users"][row["author"]]
        mentions = row["mentions"]
        if self._office.switches.mentions == "user_id":
            mentions = [{"user_id": m["id"], "offset": m["index"], "length": m["length"]} for m in mentions]
        return self._habits(
            {
                "id": row["id"],
                "body": row["body"],
                "created_at": row["created_at"],
                "mentions": mentions,
                "author": {key: author[key] for key in ("id", "name", "email", "avatar_url")},
                "attachment": self.attachment(row["attachment"]) if row["attachment"] else None,
                "task": self.task(row["task"]) if row["task"] else None,
            }
        )

    def task(self, row: Row) -> Row:
        """A task as it stands in a comment."""
        users = [self._office.tables["users"][each] for each in row["assignees"]]
        assignees = [{key: user[key] for key in ("id", "name", "email")} for user in users]
        written = {key: value for key, value in row.items() if key != "id"}
        return self._habits({**written, "assignees": assignees, "team": self._team(row["team"])})

    def listed_task(self, comment: Row) -> Row:
        """A task as the list of tasks has it."""
        place = {key: comment[key] for key in ("conversation", "created_at")}
        return {"id": comment["task"]["id"], **self.task(comment["task"]), **place}

    def user(self, row: Row) -> Row:
        """A user; one is the token's."""
        return {key: row[key] for key in ("id", "name", "email", "avatar_url")} | {"me": row["id"] == self._office.me}

    def team(self, row: Row) -> Row:
        """A team with its members."""
        users = self._office.tables["users"]
        members = {key: [self.user(users[each]) for each in row[key]] for key in ("active_members", "observers")}
        return self._habits({"id": row["id"], "name": row["name"], "organization": row["organization"], **members})

    def label(self, row: Row) -> Row:
        """A shared label with the names of all that it is below."""
        labels, names, above = self._office.tables["shared_labels"], [row["name"]], row["parent"]
        while above:
            names, above = [labels[above]["name"], *names], labels[above]["parent"]
        return {**_plain(row), "name_with_parent_names": "/".join(names)}

    def contact(self, row: Row) -> Row:
        """A contact; of a deleted one there is little to say."""
        if row["_gone"]:
            return {"id": row["id"], "deleted": True}
        return self._habits({**_plain(row), "deleted": False})

    def plain(self, row: Row) -> Row:
        """A row as it is."""
        return self._habits(_plain(row))

    def directory(self, table: str) -> Callable[[Row], Row]:
        """Return what writes rows of a table."""
        return {
            "users": self.user,
            "teams": self.team,
            "shared_labels": self.label,
            "contacts": self.contact,
        }.get(table, self.plain)

    def _organization(self, organization: str | None) -> Row | None:
        return _plain(self._office.tables["organizations"][organization]) if organization else None

    def _team(self, team: str | None) -> Row | None:
        row = self._office.tables["teams"].get(team or "")
        return {key: row[key] for key in ("id", "name", "organization")} if row else None

    def _state(self, conversation: Row, user: Row) -> Row:
        """A user of a conversation, with the flags that are that user's."""
        flags = conversation["users"].get(user["id"], [])
        assigned = user["id"] in conversation["assignees"]
        known = {key: user[key] for key in ("id", "name", "email")}
        states = {flag: flag in flags for flag in USER_FLAGS}
        return {**known, **states, "unassigned": not conversation["assignees"], "assigned": assigned}

    def _habits(self, row: Row) -> Row:
        """Say that there is nothing in a list as the switch has it."""
        habit = self._office.switches.empty_lists
        if habit == "list":
            return row
        kept: dict[str, Any] = {key: None if value == [] else value for key, value in row.items()}
        return kept if habit == "null" else {key: value for key, value in kept.items() if row[key] != []}


def _plain(row: Row) -> Row:
    return {key: value for key, value in row.items() if key[0] != "_"}


def _distinct(fields: list[Row | None]) -> list[Row]:
    """Return who wrote, each once; ids of other networks are not told."""
    shown = [{key: value for key, value in field.items() if key != "id"} for field in fields if field]
    return list({str(sorted(field.items())): field for field in shown}.values())
