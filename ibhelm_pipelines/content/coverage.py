"""Adds up what the readers made of many files: how many of each family give a preview and a text, and why others not.

The same for a folder that was tried just now and for the office as the database knows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.content.families import FAMILIES

if TYPE_CHECKING:
    from ibhelm_pipelines.content.outcome import Outcome
    from ibhelm_pipelines.content.trying import Tried


@dataclass(kw_only=True)
class Covered:
    """One step on the files of one family."""

    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    truncated: int = 0

    def add(self, outcome: Outcome) -> None:
        """Add what came of one file."""
        self.states[outcome.state] += 1
        self.truncated += outcome.truncated
        if outcome.state != "ok":
            self.reasons[outcome.reason or "no reason"] += 1

    @property
    def ok(self) -> int:
        return self.states["ok"]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values: asdict() makes other counters of counters."""
        return {"states": dict(self.states), "reasons": dict(self.reasons), "truncated": self.truncated}


@dataclass(kw_only=True)
class FamilyCoverage:
    """What came of the files of one family."""

    family: str
    files: int = 0
    bytes: int = 0
    previews: Covered = field(default_factory=Covered)
    texts: Covered = field(default_factory=Covered)
    example: str = ""

    @property
    def name(self) -> str:
        return FAMILIES[self.family].name if self.family in FAMILIES else self.family

    def to_json(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "files": self.files,
            "bytes": self.bytes,
            "previews": self.previews.to_json(),
            "texts": self.texts.to_json(),
            "example": self.example,
        }


def add_up(tried: Iterable[Tried]) -> list[FamilyCoverage]:
    """Return the coverage of each family that occurs, in the order of the table of families."""
    found: dict[str, FamilyCoverage] = {}
    for each in tried:
        coverage = found.setdefault(each.kind.family, FamilyCoverage(family=each.kind.family))
        coverage.files += 1
        coverage.bytes += each.size_bytes
        coverage.previews.add(each.thumbnail)
        coverage.texts.add(each.text)
        if not coverage.example and each.thumbnail.state == each.text.state == "ok":
            coverage.example = each.name
    order = {family: place for place, family in enumerate(FAMILIES)}
    return sorted(found.values(), key=lambda coverage: order.get(coverage.family, len(order)))


def reasons(coverage: Sequence[FamilyCoverage]) -> list[tuple[int, str, str, str]]:
    """Return why files have no preview or no text: how many, of which family, which of both, and the reason."""
    found = [
        (files, each.name, step, reason)
        for each in coverage
        for step, covered in (("preview", each.previews), ("text", each.texts))
        for reason, files in covered.reasons.items()
    ]
    return sorted(found, key=lambda row: (-row[0], row[1:]))


def share(part: int, of: int) -> str:
    """Return a share in per cent; never 100 % of what is not all, never 0 % of what is not nothing."""
    percent = 100 * part / of if of else 0.0
    if part and part != of:
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.1f} %" if 0 < percent < 100 else f"{percent:.0f} %"


def as_markdown(coverage: Sequence[FamilyCoverage]) -> str:
    """Return the tables of docs/file-types.md."""
    lines = ["| Family | Files | Preview | Text | No text in it | For example |", "|---|--:|--:|--:|--:|---|"]
    lines += [
        f"| {each.name} | {each.files} | {share(each.previews.ok, each.files)} | {share(each.texts.ok, each.files)}"
        f" | {share(each.texts.states['empty'], each.files)} | {f'`{each.example}`' if each.example else ''} |"
        for each in coverage
    ]
    lines += ["", "| Files | Family | Has no | Because |", "|--:|---|---|---|"]
    lines += [f"| {files} | {family} | {step} | {_cell(why)} |" for files, family, step, why in reasons(coverage)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
