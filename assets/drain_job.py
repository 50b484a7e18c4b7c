"""The job that does what waits in the inbox when no worker does; the sensor `inbox_drain` asks for it.

It tells Dagster nothing of its own: what it does goes through the outbox like the work of every worker, and the sensor
`live_events` tells it. The run fails only when the world is not ready; an item that fails is counted, kept and shown.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import dagster as dg

from ibhelm_pipelines.live.worker import drain
from resources.lanes import DRAIN_JOB, LANE_TAG
from resources.platform import Platform


@dg.op
def work_through_inbox(context: dg.OpExecutionContext, platform: Platform) -> None:
    """Work until nothing is due, for ten minutes at most, and say what was done and what is left."""
    with platform.working(context, asset=DRAIN_JOB) as settings:
        report = drain(settings)
    left = ", ".join(f"{count} of {source}" for source, count in sorted(report.left.items())) or "nothing"
    context.log.info(
        f"{report.done} items done and {report.failed} given up in {report.seconds} s; {left} left, at work or not due."
    )
    if report.problem is not None:  # no retry: what is deferred would not be due, and the retry would call that well
        raise dg.Failure(description=str(report.problem), allow_retries=False)


@dg.job(name=DRAIN_JOB, tags={LANE_TAG: "drain"})
def drain_job() -> None:
    """Do what waits in the inbox, as a worker would."""
    work_through_inbox()
