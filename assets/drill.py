"""The weekly restore drill: a backup that was never restored is a hope. An asset without partitions, and its job."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from collections.abc import Callable, Iterator

import dagster as dg

from assets.backup import GROUP
from assets.checks import evaluations
from assets.folder_asset import CODE_VERSION, OWNERS
from assets.job_report import Event, Progress, reported
from assets.reporting import ROW_COUNT, Numbers
from ibhelm_pipelines.db.safety_checks import DRILL_QUESTIONS
from ibhelm_pipelines.safety.drill import drill
from ibhelm_pipelines.settings import Settings
from resources.lanes import BACKUP_ASSET, DRILL_ASSET, DRILL_JOB, LANE_TAG
from resources.platform import Platform


def make_drill(settings: Settings, progress: Callable[[str], None]) -> Numbers:
    """Try to restore, and return what was found right; raises what `drill` raises."""
    now = dt.datetime.now(dt.UTC)
    report = drill(settings, now=now, on_progress=progress)
    numbers: Numbers = {
        ROW_COUNT: report.row_count,
        "tables": report.tables,
        "rows_compared": report.rows_compared,
        "objects_compared": report.objects_compared,
        "hash_only": int(report.state == "hash_only"),
        "seconds": round(report.restore_seconds, 3),
    }
    if report.newest_row_at is not None:
        numbers["newest_row_hours"] = round((now - report.newest_row_at) / dt.timedelta(hours=1), 1)
    return numbers


@dg.asset(
    deps=[BACKUP_ASSET],
    group_name=GROUP,
    kinds={"postgres", "s3"},
    description="Evidence that the newest backup can be restored: it was, into a database of its own, and compared with"
    " what was dumped; stored objects that it names were read.",
    owners=OWNERS,
    code_version=CODE_VERSION,
)
def restore_drill(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Restore the newest backup on trial."""
    with platform.working(context, asset=DRILL_ASSET) as settings:
        numbers = make_drill(settings, Progress("", context.log.info))
    return dg.MaterializeResult(metadata=numbers)


@dg.op(out={})
def try_to_restore(context: dg.OpExecutionContext, platform: Platform) -> Iterator[Event]:
    """Restore the newest backup on trial; then ask what could be wrong, however it went."""
    with platform.working(context, asset=DRILL_JOB) as settings:
        yield from reported(_work(context, settings), {}, "", lambda: evaluations(DRILL_QUESTIONS, settings))


def _work(context: dg.OpExecutionContext, settings: Settings) -> Iterator[Event]:
    numbers = make_drill(settings, Progress("", context.log.info))
    context.log.info(f"{DRILL_ASSET}: {numbers}")
    yield dg.AssetMaterialization(DRILL_ASSET, metadata=numbers)


@dg.job(name=DRILL_JOB, tags={LANE_TAG: "backup"})
def drill_job() -> None:
    """Try whether the newest backup can be restored."""
    try_to_restore()
