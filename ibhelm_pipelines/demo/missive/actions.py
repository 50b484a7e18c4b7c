"""What people do in Missive: each action changes the office as the vendor would, and tells it to the webhooks.

Only new messages and comments surely move a conversation to the top; of all else the switches tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.missive.state import INSIDE, Event, Office, Row, time_of

if TYPE_CHECKING:
    from collections.abc import Iterable

INCOMING = {
    "email": "incoming_email",
    "sms": "incoming_sms_message",
    "whatsapp": "incoming_whatsapp_message",
    "messenger": "incoming_facebook_message",
}


def new_conversation(office: Office, *, users: Iterable[str], at: int, **values: Any) -> Row:
    """Begin a conversation; nobody is told before it has a message or a comment."""
    row: Row = {
        "created_at": at,
        "subject": None,
        "organization": None,
        "color": None,
        "team": None,
        "shared_labels": [],
        "assignees": [],
        "users": {user: [] for user in users},
        "last_activity_at": at,
        "_guest": False,
        "_merged_into": None,
        "_uncounted": 0,
        "_project": None,
        "_also": [],
        "_groups": [],
    }
    return office.add("conversations", {**row, **values})


def add_message(office: Office, row: Row, *, imported: bool = False) -> Row:
    """A message comes or goes out; imported ones are old already."""
    office.add("messages", row)
    conversation = office.tables["conversations"][row["conversation"]]
    office.change(conversation, {"_uncounted": 0})
    if not imported:
        office.touch(conversation, row["created_at"])
    elif office.switches.imports_move_activity:
        office.touch(conversation)
    if not imported:
        kind = INCOMING[row["type"]] if row["_incoming"] else "outgoing_email"
        office.emit(Event(kind=kind, conversation=conversation, message=row))
    return row


def add_comment(office: Office, row: Row) -> Row:
    """Somebody comments."""
    office.add("comments", row)
    conversation = office.tables["conversations"][row["conversation"]]
    office.touch(conversation, row["created_at"])
    office.emit(Event(kind="new_comment", conversation=conversation, comment=row))
    return row


def set_labels(office: Office, conversation: Row, labels: list[str]) -> None:
    """Put shared labels onto a conversation, or take them off."""
    office.change(conversation, {"shared_labels": labels})
    _maybe_touch(office, conversation, office.switches.labels_move_activity)
    office.emit(Event(kind="label_change", conversation=conversation))


def assign(office: Office, conversation: Row, users: list[str]) -> None:
    """Say whose task a conversation is."""
    office.change(conversation, {"assignees": users})
    _maybe_touch(office, conversation, office.switches.assigning_moves_activity)
    office.emit(Event(kind="assignee_change", conversation=conversation))


def set_flag(office: Office, conversation: Row, flag: str, *, on: bool, users: Iterable[str] | None = None) -> None:
    """Close, trash, junk, ... a conversation for some users, or take that back; for all of them by default."""
    wanted = set(conversation["users"] if users is None else users)
    states = {
        user: sorted((set(flags) - {flag}) | ({flag} if on else set())) if user in wanted else flags
        for user, flags in conversation["users"].items()
    }
    office.change(conversation, {"users": states})
    switches = office.switches
    moves = switches.closing_moves_activity if flag == "closed" else switches.moving_moves_activity
    _maybe_touch(office, conversation, moves)
    if flag == "closed" and on:
        office.emit(Event(kind="conversation_closed", conversation=conversation))


def move(office: Office, conversation: Row, team: str | None) -> None:
    """Move a conversation to another team; who is not in that loses sight of it."""
    members = _members(office, team) if team else [office.me]
    kept = {user: flags for user, flags in conversation["users"].items() if user in members}
    office.change(conversation, {"team": team, "users": {**{user: [] for user in members}, **kept}})
    _maybe_touch(office, conversation, office.switches.moving_moves_activity)
    office.emit(Event(kind="team_change", conversation=conversation))


def _members(office: Office, team: str) -> list[str]:
    row = office.tables["teams"][team]
    return [*row["active_members"], *row["observers"]]


def rename(office: Office, conversation: Row, subject: str | None) -> None:
    """Give a conversation a subject of its own."""
    office.change(conversation, {"subject": subject})
    _maybe_touch(office, conversation, office.switches.moving_moves_activity)


def _maybe_touch(office: Office, conversation: Row, moves: bool) -> None:
    if moves:
        office.touch(conversation)


def edit_task(office: Office, comment: Row, **values: Any) -> None:
    """Change the task of a comment; the comment has no time of change to show it."""
    office.change(comment, {"task": {**comment["task"], **values}})
    conversation = office.tables["conversations"][comment["conversation"]]
    _maybe_touch(office, conversation, office.switches.task_changes_move_activity)


def edit_message(office: Office, message: Row, **values: Any) -> None:
    """Change a message, such as its body when the mail server sends more of it."""
    moved = {"updated_at": office.now()} if office.switches.edits_move_updated_at else {}
    office.change(message, {**values, **moved})


def delete_message(office: Office, message: Row) -> None:
    """Delete a message for good."""
    conversation = office.tables["conversations"][message["conversation"]]
    counted = office.is_shown("messages", message)
    office.change(message, {"_gone": True})
    if office.switches.messages_count_lags and counted:
        office.change(conversation, {"_uncounted": conversation["_uncounted"] + 1})
    _after_deletion(office, conversation)


def delete_comment(office: Office, comment: Row) -> None:
    """Delete a comment for good."""
    office.change(comment, {"_gone": True})
    _after_deletion(office, office.tables["conversations"][comment["conversation"]])


def trash_message(office: Office, message: Row, *, on: bool) -> None:
    """Put a single message into the trash, or take it out."""
    office.change(message, {"_trashed": on})


def _after_deletion(office: Office, conversation: Row) -> None:
    moves = office.switches.deletions_move_activity
    if moves == "now":
        office.touch(conversation)
    shown = {table: office.inside(table, conversation["id"]) for table in ("messages", "comments")}
    times = [time_of(table, row) for table, rows in shown.items() for row in rows]
    if moves == "back" and times:
        newest = max(0, *times)
        office.change(conversation, {"last_activity_at": min(newest, conversation["last_activity_at"])})


def delete_conversation(office: Office, conversation: Row) -> None:
    """Delete a conversation and all within it for good."""
    office.change(conversation, {"_gone": True})
    for table in INSIDE:
        for row in office.everything_inside(table, conversation["id"]):
            office.change(row, {"_gone": True})


def merge(office: Office, source: Row, target: Row, subject: str | None = None) -> Row:
    """Make one conversation of two; return the one that survives. The other's id keeps answering."""
    survivor = {"target": target, "other": source}.get(office.switches.merge_survivor)
    if survivor is None:
        survivor = office.add("conversations", {**target, "id": office.new_id()})
    for each in (source, target):
        if each is not survivor:
            _merge_into(office, each, survivor)
    office.change(survivor, {"_uncounted": 0, **({"subject": subject} if subject else {})})
    _maybe_touch(office, survivor, office.switches.merging_moves_activity)
    return survivor


def _merge_into(office: Office, source: Row, survivor: Row) -> None:
    for table in INSIDE:
        for row in office.everything_inside(table, source["id"]):
            office.move_inside(table, row, survivor["id"])
    labels = list(dict.fromkeys([*survivor["shared_labels"], *source["shared_labels"]]))
    office.change(survivor, {"shared_labels": labels, **_about_both(survivor, source)})
    office.touch(survivor, source["last_activity_at"])
    office.change(source, {"_merged_into": survivor["id"]})


def _about_both(survivor: Row, source: Row) -> Row:
    projects = [row["_project"] for row in (survivor, source) if row["_project"] is not None]
    first, *also = dict.fromkeys([*projects, *survivor["_also"], *source["_also"]] or [None])
    groups = sorted({*survivor["_groups"], *source["_groups"]})
    return {"_project": first, "_also": also, "_groups": groups}


def move_message(office: Office, message: Row, conversation: Row) -> None:
    """Take a message out of its conversation and put it into another; neither of them moves."""
    office.move_inside("messages", message, conversation["id"])


def add_draft(office: Office, row: Row) -> Row:
    """Somebody begins to write a mail."""
    office.add("drafts", row)
    conversation = office.tables["conversations"][row["conversation"]]
    _maybe_touch(office, conversation, office.switches.drafts_move_activity)
    return row


def rename_row(office: Office, row: Row, key: str, name: str) -> None:
    """Rename a user, team, label, organization or contact."""
    stamp = {"modified_at": office.now()} if "modified_at" in row else {}
    office.change(row, {key: name, **stamp})


def delete_row(office: Office, table: str, row: Row) -> None:
    """Delete a row of a directory; conversations forget it."""
    stamp = {"modified_at": office.now()} if "modified_at" in row else {}
    office.change(row, {"_gone": True, **stamp})
    gone = row["id"]
    forget = {"shared_labels": _forget_label, "users": _forget_user, "teams": _forget_team}.get(table)
    if forget:
        forget(office, gone)


def _forget_label(office: Office, gone: str) -> None:
    for conversation in office.tables["conversations"].values():
        _without(office, conversation, "shared_labels", gone)
    for label in office.tables["shared_labels"].values():
        if label["parent"] == gone:
            office.change(label, {"parent": None})


def _forget_user(office: Office, gone: str) -> None:
    for conversation in office.tables["conversations"].values():
        _without(office, conversation, "assignees", gone)
        users = {user: flags for user, flags in conversation["users"].items() if user != gone}
        office.change(conversation, {"users": users})
    for team in office.tables["teams"].values():
        for key in ("active_members", "observers"):
            _without(office, team, key, gone)


def _forget_team(office: Office, gone: str) -> None:
    for conversation in office.tables["conversations"].values():
        if conversation["team"] == gone:
            office.change(conversation, {"team": None})


def _without(office: Office, row: Row, key: str, gone: str) -> None:
    if gone in row[key]:
        office.change(row, {key: [each for each in row[key] if each != gone]})
