"""The views that people need: which there are, what each shows, and in which order.

A column is named as in Postgres; the column of a foreign key stands for the link that it makes. `>table` is the link to
the rows of another table, `=Title` a column that the set-up made. What a table does not have is left out, so that this
list may speak of tables that come with a later migration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.nocodb.labels import is_vendor_id

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["grid", "gallery", "kanban", "calendar"]
MAIN = "main"
"""Key of the first view of each table, which NocoDB makes by itself."""

ROW_MEDIUM = 1
"""Height of rows in which a preview can be seen, as NocoDB counts it."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One view.

    Attributes:
        key: names it for good, within its table; the title may change.
        columns: those that are shown, in their order; empty: all but what nobody wants to see.
        where: conditions that all must hold: column, comparison (as NocoDB calls it), value.
        sort: column and direction.
        group: the column by which rows are grouped.
        cover: the column of pictures of a gallery.
        stack: the column that makes the stacks of a kanban.
        date: the column that places rows in a calendar.
        row_height: of a grid.
    """

    key: str
    title: str
    kind: Kind = "grid"
    columns: tuple[str, ...] = ()
    where: tuple[tuple[str, str, str | None], ...] = ()
    sort: tuple[tuple[str, Literal["asc", "desc"]], ...] = ()
    group: str | None = None
    cover: str | None = None
    stack: str | None = None
    date: str | None = None
    row_height: int | None = None


_LIVE = ("deleted_at", "blank", None)
_OPEN = ("state", "eq", "open")
_FILE = (
    "name",
    "thumbnail",
    "project_id",
    "document_type_id",
    ">cost_groups",
    ">locations",
    "folder",
    "modified_at",
    "size_bytes",
    "note",
    "download_url",
    "nas_url",
    "path",
)
_CARD = ("name", "thumbnail", "project_id", "document_type_id", "modified_at")
_TASK = (
    "name",
    "project_id",
    "state",
    "task_type",
    "due_on",
    "priority",
    "progress",
    "=Schätzung",
    ">cost_groups",
    ">locations",
    "task_list_id",
    "url",
)
_TASK_CARD = ("name", "project_id", "task_type", "due_on", "priority")
_TALK = (
    "subject",
    ">projects",
    "last_activity_at",
    "state",
    "messages_count",
    ">cost_groups",
    ">locations",
    "team_id",
    "url",
)
_MAIL = ("subject", "from_name", "from_address", "delivered_at", "snippet", "conversation_id", ">email_attachments")
_NEWEST: tuple[tuple[str, Literal["asc", "desc"]], ...] = (("modified_at", "desc"),)

VIEWS: Mapping[str, tuple[View, ...]] = {
    "files": (
        View(key=MAIN, title="Alle Dateien", columns=_FILE, where=(_LIVE,), sort=_NEWEST, row_height=ROW_MEDIUM),
        View(
            key="gallery",
            title="Galerie",
            kind="gallery",
            cover="thumbnail",
            columns=_CARD,
            where=(_LIVE, ("thumbnail", "notblank", None)),
            sort=_NEWEST,
        ),
        View(key="by_project", title="Nach Projekt", columns=_FILE, where=(_LIVE,), sort=_NEWEST, group="project_id"),
        View(
            key="no_project",
            title="Ohne Projekt",
            columns=_FILE,
            where=(_LIVE, ("project_id", "blank", None)),
            sort=_NEWEST,
        ),
        View(
            key="no_type",
            title="Ohne Dokumentart",
            columns=_FILE,
            where=(_LIVE, ("document_type_id", "blank", None)),
            sort=_NEWEST,
        ),
        View(
            key="deleted",
            title="Gelöschte",
            columns=("name", "deleted_at", "project_id", "path", "size_bytes"),
            where=(("deleted_at", "notblank", None),),
            sort=(("deleted_at", "desc"),),
        ),
    ),
    "projects": (
        View(
            key=MAIN,
            title="Alle Projekte",
            sort=(("name", "asc"),),
            where=(_LIVE,),
            columns=(
                "name",
                "number",
                "status",
                "company_id",
                "owner_id",
                "nas_folder",
                "starts_on",
                "ends_on",
                ">files",
                ">tasks",
                ">conversations",
                ">project_participants",
                ">locations",
                "note",
                "url",
            ),
        ),
        View(
            key="archived",
            title="Archivierte",
            where=(("archived_at", "notblank", None),),
            sort=(("archived_at", "desc"),),
            columns=("name", "number", "archived_at", "company_id", "nas_folder", "note"),
        ),
    ),
    "tasks": (
        View(key=MAIN, title="Alle Aufgaben", columns=_TASK, where=(_LIVE,), sort=(("updated_at", "desc"),)),
        View(key="kanban", title="Tafel", kind="kanban", stack="state", columns=_TASK_CARD, where=(_LIVE,)),
        View(
            key="due",
            title="Nach Fälligkeit",
            columns=_TASK,
            where=(_OPEN, ("due_on", "notblank", None)),
            sort=(("due_on", "asc"),),
        ),
        View(key="calendar", title="Kalender", kind="calendar", date="due_on", columns=_TASK_CARD, where=(_LIVE,)),
        View(
            key="by_project",
            title="Nach Projekt",
            columns=_TASK,
            where=(_OPEN,),
            sort=(("due_on", "asc"),),
            group="project_id",
        ),
    ),
    "conversations": (
        View(
            key=MAIN, title="Alle Unterhaltungen", columns=_TALK, where=(_LIVE,), sort=(("last_activity_at", "desc"),)
        ),
        View(key="open", title="Offene", columns=_TALK, where=(_LIVE, _OPEN), sort=(("last_activity_at", "desc"),)),
    ),
    "conversation_projects": (
        View(
            key=MAIN,
            title="Unterhaltungen nach Projekt",
            columns=("project_id", "conversation_id", "rule", "confidence"),
            group="project_id",
        ),
    ),
    "emails": (View(key=MAIN, title="Alle E-Mails", columns=_MAIL, where=(_LIVE,), sort=(("delivered_at", "desc"),)),),
    "persons": (
        View(
            key=MAIN,
            title="Alle Personen",
            where=(_LIVE, ("merged_into_id", "blank", None)),
            sort=(("name", "asc"),),
            columns=(
                "name",
                "email",
                "phone",
                "company_id",
                "is_colleague",
                "kind",
                ">person_identities",
                ">project_participants",
                "merged_into_id",
                "note",
            ),
        ),
        View(
            key="merged",
            title="Zusammengelegte",
            where=(("merged_into_id", "notblank", None),),
            sort=(("name", "asc"),),
            columns=("name", "merged_into_id", "email", "note"),
        ),
    ),
    "project_participants": (
        View(
            key=MAIN,
            title="Nach Projekt",
            group="project_id",
            sort=(("last_contact_at", "desc"),),
            columns=(
                "label",
                "project_id",
                "person_id",
                "role",
                "roles",
                "last_contact_at",
                "mails",
                "tasks",
                "comments",
                "=Zeit",
                "files",
                "note",
            ),
        ),
    ),
    "activity": (
        View(
            key=MAIN,
            title="Verlauf",
            sort=(("at", "desc"),),
            columns=("at", "label", "project", "who", "source", "url"),
        ),
    ),
    "problems": (View(key=MAIN, title="Probleme", columns=("kind", "what", "reason", "since", "what_to_do", "url")),),
    "duplicates": (
        View(
            key=MAIN,
            title="Dubletten",
            columns=("name", "copies", "wasted_bytes", "size_bytes", "newest_at", "projects", "paths"),
            sort=(("wasted_bytes", "desc"),),
        ),
    ),
    "files_missing_metadata": (
        View(
            key=MAIN, title="Alle", columns=("name", "missing", "project", "path", "modified_at", "url"), sort=_NEWEST
        ),
        View(
            key="project",
            title="Ohne Projekt",
            columns=("name", "missing", "path", "modified_at", "url"),
            sort=_NEWEST,
            where=(("lacks_project", "checked", None),),
        ),
        View(
            key="cost_group",
            title="Ohne Kostengruppe",
            columns=("name", "missing", "project", "path", "modified_at", "url"),
            sort=_NEWEST,
            where=(("lacks_cost_group", "checked", None),),
        ),
    ),
    "tasks_missing_metadata": (
        View(
            key=MAIN,
            title="Alle",
            columns=("name", "missing", "project", "task_list", "state", "due_on", "url"),
            sort=(("due_on", "asc"),),
        ),
    ),
    "conversations_missing_metadata": (
        View(
            key=MAIN,
            title="Alle",
            columns=("subject", "missing", "projects", "last_activity_at", "url"),
            sort=(("last_activity_at", "desc"),),
        ),
    ),
    "cost_groups": (
        View(
            key=MAIN,
            title="DIN 276",
            columns=("label", "number", "aliases", "parent_id", ">files", ">tasks"),
            sort=(("number", "asc"),),
        ),
    ),
    "link_rules": (
        View(
            key=MAIN,
            title="Regeln",
            sort=(("decides", "asc"), ("priority", "desc")),
            columns=(
                "name",
                "is_enabled",
                "decides",
                "reads",
                "pattern",
                "project_id",
                "cost_group_id",
                "document_type_id",
                "building",
                "level",
                "room",
                "priority",
                "confidence",
                "note",
            ),
        ),
    ),
    "link_decisions": (View(key=MAIN, title="Entscheidungen", sort=(("decided_at", "desc"),)),),
    "email_attachments": (
        View(
            key=MAIN,
            title="Alle Anhänge",
            where=(_LIVE,),
            columns=(
                "name",
                "email_id",
                "size_bytes",
                "media_type",
                "file_id",
                "skip_reason",
                "saved_at",
                "download_url",
            ),
        ),
    ),
    "time_entries": (
        View(
            key=MAIN,
            title="Alle Zeiteinträge",
            where=(_LIVE,),
            sort=(("spent_at", "desc"),),
            columns=("description", "person_id", "project_id", "task_id", "spent_at", "=Dauer", "is_billable"),
        ),
    ),
}

PLAIN = View(key=MAIN, title="Alle")
"""The main view of a table that is not listed."""

_NOBODY_WANTS = (
    *("id", "hash", "content_hash", "description_html", "body_html", "html", "avatar_url", "message_id", "in_reply_to"),
    *("reference_ids", "thread", "position", "missive_user_id", "ordinal", "item_id", "best_project_id", "key"),
    *("project_folder_id", "is_token_owner"),
)
_HIDDEN_ENDS = ("_source", "_rule")


def views_of(table: str) -> tuple[View, ...]:
    """Return the views of a table, the main one first."""
    return VIEWS.get(table, (PLAIN,))


def is_wanted(column: str) -> bool:
    """Whether a column is shown where nobody says which ones are."""
    if column in _NOBODY_WANTS or column.startswith("raw_") or column.endswith(_HIDDEN_ENDS):
        return False
    return not is_vendor_id(column)
