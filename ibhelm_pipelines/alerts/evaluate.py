"""Looks for trouble, in the tables and on the disk: from Dagster's sensor every half a minute, and from a worker when
that sensor is silent.

A dead daemon cannot tell that it is dead. So a worker looks in its place when nobody has looked for two minutes, and
adds that the sensors are silent. It knows nothing of runs, and leaves the alerts about them as they are.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

from ibhelm_pipelines.alerts.conditions import DAGSTER_PREFIX, RUN_PREFIX, Condition, look
from ibhelm_pipelines.alerts.message import local_time
from ibhelm_pipelines.alerts.reconcile import AlertReport, database_time, reconcile
from ibhelm_pipelines.alerts.room import look_for_room
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.alerts.conditions import Finding
    from ibhelm_pipelines.settings import Settings

SILENCE = dt.timedelta(minutes=2)
"""Four ticks of the sensor."""


def evaluate(settings: Settings, *, runs: Sequence[Condition], now: dt.datetime | None = None) -> AlertReport:
    """Look at the tables and the disk, and bring the alerts in step with that and with what Dagster says.

    Args:
        settings: of this process.
        runs: conditions that only Dagster knows, all of them.
        now: the time to go by; the database's when left out.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    found = _look(settings, now)
    return reconcile(settings, [*found.conditions, *runs], now=now, evaluator="sensor", unasked=found.unasked)


def evaluate_if_stale(settings: Settings, now: dt.datetime | None = None) -> AlertReport | None:
    """Look in place of Dagster's sensor when nobody has looked for two minutes; return nothing when somebody has.

    To be called about once a minute by every worker.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    silent_since = _silent_since(settings, now)
    if silent_since is None:
        return None
    found = _look(settings, now)
    conditions = [*found.conditions, _silence(silent_since)]
    unasked = [*found.unasked, RUN_PREFIX]
    return reconcile(settings, conditions, now=now, evaluator="worker", unasked=unasked)


def open_run_alerts_since(settings: Settings) -> dt.datetime | None:
    """Return when the oldest open alert about a run was opened, if there is one.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    statement = load_queries("alerts")["open_run_alerts_since"]
    with (
        connect(settings.require_database_url(), application="alerts", autocommit=True) as connection,
        translated_errors(),
    ):
        [(since,)] = connection.execute(statement, {"prefix": RUN_PREFIX}).fetchall()
    opened: dt.datetime | None = since
    return opened


def _look(settings: Settings, now: dt.datetime | None) -> Finding:
    with (
        connect(settings.require_database_url(), application="alerts", autocommit=True) as connection,
        translated_errors(),
    ):
        found = look(connection, now or database_time(connection))
    return replace(found, conditions=(*found.conditions, *look_for_room(settings.state_dir)))


def _silent_since(settings: Settings, now: dt.datetime | None) -> dt.datetime | None:
    """Return since when the sensor has been silent, if nobody has looked for two minutes.

    Of a sensor that never looked the silence counts from the first time that somebody asks.
    """
    sql = load_queries("alerts")
    with (
        connect(settings.require_database_url(), application="alerts", autocommit=True) as connection,
        translated_errors(),
    ):
        moment = now or database_time(connection)
        connection.execute(sql["await_sensor"], {"now": moment})
        [(sensor, anybody)] = connection.execute(sql["evaluated_at"]).fetchall()
    return sensor if moment - anybody > SILENCE else None


def _silence(since: dt.datetime) -> Condition:
    return Condition(
        key=f"{DAGSTER_PREFIX}sensors_silent",
        severity="error",
        title="Dagster's sensors are silent",
        body=f"Dagster's sensors have been silent since {local_time(since)}: no scheduled scan starts, and nobody hears"
        " of failed runs. See `ibhelm status` and the log of the Dagster daemon; `ibhelm up` keeps it running.",
    )
