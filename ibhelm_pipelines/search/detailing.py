"""All that there is to say about one document, and what resembles it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.search.describing import describe
from ibhelm_pipelines.search.results import Detail, Hit, Link, Neighbour, Version

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection

_CHUNKS_PER_HIT = 8
"""So many near chunks are looked at for each document that is asked for: several may be of one text."""


def detail(connection: Connection, document_id: int) -> Detail | None:
    """Return all about a document; None where there is none."""
    places = _rows(connection, "place_of", document_id)
    if not places:
        return None
    [hit] = describe(connection, places, None, model=None, with_snippets=False)
    [own] = _rows(connection, "detail_of", document_id)
    return Detail(
        hit=hit,
        body=own.body,
        size_bytes=own.size_bytes,
        language=own.language,
        people=tuple((row.name, row.part) for row in _rows(connection, "people_of", document_id)),
        versions=tuple(_version(row) for row in _rows(connection, "versions_of", document_id)),
        links=tuple(
            Link(target=row.target, label=row.target_name, because=row.rule)
            for row in _rows(connection, "links_of", document_id)
        ),
        copies=tuple(row.path for row in _rows(connection, "copies_of", document_id)),
        neighbours=tuple(_neighbour(row) for row in _rows(connection, "neighbours_of", document_id)),
    )


def similar(connection: Connection, document_id: int, limit: int) -> tuple[Hit, ...]:
    """Return the documents whose texts mean most nearly the same, the nearest first."""
    model = connection.execute(load_queries("search")["serving_model"]).fetchone()
    if model is None:
        return ()
    values = {"model": model[0], "limit": limit, "most": limit * _CHUNKS_PER_HIT}
    return describe(connection, _rows(connection, "similar_to", document_id, **values), None, model=model[0])


def _rows(connection: Connection, query: str, document_id: int, **values: object) -> list[Any]:
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(load_queries("search")[query], {"id": document_id, **values}).fetchall()


def _version(row: Any) -> Version:
    return Version(path=row.path, size_bytes=row.size_bytes, since=row.valid_from, until=row.valid_to)


def _neighbour(row: Any) -> Neighbour:
    return Neighbour(document_id=row.id, kind=row.kind, title=row.title, occurred_at=row.occurred_at)
