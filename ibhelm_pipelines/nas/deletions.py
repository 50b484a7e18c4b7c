"""Decides whether what vanished may be marked deleted (design section 7), and does it.

A deletion is believed only when the share is there, the walk of the folder was whole, and not too much vanished at
once; otherwise the files are kept, the refusal is stored by name, and an operator may allow exactly these files,
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.reconcile import Reconciler
    from ibhelm_pipelines.nas.report import ScanReport


@dataclass(frozen=True, kw_only=True)
class DeletionLimits:
    """How much may vanish within an hour without an operator: both limits hold."""

    files: int
    percent: float

    def allow(self, vanished: int, live: int) -> bool:
        """Tell whether so many of so many live files may be marked deleted."""
        return vanished <= self.files and vanished * 100 <= self.percent * live


class Vanished(NamedTuple):
    """A known file that was not seen."""

    file_id: int
    folder: str
    path: str
    raw_path: bytes


def delete_vanished(
    connection: Connection,
    reconciler: Reconciler,
    report: ScanReport,
    *,
    complete_folders: Collection[str],
    limits: DeletionLimits,
    confirmed_scan: int | None,
    still_exists: Callable[[bytes], bool],
    check_share: Callable[[], None],
) -> None:
    """Mark the vanished files deleted, or refuse all that no operator confirmed.

    Args:
        complete_folders: folders whose walk ended without an error.
        confirmed_scan: the scan whose refused deletions an operator allowed.
        still_exists: asks the disk about one raw path, once more.
        check_share: raises when the share is not there any more.

    Raises:
        ShareUnavailableError: the share went away; nothing was deleted.
        PermanentError: the confirmed scan refused nothing, or was used before.
    """
    sql = load_queries("nas")
    rows = connection.execute(sql["vanished_for_good"], {"complete_folders": list(complete_folders)}).fetchall()
    vanished = [v for v in (Vanished(*row) for row in rows) if not still_exists(v.raw_path)]
    check_share()
    if not vanished and confirmed_scan is None:
        return  # the usual case, in which 300,000 live files need not be counted
    with connection.transaction():
        connection.execute(sql["lock_deletions"])  # scans that run at the same time must not each fill the limits
        confirmed = _use_confirmation(connection, confirmed_scan)
        allowed = [v for v in vanished if v.file_id in confirmed]
        others = [v for v in vanished if v.file_id not in confirmed]
        if limits.allow(
            len(others) + _count(connection, "count_recent_deletions"), _count(connection, "count_live_files")
        ):
            allowed, others = vanished, []
        connection.execute(
            sql["refuse_deletions"], {"scan_id": report.scan_id, "file_ids": [v.file_id for v in others]}
        )
        report.deletions_refused = len(others)
        reconciler.delete([v.file_id for v in allowed])


def _use_confirmation(connection: Connection, scan_id: int | None) -> set[int]:
    if scan_id is None:
        return set()
    sql = load_queries("nas")
    file_ids = {row[0] for row in connection.execute(sql["confirmed_deletions"], {"scan_id": scan_id})}
    if connection.execute(sql["use_confirmation"], {"scan_id": scan_id}).fetchone() is None:
        raise PermanentError(
            f"Scan {scan_id} has no refused deletions to confirm, or they were confirmed before.",
            next_step="Run a new scan; it says which scan to confirm.",
        )
    return file_ids


def _count(connection: Connection, name: str) -> int:
    row = connection.execute(load_queries("nas")[name]).fetchone()
    assert row is not None
    return int(row[0])
