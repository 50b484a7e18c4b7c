"""The sign of life of a long-lived process: one row of `ops.heartbeats`, beaten from a thread of its own.

A row without `stopped_at` that is not beaten any more is a process that died or hangs, and somebody is told. So only an
end in good order writes `stopped_at`. Postgres being away ends nobody: the beats come again when it is back.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Literal, Self

import psutil
import structlog

from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ibhelm_pipelines.settings import Settings

Kind = Literal["watcher", "worker", "webhooks", "web"]

INTERVAL_SECONDS = 15.0
SHORTEST_PAUSE_SECONDS = 1.0
"""Between two beats, however often the state changes."""

CLOCK_SLACK_SECONDS = 60
"""The kernel counts a process's birth from the boot; the clock may have been set since."""


class Heartbeat:
    """Shows that this process lives, for the length of a `with` block.

    Args:
        settings: of this process.
        kind: what it is.
        interval_seconds: pause between two beats when nothing new is said.
    """

    def __init__(self, settings: Settings, *, kind: Kind, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._url = settings.require_database_url()
        self._interval = interval_seconds
        self._started_at = dt.datetime.now(dt.UTC)
        self._host, self._pid, self._kind = socket.gethostname(), os.getpid(), kind
        self.process = f"{kind}/{self._host}/{self._pid}"
        self._state: Mapping[str, Any] = {}
        self._news, self._end = threading.Event(), threading.Event()
        self._away = self._settled = False
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._write(stopped=False)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        self._news.set()
        self._thread.join()
        if error is None or isinstance(error, KeyboardInterrupt):
            self._write(stopped=True)

    def beat(self, state: Mapping[str, Any]) -> None:
        """Say something new, in JSON-ready values; it is written within a second and repeated from then on."""
        self._state = dict(state)
        self._news.set()

    def _beat_on(self) -> None:
        while not self._end.wait(min(SHORTEST_PAUSE_SECONDS, self._interval)):
            self._news.wait(self._interval)
            self._news.clear()
            if not self._end.is_set():
                self._write(stopped=False)

    def _write(self, *, stopped: bool) -> None:
        """Write the row, or note that Postgres is away: the missing beat says the rest."""
        try:
            with connect(self._url, application="heartbeat", autocommit=True) as connection, translated_errors():
                self._upsert(connection, stopped=stopped)
        except DatabaseUnavailableError as error:
            self._note(away=True, reason=str(error))
        else:
            self._note(away=False)

    def _upsert(self, connection: Connection, *, stopped: bool) -> None:
        me: dict[str, Any] = {"process": self.process, "kind": self._kind, "host": self._host}
        row = {"pid": self._pid, "started_at": self._started_at, "state": json.dumps(self._state), "stopped": stopped}
        connection.execute(load_queries("heartbeats")["beat"], me | row)
        if not self._settled:
            self._forget_dead(connection, me)
            self._settled = True

    def _forget_dead(self, connection: Connection, me: Mapping[str, Any]) -> None:
        """Delete rows of the dead that say nothing any more: all of yesterday, and the one that this process replaces.

        Without the second, a worker that was killed and started again would count as dead for a day.
        """
        sql = load_queries("heartbeats")
        others = connection.execute(sql["others_here"], me).fetchall()
        dead = [(process, stopped, old) for process, pid, started, stopped, old in others if not _lives(pid, started)]
        replaced = [process for process, stopped, _ in dead if not stopped][:1]
        forgotten = [process for process, _, old in dead if old] + replaced
        connection.execute(sql["forget"], {"processes": forgotten})

    def _note(self, *, away: bool, reason: str = "") -> None:
        if away and not self._away:
            structlog.get_logger().warning("heartbeat_not_written", reason=reason)
        if self._away and not away:
            structlog.get_logger().info("heartbeat_written_again")
        self._away = away


def _lives(pid: int, started_at: dt.datetime) -> bool:
    """Return whether the process of this host that started then is still there; its pid may be another's by now."""
    try:
        process = psutil.Process(pid)
        born, state = process.create_time(), process.status()
    except psutil.NoSuchProcess:
        return False
    return state != psutil.STATUS_ZOMBIE and born <= started_at.timestamp() + CLOCK_SLACK_SECONDS
