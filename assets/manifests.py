"""The manifests in the bucket, from which any day can be restored without a database (docs/restore.md)."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from assets.checks import news_of
from assets.folder_asset import CODE_VERSION, OWNERS
from assets.job_report import Event, Progress
from assets.reporting import ROW_COUNT, Numbers
from ibhelm_pipelines.db.safety_checks import MANIFEST_QUESTIONS
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.local.priority import give_way
from ibhelm_pipelines.safety.manifests import ManifestReport, write_manifests
from resources.lanes import LANE_TAG, MANIFESTS_ASSET, MANIFESTS_JOB
from resources.platform import Platform


@dg.asset(
    name=MANIFESTS_ASSET,
    deps=["stored_originals"],
    group_name="safety",
    kinds={"s3"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    description="Of every project folder a list of all its files' versions, in the bucket: what was where and when, so"
    " that any day can be restored from the bucket alone.",
)
def folder_manifests(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Write what changed, and the index that names all."""
    give_way()
    with platform.working(context, asset=MANIFESTS_ASSET) as settings:
        progress = Progress("", context.log.info)
        report = write_manifests(settings, now=dt.datetime.now(dt.UTC), on_progress=progress)
    return dg.MaterializeResult(metadata=_numbers(report))


@dg.op(out={})
def write_folder_manifests(context: dg.OpExecutionContext, platform: Platform) -> Iterator[Event]:
    """Write what changed, and the index; then ask what could be wrong, however it went."""
    give_way()
    with platform.working(context, asset=MANIFESTS_JOB) as settings:
        try:
            progress = Progress("", context.log.info)
            report = write_manifests(settings, now=dt.datetime.now(dt.UTC), on_progress=progress)
        except IbhelmError:
            yield from news_of(context.instance, MANIFEST_QUESTIONS, settings)
            raise
        context.log.info(f"Written as {report.index_key}: {_numbers(report)}")
        yield dg.AssetMaterialization(MANIFESTS_ASSET, metadata=_numbers(report))
        yield from news_of(context.instance, MANIFEST_QUESTIONS, settings)


@dg.job(name=MANIFESTS_JOB, tags={LANE_TAG: "manifests"})
def manifests_job() -> None:
    """Write what was where and when into the bucket, for the day when there is nothing else."""
    write_folder_manifests()


def _numbers(report: ManifestReport) -> Numbers:
    seconds = max(report.seconds, 0.001)
    return {
        ROW_COUNT: report.versions,
        "folders": report.folders,
        "written": report.written,
        "bytes": report.written_bytes,
        "deleted": report.deleted,
        "seconds": round(report.seconds, 3),
        "versions_per_second": round(report.versions / seconds, 1),
    }
