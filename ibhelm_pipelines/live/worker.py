"""Does what waits in the inbox: `ibhelm work` until a signal says stop, `drain` until nothing is due.

Any number of workers may run, anywhere. Each has one thread for every lane, hears by Postgres' NOTIFY that something
waits (and looks by itself every few seconds, for a notification can be lost), keeps its leases while it works, and
outlives a restart of Postgres. On a signal it takes nothing new, finishes what it has within 20 s, gives back the rest.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from psycopg import sql

from ibhelm_pipelines.alerts.evaluate import evaluate_if_stale
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.heartbeat import Heartbeat
from ibhelm_pipelines.db.live import LIVE_CHANNEL
from ibhelm_pipelines.errors import DatabaseUnavailableError, IbhelmError, PermanentError
from ibhelm_pipelines.live.inbox import LEASE_SECONDS, Inbox
from ibhelm_pipelines.live.lanes import LANES, Lane, Tools, lanes_on, sources
from ibhelm_pipelines.live.renewal import renewing
from ibhelm_pipelines.live.working import Board, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ibhelm_pipelines.settings import Settings

POLL_SECONDS = 5.0
SHORTEST_WAIT_SECONDS = 0.5
"""When something is due but cannot be taken, because somebody is at work in its folder."""

RETRY_SECONDS = 1.0
"""Between two tries to reach Postgres."""

WORLD_SECONDS = 5.0
"""A lane for which the world was not ready tries no more often: else a long queue would be a busy loop."""

STOP_SECONDS = 20.0
"""For finishing what is being done when a signal says stop; then it is given back."""

ALERTS_SECONDS = 60.0
ALIVE_SECONDS = 1.0
"""Between two looks whether all threads live."""

DRAIN_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class DrainReport:
    """What a drain did, in items of the inbox.

    Attributes:
        failed: those that were given up.
        left: what still waits, by source; it may be someone else's work, or not due yet.
        problem: why the world was not ready for some of it, unless others tell of that.
    """

    done: int
    failed: int
    left: dict[str, int]
    seconds: float
    problem: IbhelmError | None


def work(settings: Settings, *, lanes: tuple[Lane, ...] = LANES, lease_seconds: float = LEASE_SECONDS) -> None:
    """Do what waits in the inbox until SIGTERM or SIGINT says stop.

    Args:
        settings: of this process.
        lanes: what it does.
        lease_seconds: how long it may be silent before others take over what it was doing.

    Raises:
        ConfigurationError: there is no database URL.
        PermanentError: a thread ended by a mistake in the code.
    """
    if not _Worker(settings, lanes_on(settings, lanes), lease_seconds).run():
        os._exit(0)  # a thread is still in a large file; what it does is given back, and it may end anywhere


def drain(settings: Settings, *, lanes: tuple[Lane, ...] = LANES, seconds: float = DRAIN_SECONDS) -> DrainReport:
    """Do what is due in the inbox, by the same lanes, one after the other.

    Args:
        settings: of this process.
        lanes: what it does.
        seconds: after this time nothing new is begun.

    Raises:
        DatabaseUnavailableError: Postgres is away; what was being done is done again when its lease is over.
        ConfigurationError: there is no database URL.
    """
    started, owner = time.monotonic(), f"drain/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    able_lanes = lanes_on(settings, lanes)
    board = _board(able_lanes)
    with (
        Tools(settings) as tools,
        closing(Inbox(settings, owner=owner)) as inbox,
        renewing(settings, owner=owner, board=board, lease_seconds=LEASE_SECONDS),
    ):
        runners = [Runner(lane, inbox=inbox, tools=tools, board=board) for lane in able_lanes if not lane.small]
        while time.monotonic() - started < seconds:
            able = [runner for runner in runners if runner.lane.name not in board.problems]
            worked = [runner.step() for runner in able]  # each lane has its turn in every round
            if not any(worked):
                break
        left = inbox.left(sources(able_lanes))
    return DrainReport(
        done=board.done,
        failed=board.failed,
        left=left,
        seconds=round(time.monotonic() - started, 3),
        problem=board.problem(),
    )


class _Worker:
    """One process: a thread per lane, one that listens, one that renews leases, one that alerts if Dagster is dead."""

    def __init__(self, settings: Settings, lanes: tuple[Lane, ...], lease_seconds: float) -> None:
        self._settings, self._lanes, self._lease_seconds = settings, lanes, lease_seconds
        self._heartbeat = Heartbeat(settings, kind="worker")
        self._owner = f"{self._heartbeat.process}/{uuid.uuid4().hex[:8]}"  # pids come again, in containers above all
        self._board = _board(lanes)
        self._stopping = threading.Event()
        self._news = {lane.name: threading.Event() for lane in lanes}

    def run(self) -> bool:
        """Work until a signal says stop; return whether everything that was begun is finished.

        Raises:
            PermanentError: a thread ended by a mistake in the code; the log holds it.
        """
        # The signals first: whoever sees the heartbeat may ask this worker to stop.
        with self._until_signal(), self._heartbeat, self._renewing() as renewal:
            tools = Tools(self._settings)
            threads = [_start(lane.name, self._work_in, lane, tools) for lane in self._lanes]
            threads += [_start("listener", self._listen), _start("alerts", self._stand_in_for_dagster)]
            try:
                self._look_after([*threads, renewal])
            finally:
                self._stop()
                finished = _join(threads, STOP_SECONDS)
                if finished:
                    tools.close()
                else:
                    self._give_back()
        return finished

    @contextmanager
    def _until_signal(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, *_signal: object) -> None:
        self._stopping.set()
        for news in self._news.values():
            news.set()

    def _look_after(self, threads: list[threading.Thread]) -> None:
        """Wait for the signal; a worker without one of its threads would only look alive."""
        while not self._stopping.wait(ALIVE_SECONDS):
            for thread in threads:
                if not thread.is_alive():
                    raise PermanentError(
                        f"The thread `{thread.name}` of this worker ended by a mistake in the code.",
                        next_step="Its log holds the traceback; what it was doing waits for the next worker.",
                    )

    def _work_in(self, lane: Lane, tools: Tools) -> None:
        news = self._news[lane.name]
        with closing(self._inbox()) as inbox:
            runner = Runner(lane, inbox=inbox, tools=tools, board=self._board, patience=self._wait_for_postgres)
            while not self._stopping.is_set():
                news.clear()  # before looking: what comes while we look is not lost
                pause = self._step(runner, inbox)
                if lane.name in self._board.problems:
                    self._stopping.wait(pause)
                elif pause and not self._stopping.is_set():
                    news.wait(pause)

    def _step(self, runner: Runner, inbox: Inbox) -> float:
        """Do one batch; return how long to wait before the next one."""
        lane = runner.lane
        try:
            if runner.step():
                self._wake(lane.source)  # who had to keep out of this folder
                return WORLD_SECONDS if lane.name in self._board.problems else 0
            return self._until_due(inbox, lane)
        except DatabaseUnavailableError as error:
            self._board.note(lane.name, error)
            return RETRY_SECONDS

    def _until_due(self, inbox: Inbox, lane: Lane) -> float:
        seconds = inbox.until_due(lane.source)
        if seconds is None or isinstance(self._board.problems.get(lane.name), DatabaseUnavailableError):
            self._board.note(lane.name, None)
        return POLL_SECONDS if seconds is None else min(max(seconds, SHORTEST_WAIT_SECONDS), POLL_SECONDS)

    def _wait_for_postgres(self) -> bool:
        return not self._stopping.wait(RETRY_SECONDS)

    def _wake(self, source: str) -> None:
        for lane in self._lanes:
            if lane.source == source:
                self._news[lane.name].set()

    def _listen(self) -> None:
        """Wake the lanes for which something was put into the inbox, and all of them after a gap."""
        while not self._stopping.is_set():
            try:
                self._hear()
            except DatabaseUnavailableError:
                self._stopping.wait(RETRY_SECONDS)

    def _hear(self) -> None:
        url = self._settings.require_database_url()
        with connect(url, application="worker listens", autocommit=True) as connection, translated_errors():
            connection.execute(sql.SQL("listen {}").format(sql.Identifier(LIVE_CHANNEL)))
            for source in sources(self._lanes):
                self._wake(source)
            while not self._stopping.is_set():
                for notification in connection.notifies(timeout=RETRY_SECONDS, stop_after=1):
                    self._wake(notification.payload)

    def _stand_in_for_dagster(self) -> None:
        """Look for trouble when Dagster's sensor does not: a dead daemon alerts nobody."""
        while not self._stopping.wait(ALERTS_SECONDS):
            try:
                evaluate_if_stale(self._settings)
            except IbhelmError as error:
                self._board.note("alerts", error)
            else:
                self._board.note("alerts", None)

    def _renewing(self) -> AbstractContextManager[threading.Thread]:
        return renewing(
            self._settings,
            owner=self._owner,
            board=self._board,
            lease_seconds=self._lease_seconds,
            also=self._report,
        )

    def _report(self, inbox: Inbox) -> None:
        waiting = sum(inbox.left(sources(self._lanes)).values())
        self._heartbeat.beat({**self._board.state(), "waiting": waiting})

    def _give_back(self) -> None:
        """Let others have at once what could not be finished; if Postgres is away, when the leases are over."""
        structlog.get_logger().warning("given_back_unfinished", **self._board.state())
        with closing(self._inbox()) as inbox, suppress(DatabaseUnavailableError):
            inbox.release()

    def _inbox(self) -> Inbox:
        return Inbox(self._settings, owner=self._owner, lease_seconds=self._lease_seconds)


def _board(lanes: tuple[Lane, ...]) -> Board:
    return Board(silent=frozenset(lane.name for lane in lanes if lane.told_by_runs))


def _start(name: str, action: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=action, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def _join(threads: list[threading.Thread], seconds: float) -> bool:
    """Wait for the threads to end; return whether all did in time."""
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
