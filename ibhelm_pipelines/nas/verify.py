"""Re-reads old files to find bytes that changed although nothing says so: a failing disk, or an edit that hid its time.

Such a file keeps its content in the tables (the last one that was right) and its stored original; the finding is a
row, a failed check and an alert.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.hash import Hasher, HashResult
    from ibhelm_pipelines.nas.report import ScanReport
    from ibhelm_pipelines.share import Share

CHUNK_FILES = 1_000


class Due(NamedTuple):
    """A file whose turn it is."""

    file_id: int
    raw_path: bytes
    folder: str
    size: int
    mtime_ns: int
    inode: int
    content_hash: str
    path: str


def verify_due(
    connection: Connection, hasher: Hasher, share: Share, report: ScanReport, *, folders: Sequence[str] | None
) -> None:
    """Read the files that are due and record those whose bytes are not what they were.

    Raises:
        ShareUnavailableError: the share went away.
    """
    scope = {"folders": None if folders is None else list(folders)}
    due = [Due(*row) for row in connection.execute(load_queries("nas")["due_for_verification"], scope)]
    for start in range(0, len(due), CHUNK_FILES):
        chunk = due[start : start + CHUNK_FILES]
        results = hasher.hash_all([os.path.join(share.root, d.raw_path) for d in chunk])  # noqa: PTH118  # bytes
        share.check()
        _record(connection, list(zip(chunk, results, strict=True)), report)


def _record(connection: Connection, pairs: list[tuple[Due, HashResult]], report: ScanReport) -> None:
    """Only a file whose stat is still the known one says anything, and only while the tables know nothing newer: other
    scans go on meanwhile. Every other file is their business."""
    sql = load_queries("nas")
    read = [(d, r) for d, r in pairs if (r.size, r.mtime_ns, r.inode) == (d.size, d.mtime_ns, d.inode)]
    with connection.transaction():
        still = {row[0] for row in connection.execute(sql["still_as_due"], _columns([d for d, _ in read]))}
        same = [(d, r) for d, r in read if d.file_id in still]
        rotten = [(d, r) for d, r in same if r.sha256 != d.content_hash]
        sound = [d.file_id for d, r in same if r.sha256 == d.content_hash]
        connection.execute(sql["mark_verified"], {"file_ids": [d.file_id for d, _ in same]})
        connection.execute(sql["heal_verified_bit_rot"], {"file_ids": sound})
        for file, result in rotten:
            values = {"file_id": file.file_id, "path": file.path, "expected": file.content_hash, "found": result.sha256}
            connection.execute(sql["record_bit_rot"], {**values, "scan_id": report.scan_id})
    report.bit_rot += len(rotten)
    for file, result in same:
        report.of(file.folder).bytes += result.size
        report.bytes_hashed += result.size


def _columns(due: list[Due]) -> dict[str, list[Any]]:
    return {name: [getattr(d, name) for d in due] for name in Due._fields}
