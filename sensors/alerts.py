"""Looks for trouble twice a minute, keeps the alerts in step with it, and has people told.

The sensor asks for no run, whatever it finds: what failed for good is one alert and no loop.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from functools import lru_cache

import dagster as dg

from ibhelm_pipelines.alerts.evaluate import evaluate, open_run_alerts_since
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.logs import configure_own_logging
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform
from sensors.run_failures import run_conditions

INTERVAL_SECONDS = 30


@dg.sensor(minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def alerts(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SkipReason:
    """Open an alert for what is wrong, send it once and then daily, and close it when it is over."""
    try:
        settings = platform.settings()
        _log_as_json(settings)
        since = open_run_alerts_since(settings)
        runs = run_conditions(context.instance, now=dt.datetime.now(dt.UTC), open_since=since)
        report = evaluate(settings, runs=runs)
    except IbhelmError as error:
        return dg.SkipReason(str(error))
    return dg.SkipReason(str(report))


@lru_cache(maxsize=1)
def _log_as_json(settings: Settings) -> None:
    """Once for these settings: the process is the code server, and Dagster has set up structlog in its own way."""
    configure_own_logging("sensors", settings)
