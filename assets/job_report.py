"""How a job ends that the command line may wait for: with its summary in a file, and the checks asked, however it
went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from ibhelm_pipelines.errors import IbhelmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


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


def _write(path: str, summary: Mapping[str, Any]) -> None:
    if path:
        Path(path).write_text(json.dumps(summary), encoding="utf-8")
