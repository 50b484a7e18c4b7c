"""The daily backup of the databases, and what is no longer kept: an asset without partitions, and the job of its
schedule.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from collections.abc import Callable, Iterator

import dagster as dg

from assets.checks import evaluations
from assets.folder_asset import CODE_VERSION, OWNERS
from assets.job_report import Event, Progress, reported
from assets.reporting import ROW_COUNT, Numbers
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.safety_checks import BACKUP_QUESTIONS
from ibhelm_pipelines.privacy.kept_list import keep_list
from ibhelm_pipelines.safety.backup import back_up
from ibhelm_pipelines.safety.backup_keeping import expire_backups
from ibhelm_pipelines.settings import Settings
from resources.lanes import BACKUP_ASSET, BACKUP_JOB, LANE_TAG
from resources.platform import Platform

GROUP = "safety"


def make_backup(settings: Settings, progress: Callable[[str], None]) -> Numbers:
    """Back up, delete what is no longer kept, and return what was done; raises what these raise."""
    now = dt.datetime.now(dt.UTC)
    report = back_up(settings, now=now, on_progress=progress)
    expired = expire_backups(settings, now=now)
    with connect(settings.require_database_url(), application="backup", autocommit=True) as connection:
        keep_list(settings, connection)  # who was forgotten stays so after a restore
    ours = report.backups[0]
    return {
        ROW_COUNT: ours.rows,
        "tables": len(ours.tables),
        "bytes": report.size_bytes,
        "database_bytes": sum(manifest.database_bytes for manifest in report.backups),
        "databases": len(report.backups),
        "encrypted": int(bool(ours.recipients)),
        "expired": len(expired),
        "seconds": round(report.seconds, 3),
        "megabytes_per_second": round(report.size_bytes / 1e6 / max(report.seconds, 0.001), 1),
    }


@dg.asset(
    group_name=GROUP,
    kinds={"postgres", "s3"},
    description="The databases as they were at one moment, dumped into the bucket beside what they held in numbers."
    " Those of the newest days, weeks and months are kept.",
    owners=OWNERS,
    code_version=CODE_VERSION,
)
def database_backup(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Back up the databases."""
    with platform.working(context, asset=BACKUP_ASSET) as settings:
        numbers = make_backup(settings, Progress("", context.log.info))
    return dg.MaterializeResult(metadata=numbers)


@dg.op(out={})
def back_up_databases(context: dg.OpExecutionContext, platform: Platform) -> Iterator[Event]:
    """Back up; then ask what could be wrong with backups, however it went."""
    with platform.working(context, asset=BACKUP_JOB) as settings:
        yield from reported(_work(context, settings), {}, "", lambda: evaluations(BACKUP_QUESTIONS, settings))


def _work(context: dg.OpExecutionContext, settings: Settings) -> Iterator[Event]:
    numbers = make_backup(settings, Progress("", context.log.info))
    context.log.info(f"{BACKUP_ASSET}: {numbers}")
    yield dg.AssetMaterialization(BACKUP_ASSET, metadata=numbers)


@dg.job(name=BACKUP_JOB, tags={LANE_TAG: "backup"})
def backup_job() -> None:
    """Back up the databases, and delete the backups that are no longer kept."""
    back_up_databases()
