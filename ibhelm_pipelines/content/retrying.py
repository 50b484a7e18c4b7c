"""Tries again what tools gave up: failures that are final, failures that wait for their time, kinds without a tool; and
texts that end before their document does, once a limit was raised.

Nobody but a person does that: a file that broke a reader breaks it again until the file or the reader changes.
Invariant: results are forgotten shortly before their contents are tried again, and never what they made: the part of a
text stays until there is a better one, as does what a good result of an older tool made. What a killed run had
forgotten is missing, and the next scan does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.content.families import UNOPENED, tool_versions
from ibhelm_pipelines.content.ledger import open_session
from ibhelm_pipelines.content.outcome import Step
from ibhelm_pipelines.content.steps import LIVE_ORDER, Steps, open_steps
from ibhelm_pipelines.db.connect import Connection, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

CHUNK = 200
"""Contents that are forgotten and tried together: so many lose their reason when the run is killed."""

STATES = ("ok", "empty", "unsupported", "failed")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which results are tried again: those that meet all that is named.

    Attributes:
        reason: a part of the reason, in small or large letters.
        families: as in `FAMILIES`.
        folders: project folders, of which one has a live file with the content.
        truncated: those whose text ends before the document does, instead of those that gave nothing.
    """

    steps: Sequence[Step] = LIVE_ORDER
    reason: str | None = None
    families: Sequence[str] | None = None
    folders: Sequence[str] | None = None
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """One result that is to be tried again."""

    step: Step
    family: str
    state: str
    reason: str
    content_hash: str


@dataclass(kw_only=True)
class Retried:
    """What came of the contents of one step.

    Attributes:
        states: contents by their new state.
        reasons: of what failed again or is still without a tool.
        waiting: contents that are tried again by themselves, or that another run is at.
    """

    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    waiting: int = 0


def find(settings: Settings, choice: Choice) -> list[Found]:
    """Return what would be tried again, by step."""
    rows = [
        (step, family, version)
        for step in choice.steps
        for family, version in _versions(step, choice, settings).items()
    ]
    steps, families, wanted = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    folders = list(choice.folders) if choice.folders is not None else None
    values: dict[str, Any] = {"steps": steps, "families": families, "versions": wanted, "unopened": UNOPENED}
    values |= {"reason": choice.reason, "folders": folders, "truncated": choice.truncated}
    with open_session(settings) as connection, translated_errors():
        found = connection.execute(load_queries("content")["find_retryable"], values).fetchall()
    return [Found(step=s, family=f, state=state, reason=r, content_hash=h) for s, f, state, r, h in found]


def retry(
    settings: Settings, found: Sequence[Found], *, progress: Callable[[Step, int], None] = lambda _step, _done: None
) -> dict[Step, Retried]:
    """Try these again now, and return what came of them.

    Args:
        settings: of this process.
        found: from `find`.
        progress: told the step and how many more contents of it are done.

    Raises:
        ShareUnavailableError, DatabaseUnavailableError, ObjectStoreUnavailableError: try again later; what was
            forgotten and not done is done by the next scan.
    """
    Share.open(settings)  # before anything is forgotten
    retried: dict[Step, Retried] = {}
    with open_steps(settings) as steps, open_session(settings) as connection:
        for step, group in groupby(found, key=lambda each: each.step):
            done = retried[step] = Retried()
            hashes = [each.content_hash for each in group]
            for start in range(0, len(hashes), CHUNK):
                chunk = hashes[start : start + CHUNK]
                _again(connection, steps, step, chunk, done)
                progress(step, len(chunk))
    return retried


def _again(connection: Connection, steps: Steps, step: Step, hashes: list[str], done: Retried) -> None:
    versions = sorted(set(tool_versions(step, steps.settings).values()))
    values: dict[str, Any] = {"step": step, "hashes": hashes, "versions": versions}
    with translated_errors():
        connection.execute(load_queries("content")["forget_results"], values)
    report = steps.run(step, hashes=hashes, tell=True)
    done.states.update({state: getattr(report.total, state) for state in STATES})
    done.reasons.update(report.reasons)
    done.waiting += report.waiting


def _versions(step: Step, choice: Choice, settings: Settings) -> dict[str, str]:
    versions = tool_versions(step, settings)
    return versions if choice.families is None else {f: v for f, v in versions.items() if f in choice.families}
