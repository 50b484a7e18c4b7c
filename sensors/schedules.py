"""When scans and syncs run: quick ones every few minutes, thorough ones at night; and the daily clean-up of Dagster's
own database.

A quick scan that finds another scan at work has nothing to add, so it is skipped. A deep scan is only skipped for
another deep one; behind a quick scan it waits in the queue (`ibhelm/lane` is limited in dagster.yaml), for a long quick
scan must not cost a night. Quick scans leave 02:00 to it. The same holds for syncs: of Teamwork at 03:00, of Missive at
03:30. The register follows all of them, the search the register. Vectors are made all the time, in slices.
"""

from __future__ import annotations

import datetime as dt

import dagster as dg

from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.vendors.due import full_is_due
from resources.lanes import (
    BACKUP_JOB,
    DEEP_TAG,
    DRILL_JOB,
    EMBEDDINGS_JOB,
    FULL_TAG,
    MANIFESTS_JOB,
    MIRROR_JOB,
    MISSIVE_SYNC_JOB,
    REGISTER_JOB,
    RETENTION_JOB,
    SCAN_JOB,
    SEARCH_JOB,
    TEAMWORK_SYNC_JOB,
)
from resources.platform import Platform
from resources.vendors import MISSIVE, TEAMWORK, Vendor

TIMEZONE = "Europe/Berlin"

IN_FLIGHT = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

SCAN_OP = "scan_and_derive"
REGISTER_OP = "keep_register"
SEARCH_OP = "keep_search"


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
    description="Every day at 04:30: what is past its retention is purged, old logs and events of Dagster deleted.",
)


@dg.schedule(
    job_name=MIRROR_JOB,
    cron_schedule="20 5 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def mirror_check(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every day at 05:20: every object in S3 is looked for, and a thirtieth of them read back."""
    return _in_flight(context, MIRROR_JOB, {}, "run") or dg.RunRequest()


manifests_schedule = dg.ScheduleDefinition(
    name="daily_manifests",
    job_name=MANIFESTS_JOB,
    cron_schedule="5 5 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 05:05: what was where and when is written into the bucket, to restore from it alone.",
)

backup_schedule = dg.ScheduleDefinition(
    name="daily_backup",
    job_name=BACKUP_JOB,
    cron_schedule="15 5 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 05:15, when the night's work is done: the databases are backed up.",
)

drill_schedule = dg.ScheduleDefinition(
    name="weekly_restore_drill",
    job_name=DRILL_JOB,
    cron_schedule="0 6 * * 0",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every Sunday at 06:00: the newest backup is restored on trial.",
)


@dg.schedule(
    job_name=TEAMWORK_SYNC_JOB,
    cron_schedule=["*/4 0-2,4-23 * * *", "4-56/4 3 * * *"],
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def teamwork_quick_sync(context: dg.ScheduleEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """Every 4 minutes: what changed in Teamwork; or everything, when last night's full sync is still missing."""
    return _sync(context, TEAMWORK, platform, full=False)


@dg.schedule(
    job_name=TEAMWORK_SYNC_JOB,
    cron_schedule="0 3 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def teamwork_full_sync(context: dg.ScheduleEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """Every night at 03:00: all that Teamwork has, so that what vanished is found."""
    return _sync(context, TEAMWORK, platform, full=True)


@dg.schedule(
    job_name=MISSIVE_SYNC_JOB,
    cron_schedule=["*/5 0-2,4-23 * * *", "0-25/5,35-55/5 3 * * *"],
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def missive_quick_sync(context: dg.ScheduleEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """Every 5 minutes: what is new in Missive; or everything, when last night's full sync is still missing."""
    return _sync(context, MISSIVE, platform, full=False)


@dg.schedule(
    job_name=MISSIVE_SYNC_JOB,
    cron_schedule="30 3 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def missive_full_sync(context: dg.ScheduleEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """Every night at 03:30: all conversations of Missive, so that what vanished, moved or was merged is found."""
    return _sync(context, MISSIVE, platform, full=True)


@dg.schedule(
    job_name=REGISTER_JOB,
    cron_schedule=["7-57/10 0-3,5-23 * * *", "17-57/10 4 * * *"],
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def register_update(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every 10 minutes: what that belongs to of which something changed."""
    return _request_keeping(context, REGISTER_JOB, REGISTER_OP, everything=False)


@dg.schedule(
    job_name=REGISTER_JOB,
    cron_schedule="7 4 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def register_rebuild(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every night at 04:07: what everything belongs to, decided anew."""
    return _request_keeping(context, REGISTER_JOB, REGISTER_OP, everything=True)


@dg.schedule(
    job_name=SEARCH_JOB,
    cron_schedule=["2-57/5 0-3,5-23 * * *", "2-32/5,42-57/5 4 * * *"],
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def search_update(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every 5 minutes: what can be found of what changed."""
    return _request_keeping(context, SEARCH_JOB, SEARCH_OP, everything=False)


@dg.schedule(
    job_name=SEARCH_JOB,
    cron_schedule="37 4 * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def search_rebuild(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every night at 04:37: what can be found of everything, made anew."""
    return _request_keeping(context, SEARCH_JOB, SEARCH_OP, everything=True)


@dg.schedule(
    job_name=EMBEDDINGS_JOB,
    cron_schedule="3-58/5 * * * *",
    execution_timezone=TIMEZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def embeddings_update(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Every 5 minutes: vectors of new texts, then a slice of what else is missing."""
    return _in_flight(context, EMBEDDINGS_JOB, {}, "run") or dg.RunRequest()


def _request_keeping(
    context: dg.ScheduleEvaluationContext, job: str, op: str, *, everything: bool
) -> dg.RunRequest | dg.SkipReason:
    tags = {FULL_TAG: "true"} if everything else {}
    config = {"ops": {op: {"config": {"everything": everything}}}}
    return _in_flight(context, job, tags, "run") or dg.RunRequest(run_config=config, tags=tags)


def _sync(
    context: dg.ScheduleEvaluationContext, vendor: Vendor, platform: Platform, *, full: bool
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a sync, or say why there is none to be done."""
    try:
        if not vendor.is_on(platform.settings()):
            return dg.SkipReason(vendor.off)
        full = full or _must_make_up(context, vendor, platform)
    except IbhelmError as error:
        return dg.SkipReason(str(error))
    tags = {FULL_TAG: "true"} if full else {}
    return _in_flight(context, vendor.job, tags, "sync") or dg.RunRequest(
        run_config={"ops": {vendor.op: {"config": {"full": full}}}}, tags=tags
    )


def _must_make_up(context: dg.ScheduleEvaluationContext, vendor: Vendor, platform: Platform) -> bool:
    """Return whether the nightly reading is missing, and nobody tried it in the last hour."""
    if not full_is_due(platform.settings(), vendor.name):
        return False
    hour_ago = context.scheduled_execution_time.astimezone(dt.UTC) - dt.timedelta(hours=1)
    filters = dg.RunsFilter(job_name=vendor.job, tags={FULL_TAG: "true"}, created_after=hour_ago)
    return not context.instance.get_runs(filters, limit=1)


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


SCHEDULES = (
    *(quick_scan, deep_scan, retention_schedule, manifests_schedule, backup_schedule, drill_schedule, mirror_check),
    *(teamwork_quick_sync, teamwork_full_sync, missive_quick_sync, missive_full_sync),
    *(register_update, register_rebuild, search_update, search_rebuild, embeddings_update),
)
