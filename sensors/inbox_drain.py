"""The fallback of the live lane: when nobody takes what waits, one run of the job `drain_inbox` does.

One run at a time. What was given up asks for none, and what failed before only every ten minutes, so that a trouble
that lasts is not a run every few seconds.
"""

from __future__ import annotations

import dagster as dg

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.live.lanes import lanes_on, sources
from resources.lanes import DRAIN_JOB
from resources.platform import Platform
from sensors.schedules import IN_FLIGHT

INTERVAL_SECONDS = 15


@dg.sensor(
    job_name=DRAIN_JOB,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def inbox_drain(context: dg.SensorEvaluationContext, platform: Platform) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run when something has waited for more than a minute and no worker has taken it."""
    in_flight = context.instance.get_runs(dg.RunsFilter(job_name=DRAIN_JOB, statuses=IN_FLIGHT), limit=1)
    if in_flight:
        return dg.SkipReason(f"A drain is {in_flight[0].status.value.lower()} already (run {in_flight[0].run_id}).")
    try:
        neglected = _count_neglected(platform)
    except IbhelmError as error:
        return dg.SkipReason(str(error))
    if not neglected:
        return dg.SkipReason("Nothing in the inbox has waited for more than a minute.")
    return dg.RunRequest()


def _count_neglected(platform: Platform) -> int:
    settings = platform.settings()
    with (
        connect(settings.require_database_url(), application="sensor", autocommit=True) as connection,
        translated_errors(),
    ):
        [(count,)] = connection.execute(
            load_queries("inbox")["neglected"], {"sources": sources(lanes_on(settings))}
        ).fetchall()
    return int(count)
