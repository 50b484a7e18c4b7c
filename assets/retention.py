"""What goes for good: files that are past their retention, with their contents and objects; and the job that does it,
and keeps Dagster's own database and its logs from growing for ever; Dagster has no such thing
(dagster#33785), and the old bookkeeping of the platform itself.

Runs' logs go after 30 days, points of the plots after a year. What is never deleted: the newest event of each asset,
partition and check, for that is their state.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from collections.abc import Iterator

import dagster as dg
from dagster_postgres.event_log import PostgresEventLogStorage
from pydantic import Field
from sqlalchemy import text

from assets.checks import news_of
from assets.folder_asset import CODE_VERSION, OWNERS
from assets.job_report import Event, Progress
from assets.reporting import Numbers
from ibhelm_pipelines.db.cleanup import delete_old_rows
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.db.safety_checks import RETENTION_QUESTIONS
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.safety.purge import PurgeReport, purge
from resources.lanes import LANE_TAG, RETENTION_ASSET, RETENTION_JOB
from resources.platform import Platform

DELETIONS = ("old_run_events", "old_asset_events", "old_check_executions", "old_check_events")


class RetentionConfig(dg.Config):
    """How long Dagster remembers."""

    event_days: int = Field(default=30, ge=1, description="Days that logs of runs and results of checks are kept")
    asset_event_days: int = Field(default=365, ge=1, description="Days that the points of the plots are kept")


@dg.op(required_resource_keys={"platform"})  # whose lock shows that the run is alive
def delete_old_events(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
    """Delete logs first and then the events that lead to them, so that a killed run leaves no log without an owner."""
    storage = context.instance.event_log_storage
    if not isinstance(storage, PostgresEventLogStorage):
        raise dg.Failure(
            description="Dagster does not keep its events in Postgres here. Use the dagster.yaml of the platform.",
            allow_retries=False,
        )
    ages = config.model_dump()
    queries = load_queries("retention")
    with storage.index_connection() as connection:
        old_runs = connection.execute(text(queries["runs_with_old_events"]), ages).scalars().all()
        for run_id in old_runs:
            context.instance.compute_log_manager.delete_logs(prefix=[run_id])
        deleted = {name: connection.execute(text(queries[name]), ages).rowcount for name in DELETIONS}
    context.log.info(f"Deleted the logs of {len(old_runs)} runs and these events: {deleted}")


@dg.op
def delete_old_bookkeeping(context: dg.OpExecutionContext, platform: Platform) -> None:
    """Delete records of live scans and of alerts that are long over."""
    with platform.working(context, asset=RETENTION_JOB) as settings:
        deleted = delete_old_rows(settings, now=dt.datetime.now(dt.UTC))
    context.log.info(f"Deleted of our own tables: {deleted}")


@dg.asset(
    name=RETENTION_ASSET,
    deps=["nas_files", "stored_originals"],
    group_name="safety",
    kinds={"postgres", "s3"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    description="Files that are deleted for longer than their retention are purged, with their versions, and then the"
    " contents and objects that nothing carries any more. See docs/safety.md before changing anything.",
)
def retention(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Purge what is due."""
    with platform.working(context, asset=RETENTION_ASSET) as settings:
        progress = Progress("", context.log.info)
        report = purge(settings, now=dt.datetime.now(dt.UTC), dry_run=False, on_progress=progress)
    return dg.MaterializeResult(metadata=_numbers(report))


@dg.op(out={})
def purge_what_is_due(context: dg.OpExecutionContext, platform: Platform) -> Iterator[Event]:
    """Purge what is due; then ask what could be wrong, however it went."""
    with platform.working(context, asset=RETENTION_JOB) as settings:
        progress = Progress("", context.log.info)
        try:
            report = purge(settings, now=dt.datetime.now(dt.UTC), dry_run=False, on_progress=progress)
        except IbhelmError:
            yield from news_of(context.instance, RETENTION_QUESTIONS, settings)
            raise
        context.log.info(f"Purged: {_numbers(report)} {report.postponed}")
        yield dg.AssetMaterialization(RETENTION_ASSET, metadata=_numbers(report))
        yield from news_of(context.instance, RETENTION_QUESTIONS, settings)


@dg.graph
def removing() -> None:  # of another name than the asset, which Dagster asks for; the job may have the asset's
    """Purge what is past its retention; delete old logs and events of runs, and old bookkeeping. The state of the
    assets and their plots stay.
    """
    delete_old_events()
    delete_old_bookkeeping()
    purge_what_is_due()


retention_job = removing.to_job(name=RETENTION_JOB, tags={LANE_TAG: "maintenance"})


def _numbers(report: PurgeReport) -> Numbers:
    return {**report.counts(), "refused": int(bool(report.refused or report.orphans_refused))}
