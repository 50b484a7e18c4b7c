"""Shows the log to whoever runs the platform; that reading stands in it, too."""

from __future__ import annotations

import datetime as dt
import os
import pwd
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

from ibhelm_pipelines.access_log.entries import client_digest
from ibhelm_pipelines.access_log.storing import FOLDER, store
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which accesses; what is None does not narrow.

    Attributes:
        person: the account, as the log names it.
        path: of a file, or of a folder with all below it, as it is or was.
        client: a network address.
    """

    person: str | None = None
    path: str | None = None
    client: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An access; `paths` are of the files that have what was read today."""

    at: dt.datetime
    way: str
    who: str | None
    client: str | None
    action: str
    items: tuple[str, ...]
    content_hash: str | None
    row_count: int | None
    outcome: str
    status: int
    paths: tuple[str, ...]


def accesses(settings: Settings, choice: Choice, *, limit: int, now: dt.datetime) -> list[Listed]:
    """Return the newest accesses, after what waits in the journal of this machine has been stored.

    Raises:
        ConfigurationError: a network address is asked for, and nothing is known that could tell it.
        DatabaseUnavailableError: Postgres does not answer.
    """
    clients = _digests(settings, choice, now) if choice.client is not None else None
    with (
        connect(settings.require_database_url(), application="access log") as connection,
        translated_errors(),
        connection.cursor(row_factory=namedtuple_row) as cursor,
    ):
        store(settings.state_dir / FOLDER, connection)
        hashes, items = _things_at(connection, choice.path)
        values: dict[str, Any] = {
            "who": choice.person, "since": choice.since, "until": choice.until, "hashes": hashes, "items": items,
            "clients": clients, "limit": limit,
        }  # fmt: skip
        rows = cursor.execute(load_queries("access_log")["list"], values).fetchall()
        asked = [f"person {choice.person}"] if choice.person is not None else []
        connection.execute(load_queries("access_log")["note_reading"], {"who": _who(), "items": asked})
    return [_listed(row) for row in rows]


def _listed(row: Any) -> Listed:
    said = row._asdict()
    return Listed(**{**said, "items": tuple(said["items"]), "paths": tuple(said["paths"] or ())})


def _things_at(connection: Connection, path: str | None) -> tuple[list[str] | None, list[str]]:
    if path is None:
        return None, []
    below = path.rstrip("/").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "/%"
    found = connection.execute(load_queries("access_log")["contents_at"], {"path": path, "below": below}).fetchall()
    return [each for _, each in found if each is not None], sorted({f"file:{number}" for number, _ in found})


def _digests(settings: Settings, choice: Choice, now: dt.datetime) -> list[str]:
    """Return what an address was called on each day for which the log is kept."""
    if settings.web_secret is None or choice.client is None:
        raise ConfigurationError(
            "Network addresses stand in the log as digests, and IBHELM_WEB_SECRET, their key, is not set.",
            next_step="Run this where `ibhelm web` runs, or with the same secret.",
        )
    secret = settings.web_secret.get_secret_value()
    days = (now.date() - dt.timedelta(days=back) for back in range(settings.access_log_days + 1))
    return [client_digest(secret, choice.client, day) for day in days]


def _who() -> str:
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
