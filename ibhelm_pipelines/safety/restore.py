"""Restores a file or folder as it was at a moment, from the versions in Postgres and the originals in the bucket."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.safety.history import known_times, near_paths, purged
from ibhelm_pipelines.safety.moments import shown
from ibhelm_pipelines.safety.past import PastFile, Plan, asked_path, write_plan
from ibhelm_pipelines.safety.restore_report import RestoreReport
from ibhelm_pipelines.safety.restoring import PAUSES, Done, Restoring
from ibhelm_pipelines.safety.target import Target, disk_troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

_PLAN = "plan.jsonl"


def restore(
    settings: Settings,
    path: str,
    *,
    at: dt.datetime,
    target: Path,
    overwrite: bool = False,
    on_progress: Callable[[Done], None] | None = None,
    pauses: Sequence[float] = PAUSES,
) -> RestoreReport:
    """Write what stood at a path at a moment into a folder, with its whole path below the NAS root.

    Args:
        settings: of this process.
        path: of a file or folder, below the NAS root; empty for all.
        at: the moment; aware.
        target: the folder; made when there is none.
        overwrite: whether files in it that differ are replaced.
        on_progress: is told how far it is.
        pauses: seconds to wait for a store that does not answer, one for each attempt.

    Raises:
        PermanentError: nothing stood there then; names what is spelt similarly.
        ConfigurationError: the path is none, the target lies in the NAS or cannot be written, or a setting is wrong.
        DatabaseUnavailableError, ObjectStoreUnavailableError: one of them does not answer; run it again, it goes on.
        TransientError: the disk is full, or another restore writes there; likewise.
    """
    asked = asked_path(settings, path)
    with Target(settings, target) as folder:
        with disk_troubles(folder.folder):
            plan, warnings = _planned(settings, asked, at, folder.working / _PLAN)
        report = RestoreReport(path=asked, at=at, target=folder.folder, warnings=warnings, certain=not warnings)
        tell = on_progress or (lambda _: None)
        Restoring(settings, folder, plan, overwrite=overwrite, on_progress=tell, pauses=pauses).run(report)
    return report


def _planned(settings: Settings, asked: str, at: dt.datetime, file: Path) -> tuple[Plan, list[str]]:
    """Return what is to be restored, and what is not known of it."""
    with _connected(settings) as connection:
        plan, warnings = write_plan(file, wanted_files(connection, asked, at)), purged(connection, at=at)
        if plan.files or not asked:
            return plan, warnings
        stood = known_times(connection, asked)
        raise nothing_there(asked, at, near_paths(connection, asked), stood=stood, warnings=warnings)


@contextmanager
def _connected(settings: Settings) -> Iterator[Connection]:
    url = settings.require_database_url()
    with translated_errors(), connect(url, application="restore") as connection:
        yield connection


def wanted_files(connection: Connection, asked: str, at: dt.datetime) -> Iterator[PastFile]:
    """Yield every file that stood at or below a path at a moment, in the order of the raw paths."""
    values: dict[str, Any] = {"path": asked, "at": at}
    with connection.cursor(name="wanted_files") as cursor:
        cursor.itersize = 5000
        cursor.execute(load_queries("safety_versions")["files_at"], values)
        for raw_path, sha256, size, mtime_ns, is_stored, reason in cursor:
            unstored = "" if is_stored else f"it was not stored: {reason or 'nobody tried yet'}"
            yield PastFile(raw_path=raw_path, sha256=sha256, size=size, mtime_ns=mtime_ns, unstored=unstored)


def nothing_there(
    asked: str, at: dt.datetime, near: Sequence[str], *, stood: str = "", warnings: Sequence[str] = ()
) -> PermanentError:
    """Return the error for a path at which nothing stood.

    Args:
        near: what is spelt similarly.
        stood: when something stood there; empty if never.
        warnings: what is not known of that moment.
    """
    more = f" Something stood there {stood}." if stood else f" Similar: {'; '.join(near)}." if near else ""
    return PermanentError(
        " ".join([f"Nothing is known to have stood at {asked} on {shown(at)}.{more}", *warnings]),
        next_step="`ibhelm history PATH` shows what was where, and since when.",
    )
