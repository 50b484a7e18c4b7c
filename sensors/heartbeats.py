"""Tells a watching service (Healthchecks, Better Stack) of every good run of a schedule. Its silence is the alarm.

Nothing is told of failures: a service that hears nothing also notices a machine that is switched off.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import dagster as dg

from ibhelm_pipelines.alerts.heartbeat_urls import ping
from ibhelm_pipelines.errors import IbhelmError
from resources.platform import Platform

INTERVAL_SECONDS = 30
SCHEDULE_TAG = "dagster/schedule_name"


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def schedule_heartbeats(context: dg.RunStatusSensorContext, platform: Platform) -> dg.SkipReason:
    """Request the heartbeat URL of the schedule whose run has succeeded."""
    schedule = context.dagster_run.tags.get(SCHEDULE_TAG, "")
    if not schedule:
        return dg.SkipReason("No schedule started this run.")
    try:
        return dg.SkipReason(ping(platform.settings(), schedule))
    except IbhelmError as error:
        return dg.SkipReason(str(error))
