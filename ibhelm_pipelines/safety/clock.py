"""Whether a clock can be believed before anything is removed for being old.

A machine that comes up in 2037 would otherwise take every deleted file for ten years old. Its clock is compared with
that of Postgres and with what the tables last saw; embedded services share the machine's clock, so a great leap since
the last run counts as well.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection

DRIFT = dt.timedelta(minutes=5)
LEAP = dt.timedelta(days=30)
"""Between two runs; a machine that was off for longer needs a person's word once."""


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Why the clock is not believed.

    Attributes:
        may_be_confirmed: whether a person can say that it is right all the same.
    """

    problem: str
    may_be_confirmed: bool


def doubt(connection: Connection, now: dt.datetime) -> Doubt | None:
    """Return why this time cannot be right, if there is a reason."""
    [(theirs, newest, last)] = connection.execute(load_queries("purge")["clock"]).fetchall()
    if abs(theirs - now) > DRIFT:
        return Doubt(
            problem=f"This machine says {now:%Y-%m-%d %H:%M}, Postgres {theirs:%Y-%m-%d %H:%M} (UTC): set the clocks.",
            may_be_confirmed=False,
        )
    if newest is not None and newest > now + DRIFT:
        return Doubt(
            problem=f"It is {now:%Y-%m-%d %H:%M} (UTC), but something began at {newest:%Y-%m-%d %H:%M}: one of both was"
            " said by a wrong clock.",
            may_be_confirmed=True,
        )
    if last is not None and now - last > LEAP:
        return Doubt(
            problem=f"The last run was on {last:%Y-%m-%d} and today is {now:%Y-%m-%d}: either nothing ran for so long,"
            " or the clock leapt.",
            may_be_confirmed=True,
        )
    return None
