"""Searches that the office keeps: a name and what is looked for. All who sign in see and change the same ones."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import errors as postgres_errors
from psycopg.rows import class_row
from starlette.exceptions import HTTPException

from ibhelm_pipelines.db.connect import Pool, open_pool, translated_errors
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

LONGEST_NAME = 100
LONGEST_QUERY = 2000
MOST = 500
CONNECTIONS = 2
WAIT_SECONDS = 5.0

NAMELESS = (
    f"Eine gespeicherte Suche braucht einen Namen, höchstens {LONGEST_NAME} Zeichen, und etwas, was gesucht wird."
)
UNREADABLE = "Name und Suche dürfen keine unsichtbaren Steuerzeichen enthalten."
TAKEN = "Eine gespeicherte Suche mit diesem Namen gibt es schon."
TOO_MANY = f"Es gibt schon {MOST} gespeicherte Suchen; bitte erst eine löschen."


@dataclass(frozen=True, kw_only=True)
class SavedSearch:
    """A search that the office keeps."""

    id: int
    name: str
    query: str
    created_at: dt.datetime


class SavedSearches:
    """The table of them.

    Args:
        pool: of connections in the pipeline's role.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def listed(self) -> tuple[SavedSearch, ...]:
        """Return all, by name.

        Raises:
            DatabaseUnavailableError: Postgres does not answer.
        """
        with translated_errors(), self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(SavedSearch))
            return tuple(cursor.execute(load_queries("web")["saved_searches"]).fetchall())

    def save(self, name: str, query: str) -> SavedSearch:
        """Keep a search.

        Raises:
            HTTPException: 422 or 409, with a sentence.
            DatabaseUnavailableError: Postgres does not answer.
        """
        name, query = name.strip(), query.strip()
        _check(name, query)
        values = {"name": name, "query": query, "most": MOST}
        with translated_errors(), self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(SavedSearch))
            with _taken_said():
                saved = cursor.execute(load_queries("web")["save_search"], values).fetchone()
        if saved is None:
            raise HTTPException(409, TOO_MANY)
        return saved

    def delete(self, saved_id: int) -> bool:
        """Forget one; return whether there was one.

        Raises:
            DatabaseUnavailableError: Postgres does not answer.
        """
        with translated_errors(), self._pool.connection() as connection:
            return connection.execute(load_queries("web")["delete_search"], {"id": saved_id}).rowcount > 0


@contextmanager
def open_saved_searches(settings: Settings) -> Iterator[SavedSearches]:
    """Open the table for the length of the block; Postgres may be away.

    Raises:
        ConfigurationError: no database is known.
    """
    with open_pool(
        settings.require_database_url(), application="web", max_size=CONNECTIONS, wait_seconds=WAIT_SECONDS
    ) as pool:
        yield SavedSearches(pool)


def _check(name: str, query: str) -> None:
    if not 0 < len(name) <= LONGEST_NAME or not 0 < len(query) <= LONGEST_QUERY:
        raise HTTPException(422, NAMELESS)
    if not (name + query).isprintable():
        raise HTTPException(422, UNREADABLE)


@contextmanager
def _taken_said() -> Iterator[None]:
    try:
        yield
    except postgres_errors.UniqueViolation as error:
        raise HTTPException(409, TAKEN) from error
