"""Whether the objects in S3 still are what the tables say: a thirtieth is read back a day, all are looked for."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from assets.checks import news_of
from assets.folder_asset import CODE_VERSION, OWNERS
from assets.job_report import Event, Progress
from assets.reporting import ROW_COUNT, Numbers
from ibhelm_pipelines.db.safety_checks import MIRROR_QUESTIONS
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.local.priority import give_way
from ibhelm_pipelines.safety.verification import VerificationReport, verify_mirror
from resources.lanes import LANE_TAG, LONGEST_RUN_SECONDS, MIRROR_ASSET, MIRROR_JOB
from resources.platform import Platform


class VerificationConfig(dg.Config):
    """How much is read."""

    everything: bool = Field(default=False, description="Read every object, and not only those whose turn it is")


@dg.asset(
    name=MIRROR_ASSET,
    deps=["stored_originals", "thumbnails"],
    group_name="safety",
    kinds={"s3"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    description="Every object in S3 is looked for once a day, and read back and hashed once in 30 days. What is missing"
    " or damaged is healed from the NAS, or from an earlier version, and reported.",
)
def mirror_verification(
    context: dg.AssetExecutionContext, config: VerificationConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """Verify what is due, and heal what can be healed."""
    give_way()
    with platform.working(context, asset=MIRROR_ASSET) as settings:
        progress = Progress("", context.log.info)
        now = dt.datetime.now(dt.UTC)
        report = verify_mirror(settings, now=now, everything=config.everything, on_progress=progress)
    return dg.MaterializeResult(metadata=_numbers(report))


@dg.op(out={})
def verify_due_objects(
    context: dg.OpExecutionContext, config: VerificationConfig, platform: Platform
) -> Iterator[Event]:
    """Verify what is due; then ask what could be wrong, however it went."""
    give_way()
    with platform.working(context, asset=MIRROR_JOB) as settings:
        try:
            report = verify_mirror(
                settings,
                now=dt.datetime.now(dt.UTC),
                everything=config.everything,
                on_progress=Progress("", context.log.info),
            )
        except IbhelmError:
            yield from news_of(context.instance, MIRROR_QUESTIONS, settings)
            raise
        context.log.info(f"Verified: {_numbers(report)}")
        yield dg.AssetMaterialization(MIRROR_ASSET, metadata=_numbers(report))
        yield from news_of(context.instance, MIRROR_QUESTIONS, settings)


@dg.job(name=MIRROR_JOB, tags={LANE_TAG: "mirror", "dagster/max_runtime": str(LONGEST_RUN_SECONDS)})
def mirror_job() -> None:
    """Look for every object in S3, and read back those whose turn it is."""
    verify_due_objects()


def _numbers(report: VerificationReport) -> Numbers:
    seconds = max(report.seconds, 0.001)
    return {
        ROW_COUNT: report.listed,
        "objects": report.objects,
        "bytes": report.bytes,
        "missing": report.missing,
        "damaged": report.damaged,
        "healed": report.healed,
        "open": report.open,
        "busy": report.busy,
        "refused": int(bool(report.refused)),
        "seconds": round(report.seconds, 3),
        "objects_per_second": round(report.objects / seconds, 1),
        "bytes_per_second": round(report.bytes / seconds),
    }
