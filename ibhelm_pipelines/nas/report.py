"""What a scan has to say, for people and for Dagster's plots."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

ScanState = Literal["complete", "incomplete"]


@dataclass(kw_only=True)
class FolderCounts:
    """Numbers of one project folder; `bytes` are those that were read to be hashed."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    moved: int = 0
    deleted: int = 0
    restored: int = 0
    failed: int = 0
    bytes: int = 0

    def __add__(self, other: FolderCounts) -> FolderCounts:
        return FolderCounts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(kw_only=True)
class ScanReport:
    """The outcome of one scan.

    Attributes:
        state: `complete` when everything that was seen is stored; `incomplete` when something is open: paths that
            could not be read, deletions that wait
            for an operator, bytes that changed by themselves.
        ignored: names that were left out, by reason.
        seconds: how long the scan took.
    """

    scan_id: int
    state: ScanState = "complete"
    seconds: float = 0.0
    folders: dict[str, FolderCounts] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    deletions_refused: int = 0
    bit_rot: int = 0
    bytes_hashed: int = 0

    @property
    def total(self) -> FolderCounts:
        """The sum over all folders."""
        return sum(self.folders.values(), FolderCounts())

    def of(self, folder: str) -> FolderCounts:
        """Return the counts of a folder, made when they are first asked for."""
        return self.folders.setdefault(folder, FolderCounts())

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready values, the total included."""
        return asdict(self) | {"total": asdict(self.total)}
