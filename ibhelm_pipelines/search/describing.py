"""From ids to what people read of a document: names, passages, links, and why it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.search.results import Hit
from ibhelm_pipelines.search.snippets import highlighted, snippets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.search.query import Query
    from ibhelm_pipelines.search.results import Lane, Snippet

LANES: tuple[Lane, ...] = ("words", "names", "vectors")

_REASONS: dict[Lane, str] = {
    "words": "Die Wörter kommen vor",
    "names": "Teile des Namens passen",
    "vectors": "Ähnliche Bedeutung",
}


def describe(
    connection: Connection, ranked: Sequence[Any], query: Query | None, *, model: int | None, with_snippets: bool = True
) -> tuple[Hit, ...]:
    """Return these documents as hits, in their order.

    Args:
        connection: to ask what they are called.
        ranked: rows with document_id, score, words_rank, names_rank, vectors_rank and ordinal, as search.hits has them.
        query: what is marked in them.
        model: whose chunks the ordinals are of.
        with_snippets: whether passages are looked for.
    """
    places = {row.document_id: row for row in ranked}
    values = {
        "ids": [row.document_id for row in ranked],
        "ordinals": [row.ordinal for row in ranked],
        "model": model,
        "with_body": with_snippets and query is not None,
    }
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(load_queries("search")["described"], values).fetchall()
    return tuple(_hit(row, places[row.id], query, with_snippets=with_snippets) for row in rows)


def _hit(row: Any, place: Any, query: Query | None, *, with_snippets: bool) -> Hit:
    ranks: dict[Lane, int] = {lane: rank for lane in LANES if (rank := getattr(place, f"{lane}_rank")) is not None}
    title = highlighted(row.title, query) if query else ((row.title, False),)
    found: tuple[Snippet, ...] = ()
    if with_snippets and query:
        found = snippets(row.body, query, start=row.start_at, length=row.length)
    return Hit(
        document_id=row.id,
        kind=row.kind,
        item_id=row.item_id,
        title=row.title,
        title_parts=title,
        context=row.context,
        occurred_at=row.occurred_at,
        extension=row.extension or None,
        projects=tuple((number, name) for number, name in row.projects),
        document_type=row.document_type,
        cost_groups=tuple(row.cost_groups),
        preview_url=row.preview_url,
        url=row.url,
        folder_url=_folder_url(row.nas_url),
        snippets=found,
        score=place.score,
        ranks=ranks,
        because=_reasons(ranks, any(is_found for _, is_found in title)),
    )


def _folder_url(nas_url: str | None) -> str | None:
    return nas_url.rpartition("/")[0] + "/" if nas_url and nas_url.startswith("smb://") else None


def _reasons(ranks: Mapping[Lane, int], in_title: bool) -> tuple[str, ...]:
    reasons = [_REASONS[lane] for lane in ranks]
    if in_title and "words" in ranks:
        reasons[0] = "Die Wörter stehen im Titel"
    return tuple(reasons)
