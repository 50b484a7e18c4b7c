"""The job that keeps Dagster's own database and its logs from growing for ever; Dagster has no such thing
(dagster#33785). Beside it, the old bookkeeping of the platform itself.

Runs' logs go after 30 days, points of the plots after a year. What is never deleted: the newest event of each asset,
partition and check, for that is their state.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt

import dagster as dg
from dagster_postgres.event_log import PostgresEventLogStorage
from pydantic import Field
from sqlalchemy import text

from ibhelm_pipelines.db.cleanup import delete_old_rows
from ibhelm_pipelines.db.queries import load_queries
from resources.lanes import LANE_TAG, RETENTION_JOB
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


@dg.job(name=RETENTION_JOB, tags={LANE_TAG: "maintenance"})
def retention_job() -> None:
    """Delete old logs and events of runs, and old bookkeeping; the state of the assets and their plots stay."""
    delete_old_events()
    delete_old_bookkeeping()
