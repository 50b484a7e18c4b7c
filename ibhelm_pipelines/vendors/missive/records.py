"""What Missive's API says of one thing, made the columns of one row and the members of its bridges.

Pure functions. What cannot be understood raises ValueError, TypeError, KeyError or AttributeError; whoever calls keeps
the body with the reason, and goes on with the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from ibhelm_pipelines.mail_body import MailBody, read_body, thread_of
from ibhelm_pipelines.mail_body.threads import message_ids
from ibhelm_pipelines.vendors.missive.fields import (
    address,
    count,
    identifier,
    key_text,
    lower,
    mappings,
    moment,
    required_id,
    text,
)
from ibhelm_pipelines.vendors.tables import DELETED_SOMETIME, Record, Row

CONVERSATION, EMAIL, COMMENT, INLINE = "conversation_id", "email_id", "comment_id", "inline"
"""What a message, a comment or an attachment does not say itself; it is put into its body when that is read."""

BULK_BODIES = 50
"""So many messages come at once."""

RECIPIENTS = {"to_fields": "to", "cc_fields": "cc", "bcc_fields": "bcc", "reply_to_fields": "reply_to"}


def read_user(row: Row, _site: str) -> Record:
    """Read a colleague."""
    return _record(
        row,
        name=_name(row, "name", "email"),
        email=lower(row.get("email")),
        avatar_url=text(row.get("avatar_url")),
        is_token_owner=row.get("me") is True,
    )


def read_organization(row: Row, _site: str) -> Record:
    """Read an organisation."""
    return _record(row, name=_name(row, "name"))


def read_team(row: Row, _site: str) -> Record:
    """Read a team, and who is in it."""
    record = _record(row, name=_name(row, "name"), missive_organization_id=identifier(row.get("organization")))
    record.members["missive_team_members"] = [
        {"missive_user_id": user, "role": role}
        for key, role in (("active_members", "member"), ("observers", "observer"))
        for user in _ids(row.get(key))
    ]
    return record


def read_label(row: Row, _site: str) -> Record:
    """Read a shared label."""
    name = _name(row, "name")
    return _record(
        row,
        name=name,
        full_name=text(row.get("name_with_parent_names")) or name,
        color=text(row.get("color")),
        missive_parent_id=identifier(row.get("parent")),
        missive_organization_id=identifier(row.get("organization")),
    )


def read_contact(row: Row, _site: str) -> Record:
    """Read a contact."""
    given, family = text(row.get("first_name")) or "", text(row.get("last_name")) or ""
    infos = [_info(ordinal, each) for ordinal, each in enumerate(mappings(row.get("infos")))]
    addresses = (str(each["value"]) for each in infos if each["value"])
    record = _record(
        row,
        name=f"{given} {family}".strip() or next(addresses, f"({required_id(row)})"),
        first_name=given,
        last_name=family,
        missive_contact_book_id=identifier(row.get("contact_book")),
        is_starred=row.get("starred") is True,
        modified_at=moment(row.get("modified_at")),
        deleted_at=DELETED_SOMETIME if row.get("deleted") is True else None,
    )
    record.members["contact_infos"] = infos
    return record


def _info(ordinal: int, info: Mapping[str, Any]) -> dict[str, Any]:
    kind = text(info.get("kind")) or "other"
    value = info.get("value") or info.get("name") or info.get("formatted_address")
    label = text(info.get("custom_label") or info.get("label"))
    return {
        "ordinal": ordinal,
        "kind": kind,
        "label": label,
        "value": lower(value) if kind == "email" else text(value),
    }


def read_conversation(row: Row, _site: str) -> Record:
    """Read a conversation as a list or its own address shows it."""
    users = mappings(row.get("users"))
    record = _record(
        row,
        subject=text(row.get("subject")) or text(row.get("latest_message_subject")),
        state=_state(users),
        last_activity_at=moment(row.get("last_activity_at")),
        **{name: count(row.get(name)) for name in _COUNTS},
        color=text(row.get("color")),
        missive_team_id=identifier(row.get("team")),
        missive_organization_id=identifier(row.get("organization")),
        missive_merged_into_id=None,
        created_at=moment(row.get("created_at")),
        url=text(row.get("web_url")),
    )
    record.members["conversation_labels"] = [{"missive_label_id": each} for each in _ids(row.get("shared_labels"))]
    record.members["conversation_assignees"] = [{"missive_user_id": each} for each in _ids(row.get("assignees"))]
    record.members["conversation_users"] = [
        {"missive_user_id": required_id(each), **_flags(each)} for each in _unique(users)
    ]
    return record


_COUNTS = ("messages_count", "drafts_count", "attachments_count", "tasks_count", "completed_tasks_count")
_FLAGS = ("closed", "archived", "trashed", "junked", "assigned", "flagged", "snoozed")


def _flags(user: Row) -> dict[str, bool]:
    return {f"is_{name}": user.get(name) is True for name in _FLAGS}


def _state(users: Sequence[Row]) -> str:
    """Each colleague has a state of their own; of the conversation it is what is so for all of them."""
    for state, flags in (("trashed", ("trashed",)), ("junked", ("junked",)), ("closed", ("closed", "archived"))):
        if users and all(any(user.get(flag) is True for flag in flags) for user in users):
            return state
    return "open"


def read_email(row: Row, _site: str) -> Record:
    """Read a message with its body."""
    kind = text(row.get("type")) or "email"
    body = _body_of(row.get("body") or None, kind, text(row.get("subject")))
    sender = row.get("from_field") or {}
    message_id = next(iter(_message_ids(row.get("email_message_id"))), None)
    answers, references = _message_ids(row.get("in_reply_to")), _message_ids(row.get("references"))
    record = _record(
        row,
        type=kind,
        subject=text(row.get("subject")),
        from_address=address(sender),
        from_name=text(sender.get("name")),
        delivered_at=moment(row.get("delivered_at")),
        snippet=body.snippet or text(row.get("preview")),
        body_text=body.text,
        language=body.language,
        message_id=message_id,
        in_reply_to=answers,
        reference_ids=references,
        thread=thread_of(message_id, answers, references),
        missive_conversation_id=row[CONVERSATION],
        created_at=moment(row.get("created_at")),
        updated_at=moment(row.get("updated_at")),
    )
    record.members["email_recipients"] = list(_recipients(row))
    record.members["email_bodies"] = [_body(body)]
    return record


@lru_cache(maxsize=BULK_BODIES)
def _body_of(html: str | None, kind: str, subject: str | None) -> MailBody:
    """Read a body once for the mail and for its attachments, which are stored right after it."""
    return read_body(html, kind=kind, subject=subject)


def _body(body: MailBody) -> dict[str, Any]:
    return {"html": body.html, "quoted_text": body.quoted, "signature": body.signature}


def _recipients(row: Row) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "ordinal": ordinal, "address": address(each), "name": text(each.get("name"))}
        for field, kind in RECIPIENTS.items()
        for ordinal, each in enumerate(mappings(row.get(field)))
    ]


def _message_ids(value: object) -> list[str]:
    """Return the message ids that a header holds, each once."""
    texts = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
    return list(dict.fromkeys(filter(None, map(key_text, message_ids(texts)))))


def read_comment(row: Row, _site: str) -> Record:
    """Read a comment, and the task that it may be."""
    author, task = row.get("author") or {}, row.get("task") or {}
    record = _record(
        row,
        body=text(row.get("body")),
        missive_author_id=identifier(author),
        author_name=text(author.get("name")),
        author_email=lower(author.get("email")),
        missive_conversation_id=row[CONVERSATION],
        task=text(task.get("description")) or (text(row.get("body")) if task else None),
        task_state=text(task.get("state")),
        task_due_at=moment(task.get("due_at")),
        task_started_at=moment(task.get("started_at")),
        task_closed_at=moment(task.get("closed_at")),
        missive_task_team_id=identifier(task.get("team")),
        created_at=moment(row.get("created_at")),
    )
    record.members["email_comment_mentions"] = _mentions(row)
    record.members["email_comment_task_assignees"] = [{"missive_user_id": each} for each in _ids(task.get("assignees"))]
    return record


def _mentions(row: Row) -> list[dict[str, Any]]:
    """Documented as {id, index, length}, seen as {user_id, offset, length}."""
    found = {}
    for each in mappings(row.get("mentions")):
        user = identifier(each.get("user_id")) or identifier(each.get("id"))
        position = each.get("offset") if each.get("index") is None else each.get("index")
        if user is not None:
            found[user, count(position) or 0] = count(each.get("length"))
    return [{"missive_user_id": user, "position": at, "length": length} for (user, at), length in found.items()]


def read_attachment(row: Row, _site: str) -> Record:
    """Read an attachment of a message or comment."""
    name = text(row.get("filename")) or f"({required_id(row)})"
    kinds = [str(row[part]) for part in ("media_type", "sub_type") if row.get(part)]
    return _record(
        row,
        name=name,
        extension=text(row.get("extension")) or PurePosixPath(name).suffix.lstrip(".").lower(),
        media_type="/".join(kinds).lower() or None,
        size_bytes=count(row.get("size")),
        pixel_width=count(row.get("width")),
        pixel_height=count(row.get("height")),
        is_inline=bool(row.get(INLINE)),
        missive_email_id=row.get(EMAIL),
        missive_comment_id=row.get(COMMENT),
    )


def attachments_of_email(row: Row) -> list[dict[str, Any]]:
    """Return what hangs on a message; without the address, which is good for a while only (lesson 33)."""
    body = _body_of(row.get("body") or None, text(row.get("type")) or "email", text(row.get("subject")))
    return [
        {**_without_url(each), EMAIL: row["id"], INLINE: identifier(each) in body.inline_attachment_ids}
        for each in _unique(mappings(row.get("attachments")))
    ]


def attachments_of_comment(row: Row) -> list[dict[str, Any]]:
    """Return what hangs on a comment: one thing at most; several are understood."""
    said = row.get("attachment")
    return [
        {**_without_url(each), COMMENT: row["id"]}
        for each in _unique(mappings(said if isinstance(said, list) else [said]))
    ]


def _without_url(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "url"}


def _record(row: Row, **values: Any) -> Record:
    return Record(vendor_id=required_id(row), values={"deleted_at": None, **values})


def _name(row: Row, *names: str) -> str:
    return next(filter(None, (text(row.get(name)) for name in names)), f"({required_id(row)})")


def _ids(values: object) -> list[str]:
    """Return the ids of a list of ids or relations, each once."""
    listed = values if isinstance(values, list) else []
    return list(dict.fromkeys(filter(None, map(identifier, listed))))


def _unique(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({found: row for row in rows if (found := identifier(row)) is not None}.values())
