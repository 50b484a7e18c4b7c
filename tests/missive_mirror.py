"""Whether our tables say what Missive says: every row and column of the simulator's truth against ours.

Shares no code with the connector: the truth names the vendor's own keys, this file says which column holds each.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ibhelm_pipelines.settings import Settings

Truth = dict[str, list[dict[str, Any]]]
Row = dict[str, Any]

_FLAGS = ("closed", "archived", "trashed", "junked", "flagged", "snoozed")
_RECIPIENTS = {"to_fields": "to", "cc_fields": "cc", "bcc_fields": "bcc", "reply_to_fields": "reply_to"}
_BRIDGES = (
    ("missive_team_members", "user_id", "missive_user_id", "missive_users"),
    ("conversation_labels", "label_id", "missive_label_id", "labels"),
    ("conversation_assignees", "user_id", "missive_user_id", "missive_users"),
    ("conversation_users", "user_id", "missive_user_id", "missive_users"),
    ("email_comment_mentions", "user_id", "missive_user_id", "missive_users"),
    ("email_comment_task_assignees", "user_id", "missive_user_id", "missive_users"),
    ("labels", "parent_id", "missive_parent_id", "labels"),
    ("conversations", "team_id", "missive_team_id", "missive_teams"),
    ("emails", "conversation_id", "missive_conversation_id", "conversations"),
    ("email_comments", "conversation_id", "missive_conversation_id", "conversations"),
    ("email_comments", "author_id", "missive_author_id", "missive_users"),
    ("email_attachments", "email_id", "missive_email_id", "emails"),
    ("email_attachments", "comment_id", "missive_comment_id", "email_comments"),
)


def differences(settings: Settings, truth: Truth) -> list[str]:
    """Return in words where our tables say anything but the truth."""
    ask = _asker(settings)
    wanted = wanted_conversations(truth)
    found = [each for compare in (_users, _teams, _labels, _contacts) for each in compare(ask, truth)]
    found += _conversations(ask, truth, wanted)
    found += _emails(ask, truth, wanted) + _comments(ask, truth, wanted) + _attachments(ask, truth, wanted)
    return found + _unlinked(ask)


def wanted_conversations(truth: Truth) -> dict[str, Row]:
    """Return what may be read: of a team, with a label, or personal of the one whose token it is."""
    teams, labels = ({row["id"] for row in truth[name] if not row["deleted"]} for name in ("teams", "shared_labels"))
    [me] = [row["id"] for row in truth["users"] if row["me"]]

    def is_wanted(row: Row) -> bool:
        allowed = row["team"] in teams or not labels.isdisjoint(row["shared_labels"])
        allowed = allowed or (row["team"] is None and me in row["users"])
        return allowed and row["readable"] and not row["merged_into"]

    return {row["id"]: row for row in truth["conversations"] if is_wanted(row)}


Ask = "Callable[[str], list[tuple[Any, ...]]]"


def _asker(settings: Settings) -> Callable[[str], list[tuple[Any, ...]]]:
    url = settings.require_database_url()
    return lambda query: tables.ask(url, query)


def _plain(value: Any) -> Any:
    """As it can be stored: without NUL and halves of characters; nothing and the empty text are the same."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "ignore").decode("utf-8") or None
    return value


def _time(value: Any) -> Any:
    """What no time can be is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    is_time = 0 < number < dt.datetime(3000, 1, 1, tzinfo=dt.UTC).timestamp()
    return dt.datetime.fromtimestamp(int(number), dt.UTC) if is_time else None


def _rows(
    name: str, ours: Mapping[str, tuple[bool, dict[str, Any]]], wanted: Mapping[str, dict[str, Any]], known: set[str]
) -> list[str]:
    """Compare rows by id: what is wanted is there and right, all else that we have is deleted and was there once."""
    found = [f"{name} {number}: invented" for number in sorted(set(ours) - known)]
    for number, (is_deleted, _) in ours.items():
        if number in known and is_deleted != (number not in wanted):
            found.append(f"{name} {number}: deleted is {is_deleted}")
    for number, row in wanted.items():
        if number not in ours:
            found.append(f"{name} {number}: lost ({row})")
            continue
        has = ours[number][1]
        found += [f"{name} {number}: {key} is {has[key]!r}; it is {row[key]!r}" for key in row if has[key] != row[key]]
    return found


def _simple(ask: Any, name: str, query: str, rows: Iterable[Row], shape: Callable[[Row], dict[str, Any]]) -> list[str]:
    rows = list(rows)
    wanted = {row["id"]: shape(row) for row in rows if not row["deleted"]}
    keys = list(shape(rows[0])) if rows else []
    ours = {number: (gone, dict(zip(keys, values, strict=True))) for number, gone, *values in ask(query)}
    return _rows(name, ours if keys else {}, wanted, {row["id"] for row in rows})


def _users(ask: Any, truth: Truth) -> list[str]:
    query = "select missive_id, deleted_at is not null, name, email, is_token_owner from missive_users"
    return _simple(
        ask,
        "user",
        query,
        truth["users"],
        lambda row: {"name": row["name"], "email": row["email"].lower(), "me": row["me"]},
    )


def _teams(ask: Any, truth: Truth) -> list[str]:
    query = """select missive_id, deleted_at is not null, name, missive_organization_id, array(
                   select m.role || m.missive_user_id from missive_team_members m where m.team_id = t.id order by 1
               ) from missive_teams t"""

    def shape(row: Row) -> dict[str, Any]:
        members = [f"member{each}" for each in row["active_members"]] + [f"observer{each}" for each in row["observers"]]
        return {"name": row["name"], "organization": row["organization"], "members": sorted(set(members))}

    return _simple(ask, "team", query, truth["teams"], shape)


def _labels(ask: Any, truth: Truth) -> list[str]:
    query = """select missive_id, deleted_at is not null, name, full_name, color, missive_parent_id,
                      missive_organization_id from labels"""
    keys = ("name", "name_with_parent_names", "color", "parent", "organization")
    return _simple(ask, "label", query, truth["shared_labels"], lambda row: {key: row[key] for key in keys})


def _contacts(ask: Any, truth: Truth) -> list[str]:
    query = """select missive_id, deleted_at is not null, first_name, last_name, is_starred, missive_contact_book_id,
                   array(select i.kind || ' ' || i.value from contact_infos i where i.contact_id = c.id order by 1)
               from contacts c"""

    def shape(row: Row) -> dict[str, Any]:
        infos = [(each["kind"], each["value"]) for each in row["infos"]]
        written = sorted(f"{kind} {value.lower() if kind == 'email' else value}" for kind, value in infos)
        names = {"first_name": row["first_name"] or "", "last_name": row["last_name"] or ""}
        return {**names, "starred": row["starred"], "book": row["contact_book"], "infos": written}

    return _simple(ask, "contact", query, truth["contacts"], shape)


def _conversations(ask: Any, truth: Truth, wanted: Mapping[str, Row]) -> list[str]:
    query = """
        select missive_id, deleted_at is not null, subject, state, last_activity_at, created_at, messages_count,
               drafts_count, attachments_count, tasks_count, completed_tasks_count, color, missive_team_id,
               missive_organization_id,
               array(select missive_label_id from conversation_labels b where b.conversation_id = c.id order by 1),
               array(select missive_user_id from conversation_assignees b where b.conversation_id = c.id order by 1)
        from conversations c"""
    flags: dict[str, dict[str, list[str]]] = {}
    columns = ", ".join(f"is_{flag}" for flag in _FLAGS)
    for number, user, *values in ask(
        f"select c.missive_id, u.missive_user_id, {columns} from conversation_users u"
        " join conversations c on c.id = u.conversation_id"
    ):
        flags.setdefault(number, {})[user] = sorted(name for name, value in zip(_FLAGS, values, strict=True) if value)
    shaped = {number: _conversation(row) for number, row in wanted.items()}
    keys = [key for key in next(iter(shaped.values())) if key != "users"]
    ours = {
        number: (gone, {**dict(zip(keys, values, strict=True)), "users": flags.get(number, {})})
        for number, gone, *values in ask(query)
    }
    return _rows("conversation", ours, shaped, {row["id"] for row in truth["conversations"]})


def _conversation(row: Row) -> dict[str, Any]:
    keys = ("messages_count", "drafts_count", "attachments_count", "tasks_count", "completed_tasks_count")
    return {
        "subject": _plain(row["subject"]) or _plain(row["latest_message_subject"]),
        "state": _state([set(flags) for flags in row["users"].values()]),
        "last_activity_at": _time(row["last_activity_at"]),
        "created_at": _time(row["created_at"]),
        **{key: row[key] for key in keys},
        "color": row["color"],
        "team": row["team"],
        "organization": row["organization"],
        "labels": sorted(row["shared_labels"]),
        "assignees": sorted(row["assignees"]),
        "users": {user: sorted(flags) for user, flags in row["users"].items()},
    }


def _state(users: list[set[str]]) -> str:
    if users and all("trashed" in flags for flags in users):
        return "trashed"
    if users and all("junked" in flags for flags in users):
        return "junked"
    return "closed" if users and all({"closed", "archived"} & flags for flags in users) else "open"


def _inside(truth: Truth, table: str, conversations: Mapping[str, Row]) -> dict[str, Row]:
    rows = (row for row in truth[table] if row["conversation"] in conversations and row["readable"])
    return {row["id"]: row for row in rows if not row["deleted"]}


def _emails(ask: Any, truth: Truth, conversations: Mapping[str, Row]) -> list[str]:
    query = """
        select e.missive_id, e.deleted_at is not null, e.missive_conversation_id, e.type, e.subject, e.delivered_at,
               e.created_at, e.updated_at, e.message_id, e.from_address, e.from_name, r.body ->> 'body',
               array(select p.kind || p.ordinal || ' ' || coalesce(p.address, '') || ' ' || coalesce(p.name, '')
                     from email_recipients p where p.email_id = e.id order by 1)
        from emails e
        join ops.raw_records r on r.source = 'missive' and r.kind = 'emails' and r.vendor_id = e.missive_id
    """
    wanted = {number: _email(row) for number, row in _inside(truth, "messages", conversations).items()}
    keys = list(next(iter(wanted.values())))
    ours = {number: (gone, dict(zip(keys, values, strict=True))) for number, gone, *values in ask(query)}
    for _, has in ours.values():
        has["recipients"] = sorted(has["recipients"])
    return _rows("email", ours, wanted, {row["id"] for row in truth["messages"]})


def _email(row: Row) -> dict[str, Any]:
    sender = row["from_field"] or {}
    recipients = [
        f"{kind}{ordinal} {_address(each) or ''} {_plain(each.get('name')) or ''}"
        for key, kind in _RECIPIENTS.items()
        for ordinal, each in enumerate(row.get(key) or ())
    ]
    return {
        "conversation": row["conversation"],
        "type": row["type"],
        "subject": _plain(row["subject"]),
        **{key: _time(row[key]) for key in ("delivered_at", "created_at", "updated_at")},
        "email_message_id": (_plain(row["email_message_id"]) or "").strip("<> ")[:600] or None,
        "from_address": _address(sender),
        "from_name": _plain(sender.get("name")),
        "body": _stored(row["body"]),
        "recipients": sorted(recipients),
    }


def _stored(value: str | None) -> str | None:
    return None if value is None else value.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def _address(party: Row) -> str | None:
    said = next((party[key] for key in ("address", "phone_number", "username", "id") if party.get(key)), None)
    return (_plain(said) or "").strip()[:600].strip().lower()[:600] or None


def _comments(ask: Any, truth: Truth, conversations: Mapping[str, Row]) -> list[str]:
    query = """
        select c.missive_id, c.deleted_at is not null, c.missive_conversation_id, c.body, c.missive_author_id,
               c.created_at, c.task_state, c.task_due_at, c.task_started_at, c.task_closed_at, c.missive_task_team_id,
               array(select missive_user_id from email_comment_task_assignees a where a.comment_id = c.id order by 1),
               array(select position || ' ' || missive_user_id from email_comment_mentions m
                     where m.comment_id = c.id order by 1)
        from email_comments c"""
    wanted = {number: _comment(row) for number, row in _inside(truth, "comments", conversations).items()}
    keys = ("conversation", "body", "author", "created_at", "state", "due_at", "started_at", "closed_at", "team",
            "assignees", "mentions")  # fmt: skip
    ours = {number: (gone, dict(zip(keys, values, strict=True))) for number, gone, *values in ask(query)}
    return _rows("comment", ours, wanted, {row["id"] for row in truth["comments"]})


def _comment(row: Row) -> dict[str, Any]:
    task = row["task"] or {}
    return {
        "conversation": row["conversation"],
        "body": _plain(row["body"]),
        "author": row["author"],
        "created_at": _time(row["created_at"]),
        "state": task.get("state"),
        **{key: _time(task.get(key)) for key in ("due_at", "started_at", "closed_at")},
        "team": task.get("team"),
        "assignees": sorted(task.get("assignees") or ()),
        "mentions": sorted(f"{each['index']} {each['id']}" for each in row["mentions"]),
    }


def _attachments(ask: Any, truth: Truth, conversations: Mapping[str, Row]) -> list[str]:
    query = """select missive_id, deleted_at is not null, missive_email_id, missive_comment_id, name, media_type,
                      size_bytes, pixel_width, pixel_height, is_inline from email_attachments"""
    emails, comments = (_inside(truth, table, conversations) for table in ("messages", "comments"))
    wanted = {each["id"]: _attachment(each, row["id"], None) for row in emails.values() for each in row["attachments"]}
    of_comments = [row for row in comments.values() if row["attachment"]]
    wanted |= {row["attachment"]["id"]: _attachment(row["attachment"], None, row["id"]) for row in of_comments}
    known = {each["id"] for row in truth["messages"] for each in row["attachments"]}
    known |= {row["attachment"]["id"] for row in truth["comments"] if row["attachment"]}
    keys = ("email", "comment", "name", "media_type", "size", "width", "height", "inline")
    ours = {number: (gone, dict(zip(keys, values, strict=True))) for number, gone, *values in ask(query)}
    return _rows("attachment", ours, wanted, known | set(ours))  # an old version of a mail may have had others


def _attachment(row: Row, email: str | None, comment: str | None) -> dict[str, Any]:
    kind = "/".join(filter(None, (row["media_type"], row["sub_type"]))).lower() or None
    return {
        "email": email,
        "comment": comment,
        "name": _plain(row["filename"]) or f"({row['id']})",
        "media_type": kind,
        "size": row["size"],
        "width": row["width"],
        "height": row["height"],
        "inline": bool(row.get("inline")),
    }


def _unlinked(ask: Any) -> list[str]:
    """References that are not resolved though their row is there, or that lead to another one."""
    found = []
    for table, column, named, target in _BRIDGES:
        query = f"""select t.{named} from {table} t left join {target} p on p.missive_id = t.{named}
                    where t.{column} is distinct from p.id"""
        found += [f"{table} {number}: {column} leads elsewhere" for (number,) in ask(query)]
    return found
