"""Keeps the list of paths that cannot be read now, with the reason of each, in `ops.path_problems`.

A problem is never a deletion (lesson 8): the file keeps its row and its last good content, and the path stays on
the list until it was read or is gone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.nas.names import display

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.report import ScanReport
    from ibhelm_pipelines.nas.walk import Unreadable

ProblemKind = Literal["unreadable_directory", "unreadable_file", "changing_file"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One path and what is wrong with it."""

    raw_path: bytes
    folder: str
    kind: ProblemKind
    reason: str


class Problems:
    """The problems of one scan."""

    def __init__(self, connection: Connection, report: ScanReport) -> None:
        self._connection = connection
        self._report = report
        self._problems: dict[bytes, Problem] = {}
        self._restless = 0

    @property
    def count(self) -> int:
        """How many paths could not be read, those included that moved away while we looked."""
        return len(self._problems) + self._restless

    def add(self, problem: Problem) -> None:
        """Note a file or directory that could not be read."""
        self._problems[problem.raw_path] = problem
        self._report.of(problem.folder).failed += 1

    def add_unreadable(self, unreadable: Unreadable) -> None:
        """Note what the walk could not read; what vanished under its hands only makes the walk incomplete."""
        if unreadable.vanished:
            self._restless += 1
            return
        kind: ProblemKind = "unreadable_directory" if unreadable.is_directory else "unreadable_file"
        self.add(Problem(raw_path=unreadable.raw_path, folder=unreadable.folder, kind=kind, reason=unreadable.reason))

    def store(self, clear_solved: str, scope: Mapping[str, Any]) -> None:
        """Write the list; what is no longer on it is solved.

        Args:
            clear_solved: name of the statement that removes what is solved.
            scope: its parameters: what was looked at.
        """
        sql = load_queries("nas")
        rows = [
            {
                "raw_path": p.raw_path,
                "path": display(p.raw_path),
                "folder": p.folder,
                "kind": p.kind,
                "reason": p.reason,
                "scan_id": self._report.scan_id,
            }
            for p in self._problems.values()
        ]
        with self._connection.cursor() as cursor:
            cursor.executemany(sql["store_problem"], rows)
        standing = [hashlib.sha256(raw_path).digest() for raw_path in self._problems]
        self._connection.execute(sql[clear_solved], {**scope, "standing": standing})
