"""Views in NocoDB: made where they are missing, and brought up to date where nobody changed them.

Columns, filters and sorts are each compared with what the set-up wrote last: what a person hid, moved, widened, added
or took away stays. Views of people's own are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.nocodb.views import MAIN, View, is_wanted, views_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.nocodb.client import NocoDB
    from ibhelm_pipelines.nocodb.office import Column, Made, Table

TYPES: Mapping[str, tuple[int, str]] = {
    "grid": (3, "grids"),
    "gallery": (2, "galleries"),
    "kanban": (4, "kanbans"),
    "calendar": (6, "calendars"),
}
"""NocoDB's number of each kind of view, and what its address is called."""

WIDTHS: Mapping[str, str] = {"name": "280px", "subject": "280px", "label": "280px", "path": "320px", "what": "320px"}
WIDTH = "160px"


@dataclass
class Laid:
    """What was done to the views of one table."""

    made: int = 0
    changed: int = 0
    kept: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Lookup:
    """Finds the columns of a table by the names that views use (see views)."""

    table: Table
    tables: Mapping[str, Table]

    def column(self, name: str) -> Column | None:
        """Return the column that is shown under a name."""
        if name.startswith("="):
            return next((column for column in self.table.columns if column.title == name[1:]), None)
        if name.startswith(">"):
            links = [column for column in self.table.columns if column.link in ("mm", "hm")]
            return next((column for column in links if self._target(column) == name[1:]), None)
        own = self.table.column(name)
        if own is None or own.kind != "ForeignKey":
            return own
        return next(
            (each for each in self.table.columns if each.link and each.options["fk_child_column_id"] == own.id), own
        )

    def _target(self, column: Column) -> str:
        related = self.tables.get(column.options["fk_related_model_id"])
        return related.name if related else ""


@dataclass(frozen=True, kw_only=True)
class _Place:
    """One view of ours in NocoDB."""

    noco: NocoDB
    lookup: _Lookup
    view: View
    id: str
    made: Made
    laid: Laid

    @property
    def thing(self) -> str:
        return f"view/{self.id}"


def lay_out(noco: NocoDB, table: Table, tables: Mapping[str, Table], made: Made) -> Laid:
    """Bring the views of one table up to date.

    Args:
        tables: all tables, by NocoDB's id.
    """
    laid = Laid()
    lookup = _Lookup(table=table, tables=tables)
    for view in views_of(table.name):
        view_id = _find_or_make(noco, lookup, view, made, laid)
        if view_id is not None:
            place = _Place(noco=noco, lookup=lookup, view=view, id=view_id, made=made, laid=laid)
            _title(place)
            _row_height(place)
            _columns(place)
            _filters(place)
            _sorts(place)
    return laid


def _find_or_make(noco: NocoDB, lookup: _Lookup, view: View, made: Made, laid: Laid) -> str | None:
    table = lookup.table
    thing = f"table/{table.id}/view/{view.key}"
    ids = {each["id"] for each in table.views}
    if made.things.get(thing) in ids:
        return str(made.things[thing])
    if view.key == MAIN and thing not in made.things and table.views:
        view_id = str(min(table.views, key=lambda each: each["order"])["id"])
    else:
        body = _body(lookup, view)
        if body is None:
            return None
        view_id = str(noco.send("POST", f"/api/v2/meta/tables/{table.id}/{TYPES[view.kind][1]}", body)["id"])
        laid.made += 1
    made.note(thing, view_id)
    return view_id


def _body(lookup: _Lookup, view: View) -> dict[str, Any] | None:
    """Return what NocoDB needs to make the view; None where a column that it rests on is not there."""
    body: dict[str, Any] = {"title": view.title, "type": TYPES[view.kind][0]}
    for wanted, name, kind in (
        (view.cover, "fk_cover_image_col_id", "Attachment"),
        (view.stack, "fk_grp_col_id", "SingleSelect"),
    ):
        if wanted:
            column = lookup.column(wanted)
            if column is None or column.kind != kind:
                return None
            body[name] = column.id
    if view.date:
        column = lookup.column(view.date)
        if column is None:
            return None
        body["calendar_range"] = [{"fk_from_column_id": column.id}]
    return body


def _title(place: _Place) -> None:
    """A new view has its title; the first one of a table still has the table's name."""
    current = next((each["title"] for each in place.lookup.table.views if each["id"] == place.id), place.view.title)
    thing = f"{place.thing}/title"
    if current != place.view.title and place.made.is_ours(thing, current):
        place.noco.send("PATCH", f"/api/v2/meta/views/{place.id}", {"title": place.view.title})
        place.laid.changed += 1
        current = place.view.title
    if thing not in place.made.things or current == place.view.title:
        place.made.note(thing, place.view.title)


def _row_height(place: _Place) -> None:
    thing = f"{place.thing}/row_height"
    if place.view.row_height is not None and thing not in place.made.things:
        place.noco.send("PATCH", f"/api/v2/meta/grids/{place.id}", {"row_height": place.view.row_height})
        place.made.note(thing, place.view.row_height)


def _columns(place: _Place) -> None:
    current = place.noco.get(f"/api/v3/meta/views/{place.id}/columns")["fields"]
    thing = f"{place.thing}/columns"
    before: dict[str, Any] = place.made.things.get(thing, {})
    due: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for column_id, wanted in _wanted_columns(place).items():
        now = _stand(current.get(column_id), wanted)
        is_ours = column_id not in before or _stand(before[column_id], wanted) == now
        after[column_id] = wanted if is_ours else before[column_id]
        if is_ours and now != wanted:
            due[column_id] = wanted
        elif not is_ours:
            place.laid.kept.append(place.view.title)
    if due:
        place.noco.send("PATCH", f"/api/v3/meta/views/{place.id}/columns", {"fields": due})
        place.laid.changed += 1
    place.made.note(thing, after)


def _stand(column: Mapping[str, Any] | None, like: Mapping[str, Any]) -> dict[str, Any]:
    """Return of what NocoDB says the part that we say something of, spelled as we do."""
    stand = {name: (column or {}).get(name) for name in like}
    return stand | {"show": bool(stand["show"]), "order": float(stand["order"] or 0)}


def _wanted_columns(place: _Place) -> dict[str, dict[str, Any]]:
    """Return for each column, by its id, whether and where it is shown."""
    table, view = place.lookup.table, place.view
    named = [column for name in view.columns.split() if (column := place.lookup.column(name)) is not None]
    if not view.columns:
        named = [column for column in table.columns if _is_plain(column)]
    shown = list(dict.fromkeys(column.id for column in named))
    display = [column.id for column in table.columns if column.body.get("pv") and view.kind == "grid"]
    order = dict.fromkeys(display + shown + [column.id for column in table.columns])
    visible = {*shown, *display}
    wanted: dict[str, dict[str, Any]] = {
        each: {"show": each in visible, "order": float(at)} for at, each in enumerate(order, start=1)
    }
    if view.kind == "grid":
        for column in named:
            wanted[column.id] |= {"width": WIDTHS.get(column.name, WIDTH)}
        if view.group and (column := place.lookup.column(view.group)) is not None:
            wanted[column.id] |= {"group_by": True, "group_by_order": 1, "group_by_sort": "asc"}
    return wanted


def _is_plain(column: Column) -> bool:
    """Whether a column is shown where nobody says which ones are."""
    if column.body.get("system") and column.link is None:
        return False
    if column.link == "bt":
        return True
    return column.link is None and is_wanted(column.name) and column.kind != "SpecificDBType"


def _filters(place: _Place) -> None:
    lookup = place.lookup
    wanted = [
        {"fk_column_id": column.id, "comparison_op": comparison, "value": value}
        for name, comparison, value in place.view.where
        if (column := lookup.table.column(name) if comparison.endswith("null") else lookup.column(name)) is not None
    ]
    _rewrite(place, "filters", wanted, {"logical_op": "and"})


def _sorts(place: _Place) -> None:
    name = place.view.sort or ""
    column = place.lookup.column(name.removeprefix("-"))
    direction = "desc" if name.startswith("-") else "asc"
    _rewrite(place, "sorts", [{"fk_column_id": column.id, "direction": direction}] if column else [], {})


def _rewrite(place: _Place, what: str, wanted: list[dict[str, Any]], more: Mapping[str, Any]) -> None:
    """Make a view's filters or sorts what they should be, all of them, unless a person changed one."""
    path = f"/api/v2/meta/views/{place.id}/{what}"
    listed = sorted(place.noco.get(path)["list"], key=lambda each: each["order"] or 0)
    names = {"filters": ("fk_column_id", "comparison_op", "value"), "sorts": ("fk_column_id", "direction")}[what]
    current = [{name: each[name] for name in names} for each in listed]
    thing = f"{place.thing}/{what}"
    if current != wanted and current != place.made.things.get(thing, []):
        place.laid.kept.append(place.view.title)
        return
    if current != wanted:
        for each in listed:
            place.noco.send("DELETE", f"/api/v2/meta/{what}/{each['id']}")
        for each in wanted:
            place.noco.send("POST", path, {**each, **more})
        place.laid.changed += 1
    place.made.note(thing, wanted)
