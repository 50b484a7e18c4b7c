"""Which tables hold Missive's rows: all in which they differ; what is the same for all is in vendors/store.py."""

from __future__ import annotations

from functools import partial

from ibhelm_pipelines.vendors.tables import Bridge, Link, Table, Vendor

MISSIVE = Vendor(name="missive", id_type="text", id_of=str)

_table = partial(Table, vendor=MISSIVE)


def _link(what: str, target: str) -> Link:
    return Link(named=f"missive_{what}_id", column=f"{what}_id", target=target)


def _users_of(table: str, owner: str, key: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> Bridge:
    users = (_link("user", "missive_users"),)
    return Bridge(table=table, owner=owner, key=(*key, "missive_user_id"), values=values, links=users)


USERS = _table(name="missive_users", columns=("name", "email", "avatar_url", "is_token_owner", "deleted_at"))
ORGANIZATIONS = _table(name="missive_organizations", columns=("name", "deleted_at"))
TEAMS = _table(
    name="missive_teams",
    columns=("name", "missive_organization_id", "deleted_at"),
    links=(_link("organization", "missive_organizations"),),
    bridges=(
        Bridge(
            table="missive_team_members",
            owner="team_id",
            key=("missive_user_id", "role"),
            links=(_link("user", "missive_users"),),
        ),
    ),
)
LABELS = _table(
    name="labels",
    columns=("name", "full_name", "color", "missive_parent_id", "missive_organization_id", "deleted_at"),
    links=(_link("parent", "labels"), _link("organization", "missive_organizations")),
)
CONTACTS = _table(
    name="contacts",
    columns=(
        "name", "first_name", "last_name", "missive_contact_book_id", "is_starred", "modified_at", "deleted_at",
    ),
    bridges=(Bridge(table="contact_infos", owner="contact_id", key=("ordinal",), values=("kind", "label", "value")),),
)  # fmt: skip
CONVERSATIONS = _table(
    name="conversations",
    columns=(
        "subject", "state", "last_activity_at", "messages_count", "drafts_count", "attachments_count", "tasks_count",
        "completed_tasks_count", "color", "missive_team_id", "missive_organization_id", "missive_merged_into_id",
        "created_at", "deleted_at", "url",
    ),
    links=(
        _link("team", "missive_teams"),
        _link("organization", "missive_organizations"),
        _link("merged_into", "conversations"),
    ),
    bridges=(
        Bridge(
            table="conversation_labels",
            owner="conversation_id",
            key=("missive_label_id",),
            links=(_link("label", "labels"),),
        ),
        _users_of("conversation_assignees", "conversation_id"),
        _users_of(
            "conversation_users",
            "conversation_id",
            values=(
                "is_closed", "is_archived", "is_trashed", "is_junked", "is_assigned", "is_flagged", "is_snoozed",
            ),
        ),
    ),
)  # fmt: skip
EMAILS = _table(
    name="emails",
    columns=(
        "type", "subject", "from_address", "from_name", "delivered_at", "snippet", "body_text", "language",
        "message_id", "in_reply_to", "reference_ids", "thread", "missive_conversation_id", "created_at", "updated_at",
        "deleted_at",
    ),
    links=(_link("conversation", "conversations"),),
    bridges=(
        Bridge(table="email_bodies", owner="email_id", key=(), values=("html", "quoted_text", "signature")),
        Bridge(
            table="email_recipients", owner="email_id", key=("kind", "ordinal"), values=("address", "name")
        ),
    ),
)  # fmt: skip
COMMENTS = _table(
    name="email_comments",
    columns=(
        "body", "missive_author_id", "author_name", "author_email", "missive_conversation_id", "task", "task_state",
        "task_due_at", "task_started_at", "task_closed_at", "missive_task_team_id", "created_at", "deleted_at",
    ),
    links=(
        _link("author", "missive_users"),
        _link("conversation", "conversations"),
        _link("task_team", "missive_teams"),
    ),
    bridges=(
        _users_of("email_comment_mentions", "comment_id", key=("position",), values=("length",)),
        _users_of("email_comment_task_assignees", "comment_id"),
    ),
)  # fmt: skip
ATTACHMENTS = _table(
    name="email_attachments",
    columns=(
        "name", "extension", "media_type", "size_bytes", "pixel_width", "pixel_height", "is_inline",
        "missive_email_id", "missive_comment_id", "deleted_at",
    ),
    links=(_link("email", "emails"), _link("comment", "email_comments")),
)  # fmt: skip

TABLES = (ORGANIZATIONS, USERS, TEAMS, LABELS, CONTACTS, CONVERSATIONS, EMAILS, COMMENTS, ATTACHMENTS)
"""Parents before their children."""
