"""How many of the documents that were found have which project, kind, year ...; and what to type to ask for it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from psycopg.rows import namedtuple_row

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.folding import folded
from ibhelm_pipelines.search.filters import KINDS
from ibhelm_pipelines.search.results import FacetValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.search.query import Query
    from ibhelm_pipelines.search.results import FacetName

MOST_VALUES = 12
"""Of each facet: more nobody reads; a filter can be typed."""

FIELDS: dict[FacetName, str] = {
    "project": "projekt",
    "kind": "art",
    "type": "typ",
    "cost_group": "kg",
    "year": "jahr",
    "person": "person",
    "company": "firma",
    "place": "ort",
    "extension": "ext",
}
"""In the order in which people see them."""

_KIND_LABELS = {kind: label for label, kinds in KINDS.items() for kind in kinds}


def count_facets(connection: Connection, ids: Sequence[int], query: Query) -> dict[FacetName, tuple[FacetValue, ...]]:
    """Count over these documents.

    Args:
        connection: to ask.
        ids: of documents.
        query: whose filters are those that are chosen.
    """
    if not ids:
        return {}
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        values = {"ids": list(ids), "most": MOST_VALUES}
        rows: list[Any] = cursor.execute(load_queries("search")["facets"], values).fetchall()
    chosen = {(each.field, folded(each.value)) for each in query.filters if not each.is_excluded}
    counted: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for row in rows:
        label, value = _label_and_value(row)
        counted[row.facet][label, value] = counted[row.facet].get((label, value), 0) + row.documents
    return {
        name: tuple(_value(name, label, value, count, chosen) for (label, value), count in counted[name].items())
        for name in FIELDS
        if counted[name]
    }


def _value(name: FacetName, label: str, value: str, count: int, chosen: set[tuple[str, str]]) -> FacetValue:
    field = FIELDS[name]
    term = f'{field}:"{value}"' if set(value) & set(' "()|') else f"{field}:{value}"
    return FacetValue(label=label, count=count, term=term, is_chosen=(field, folded(value)) in chosen)


def _label_and_value(row: Any) -> tuple[str, str]:
    """Return what people read and what they would type; the number of a project where it has one."""
    label = cast("str", row.label)
    match row.facet:
        case "kind":
            label = _KIND_LABELS[row.value]
            return label, label
        case "project":
            return label, row.project_number or label.replace('"', "")
        case "cost_group":
            return label, str(row.cost_group or row.value)
        case _:
            return label, label.replace('"', "")
