"""What there is of a person outside of tables and contents: manifests in the bucket, which are written anew, and
backups, which nobody can rewrite: of them it is said until when they hold the person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.manifest_forgetting import forget_manifests

if TYPE_CHECKING:
    import datetime as dt

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Backups:
    """Those that were made before somebody is forgotten, of every database.

    Attributes:
        until: when the last of them expires; None where there is none.
        for_ever: keys of those that are damaged, and that nobody deletes but a person.
    """

    count: int = 0
    until: dt.datetime | None = None
    for_ever: tuple[str, ...] = ()


def find_backups(settings: Settings) -> Backups:
    """Return which backups there are.

    Raises:
        ObjectStoreUnavailableError: the bucket does not answer.
    """
    found = list_backups(settings, database=None)
    ends = [each.expires_at for each in found if each.expires_at is not None]
    damaged = tuple(each.manifest_key for each in found if each.expires_at is None)
    return Backups(count=len(found), until=max(ends, default=None), for_ever=damaged)


def clean_manifests(settings: Settings, connection: Connection) -> int:
    """Take the paths that were noted out of all manifests; return how many were written anew.

    Args:
        settings: with the bucket.
        connection: in autocommit mode; a path is noted until no manifest names it.

    Raises:
        BusyError, ObjectStoreUnavailableError: run it again.
    """
    sql = load_queries("privacy")
    paths = [raw_path for (raw_path,) in connection.execute(sql["noted_paths"])]
    rewritten = forget_manifests(settings, paths)
    connection.execute(sql["paths_are_gone"], {"raw_paths": paths})
    return rewritten
