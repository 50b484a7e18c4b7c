"""The job behind the schedules and `ibhelm scan`: one run over all folders, from the walk to the text, then the checks.

An op and not a selection of the assets, because a partitioned run writes events for every partition, 15-minutely and
though nothing changed. It reports the same assets with the same numbers, but only for folders where there is something
to tell: where something changed or failed, that were never told of or not since a tool changed, or all of them after a
deep scan.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg
from pydantic import Field

from assets.checks import evaluations
from assets.job_report import Event, reported
from assets.reporting import Numbers, derived_row_counts, scan_numbers, step_numbers
from ibhelm_pipelines.content.steps import Step, run_step
from ibhelm_pipelines.db.checks import QUESTIONS
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings
from resources.lanes import LANE_TAG, LONGEST_RUN_SECONDS, SCAN_JOB
from resources.partitions import FOLDERS_NAME
from resources.platform import Platform
from resources.tool_code import DATA_VERSION_TAG, provenance

STEPS: dict[str, Step] = {"stored_originals": "store", "thumbnails": "thumbnail", "extracted_text": "text"}

_TELLING = ("new", "changed", "moved", "deleted", "restored", "failed", "done")
"""Counts that make a folder worth an event after a quick scan."""


class ScanConfig(dg.Config):
    """What to scan, and how thoroughly."""

    folders: list[str] | None = Field(default=None, description="Folder keys; all of them when left out")
    deep: bool = Field(default=False, description="Also re-read a thirtieth of the files, against bit rot")
    confirm_deletions: int | None = Field(
        default=None, description="Id of the scan whose refused deletions an operator has confirmed"
    )
    report_path: str = Field(default="", description="File for the summary as JSON; `ibhelm scan` reads it")


@dg.op(out={})
def scan_and_derive(context: dg.OpExecutionContext, config: ScanConfig, platform: Platform) -> Iterator[Event]:
    """Scan, store, preview, read; tell Dagster of each; then ask what could be wrong, however it went."""
    summary: dict[str, Any] = {"run_id": context.run_id}
    with platform.working(context, asset=SCAN_JOB, folders=config.folders) as settings:
        work = _work(context, config, settings, summary)
        yield from reported(work, summary, config.report_path, lambda: evaluations(QUESTIONS, settings))


@dg.job(name=SCAN_JOB, tags={LANE_TAG: "scan", "dagster/max_runtime": str(LONGEST_RUN_SECONDS)})
def scan_job() -> None:
    """Scan the NAS, store new originals, make previews and text, and ask what could be wrong."""
    scan_and_derive()


def _work(
    context: dg.OpExecutionContext, config: ScanConfig, settings: Settings, summary: dict[str, Any]
) -> Iterator[Event]:
    report = scan(settings, folders=config.folders, deep=config.deep, confirm_deletions=config.confirm_deletions)
    summary["scan"] = report.as_json()
    context.log.info(f"Scan {report.scan_id} is {report.state}: {report.total}")
    present = [folder for folder, counts in report.folders.items() if counts.seen or not counts.deleted]
    context.instance.add_dynamic_partitions(FOLDERS_NAME, present)
    yield from _tell(context, config, "nas_files", scan_numbers(report, report.folders), scan=report.scan_id)
    for asset, step in STEPS.items():
        done = run_step(step, settings, folders=config.folders)
        summary.setdefault("steps", {})[step] = asdict(done)
        context.log.info(f"Step {step}: {done.total}")
        folders = sorted({*present, *done.folders})
        numbers = step_numbers(done, folders, derived_row_counts(settings, step, folders))
        yield from _tell(context, config, asset, numbers, made_by=provenance(step), scan=report.scan_id)


def _tell(
    context: dg.OpExecutionContext,
    config: ScanConfig,
    asset: str,
    numbers: Mapping[str, Numbers],
    *,
    made_by: Mapping[str, str] | None = None,
    **common: int,
) -> Iterator[dg.AssetMaterialization]:
    told = _told(context.instance, asset, made_by or {})
    for folder, folder_numbers in numbers.items():
        if config.deep or folder not in told or any(folder_numbers.get(name) for name in _TELLING):
            yield dg.AssetMaterialization(asset, partition=folder, metadata={**folder_numbers, **common}, tags=made_by)


def _told(instance: dg.DagsterInstance, asset: str, made_by: Mapping[str, str]) -> set[str]:
    """Return the folders that were told of as they are: of none that the present tools have not been over since."""
    key = dg.AssetKey(asset)
    if DATA_VERSION_TAG not in made_by:
        return set(instance.get_materialized_partitions(key))
    newest = instance.event_log_storage.get_latest_tags_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {folder for folder, tags in newest.items() if tags[DATA_VERSION_TAG] == made_by[DATA_VERSION_TAG]}
