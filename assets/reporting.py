"""Reports of the rooms as metadata: numbers per folder that the UI can plot, the same whoever started the work."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import dagster as dg

    from ibhelm_pipelines.content.steps import StepReport
    from ibhelm_pipelines.nas.report import ScanReport
    from ibhelm_pipelines.settings import Settings
    from resources.vendors import Vendor

Numbers = dict[str, int | float]

ROW_COUNT = "dagster/row_count"


def scan_numbers(report: ScanReport, folders: Iterable[str]) -> dict[str, Numbers]:
    """Return what one scan did in each of these folders; seconds and speed are those of the whole scan."""
    pace = _pace(report.total.seen, report.seconds)
    counts = {folder: _counts(report, folder) for folder in folders}
    return {folder: {**numbers, ROW_COUNT: numbers["seen"], **pace} for folder, numbers in counts.items()}


def step_numbers(report: StepReport, folders: Iterable[str], row_counts: Mapping[str, int]) -> dict[str, Numbers]:
    """Return what one derived step did in each of these folders; seconds and speed are those of the whole step."""
    pace = _pace(report.total.done, report.seconds)
    return {folder: {**_counts(report, folder), ROW_COUNT: row_counts.get(folder, 0), **pace} for folder in folders}


def derived_row_counts(settings: Settings, step: str, folders: Iterable[str]) -> dict[str, int]:
    """Return how many live contents of each folder the step has done well so far."""
    with connect(settings.require_database_url(), application="assets", autocommit=True) as connection:
        rows = connection.execute(
            load_queries("checks")["derived_contents"], {"folders": list(folders), "step": step}
        ).fetchall()
    return dict(rows)


def outdated_contents(settings: Settings, step: str) -> dict[str, int]:
    """Return how many contents of each family, in all folders, have nothing but a result of an older tool."""
    with connect(settings.require_database_url(), application="assets", autocommit=True) as connection:
        rows = connection.execute(load_queries("checks")["outdated_families"], {"step": step}).fetchall()
    return dict(rows)


def is_on(context: dg.OpExecutionContext | dg.AssetExecutionContext, vendor: Vendor, settings: Settings) -> bool:
    """Return whether a vendor is connected; if not, say so and write it down."""
    connected = vendor.is_on(settings)
    if not connected:
        context.log.warning(vendor.off)
    return connected


def _counts(report: ScanReport | StepReport, folder: str) -> Numbers:
    """Return zeros for a folder that is empty or gone: a gap in the plot would look like no run."""
    counts = report.folders.get(folder)
    return asdict(counts) if counts is not None else dict.fromkeys(asdict(report.total), 0)


def _pace(files: int, seconds: float) -> Numbers:
    return {"seconds": round(seconds, 3), "files_per_second": round(files / seconds, 1) if seconds > 0 else 0.0}
