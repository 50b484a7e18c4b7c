"""When scans run: quick ones every 15 minutes, a deep one at night; and the daily clean-up of Dagster's own database.

A quick scan that finds another scan at work has nothing to add, so it is skipped. A deep scan is only skipped for
another deep one; behind a quick scan it waits in the queue (`ibhelm/lane` is limited in dagster.yaml), for a long quick
scan must not cost a night. Quick scans leave 02:00 to it.
"""

from __future__ import annotations

import dagster as dg

from resources.lanes import DEEP_TAG, RETENTION_JOB, SCAN_JOB

TIMEZONE = "Europe/Berlin"

IN_FLIGHT = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

SCAN_OP = "scan_and_derive"


@dg.schedule(
    job_name=SCAN_JOB,
    cron_schedule=["*/15 0-1,3-23 * * *", "15,30,45 2 * * *"],
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def quick_scan(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every 15 minutes: what is new, changed, moved or gone on the share."""
    return _unless_in_flight(context, deep=False, tags={})


@dg.schedule(
    job_name=SCAN_JOB,
    cron_schedule="0 2 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def deep_scan(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every night at 02:00: all of the share, and a thirtieth of the contents read again against bit rot."""
    return _unless_in_flight(context, deep=True, tags={DEEP_TAG: "true"})


retention_schedule = dg.ScheduleDefinition(
    name="daily_retention",
    job_name=RETENTION_JOB,
    cron_schedule="30 4 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 04:30: old logs and events of Dagster itself are deleted.",
)


def _unless_in_flight(
    context: dg.ScheduleEvaluationContext, *, deep: bool, tags: dict[str, str]
) -> dg.RunRequest | dg.SkipReason:
    filters = dg.RunsFilter(job_name=SCAN_JOB, statuses=IN_FLIGHT, tags=tags)
    in_flight = context.instance.get_runs(filters, limit=1)
    if in_flight:
        status = in_flight[0].status.value.lower()
        return dg.SkipReason(f"A scan is {status} already (run {in_flight[0].run_id}); the next tick looks again.")
    return dg.RunRequest(run_config={"ops": {SCAN_OP: {"config": {"deep": deep}}}}, tags=tags)
