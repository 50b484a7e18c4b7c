"""The kinds of things that Missive has, and the lists of its directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.vendors.missive import records, tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.vendors.tables import Record, Row, Table

DIRECTORY_ASSET, CONVERSATIONS_ASSET = "missive_directory", "missive_conversations"
EMAILS_ASSET, COMMENTS_ASSET = "missive_emails", "missive_comments"
ATTACHMENTS_ASSET = "email_attachments"
ASSETS = (DIRECTORY_ASSET, CONVERSATIONS_ASSET, EMAILS_ASSET, COMMENTS_ASSET)
"""What a reading of Missive makes; attachments are fetched by a step of their own."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A kind of things.

    Attributes:
        asset: to which it belongs.
        path: of its list, where it has one of its own; the key of the list in the answer is the last part.
    """

    asset: str
    table: Table
    read: Callable[[Row, str], Record]
    path: str = ""

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def key(self) -> str:
        return self.path.rpartition("/")[2]


ORGANIZATIONS = Resource(
    asset=DIRECTORY_ASSET, table=tables.ORGANIZATIONS, read=records.read_organization, path="/organizations"
)
USERS = Resource(asset=DIRECTORY_ASSET, table=tables.USERS, read=records.read_user, path="/users")
TEAMS = Resource(asset=DIRECTORY_ASSET, table=tables.TEAMS, read=records.read_team, path="/teams")
LABELS = Resource(asset=DIRECTORY_ASSET, table=tables.LABELS, read=records.read_label, path="/shared_labels")
CONTACTS = Resource(asset=DIRECTORY_ASSET, table=tables.CONTACTS, read=records.read_contact, path="/contacts")
CONVERSATIONS = Resource(
    asset=CONVERSATIONS_ASSET, table=tables.CONVERSATIONS, read=records.read_conversation, path="/conversations"
)
EMAILS = Resource(asset=EMAILS_ASSET, table=tables.EMAILS, read=records.read_email, path="/messages")
COMMENTS = Resource(asset=COMMENTS_ASSET, table=tables.COMMENTS, read=records.read_comment, path="/comments")
ATTACHMENTS = Resource(asset=EMAILS_ASSET, table=tables.ATTACHMENTS, read=records.read_attachment)

DIRECTORY = (ORGANIZATIONS, USERS, TEAMS, LABELS)
RESOURCES = (*DIRECTORY, CONTACTS, CONVERSATIONS, EMAILS, COMMENTS, ATTACHMENTS)
