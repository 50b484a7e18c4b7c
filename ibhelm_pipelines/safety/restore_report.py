"""What a restore did: a line for each file in `ibhelm-restore.jsonl`, the sums in `ibhelm-restore-summary.json`.

Both appear whole when the restore is over, or not at all: what a killed one wrote is no manifest.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.safety.target import MANIFEST, SUMMARY, WORKING

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path
    from typing import Self

    from ibhelm_pipelines.safety.past import PastFile
    from ibhelm_pipelines.safety.target import Target

State = Literal[
    "restored", "present", "replaced", "differs", "unread", "not_stored", "missing", "rotten", "refused", "failed"
]

MEANINGS: dict[State, str] = {
    "restored": "written, bytes verified",
    "present": "were there already with the same bytes",
    "replaced": "replaced a file that differed",
    "differs": "another file stands there; left alone",
    "unread": "could not be read at that time, so their content is not known",
    "not_stored": "their content was never stored",
    "missing": "their object is missing in the bucket",
    "rotten": "their object is damaged in the bucket",
    "refused": "may not be written there",
    "failed": "the target does not take them",
}
"""What can become of a file, and what is said of it."""

GOOD: frozenset[State] = frozenset({"restored", "present", "replaced"})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one file.

    Attributes:
        reason: why it is not as it was, or what is amiss with it; empty where nothing is.
        fetched: bytes that came from the bucket.
    """

    state: State
    reason: str = ""
    fetched: int = 0


@dataclass(kw_only=True)
class RestoreReport:
    """What was done.

    Attributes:
        path: what was asked for, below the NAS root; empty for all.
        at: as of when.
        files: how many by state.
        size: bytes of all of them.
        warnings: what could be found out only in part.
        imprecise: files that are there, but with another time than they had.
    """

    path: str
    at: dt.datetime
    target: Path
    files: Counter[State] = field(default_factory=Counter)
    size: int = 0
    fetched: int = 0
    imprecise: int = 0
    seconds: float = 0
    warnings: list[str] = field(default_factory=list)
    certain: bool = True
    """Whether what was at that moment is known for sure."""

    @property
    def total(self) -> int:
        """How many files there were."""
        return self.files.total()

    @property
    def complete(self) -> bool:
        """Whether the target holds all files as they were."""
        return self.certain and all(state in GOOD for state in self.files)

    @property
    def manifest(self) -> Path:
        """The list of all files and what became of each."""
        return self.target / MANIFEST

    def add(self, wanted: PastFile, outcome: Outcome) -> None:
        """Count one file."""
        self.files[outcome.state] += 1
        self.size += wanted.size
        self.fetched += outcome.fetched
        self.imprecise += outcome.state in GOOD and bool(outcome.reason)

    def as_json(self) -> dict[str, object]:
        """Return it for the summary."""
        return {
            "path": self.path,
            "at": self.at.isoformat(),
            "complete": self.complete,
            "files": dict(self.files),
            "size": self.size,
            "fetched": self.fetched,
            "other_time": self.imprecise,
            "warnings": self.warnings,
            "seconds": round(self.seconds, 3),
        }


class Manifest:
    """The list while it is written; a context manager. It gets its name when the block ends well.

    Args:
        target: where the files are restored to.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._folders: set[bytes] = set()

    def __enter__(self) -> Self:
        self._file = (self._target.working / MANIFEST).open("w", encoding="utf-8")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()

    def add(self, wanted: PastFile, outcome: Outcome) -> None:
        """Write the line of one file."""
        if outcome.state in GOOD:
            self._folders.add(wanted.raw_path.rpartition(b"/")[0])
        line = {**wanted.as_json(), "state": outcome.state, "reason": outcome.reason}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def finish(self, report: RestoreReport) -> None:
        """Give the list and the summary their names; those of an earlier restore go."""
        self._file.flush()
        self._target.sync(self._folders)
        (self._target.working / SUMMARY).write_text(json.dumps(report.as_json(), indent=1), encoding="utf-8")
        for name in (MANIFEST, SUMMARY):
            os.rename(f"{WORKING}/{name}", name, src_dir_fd=self._target.fd, dst_dir_fd=self._target.fd)
