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
Conditions = tuple[tuple[str, str, str | None], ...]
MAIN = "main"
"""Key of the first view of each table, which NocoDB makes by itself."""

ROW_MEDIUM = 1
"""Height of rows in which a preview can be seen, as NocoDB counts it."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One view.

    Attributes:
        key: names it for good, within its table; the title may change.
        columns: those that are shown, in their order, with spaces between; empty: all but what nobody wants to see.
        where: conditions that all must hold: column, comparison (as NocoDB calls it), value. `null` and `notnull` ask
            the column of a foreign key itself: of a link within one table NocoDB's `blank` makes bad SQL (0.301).
        sort: the column by which rows stand in order; with a minus in front the last ones first.
        group: the column by which rows are grouped.
        cover: the column of pictures of a gallery.
        stack: the column that makes the stacks of a kanban.
        date: the column that places rows in a calendar.
        row_height: of a grid.
    """

    key: str = MAIN
    title: str
    kind: Kind = "grid"
    columns: str = ""
    where: Conditions = ()
    sort: str | None = None
    group: str | None = None
    cover: str | None = None
    stack: str | None = None
    date: str | None = None
    row_height: int | None = None


_LIVE: Conditions = (("deleted_at", "blank", None),)
_OPEN: Conditions = (("state", "eq", "open"),)


def _blank(column: str) -> Conditions:
    return ((column, "blank", None),)


def _filled(column: str) -> Conditions:
    return ((column, "notblank", None),)


def _checked(column: str) -> Conditions:
    return ((column, "checked", None),)


# Each link that a list shows costs a query a row: the lists that people open first show names instead.
_FILE = (
    "name thumbnail project_name document_type >cost_groups >locations folder modified_at size_bytes note download_url"
    " nas_url path"
)
_FILE_LINKS = "name thumbnail project_id document_type_id >cost_groups >locations folder modified_at note nas_url path"
_TASK = (
    "name project_id state_label task_type due_on priority progress =Schätzung >cost_groups >locations task_list_id url"
)
_TALK = "subject >projects last_activity_at state_label messages_count >cost_groups >locations team_id url"
_MISSING_FILE = "name missing project path modified_at url"

VIEWS: Mapping[str, tuple[View, ...]] = {
    "files": (
        View(title="Alle Dateien", columns=_FILE, where=_LIVE, sort="-modified_at", row_height=ROW_MEDIUM),
        View(
            key="gallery",
            title="Galerie",
            kind="gallery",
            cover="thumbnail",
            columns="name project_name document_type modified_at",
            where=_LIVE + _filled("thumbnail"),
            sort="-modified_at",
        ),
        View(
            key="by_project",
            title="Nach Projekt",
            columns=_FILE_LINKS,
            where=_LIVE,
            sort="-modified_at",
            group="project_id",
        ),
        View(
            key="no_project",
            title="Ohne Projekt",
            columns=_FILE_LINKS,
            where=_LIVE + _blank("project_id"),
            sort="-modified_at",
        ),
        View(
            key="no_type",
            title="Ohne Dokumentart",
            columns=_FILE_LINKS,
            where=_LIVE + _blank("document_type_id"),
            sort="-modified_at",
        ),
        View(
            key="deleted",
            title="Gelöschte",
            columns="name deleted_at project_id path size_bytes",
            where=_filled("deleted_at"),
            sort="-deleted_at",
        ),
    ),
    "projects": (
        View(
            title="Alle Projekte",
            columns="name number status company_id owner_id nas_folder starts_on ends_on >files >tasks >conversations"
            " >project_participants >locations note url",
            where=_LIVE,
            sort="name",
        ),
        View(
            key="archived",
            title="Archivierte",
            columns="name number archived_at company_id nas_folder note",
            where=_filled("archived_at"),
            sort="-archived_at",
        ),
    ),
    "tasks": (
        View(title="Alle Aufgaben", columns=_TASK, where=_LIVE, sort="-updated_at"),
        View(
            key="kanban",
            title="Tafel",
            kind="kanban",
            stack="state_label",
            columns="name project_id task_type due_on priority",
            where=_LIVE,
            sort="-updated_at",
        ),
        View(key="due", title="Nach Fälligkeit", columns=_TASK, where=_OPEN + _filled("due_on"), sort="due_on"),
        # Of links NocoDB's calendar shows the raw data.
        View(key="calendar", title="Kalender", kind="calendar", date="due_on", columns="name", where=_LIVE),
        View(key="by_project", title="Nach Projekt", columns=_TASK, where=_OPEN, sort="due_on", group="project_id"),
    ),
    "conversations": (
        View(title="Alle Unterhaltungen", columns=_TALK, where=_LIVE, sort="-last_activity_at"),
        View(key="open", title="Offene", columns=_TALK, where=_LIVE + _OPEN, sort="-last_activity_at"),
    ),
    "conversation_projects": (
        View(title="Nach Projekt", columns="conversation_id project_id rule confidence", group="project_id"),
    ),
    "emails": (
        View(
            title="Alle E-Mails",
            columns="subject from_name from_address delivered_at snippet conversation_id >email_attachments",
            where=_LIVE,
            sort="-delivered_at",
        ),
    ),
    "persons": (
        View(
            title="Alle Personen",
            columns="name email phone company_id is_colleague kind >person_identities >project_participants"
            " merged_into_id note",
            where=(*_LIVE, ("merged_into_id", "null", None)),
            sort="name",
        ),
        View(
            key="merged",
            title="Zusammengelegte",
            columns="name merged_into_id email note",
            where=(("merged_into_id", "notnull", None),),
            sort="name",
        ),
    ),
    "project_participants": (
        View(
            title="Nach Projekt",
            columns="label project_id person_id role roles last_contact_at mails tasks comments =Zeit files note",
            sort="-last_contact_at",
            group="project_id",
        ),
    ),
    "activity": (View(title="Verlauf", columns="at label project who source url", sort="-at"),),
    "problems": (View(title="Probleme", columns="kind what reason since what_to_do url"),),
    "duplicates": (
        View(
            title="Dubletten",
            columns="name copies wasted_bytes size_bytes newest_at projects paths",
            sort="-wasted_bytes",
        ),
    ),
    "near_duplicates": (
        View(
            title="Ähnliche Bilder",
            columns="name other_name distance pixel_width pixel_height other_pixel_width other_pixel_height size_bytes"
            " other_size_bytes path other_path url other_url",
            sort="distance",
        ),
    ),
    "content_problems": (
        View(
            title="Alle",
            columns="name step problem reason family project_name path files since next_try_at url",
            sort="-since",
        ),
    ),
    "content_coverage": (
        View(
            title="Je Ordner",
            columns="folder project_name family contents files size_bytes preview_percent text_percent failed missing"
            " truncated",
            sort="folder",
        ),
    ),
    "files_missing_metadata": (
        View(title="Alle", columns=_MISSING_FILE, sort="-modified_at"),
        View(
            key="project",
            title="Ohne Projekt",
            columns=_MISSING_FILE,
            where=_checked("lacks_project"),
            sort="-modified_at",
        ),
        View(
            key="cost_group",
            title="Ohne Kostengruppe",
            columns=_MISSING_FILE,
            where=_checked("lacks_cost_group"),
            sort="-modified_at",
        ),
    ),
    "tasks_missing_metadata": (View(title="Alle", columns="name missing project task_list due_on url", sort="due_on"),),
    "conversations_missing_metadata": (
        View(title="Alle", columns="subject missing projects last_activity_at url", sort="-last_activity_at"),
    ),
    "cost_groups": (View(title="DIN 276", columns="label number aliases parent_id >files >tasks", sort="number"),),
    "link_rules": (
        View(
            title="Regeln",
            columns="name is_enabled decides reads pattern project_id cost_group_id document_type_id building level"
            " room priority confidence note",
            sort="decides",
        ),
    ),
    "link_decisions": (View(title="Entscheidungen", sort="-decided_at"),),
    "email_attachments": (
        View(
            title="Alle Anhänge",
            columns="name email_id size_bytes media_type file_id skip_reason saved_at download_url",
            where=_LIVE,
        ),
    ),
    "time_entries": (
        View(
            title="Alle Zeiteinträge",
            columns="description person_id project_id task_id spent_at =Dauer is_billable",
            where=_LIVE,
            sort="-spent_at",
        ),
    ),
}

PLAIN = View(title="Alle")
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
