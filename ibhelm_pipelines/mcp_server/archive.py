"""Items as an assistant gets them: by search, by id, by likeness; each with what is needed to cite it.

Invariant: an item that was deleted is not there, whatever its id: what can be had is what can be found.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

from psycopg.rows import namedtuple_row

from ibhelm_pipelines.db.connect import open_pool, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.mcp_server import answers
from ibhelm_pipelines.search.describing import describe
from ibhelm_pipelines.search.finding import WAIT_SECONDS, open_finder
from ibhelm_pipelines.search.results import DocumentKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection, Pool
    from ibhelm_pipelines.search.finding import Finder
    from ibhelm_pipelines.search.results import Detail, FacetValue, Hit, Snippet
    from ibhelm_pipelines.settings import Settings

KINDS: tuple[DocumentKind, ...] = get_args(DocumentKind)
NARROWING_TERMS = 5
LARGEST_ID = 2**63 - 1
MOST_PEOPLE = 100
MOST_VERSIONS = 50

_ID = re.compile(rf"({'|'.join(KINDS)}):([0-9]{{1,19}})")
_WITH_ATTACHMENTS = ("email", "email_comment")


@contextmanager
def open_archive(settings: Settings) -> Iterator[Archive]:
    """Answer for the length of the block; nothing is asked before the first question.

    Raises:
        ConfigurationError: there is no database URL.
    """
    url = settings.require_database_url()
    with (
        open_finder(settings) as finder,
        open_pool(url, application="mcp", max_size=2, wait_seconds=WAIT_SECONDS) as pool,
    ):
        yield Archive(finder, pool)


class Archive:
    """What is asked about items; any number of threads may ask at once.

    Args:
        finder: the search.
        pool: for what the search does not say of items.
    """

    def __init__(self, finder: Finder, pool: Pool) -> None:
        self._finder, self._pool = finder, pool
        self._sql = load_queries("mcp")

    def search(self, query: str, limit: int, cursor: str | None) -> answers.SearchAnswer:
        """Return a page of what is found."""
        results = self._finder.search(query, limit=limit, cursor=cursor, facets=cursor is None)
        return answers.SearchAnswer(
            items=tuple(map(_found_item, results.hits)),
            total=results.total,
            is_total_exact=not results.is_capped,
            next_cursor=results.cursor,
            narrow={name: _narrowing(values) for name, values in results.facets.items() if values},
            suggestion=results.suggestion,
            problems=results.problems,
            without_meaning=results.without_vectors,
        )

    def similar(self, item: str, limit: int) -> answers.SimilarAnswer:
        """Return what means nearly the same as an item."""
        with self.connected() as connection:
            document = self._document(connection, item)
        return answers.SimilarAnswer(items=tuple(map(_found_item, self._finder.similar(document, limit=limit))))

    def get_item(self, item: str, offset: int, length: int) -> answers.ItemAnswer:
        """Return everything about an item, and a stretch of its text."""
        with self.connected() as connection:
            detail = self._finder.detail(self._document(connection, item))
            if detail is None:
                raise _no_such_item(item)
            neighbours = self.items(connection, [each.document_id for each in detail.neighbours])
            return self._item_answer(connection, detail, neighbours, offset, length)

    def items(self, connection: Connection, documents: Sequence[int]) -> tuple[answers.Item, ...]:
        """Return documents as items, in their order."""
        places = self._rows(connection, "places", ids=list(documents))
        hits = describe(connection, places, None, model=None, with_snippets=False)
        return tuple(answers.Item(**_citation(hit)) for hit in hits)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Lend a connection that does not write."""
        with translated_errors(), self._pool.connection() as connection, connection.transaction():
            connection.execute("set transaction read only")
            yield connection

    def _document(self, connection: Connection, item: str) -> int:
        match = _ID.fullmatch(item.strip())
        if match is None:
            raise PermanentError(
                f"`{item[:100]}` is no id of an item.",
                next_step=f"Ids are as `search` gives them, such as file:123; kinds are {', '.join(KINDS)}.",
            )
        rows = []
        if int(match[2]) <= LARGEST_ID:
            rows = self._rows(connection, "document_of", kind=match[1], item_id=int(match[2]))
        if not rows:
            raise _no_such_item(item)
        return int(rows[0].id)

    def _item_answer(
        self, connection: Connection, detail: Detail, neighbours: tuple[answers.Item, ...], offset: int, length: int
    ) -> answers.ItemAnswer:
        hit = detail.hit
        return answers.ItemAnswer(
            item=answers.Item(**_citation(hit)),
            folder_url=hit.folder_url,
            language=detail.language,
            details=self._details(connection, hit),
            people=tuple(answers.Person(name=name, part=part) for name, part in detail.people[:MOST_PEOPLE]),
            versions=tuple(answers.ItemVersion(**vars(version)) for version in detail.versions[:MOST_VERSIONS]),
            links=tuple(answers.ItemLink(**vars(link)) for link in detail.links),
            copies=detail.copies,
            attachments=self._attachments(connection, hit),
            neighbours=neighbours,
            text=stretch(self._text(connection, detail), offset, length),
        )

    def _details(self, connection: Connection, hit: Hit) -> dict[str, Any]:
        rows = self._rows(connection, f"details_of_{hit.kind}", item_id=hit.item_id)
        return {name: value for name, value in rows[0][0].items() if value is not None} if rows else {}

    def _attachments(self, connection: Connection, hit: Hit) -> tuple[answers.Attachment, ...]:
        if hit.kind not in _WITH_ATTACHMENTS:
            return ()
        rows = self._rows(connection, "attachments_of", kind=hit.kind, item_id=hit.item_id)
        return tuple(
            answers.Attachment(
                name=row.name,
                size_bytes=row.size_bytes,
                file=None if row.file_id is None else f"file:{row.file_id}",
                url=row.url,
                not_fetched_because=row.skip_reason,
            )
            for row in rows
        )

    def _text(self, connection: Connection, detail: Detail) -> str:
        if detail.hit.kind != "file":
            return detail.body
        rows = self._rows(connection, "text_of_file", item_id=detail.hit.item_id)
        return str(rows[0].text) if rows else ""

    def _rows(self, connection: Connection, query: str, **values: object) -> list[Any]:
        with connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(self._sql[query], values).fetchall()


def stretch(text: str, offset: int, length: int) -> answers.Text:
    """Return a stretch of a text, in which form feeds part the pages."""
    content, end = text[offset : offset + length], offset + length
    has_pages = "\f" in text
    page = 1 + text.count("\f", 0, offset)
    first, *others = content.split("\f")
    marked = "".join(f"\n[page {number}]\n{part}" for number, part in enumerate(others, page + 1))
    return answers.Text(
        content=first + marked,
        page=page if has_pages else None,
        offset=offset,
        total=len(text),
        next_offset=end if end < len(text) else None,
    )


def _citation(hit: Hit) -> dict[str, Any]:
    """Return what every item has."""
    return {
        "id": f"{hit.kind}:{hit.item_id}",
        "kind": hit.kind,
        "title": hit.title,
        "projects": tuple(answers.ProjectName(id=f"project:{number}", name=name) for number, name in hit.projects),
        "date": hit.occurred_at,
        "url": hit.url,
        "context": hit.context,
        "document_type": hit.document_type,
        "cost_groups": hit.cost_groups,
    }


def _found_item(hit: Hit) -> answers.FoundItem:
    return answers.FoundItem(**_citation(hit), passages=tuple(map(_passage, hit.snippets)), because=hit.because)


def _passage(snippet: Snippet) -> answers.Passage:
    return answers.Passage(page=snippet.page, text="".join(text for text, _ in snippet.parts))


def _narrowing(values: Sequence[FacetValue]) -> tuple[answers.Narrowing, ...]:
    shown = values[:NARROWING_TERMS]
    return tuple(answers.Narrowing(term=value.term, label=value.label, count=value.count) for value in shown)


def _no_such_item(item: str) -> PermanentError:
    return PermanentError(
        f"There is no item {item.strip()}.",
        next_step="It was deleted, is not in the search yet, or never was; `search` finds what is there.",
    )
