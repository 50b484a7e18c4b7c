"""Whether the role that reads for assistants and scripts may do no more than that.

What keeps it from writing, waiting and locking is said to Postgres (sql/migrations/0020_reader.sql) and holds whoever
asks. But a dump carries not all of it, and on a server of others the owner may not be allowed to say it: so it is
looked at, by `ibhelm doctor` and before every question of an assistant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError, DatabaseUnavailableError

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Excess:
    """One thing that the role may and a reader must not.

    Attributes:
        is_grave: it could change data, or see what is not the office's: nothing is asked with this role.
    """

    what: str
    is_grave: bool


def connect_as_reader(settings: Settings, *, application: str) -> Connection:
    """Open a connection of the role that only reads.

    Args:
        settings: with IBHELM_READER_DATABASE_URL.
        application: what the connection is for.

    Raises:
        ConfigurationError: no URL is set, or it is none.
        DatabaseUnavailableError: the server refuses or does not answer.
    """
    if settings.reader_database_url is None:
        raise ConfigurationError(
            "The database cannot be asked in SQL: IBHELM_READER_DATABASE_URL is not set.",
            next_step="`ibhelm up` writes it for the embedded Postgres; of another one, name the role ibhelm_reader.",
        )
    try:
        return connect(settings.reader_database_url.get_secret_value(), application=application)
    except DatabaseUnavailableError as error:
        raise DatabaseUnavailableError(
            error.problem, next_step="Check IBHELM_READER_DATABASE_URL, and whether Postgres runs (`ibhelm status`)."
        ) from error


def may_beyond_reading(connection: Connection) -> list[Excess]:
    """Return what the connection's role may and a reader must not, the gravest first."""
    rows = connection.execute(load_queries("reader")["may_beyond"]).fetchall()
    return [Excess(what=str(what), is_grave=bool(is_grave)) for what, is_grave in rows]
