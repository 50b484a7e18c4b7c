"""When scans and syncs run: quick ones every few minutes, thorough ones at night; and the daily clean-up of Dagster's
own database.

A quick scan that finds another scan at work has nothing to add, so it is skipped. A deep scan is only skipped for
another deep one; behind a quick scan it waits in the queue (`ibhelm/lane` is limited in dagster.yaml), for a long quick
scan must not cost a night. Quick scans leave 02:00 to it. The same holds for syncs, whose night begins at 03:00.
"""

from __future__ import annotations

import datetime as dt

import dagster as dg

from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.vendors.teamwork.due import full_is_due
from ibhelm_pipelines.vendors.teamwork.sync import is_connected, switch_off
from resources.lanes import DEEP_TAG, FULL_TAG, RETENTION_JOB, SCAN_JOB, TEAMWORK_SYNC_JOB
from resources.platform import Platform

TIMEZONE = "Europe/Berlin"

IN_FLIGHT = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

SCAN_OP = "scan_and_derive"
SYNC_OP = "read_teamwork"


@dg.schedule(
    job_name=SCAN_JOB,
    cron_schedule=["*/15 0-1,3-23 * * *", "15,30,45 2 * * *"],
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def quick_scan(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every 15 minutes: what is new, changed, moved or gone on the share."""
    return _request_scan(context, deep=False)


@dg.schedule(
    job_name=SCAN_JOB,
    cron_schedule="0 2 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def deep_scan(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every night at 02:00: all of the share, and a thirtieth of the contents read again against bit rot."""
    return _request_scan(context, deep=True)


retention_schedule = dg.ScheduleDefinition(
    name="daily_retention",
    job_name=RETENTION_JOB,
    cron_schedule="30 4 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 04:30: old logs and events of Dagster itself are deleted.",
)


@dg.schedule(
    job_name=TEAMWORK_SYNC_JOB,
    cron_schedule=["*/4 0-2,4-23 * * *", "4-56/4 3 * * *"],
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def teamwork_quick_sync(context: dg.ScheduleEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """Every 4 minutes: what changed in Teamwork; or everything, when last night's full sync is still missing."""
    try:
        return _why_off(platform) or _request_sync(context, full=_must_make_up(context, platform))
    except IbhelmError as error:
        return dg.SkipReason(str(error))


@dg.schedule(
    job_name=TEAMWORK_SYNC_JOB,
    cron_schedule="0 3 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def teamwork_full_sync(context: dg.ScheduleEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """Every night at 03:00: all that Teamwork has, so that what vanished is found."""
    try:
        return _why_off(platform) or _request_sync(context, full=True)
    except IbhelmError as error:
        return dg.SkipReason(str(error))


def _why_off(platform: Platform) -> dg.SkipReason | None:
    """Return why Teamwork is not read, if so, and write it down: then nothing of it is late.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    settings = platform.settings()
    if is_connected(settings):
        return None
    switch_off(settings)
    return dg.SkipReason("Teamwork is off: IBHELM_TEAMWORK_TOKEN is not set.")


def _must_make_up(context: dg.ScheduleEvaluationContext, platform: Platform) -> bool:
    """Return whether the nightly reading is missing, and nobody tried it in the last hour."""
    if not full_is_due(platform.settings()):
        return False
    hour_ago = context.scheduled_execution_time.astimezone(dt.UTC) - dt.timedelta(hours=1)
    filters = dg.RunsFilter(job_name=TEAMWORK_SYNC_JOB, tags={FULL_TAG: "true"}, created_after=hour_ago)
    return not context.instance.get_runs(filters, limit=1)


def _request_sync(context: dg.ScheduleEvaluationContext, *, full: bool) -> dg.RunRequest | dg.SkipReason:
    tags = {FULL_TAG: "true"} if full else {}
    return _in_flight(context, TEAMWORK_SYNC_JOB, tags, "sync") or dg.RunRequest(
        run_config={"ops": {SYNC_OP: {"config": {"full": full}}}}, tags=tags
    )


def _request_scan(context: dg.ScheduleEvaluationContext, *, deep: bool) -> dg.RunRequest | dg.SkipReason:
    tags = {DEEP_TAG: "true"} if deep else {}
    return _in_flight(context, SCAN_JOB, tags, "scan") or dg.RunRequest(
        run_config={"ops": {SCAN_OP: {"config": {"deep": deep}}}}, tags=tags
    )


def _in_flight(
    context: dg.ScheduleEvaluationContext, job: str, tags: dict[str, str], what: str
) -> dg.SkipReason | None:
    """Return why there is nothing to add: the same work is waiting or under way."""
    filters = dg.RunsFilter(job_name=job, statuses=IN_FLIGHT, tags=tags)
    for run in context.instance.get_runs(filters, limit=1):
        state = run.status.value.lower()
        return dg.SkipReason(f"A {what} is {state} already (run {run.run_id}); the next tick looks again.")
    return None
