"""The search itself: from what somebody typed to what is found, in one place for the command, the page and assistants.

Whatever is typed gives an answer. Meaning is searched where vectors can be made; where not, the answer says so.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.connect import open_pool, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.search import detailing
from ibhelm_pipelines.search.analysis import tokens
from ibhelm_pipelines.search.describing import LANES, describe
from ibhelm_pipelines.search.facets import count_facets
from ibhelm_pipelines.search.filters import resolve
from ibhelm_pipelines.search.models import embedder_named
from ibhelm_pipelines.search.query import MAX_CHARS, parse
from ibhelm_pipelines.search.results import Results
from ibhelm_pipelines.search.widening import Asked, widen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection, Pool
    from ibhelm_pipelines.search.query import Query
    from ibhelm_pipelines.search.results import Detail, Hit, Lane
    from ibhelm_pipelines.settings import Settings

COUNTED = 1_000
"""So many documents are counted, in all and by facet; beyond that the answer is `more than`."""

MOST_HITS = 100
"""On one page."""

WAIT_SECONDS = 5.0
"""For a connection: who searches is told rather soon that Postgres is away."""

LONGEST_SECONDS = 10.0
"""For one statement: no query, however odd, keeps all others from a connection for long."""

CONNECTIONS = 4

MIN_BEGINNING = 2
"""Letters of a word before it is completed."""

WITHOUT_VECTORS = "Nach Bedeutung wird noch nicht gesucht: die Texte werden erst noch eingelesen."
WITHOUT_MODEL = "Nach Bedeutung wird gerade nicht gesucht: das Modell dafür fehlt. Die Verwaltung kann das beheben."


@contextmanager
def open_finder(settings: Settings) -> Iterator[Finder]:
    """Search for the length of the block; nothing is asked, and no model loaded, before the first search.

    Raises:
        ConfigurationError: there is no database URL.
    """
    url = settings.require_database_url()
    with open_pool(url, application="search", max_size=CONNECTIONS, wait_seconds=WAIT_SECONDS) as pool:
        yield Finder(pool)


class Finder:
    """Finds documents; any number of threads may use it at once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = load_queries("search")

    def search(
        self,
        text: str,
        *,
        limit: int = 20,
        cursor: str | None = None,
        lanes: Sequence[Lane] | None = None,
        facets: bool = True,
    ) -> Results:
        """Return what was asked for, best first.

        Args:
            text: as it was typed.
            limit: hits on a page, at most MOST_HITS.
            cursor: of the page before; one that nobody gave means the first page.
            lanes: by what is searched; by default by all.
            facets: whether to count by project, kind ...

        Raises:
            DatabaseUnavailableError: Postgres does not answer.
        """
        started = time.perf_counter()
        with self._connected() as connection:
            search = _Search(connection, parse(_clean(text)), tuple(lanes or LANES))
            results = search.page(max(1, min(limit, MOST_HITS)), _read_cursor(cursor), with_facets=facets)
        return replace(results, text=text, took_ms=round((time.perf_counter() - started) * 1000, 1))

    def similar(self, document_id: int, *, limit: int = 10) -> tuple[Hit, ...]:
        """Return the documents that mean most nearly the same; copies of it are none. Empty where it has no vector.

        Raises:
            DatabaseUnavailableError: Postgres does not answer.
        """
        with self._connected() as connection:
            return detailing.similar(connection, document_id, limit)

    def detail(self, document_id: int) -> Detail | None:
        """Return all that there is to say about a document; None where there is none.

        Raises:
            DatabaseUnavailableError: Postgres does not answer.
        """
        with self._connected() as connection:
            return detailing.detail(connection, document_id)

    def completions(self, beginning: str, *, limit: int = 8) -> tuple[str, ...]:
        """Return what words that somebody wrote the last word of a text may become, the most frequent first.

        Raises:
            DatabaseUnavailableError: Postgres does not answer.
        """
        text = _clean(beginning)[:MAX_CHARS]
        last = next(reversed(list(tokens(text))), None)
        is_being_typed = last is not None and last.end == len(text) and last.end - last.start >= MIN_BEGINNING
        if last is None or not is_being_typed or any(each.end == len(text) for each in parse(text).filters):
            return ()
        with self._connected() as connection:
            rows = connection.execute(self._sql["beginning_words"], {"beginning": last.word, "limit": limit})
            return tuple(word for word, _ in rows)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with translated_errors(), self._pool.connection() as connection:
            connection.execute(self._sql["begin_asking"])
            connection.execute(self._sql["limit_asking"], {"milliseconds": f"{LONGEST_SECONDS * 1000:.0f}"})
            yield connection


class _Search:
    """One search, over one connection in one transaction: what it counts and what it shows are of the same moment."""

    def __init__(self, connection: Connection, query: Query, lanes: tuple[Lane, ...]) -> None:
        self._connection, self._query, self._lanes = connection, query, lanes
        self._sql = load_queries("search")
        self._resolved = resolve(connection, query.filters)
        self._without_vectors: str | None = None

    def page(self, limit: int, start: tuple[int, int | None], *, with_facets: bool) -> Results:
        """Return one page of hits, from an offset on, of documents up to an id."""
        offset, newest = start
        if newest is None:
            [(newest,)] = self._connection.execute(self._sql["newest_document"]).fetchall()
        asked = widen(self._connection, self._query)
        ranked, model = self._ranked(asked, newest)
        ids = self._counted(asked, ranked, newest)
        shown = ranked[offset : offset + limit]
        is_last = offset + limit >= len(ranked)
        return Results(
            text=self._query.text,
            hits=describe(self._connection, shown, asked.query, model=model),
            total=min(len(ids), COUNTED),
            is_capped=len(ids) > COUNTED,
            facets=count_facets(self._connection, ids, self._query) if with_facets else {},
            cursor=None if is_last else _cursor(offset + limit, newest),
            suggestion=_respelled(self._query.text, asked.spellings),
            problems=(*self._query.problems, *self._resolved.problems),
            without_vectors=self._without_vectors,
            took_ms=0,
        )

    def _ranked(self, asked: Asked, newest: int) -> tuple[list[Any], int | None]:
        if self._resolved.is_impossible:
            return [], None
        vector, model = self._vector()
        values = {
            "steps": list(asked.steps) if "words" in self._lanes and asked.steps else None,
            "excluded": asked.excluded,
            "terms": list(asked.terms),
            "weights": list(asked.weights),
            "parts": list(asked.parts) if "names" in self._lanes and asked.parts else None,
            "typed": self._query.plain.casefold(),
            "vector": vector,
            "model": model,
            "filters": Jsonb(self._resolved.conditions),
            "newest": newest,
        }
        if self._query.plain.strip() and not any(values[each] for each in ("steps", "parts", "vector")):
            return [], model  # words were typed, and no lane can look for them: all documents would be wrong
        with self._connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(self._sql["hits"], values).fetchall(), model

    def _vector(self) -> tuple[str | None, int | None]:
        """Return the meaning of what was typed as pgvector reads it, and the model that made it."""
        if "vectors" not in self._lanes or not self._query.plain.strip():
            return None, None
        row = self._connection.execute(self._sql["serving_model"]).fetchone()
        if row is None:
            self._without_vectors = WITHOUT_VECTORS
            return None, None
        number, name, version, _ = row
        try:
            embedder = embedder_named(name, version)
        except ConfigurationError as error:  # the search goes on without meaning, and says so to who searches
            structlog.get_logger().warning("searched without meaning", problem=str(error))
            self._without_vectors = WITHOUT_MODEL
            return None, None
        return "[" + ",".join(f"{value:.6g}" for value in embedder.query(self._query.plain)) + "]", number

    def _counted(self, asked: Asked, ranked: list[Any], newest: int) -> list[int]:
        """Return what is counted: all that have all words, and what is shown beside them."""
        shown = [row.document_id for row in ranked]
        if self._resolved.is_impossible or (self._query.plain.strip() and not asked.steps):
            return shown  # without a word that anybody wrote, `all with all words` would be all
        values = {
            "all_words": asked.steps[0] if asked.steps else None,
            "excluded": asked.excluded,
            "filters": Jsonb(self._resolved.conditions),
            "newest": newest,
            "limit": COUNTED + 1,
        }
        [(matches,)] = self._connection.execute(self._sql["matches"], values).fetchall()
        return list(dict.fromkeys([*shown, *matches]))


def _clean(text: str) -> str:
    """Return a text that Postgres takes: without NUL and halves of signs."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _respelled(text: str, spellings: dict[str, str]) -> str | None:
    """Return the query with its words as others write them."""
    suggestion = text
    for typed, other in spellings.items():
        suggestion = suggestion.replace(typed, other)
    return suggestion if suggestion != text else None


def _cursor(offset: int, newest: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([offset, newest]).encode()).decode()


def _read_cursor(cursor: str | None) -> tuple[int, int | None]:
    """Return offset and newest document; of a cursor that nobody gave those of the first page."""
    try:
        offset, newest = json.loads(base64.urlsafe_b64decode(cursor or ""))
    except (ValueError, TypeError, binascii.Error):
        return 0, None
    is_ours = all(isinstance(each, int) and 0 <= each < 1 << 62 for each in (offset, newest))
    return (offset, newest) if is_ours else (0, None)
