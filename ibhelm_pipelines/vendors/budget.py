"""How many requests a vendor takes from us: one token bucket in Postgres for all processes and threads (lesson 30).

Whoever wants to ask reserves a token, if need be one that does not exist yet, and sleeps until it does; so everybody
gets a turn in the order of asking, but that who can wait leaves some tokens to those for whom a person waits. Bucket
and refill together never let more requests out in any window than the vendor allows, and a vendor that asks for a
pause gets it from all.

The time of Postgres at which a request may go out orders the readings of all processes: one clock, and no vendor's.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import DatabaseUnavailableError, VendorUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

PATIENCE = dt.timedelta(minutes=5)
"""How long one request may wait for its turn; who would wait longer had better end and come again."""

JITTER_SECONDS = 3.0
"""By how much requests may be late, each on its own, without more than allowed arriving within a window."""

BURST_SHARE = 10
"""One in so many of the requests of a window may go out at once."""

MINUTE = 60


class Budget:
    """Gives out turns to ask one vendor; several threads may share it.

    The connection is made when it is needed, and again when it was lost.

    Args:
        url: of Postgres, as the pipeline's role.
        vendor: whose bucket it is.
        requests: in any window, for all processes together; all should say the same.
        seconds: length of the window.
        reserve: so many requests at once are left to others: waits until they would not be missed.
        sleep: must last at least so many seconds, or raise so that the wait ends.
    """

    def __init__(
        self,
        url: str,
        *,
        vendor: str,
        requests: int,
        seconds: int = MINUTE,
        reserve: int = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if requests < 1:
            raise ValueError(f"a budget of {requests} requests lets none out")
        self._url, self._vendor, self._sleep = url, vendor, sleep
        self._seconds, self._for_others = seconds, reserve
        self._setting = self._requests = requests
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; what is reserved stays reserved."""
        with self._lock:
            self._drop()

    def take(self) -> dt.datetime:
        """Wait until one request may go out; return Postgres' time of that moment.

        Raises:
            VendorUnavailableError: that would take longer than five minutes; nothing is reserved then.
            DatabaseUnavailableError: Postgres is away, so nobody knows what the others do.
        """
        deadline: dt.datetime | None = None
        while True:
            now, turn, pause = self._reserve(deadline)
            if turn <= now:
                return now
            deadline = deadline or now + PATIENCE
            self._sleep((turn - now).total_seconds())
            awake, pause_now = self._look()
            if pause_now == pause:  # a pause that came meanwhile has voided what was reserved
                return awake

    def pause(self, seconds: float) -> None:
        """Let nobody ask this vendor for so long; a longer pause that is going on stays."""
        self._ask("pause", pause=dt.timedelta(seconds=seconds))

    def limit(self, per_minute: int) -> None:
        """Ask only so often from now on, but never more often than the setting; of longer windows it says nothing."""
        if self._seconds == MINUTE:
            self._requests = max(1, min(per_minute, self._setting))

    def _reserve(self, deadline: dt.datetime | None) -> tuple[dt.datetime, dt.datetime, dt.datetime | None]:
        burst, per_second = _bucket(self._requests, self._seconds)
        values = {"burst": burst, "per_second": per_second, "patience": PATIENCE, "deadline": deadline}
        values |= {"reserve": min(self._for_others, burst - 1)}
        reserved = self._ask("take", **values)
        if reserved is None:
            raise self._too_long()
        now, turn, pause = reserved
        return now, turn, pause

    def _too_long(self) -> VendorUnavailableError:
        now, pause = self._look()
        reason = f"more than {self._requests} requests in {self._seconds} s are wanted of it, and the line is too long"
        if pause is not None and pause > now:
            reason = f"it asked for a pause until {pause:%H:%M:%S} UTC"
        minutes = PATIENCE // dt.timedelta(minutes=1)
        return VendorUnavailableError(
            f"{self._vendor.capitalize()} cannot be asked within {minutes} minutes: {reason}.",
            next_step="Nothing is lost; the next run goes on where this one ended.",
        )

    def _look(self) -> tuple[dt.datetime, dt.datetime | None]:
        seen = self._ask("look")
        assert seen is not None
        return seen[0], seen[1]

    def _ask(self, name: str, **values: Any) -> tuple[Any, ...] | None:
        with self._lock:
            try:
                return self._row(name, values)
            except DatabaseUnavailableError:
                self._drop()
                raise

    def _row(self, name: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
        if self._connection is None:
            self._connection = connect(self._url, application=f"{self._vendor} budget", autocommit=True)
        with translated_errors():
            cursor = self._connection.execute(load_queries("vendors")[name], {"vendor": self._vendor, **values})
            return cursor.fetchone() if cursor.description is not None else None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _bucket(requests: int, seconds: int) -> tuple[int, float]:
    """Return what the bucket holds, and what flows in a second.

    In any time shorter than the window and the jitter go out fewer than burst + (requests - burst + 1), hence at most
    as many as are allowed.
    """
    burst = max(1, requests // BURST_SHARE)
    return burst, (requests - burst + 1) / (seconds + JITTER_SECONDS)
