"""What a perfect mirror of the office would hold: every row that ever was, with every value that the vendor shows.

`truth(office, rows)` returns, for each table below, a list of rows in order of `id`. Rows have the vendor's own key
names, ids where the vendor nests rows, times in Unix seconds, lists that are never None, and the values of malformed
mails as they are. Every row has `deleted` (it has vanished, or was in a conversation that has) and `readable` (the
token's user can still read it with its values somewhere). A mirror can know the last values of readable rows only; of
others it knows what it saw before, and nothing if it came too late or never may see them.

- users: id, name, email, avatar_url, me;
- organizations: id, name; teams: id, name, organization, active_members and observers (sorted ids);
- shared_labels: id, name, name_with_parent_names, color, parent, organization;
- contact_books: id, name, description; contact_groups: id, name, contact_book, kind;
- contacts: id, first_name, last_name, starred, contact_book, modified_at, infos, memberships;
- conversations: id, created_at, subject, latest_message_subject, organization, color, team, shared_labels and assignees
  (sorted ids), users ({id: sorted names of the flags that are set for that user, of closed, archived, trashed, junked,
  flagged, snoozed}), last_activity_at, messages_count, drafts_count, attachments_count, tasks_count,
  completed_tasks_count; `inbox`, `all`, `closed`, `trashed`, `junked`, ...: whether that mailbox of the token's user
  shows it, as the switches have it; `guest`: a list shows it with two keys only;
  `merged_into`: id of the conversation that answers for it now, None for others. A merged conversation is not `deleted`
  and not `readable` by itself; what was in it is in the other;
- messages: id, conversation, type, draft, subject, preview, body, delivered_at, created_at, updated_at,
  email_message_id, in_reply_to, references, from_field, to_fields, cc_fields, bcc_fields, reply_to_fields, `trashed`,
  and attachments: [{id, filename, extension, media_type, sub_type, size, sha256, width, height, has_url, inline,
  nas_path}] in the vendor's order; `inline`: its id stands in the body; `nas_path`: below the folder `files` that it
  was taken from, or None. A trashed message that does not count is not readable;
- comments: id, conversation, body, created_at, author (id), mentions [{id, index, length}], attachment (as above, but
  without inline) or None, task or None {id, description, state, due_at, started_at, closed_at, assignees, team};
- drafts: id, conversation; a mirror has none of them. posts: id, conversation, created_at, text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.missive.mailboxes import in_mailboxes
from ibhelm_pipelines.demo.missive.state import INSIDE, TABLES, Office, Row
from ibhelm_pipelines.demo.vendor.exchange import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.demo.missive.rows import Rows

MAILBOXES = ("inbox", "all", "assigned", "closed", "snoozed", "flagged", "trashed", "junked", "drafts")
_COUNTS = (
    "messages_count",
    "drafts_count",
    "attachments_count",
    "tasks_count",
    "completed_tasks_count",
    "latest_message_subject",
)


def truth(office: Office, rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """Return all rows by table; see the module's text for their shape."""
    shapes: dict[str, Callable[[Row], Row]] = {
        "users": rows.user,
        "teams": _team,
        "shared_labels": rows.label,
        "conversations": _conversations(office, rows),
        "messages": lambda row: _message(office, row),
        "comments": lambda row: _comment(office, row),
        "drafts": lambda row: {"id": row["id"], "conversation": row["conversation"]},
    }
    with office.lock:
        return {
            table: [
                {**shapes.get(table, _plain)(row), **_fate(office, table, row)}
                for _, row in sorted(office.tables[table].items())
            ]
            for table in TABLES
        }


def _plain(row: Row) -> Row:
    return {key: value for key, value in row.items() if key[0] != "_"}


def _fate(office: Office, table: str, row: Row) -> Row:
    if table == "conversations":
        readable = office.is_readable(row)
    elif table in INSIDE:
        conversation = office.tables["conversations"][row["conversation"]]
        readable = office.is_shown(table, row) and office.is_readable(conversation)
    else:
        readable = not row["_gone"]
    return {"deleted": row["_gone"], "readable": readable}


def _team(row: Row) -> Row:
    return {**_plain(row), "active_members": sorted(row["active_members"]), "observers": sorted(row["observers"])}


def _conversations(office: Office, rows: Rows) -> Callable[[Row], Row]:
    mailboxes = {name: in_mailboxes(office, Parameters({name: "true"})) for name in MAILBOXES}

    def shape(row: Row) -> Row:
        shown = rows.whole_conversation(row)
        links = {key: sorted(row[key]) for key in ("shared_labels", "assignees")}
        counts = {key: shown[key] for key in _COUNTS}
        flags = {name: mailbox(row) for name, mailbox in mailboxes.items()}
        more = {"guest": row["_guest"], "merged_into": _survivor_id(office, row)}
        return {**_plain(row), **links, **counts, **flags, **more}

    return shape


def _survivor_id(office: Office, row: Row) -> str | None:
    survivor = office.survivor(row["id"])
    return survivor["id"] if survivor and survivor is not row else None


def _message(office: Office, row: Row) -> Row:
    attachments = [
        {**attachment(office, each), "inline": each["id"] in (row["body"] or "")} for each in row["attachments"]
    ]
    return {**_plain(row), "attachments": attachments, "trashed": row["_trashed"]}


def attachment(office: Office, row: Row) -> Row:
    """An attachment with the hash of its bytes."""
    facts = office.contents.facts(row["_content"])
    kind, _, number = row["_content"].partition(":")
    nas_path = str(office.contents.nas[int(number)].path) if kind == "nas" else None
    known = {"size": facts.size, "sha256": facts.sha256, "width": facts.width, "height": facts.height}
    return {**_plain(row), **known, "has_url": row["_url"], "nas_path": nas_path}


def _comment(office: Office, row: Row) -> Row:
    return {**_plain(row), "attachment": attachment(office, row["attachment"]) if row["attachment"] else None}
