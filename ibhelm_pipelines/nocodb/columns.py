"""Columns in NocoDB: their German titles, their types, and which of them may be edited.

Types change nothing in Postgres: only those are given that NocoDB sets by itself for a column of that kind. Read-only
is what our grants say, always: NocoDB answers a refused edit of several rows with "done" (0.301), so it must not try.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.nocodb.labels import LINKS, column_title, table_title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ibhelm_pipelines.nocodb.client import NocoDB
    from ibhelm_pipelines.nocodb.office import Column, Made, Office, OurColumn, Table

TEXT_KINDS = ("LongText", "SingleLineText")
LONG_TEXTS = (
    *("body", "body_html", "body_text", "description", "description_html", "html", "note", "paths"),
    *("quoted_text", "reason", "signature", "suggestions", "text"),
)
KINDS_BY_NAME: Mapping[str, str] = {
    "thumbnail": "Attachment",
    "url": "URL",
    "nas_url": "URL",
    "download_url": "URL",
    "avatar_url": "URL",
    "website": "URL",
}
META_BY_KIND: Mapping[str, Mapping[str, Any]] = {
    "Date": {"date_format": "DD.MM.YYYY"},
    "DateTime": {
        "date_format": "DD.MM.YYYY",
        "time_format": "HH:mm",
        "is12hrFormat": False,
        "timezone": "Europe/Berlin",
    },
    "Number": {"isLocaleString": True},
}

DISPLAY_NAMES = ("label", "name", "subject", "folder", "path", "tag", "description", "body", "what", "reason")
"""Which column stands for its row in links, cards and lists: the first of these that a table has."""

DURATIONS: Mapping[tuple[str, str], str] = {
    ("tasks", "estimate_minutes"): "Schätzung",
    ("time_entries", "minutes"): "Dauer",
    ("project_participants", "minutes"): "Zeit",
}
"""Minutes that are also shown as hours and minutes, by a formula: NocoDB's own type counts seconds."""


@dataclass
class Changes:
    """What was done to one table.

    Attributes:
        changed: how many columns were changed.
        kept: titles of columns that a person named or typed otherwise.
        failed: what NocoDB refused, in sentences.
    """

    changed: int = 0
    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    title: str
    kind: str
    readonly: bool
    choices: tuple[str, ...] = ()


def apply_columns(noco: NocoDB, table: Table, tables: Mapping[str, Table], office: Office, made: Made) -> Changes:
    """Bring the columns of one table up to date.

    Args:
        tables: all tables, by NocoDB's id.
    """
    changes = Changes()
    titles = _titles(table, tables)
    waiting = list(table.columns)
    while waiting:  # a title may be free only when another column has given it up
        failed: dict[str, tuple[Column, str]] = {}
        for column in waiting:
            wanted = _wanted(table, column, titles[column.id], office)
            try:
                _apply(noco, column, wanted, made, changes)
            except PermanentError as error:
                failed[column.id] = (column, f"{table.title}.{column.name or column.title}: {error.problem}")
        if len(failed) == len(waiting):
            changes.failed += [problem for _, problem in failed.values()]
            break
        waiting = [column for column, _ in failed.values()]
    _apply_display(noco, table, made, changes)
    return changes


def _wanted(table: Table, column: Column, title: str, office: Office) -> _Wanted:
    ours = office.get(table.name, {}).get(column.name) if column.link is None else None
    if ours is None:
        return _Wanted(title=title, kind=column.kind, readonly=bool(column.body.get("readonly")))
    is_plain = column.kind != "ForeignKey"  # of a link NocoDB takes a title only
    return _Wanted(
        title=title,
        kind=_kind(column, ours),
        readonly=not ours.is_writable and is_plain,
        choices=ours.choices,
    )


def _kind(column: Column, ours: OurColumn) -> str:
    if column.body["dt"] != "text" or column.kind == "ForeignKey":
        return column.kind
    if ours.choices:
        return "SingleSelect"
    return KINDS_BY_NAME.get(column.name) or ("LongText" if column.name in LONG_TEXTS else "SingleLineText")


def _apply(noco: NocoDB, column: Column, wanted: _Wanted, made: Made, changes: Changes) -> None:
    thing = f"column/{column.id}"
    before: dict[str, Any] = made.things.get(thing, {})
    current = {"title": column.title, "kind": column.kind}
    aims = {"title": wanted.title, "kind": wanted.kind}
    if column.kind not in (wanted.kind, *TEXT_KINDS):  # what a person retyped stays, and what we retyped stays so, too
        aims["kind"] = column.kind
    due = {
        name: aim
        for name, aim in aims.items()
        if current[name] != aim and before.get(name, current[name]) == current[name]
    }
    changes.kept += [
        f"{column.title} ({aims[name]})" for name in aims if current[name] != aims[name] and name not in due
    ]
    meta = {**(column.body.get("meta") or {}), **META_BY_KIND.get(wanted.kind, {})}
    is_new = not before and meta != (column.body.get("meta") or {})
    if due or is_new or bool(column.body.get("readonly")) != wanted.readonly:
        body = {**column.body, "title": due.get("title", column.title), "readonly": wanted.readonly, "meta": meta}
        _send(noco, column, body, due.get("kind"), wanted.choices)
        changes.changed += 1
    made.note(thing, {name: due.get(name, before.get(name, current[name])) for name in aims})


def _send(noco: NocoDB, column: Column, body: dict[str, Any], kind: str | None, choices: tuple[str, ...]) -> None:
    if kind is not None:
        body["uidt"] = kind
    if kind == "SingleSelect":
        # Said this way NocoDB leaves the column's default alone; with a list of options it would write it anew.
        body.pop("colOptions", None)
        body["dtxp"] = ",".join(f"'{choice}'" for choice in choices)
    noco.send("PATCH", f"/api/v2/meta/columns/{column.id}", body)


def _apply_display(noco: NocoDB, table: Table, made: Made, changes: Changes) -> None:
    columns = [column for name in DISPLAY_NAMES if (column := table.column(name)) is not None]
    now = next((column.id for column in table.columns if column.body.get("pv")), None)
    thing = f"table/{table.id}/display"
    if not columns or not made.is_ours(thing, now):
        return
    if columns[0].id != now:
        noco.send("POST", f"/api/v2/meta/columns/{columns[0].id}/primary")
        changes.changed += 1
    made.note(thing, columns[0].id)


def apply_durations(noco: NocoDB, table: Table, made: Made) -> None:
    """Add columns that show minutes as hours and minutes; one that a person deleted is not made again."""
    for (name, source), title in DURATIONS.items():
        thing = f"duration/{table.id}/{source}"
        minutes = table.column(source) if table.name == name else None
        if minutes is None or thing in made.things:
            continue
        display = {"display_type": "Duration", "display_column_meta": {"meta": {"duration": 0}, "custom": {}}}
        body = {"title": title, "uidt": "Formula", "formula_raw": f"{{{minutes.title}}} * 60", "meta": display}
        noco.send("POST", f"/api/v2/meta/tables/{table.id}/columns", body)
        made.note(thing, title)


def _titles(table: Table, tables: Mapping[str, Table]) -> dict[str, str]:
    """Return the titles by NocoDB's ids, each once."""
    titles: dict[str, str] = {}
    used: Counter[str] = Counter()
    # Links after columns, so that a column never gives way to one.
    for column in sorted(table.columns, key=lambda each: each.link is not None):
        title = _link_title(table, column, tables) if column.link else _own_title(table, column)
        used[title] += 1
        titles[column.id] = title if used[title] == 1 else f"{title} ({used[title]})"
    return titles


def _own_title(table: Table, column: Column) -> str:
    if not column.body["dt"]:  # a person's own formula, lookup or button
        return column.title
    title = column_title(table.name, column.name)
    return f"{title} Nr." if column.kind == "ForeignKey" else title


def _link_title(table: Table, column: Column, tables: Mapping[str, Table]) -> str:
    related = tables.get(column.options["fk_related_model_id"])
    if related is None:
        return column.title
    if column.link == "mm":
        return table_title(related.name)
    key = column.options["fk_child_column_id"]
    own = next((each for each in table.columns if each.id == key), None)
    if own is not None and (related.id != table.id or column.link == "bt"):
        return column_title(table.name, own.name)
    foreign = next((each.name for each in related.columns if each.id == key), "")
    if named := LINKS.get((related.name, foreign)):
        return named
    of_same = list(_links_from(table, related))
    plain = table_title(related.name)
    return plain if len(of_same) == 1 else f"{plain} ({column_title(related.name, foreign)})"


def _links_from(table: Table, related: Table) -> Iterator[Column]:
    return (
        column
        for column in table.columns
        if column.link in ("hm", "oo") and column.options["fk_related_model_id"] == related.id
    )
