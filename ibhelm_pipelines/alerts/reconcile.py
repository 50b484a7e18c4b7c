"""Keeps `ops.alerts` in step with what is wrong, and has people told of the differences.

Invariants: one open row per key, however often and by however many evaluators the same trouble is found; a row is
opened, told once, told again at most daily, and closed when the trouble is gone. What is gone for less than ten minutes
goes on as the same alert, and only what has been gone for so long is told to be over: trouble that comes and goes is
one message, and nobody is told that all is well when it is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ibhelm_pipelines.alerts.conditions import note_evaluation, plain
from ibhelm_pipelines.alerts.delivery import deliver, due_notices
from ibhelm_pipelines.alerts.message import QUIET
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.redaction import Redactor

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence
    from typing import Any, Literal

    from ibhelm_pipelines.alerts.conditions import Condition
    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

    Evaluator = Literal["sensor", "worker"]


@dataclass(frozen=True, kw_only=True)
class AlertReport:
    """What one evaluation changed.

    Attributes:
        busy: somebody else was evaluating at this moment, so nothing was done.
        opened: keys of new alerts.
        reopened: keys of alerts that were gone for a moment only.
        closed: keys of alerts whose trouble is gone.
        open_count: how many are open now.
    """

    busy: bool = False
    opened: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    open_count: int = 0

    def __str__(self) -> str:
        if self.busy:
            return "Somebody else is looking at this moment; the next tick looks again."
        if not self.open_count and not self.closed:
            return "Nothing is wrong."
        return f"{self.open_count} alerts are open, {len(self.opened)} of them new; {len(self.closed)} are over."


def reconcile(
    settings: Settings,
    conditions: Iterable[Condition],
    *,
    now: dt.datetime | None = None,
    evaluator: Evaluator = "sensor",
    unasked: Sequence[str] = (),
) -> AlertReport:
    """Bring the alerts in step with these conditions, and tell people what is due.

    Args:
        settings: of this process.
        conditions: all that is wrong.
        now: the time to go by; the database's when left out.
        evaluator: who looked.
        unasked: beginnings of keys about which nothing is known this time; their alerts stay as they are.

    Raises:
        DatabaseUnavailableError: Postgres does not answer.
    """
    with (
        connect(settings.require_database_url(), application="alerts", autocommit=True) as connection,
        translated_errors(),
    ):
        moment = now or database_time(connection)
        changes = _Changes()
        values = _parameters({c.key: c for c in conditions}, Redactor(settings), moment, unasked)
        with connection.transaction():
            report = _apply(connection, values, changes)
            if not report.busy:
                note_evaluation(connection, evaluator, moment)
        due = settings.alert_urls is not None and not report.busy and bool(due_notices(connection, moment))
    changes.log()
    if due:
        deliver(settings, moment)
    return report


def database_time(connection: Connection) -> dt.datetime:
    """Return what time it is for everybody."""
    row = connection.execute(load_queries("alerts")["now"]).fetchone()
    assert row is not None
    moment: dt.datetime = row[0]
    return moment


class _Changes:
    """What was opened and closed: logged after the commit, for before it nothing has happened."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, dict[str, Any]]] = []

    def add(self, event: str, rows: list[tuple[Any, ...]]) -> tuple[str, ...]:
        names = ("key", "severity", "title", "body")
        self._lines += [(event, dict(zip(names, row, strict=True))) for row in rows]
        return tuple(row[0] for row in rows)

    def log(self) -> None:
        log = structlog.get_logger()
        for event, values in self._lines:
            if event == "alert_closed":
                log.info(event, **values)
            else:
                log.warning(event, **values)


def _apply(connection: Connection, values: dict[str, Any], changes: _Changes) -> AlertReport:
    sql = load_queries("alerts")
    if connection.execute(sql["lock_evaluation"]).fetchone() != (True,):
        return AlertReport(busy=True)
    connection.execute(sql["still_there"], values)
    reopened = [str(key) for (key,) in connection.execute(sql["reopen"], values)]
    opened = changes.add("alert_opened", connection.execute(sql["open"], values).fetchall())
    closed = changes.add("alert_closed", connection.execute(sql["close"], values).fetchall())
    [(open_count,)] = connection.execute(sql["count_open"]).fetchall()
    return AlertReport(opened=opened, reopened=tuple(reopened), closed=closed, open_count=int(open_count))


def _parameters(
    conditions: dict[str, Condition], redactor: Redactor, now: dt.datetime, unasked: Sequence[str]
) -> dict[str, Any]:
    """Return what the statements take; here, before table, log and mail, is where no secret gets past."""
    return {
        "keys": [plain(redactor.text(key)) for key in conditions],
        "severities": [condition.severity for condition in conditions.values()],
        "titles": [plain(redactor.text(condition.title)) for condition in conditions.values()],
        "bodies": [plain(redactor.text(condition.body)) for condition in conditions.values()],
        "now": now,
        "quiet": QUIET,
        "unasked": list(unasked),
    }
