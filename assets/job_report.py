"""How a job talks with the command line that may wait for it: what it does now, its summary in a file, and the checks
asked at its end, however it went. What it did before is known to its later attempts.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from ibhelm_pipelines.errors import IbhelmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation

LOG_SECONDS = 60.0
"""Pause between two lines of progress in the log of a run."""


class Progress:
    """Shows what a run does now: to the command that waits for it at once, in the log of the run each minute.

    Args:
        report_path: the file of the summary; `progress` is beside it. None when empty.
        log: writes a line into the log of the run.
    """

    def __init__(self, report_path: str, log: Callable[[str], None]) -> None:
        self._path = Path(report_path).with_name("progress") if report_path else None
        self._log = log
        self._logged = time.monotonic()

    def __call__(self, what: str) -> None:
        if self._path is not None:
            self._path.write_text(what, encoding="utf-8")
        if time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            self._log(f"Now: {what}")


def reported(
    work: Iterator[Event],
    summary: dict[str, Any],
    report_path: str,
    evaluate: Callable[[], Iterator[dg.AssetCheckEvaluation]],
) -> Iterator[Event]:
    """Pass on what the work tells, then the answers of the checks.

    Args:
        work: adds what it did to the summary.
        summary: is written when the work is over, with the sentences of its error if it failed.
        report_path: the file for it; none when empty.
        evaluate: asks the checks.
    """
    try:
        yield from work
    except IbhelmError as error:
        summary["error"] = str(error)
        yield from evaluate()
        raise
    finally:
        _write(report_path, summary)
    yield from evaluate()


def told_before(context: dg.OpExecutionContext) -> set[str]:
    """Return the assets that an earlier attempt of this run has told of: their work is not begun again."""
    if not context.retry_number:
        return set()
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    records = context.instance.get_records_for_run(context.run_id, of_type=kind).records
    events = [record.event_log_entry.dagster_event for record in records]
    return {event.asset_key.to_user_string() for event in events if event and event.asset_key}


def earlier_summary(context: dg.OpExecutionContext, report_path: str) -> dict[str, Any]:
    """Return the summary of an earlier attempt of this run, but for its error."""
    if not (context.retry_number and report_path):
        return {}
    summary: dict[str, Any] = json.loads(Path(report_path).read_text(encoding="utf-8"))
    return {name: value for name, value in summary.items() if name != "error"}


def _write(path: str, summary: Mapping[str, Any]) -> None:
    if path:
        Path(path).write_text(json.dumps(summary), encoding="utf-8")
