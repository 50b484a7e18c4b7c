"""What a run of a step did, in numbers: by project folder, in total, and what it could not finish."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ibhelm_pipelines.content.ledger import Done


@dataclass(frozen=True, kw_only=True)
class StepCounts:
    """What a step did; `done` is the sum of the four states, `bytes` the size of those contents."""

    done: int = 0
    ok: int = 0
    empty: int = 0
    unsupported: int = 0
    failed: int = 0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What one run of a step did.

    Attributes:
        folders: by project folder; a content that lies in several counts in each, and once in `total`.
        reasons: how often each reason was given for `failed` and `unsupported`.
        waiting: contents that are still not finished: they failed for a passing reason (`ops.step_results` says when
            they are due again), or another run is at them. Of a run over folders, only those that were due.
        busy: contents that this run left to another one that was at them, whatever has come of them since.
        changed: contents whose file is no longer the one that the scan saw. They are not `waiting`: no second try
            brings the old bytes back, and the change is an event of its own.
    """

    folders: dict[str, StepCounts]
    total: StepCounts
    seconds: float
    reasons: dict[str, int]
    waiting: int = 0
    busy: int = 0
    changed: int = 0


class Tally:
    """Adds up a run."""

    def __init__(self) -> None:
        self._total: Counter[str] = Counter()
        self._folders: dict[str, Counter[str]] = {}
        self._reasons: Counter[str] = Counter()
        self._changed = 0

    def add(self, chunk: Sequence[Done]) -> None:
        """Add a chunk of finished contents."""
        for done in chunk:
            self._total.update(_count(done))
            if done.outcome.state in ("failed", "unsupported"):
                self._reasons[done.outcome.reason or ""] += 1
            self._changed += done.outcome.changed
        for folder, counts in count_by_folder(chunk).items():
            self._folders.setdefault(folder, Counter()).update(counts)

    def report(self, seconds: float, *, waiting: int, busy: int) -> StepReport:
        """Return the sums."""
        return StepReport(
            folders={folder: as_counts(counter) for folder, counter in sorted(self._folders.items())},
            total=as_counts(self._total),
            seconds=seconds,
            reasons=dict(self._reasons.most_common()),
            waiting=waiting,
            busy=busy,
            changed=self._changed,
        )


def count_by_folder(chunk: Iterable[Done]) -> dict[str, Counter[str]]:
    """Return the numbers of a chunk by project folder."""
    folders: dict[str, Counter[str]] = {}
    for done in chunk:
        for folder in done.work.folders:
            folders.setdefault(folder, Counter()).update(_count(done))
    return folders


def as_counts(counter: Counter[str]) -> StepCounts:
    """Return the numbers with their names."""
    return StepCounts(**{field.name: counter[field.name] for field in fields(StepCounts)})


def _count(done: Done) -> dict[str, int]:
    return {"done": 1, done.outcome.state: 1, "bytes": done.work.size_bytes}
