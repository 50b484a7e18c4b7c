"""What happened to a file or in a folder, and when: read from the versions, which are never rewritten.
Those of files that the retention took are gone with them; whoever asks is told that there may have been more.

A moment is that at which the platform saw it: seconds after the change where `ibhelm watch` runs, the next scan else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from psycopg.rows import dict_row

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.safety.moments import shown

if TYPE_CHECKING:
    import datetime as dt
    from typing import Any

    from ibhelm_pipelines.db.connect import Connection

Event = Literal["first seen", "changed", "moved", "moved and changed", "touched", "read", "came back", "deleted"]


@dataclass(frozen=True, kw_only=True)
class PastVersion:
    """What a file became, and for how long.

    Attributes:
        at: since when; of a deletion, when it was found missing.
        event: what happened then. `read`: its content could not be read before; `touched`: only its time changed.
        path: where it stood since then; of a deletion, until then.
        path_before: where it stood before, if elsewhere.
        content_hash: None while it could not be read.
        mtime_ns: its modification time; None where it was not kept.
        until: until when it was so; None for what is so now, and for a deletion that nothing followed.
    """

    at: dt.datetime
    event: Event
    file_id: int
    path: str
    path_before: str | None
    content_hash: str | None
    size_bytes: int
    mtime_ns: int | None
    until: dt.datetime | None


def history(connection: Connection, path: str) -> list[PastVersion]:
    """Return what happened to every file that ever stood at or below a path, oldest first.

    Args:
        connection: to Postgres.
        path: below the NAS root, as it is shown; not empty.
    """
    found: list[PastVersion] = []
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(load_queries("safety_versions")["history_of_file"], {"path": path}):
            found += _events(row)
    return sorted(found, key=lambda each: each.at)


def _events(row: dict[str, Any]) -> list[PastVersion]:
    before = row["path_before"] if row["path_before"] != row["path"] else None
    was = {name: row[name] for name in ("file_id", "path", "content_hash", "size_bytes", "mtime_ns")}
    begun = PastVersion(at=row["valid_from"], event=_event(row), path_before=before, until=row["valid_to"], **was)
    end, after = row["valid_to"], row["begin_after"]
    if end is None or (after is not None and after <= end):
        return [begun]
    return [begun, PastVersion(at=end, event="deleted", path_before=None, until=after, **was)]


def _event(row: dict[str, Any]) -> Event:
    if row["is_first"]:
        return "first seen"
    if row["end_before"] < row["valid_from"]:
        return "came back"
    if row["hash_before"] is None and row["content_hash"] is not None:
        return "read"
    moved, changed = row["path_before"] != row["path"], row["hash_before"] != row["content_hash"]
    if moved:
        return "moved and changed" if changed else "moved"
    return "changed" if changed else "touched"


def near_paths(connection: Connection, path: str) -> list[str]:
    """Return known paths that are spelt similarly, the most similar first."""
    rows = connection.execute(load_queries("safety_versions")["near_paths"], {"path": path})
    return [found for (found,) in rows]


def known_times(connection: Connection, path: str) -> str:
    """Return from when until when something stood at or below a path, in words; empty if never."""
    sql = load_queries("safety_versions")["known_times"]
    [(first, last, is_there)] = connection.execute(sql, {"path": path}).fetchall()
    if first is None:
        return ""
    return f"from {shown(first)} on" if is_there else f"between {shown(first)} and {shown(last)}"


def purged(connection: Connection, *, at: dt.datetime | None = None) -> list[str]:
    """Return a warning if the retention took files with all their versions that stood somewhere at a moment.

    Args:
        connection: to Postgres.
        at: the moment; None for any.
    """
    [(before,)] = connection.execute(load_queries("safety_versions")["purged_before"]).fetchall()
    if before is None or (at is not None and before <= at):
        return []
    return [f"Retention has removed files for good that were deleted before {shown(before)}; they are not among these."]
