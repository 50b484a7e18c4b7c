"""Ends runs that exist on paper only.

Dagster's default launcher does not notice when a run dies together with the code server (power cut, kill -9, `docker
kill`): the run stays "started", holds its place in the queue, and the scan schedules would skip because of it, for
hours. Every living run holds a lock in Postgres (resources/platform.py); a run that has been started for some time and
whose lock is free is dead.
"""

from __future__ import annotations

import datetime as dt

import dagster as dg

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.errors import IbhelmError
from resources.platform import Platform, is_alive

INTERVAL_SECONDS = 60
GRACE = dt.timedelta(minutes=2)
"""From the start of a run until it surely holds its lock: loading the code takes 3 s, 20 s on a loaded machine."""


@dg.sensor(minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def lost_runs(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SkipReason:
    """End runs whose process died without saying so, so that the next scan can start."""
    started = context.instance.get_runs(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], updated_before=dt.datetime.now(dt.UTC) - GRACE)
    )
    try:
        lost = [run for run in started if not _is_alive(platform, run.run_id)]
    except IbhelmError as error:
        return dg.SkipReason(str(error))
    for run in lost:
        context.instance.report_run_failed(
            run, "The process of this run died without a word. What it stored stays; the next run goes on from there."
        )
    return dg.SkipReason(f"{len(started)} runs under way, {len(lost)} of them were dead and are ended now.")


def _is_alive(platform: Platform, run_id: str) -> bool:
    with connect(platform.settings().require_database_url(), application="sensor", autocommit=True) as connection:
        return is_alive(connection, run_id)
