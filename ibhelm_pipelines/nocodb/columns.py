"""Columns in NocoDB: their German titles, their types, and which of them may be edited.

Types change nothing in Postgres: only those are given that NocoDB sets by itself for a column of that kind. Read-only
is what our grants say, always: NocoDB answers a refused edit of several rows with "done" (0.301), so it must not try.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.nocodb.labels import LINKS, column_title, is_vendor_id, row_title, table_title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
    "other_url": "URL",
    "website": "URL",
}
META_BY_KIND: Mapping[str, Mapping[str, Any]] = {
    "Date": {"date_format": "DD.MM.YYYY"},
    "DateTime": {
        "date_format": "DD.MM.YYYY",
        "time_format": "HH:mm",
        "is12hrFormat": False,
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
class _Plan:
    """What is to be done to one column.

    Attributes:
        body: as it is to be; empty where nothing is to be done.
        note: what is remembered of it.
        kept: what a person has otherwise.
    """

    column: Column
    thing: str
    body: dict[str, Any]
    note: dict[str, Any]
    kept: list[str]


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    title: str
    kind: str
    readonly: bool
    choices: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


def apply_columns(noco: NocoDB, table: Table, tables: Mapping[str, Table], office: Office, made: Made) -> Changes:
    """Bring the columns of one table up to date.

    Args:
        tables: all tables, by NocoDB's id.
    """
    changes = Changes()
    titles = _titles(table, tables)
    plans = [_plan(column, _wanted(table, column, titles[column.id], office, tables), made) for column in table.columns]
    changes.kept = [kept for plan in plans for kept in plan.kept]
    waiting = [plan for plan in plans if plan.body]
    for plan in plans:
        if not plan.body:
            made.note(plan.thing, plan.note)
    while waiting:  # a title may be free only when another column has given it up
        failed = _send(noco, table, waiting)
        for plan in waiting:
            if plan.column.id not in failed:
                made.note(plan.thing, plan.note)
        changes.changed += len(waiting) - len(failed)
        if len(failed) == len(waiting):
            changes.failed = [f"{table.title}.{plan.column.name}: {failed[plan.column.id]}" for plan in waiting]
            break
        waiting = [plan for plan in waiting if plan.column.id in failed]
    _apply_display(noco, table, made, changes)
    return changes


def _wanted(table: Table, column: Column, title: str, office: Office, tables: Mapping[str, Table]) -> _Wanted:
    ours = office.get(table.name, {}).get(column.name) if column.link is None else None
    if ours is None:
        meta = _counted(tables.get(column.options["fk_related_model_id"])) if column.kind == "Links" else {}
        return _Wanted(title=title, kind=column.kind, readonly=bool(column.body.get("readonly")), meta=meta)
    # Of a link NocoDB takes a title only; a key names the row in every edit of several rows.
    is_plain = column.kind != "ForeignKey" and not column.body["pk"]
    kind = _kind(column, ours)
    return _Wanted(
        title=title,
        kind=kind,
        readonly=not ours.is_writable and is_plain,
        choices=ours.choices,
        meta=META_BY_KIND.get(kind, {}),
    )


def _counted(related: Table | None) -> dict[str, str]:
    return {"singular": row_title(related.name), "plural": table_title(related.name)} if related else {}


def _kind(column: Column, ours: OurColumn) -> str:
    if column.body["dt"] != "text" or column.kind == "ForeignKey":
        return column.kind
    if ours.choices:
        return "SingleSelect"
    return KINDS_BY_NAME.get(column.name) or ("LongText" if column.name in LONG_TEXTS else "SingleLineText")


def _plan(column: Column, wanted: _Wanted, made: Made) -> _Plan:
    thing = f"column/{column.id}"
    before: dict[str, Any] = made.things.get(thing, {})
    current = {"title": column.title, "kind": column.kind}
    aims = {"title": wanted.title, "kind": wanted.kind}
    if column.kind not in (wanted.kind, *TEXT_KINDS):  # what a person retyped stays, and what we retyped stays so, too
        aims["kind"] = column.kind
    differing = [name for name, aim in aims.items() if current[name] != aim]
    due = {name: aims[name] for name in differing if before.get(name, current[name]) == current[name]}
    now = column.body.get("meta") or {}
    meta = {**now, **wanted.meta} if not before else now
    is_due = due or meta != now or bool(column.body.get("readonly")) != wanted.readonly
    body = {**column.body, "title": due.get("title", column.title), "readonly": wanted.readonly, "meta": meta}
    if "kind" in due:
        body |= {"uidt": wanted.kind, **_choices(wanted)}
    return _Plan(
        column=column,
        thing=thing,
        body=body if is_due else {},
        note={name: due.get(name, before.get(name, current[name])) for name in aims},
        kept=[f"{column.title} (else {aims[name]})" for name in differing if name not in due],
    )


def _choices(wanted: _Wanted) -> dict[str, Any]:
    """Say what may be chosen so that NocoDB leaves the column's default alone; as options it would write it anew."""
    if wanted.kind != "SingleSelect":
        return {}
    return {"colOptions": None, "dtxp": ",".join(f"'{choice}'" for choice in wanted.choices)}


def _send(noco: NocoDB, table: Table, plans: Sequence[_Plan]) -> dict[str, str]:
    """Change columns of one table; return what NocoDB says of those that it did not change, by their ids."""
    path = f"/api/v2/meta/tables/{table.id}/columns"
    steps = [{"op": "update", "column": plan.body} for plan in plans]
    answer = noco.send("POST", f"{path}/bulk", {"hash": noco.get(f"{path}/hash")["hash"], "ops": steps})
    return {each["column"]["id"]: str(each.get("error")) for each in answer["failedOps"]}


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


def add_durations(noco: NocoDB, table: Table, made: Made) -> None:
    """Add columns that show minutes as hours and minutes; one that a person deleted is not made again."""
    display = {"display_type": "Duration", "display_column_meta": {"meta": {"duration": 0}, "custom": {}}}
    for (name, source), title in DURATIONS.items():
        thing = f"table/{table.id}/added/{title}"
        minutes = table.column(source) if table.name == name else None
        if minutes is not None and thing not in made.things:
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
    is_number = column.name.endswith("_id") and not is_vendor_id(column.name) and not title.endswith("Nr.")
    return f"{title} Nr." if column.kind == "ForeignKey" or is_number else title


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
