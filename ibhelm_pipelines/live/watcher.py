"""The watcher: notices what changes on the share, and puts it into the inbox. It reads no file and writes to no share.

Where the disk is local the kernel tells (`inotify_tree`); where the mount is remote, or the kernel grants too few
watches, it looks again and again (`polling`). Whatever may have been missed (before the start, while the kernel's
queue overflowed, while the share was away) becomes one scan of the whole share, asked for after the watches stand.
Nothing is concluded here: an item says "look at this", and the scan that looks has the guards.

The main thread watches, a second one delivers, a third one is the heartbeat: a database that is away does not stop the
watching, and a share that hangs does not hide itself, because another thread says so.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import stat
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from ibhelm_pipelines.db.heartbeat import Heartbeat
from ibhelm_pipelines.errors import ConfigurationError, ShareUnavailableError
from ibhelm_pipelines.live.delivery import Delivery
from ibhelm_pipelines.live.inotify_tree import InotifyTree
from ibhelm_pipelines.live.mounts import Choice, choose, mounts_of
from ibhelm_pipelines.live.pending import Pending
from ibhelm_pipelines.live.polling import PollTree
from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.nas.names import join
from ibhelm_pipelines.share import Share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.live.mounts import Mount
    from ibhelm_pipelines.live.pending import Change
    from ibhelm_pipelines.settings import Settings

READ_SECONDS = 0.2
"""How long a reading of the kernel's queue waits: the longest time until a signal is heeded."""

CHECK_SECONDS = 2.0
"""Between two looks whether the share is still mounted, and between two tries when it is not."""

INOTIFY_AGAIN_SECONDS = 600.0
"""Between two tries to get enough watches, after there were too few: a person may have granted more."""

BEAT_SECONDS = 15.0
SILENT_SECONDS = 60.0
"""A share that does not answer a single call for so long is reported as hanging."""


def watch(settings: Settings) -> None:
    """Watch the share until a signal says stop.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    stop = threading.Event()
    with _stopping_on_signals(stop):
        Watcher(settings, stop).run()


class Status:
    """What the watcher says of itself in its heartbeat; written by the watching thread, read by another one."""

    def __init__(self) -> None:
        self.choice = Choice(mode="inotify", why="starting", threads=1)
        self.tree: InotifyTree | PollTree | None = None
        self.events = self.overflows = 0
        self.share_problem: str | None = None
        self.watches_problem: str | None = None
        self.last_event_at: dt.datetime | None = None
        self.alive()

    def alive(self) -> None:
        """The watching thread came back from the share."""
        self._alive_at, self._alive = time.monotonic(), dt.datetime.now(dt.UTC)

    def noted(self, events: int) -> None:
        self.events += events
        self.last_event_at = dt.datetime.now(dt.UTC)

    def problem(self, spool_problem: str | None) -> str | None:
        silent = time.monotonic() - self._alive_at
        hanging = (
            f"The share has not answered for {silent:.0f} s. Check the mount." if silent > SILENT_SECONDS else None
        )
        problems = [hanging, self.share_problem, self.watches_problem, spool_problem]
        return " ".join(problem for problem in problems if problem) or None

    def as_state(self, *, pending: int, spool_problem: str | None) -> dict[str, Any]:
        """Return the heartbeat's state."""
        return {
            "mode": self.choice.mode,
            "why": self.choice.why,
            "directories": len(self.tree) if self.tree is not None else 0,
            "pending": pending,
            "events": self.events,
            "overflows": self.overflows,
            "problem": self.problem(spool_problem),
            "last_event_at": self.last_event_at.isoformat() if self.last_event_at else None,
        }


class Watcher:
    """One watcher of one share.

    Args:
        settings: of this process.
        stop: set from outside when it shall end.
    """

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._settings, self._stop = settings, stop
        self._root = settings.root
        self._rules = IgnoreRules.from_settings(settings)
        self._pending = Pending(
            folder_depth=settings.folder_depth,
            quiet_seconds=settings.watch_quiet_seconds,
            hold_seconds=settings.watch_hold_seconds,
            size_of=self._size_of,
        )
        self._log = structlog.get_logger()
        self._started = False
        self._beaten_at, self._said = 0.0, ("", None, 0)
        self.status = Status()

    def run(self) -> None:
        """Watch until it shall end; then everything that was seen is in the inbox or in the spool.

        Raises:
            ConfigurationError: a setting is missing or wrong.
        """
        with (
            Heartbeat(self._settings, kind="watcher") as self._heartbeat,
            Delivery(self._settings, self._pending, on_tick=self._beat) as self._delivery,
        ):
            while not self._stop.is_set():
                self._observe_or_wait()
            self._log.info("watching_ended", events=self.status.events)

    def _observe_or_wait(self) -> None:
        try:
            self._observe()
        except ShareUnavailableError as error:
            self._share_is_away(error)

    def _share_is_away(self, error: ShareUnavailableError) -> None:
        self.status.tree = None
        if self.status.share_problem is None:
            self._log.error("share_away", reason=str(error))
        self.status.share_problem = str(error)
        self._pause(CHECK_SECONDS)

    def _observe(self) -> None:
        """Watch until the stop, or until everything must be set up anew.

        Raises:
            ShareUnavailableError: the share is not there, or not any more.
        """
        share, mounts = Share.open(self._settings), mounts_of(self._root)
        choice = choose(self._settings, mounts)
        if choice.mode == "poll":
            self._poll(share, mounts, choice, again_at=None)
            return
        try:
            self._follow(share, mounts, choice)
        except ConfigurationError as error:
            self._poll_instead(share, mounts, choice, error)

    def _follow(self, share: Share, mounts: tuple[Mount, ...], choice: Choice) -> None:
        """Do as the kernel tells."""
        with InotifyTree(self._root, self._rules, on_directory=self.status.alive) as tree:
            self.status.watches_problem = None
            self._begin(tree, choice)
            check_at = 0.0
            while not self._stop.is_set():
                batch = tree.read(READ_SECONDS)
                self._note(batch.changes, batch.events)
                if batch.overflowed:
                    self._overflowed()
                    return
                if batch.unmounted or time.monotonic() >= check_at:
                    if not self._still_there(share, mounts) or batch.unmounted:
                        return
                    check_at = time.monotonic() + CHECK_SECONDS
            self._note(tree.read(0).changes, 0)

    def _overflowed(self) -> None:
        """The kernel dropped events: what waits is part of the scan of everything that follows."""
        self.status.overflows += 1
        self._pending.clear()
        self._log.warning("overflow", overflows=self.status.overflows, instead="share scan")

    def _poll_instead(self, share: Share, mounts: tuple[Mount, ...], choice: Choice, error: ConfigurationError) -> None:
        """Too few watches for the whole share: then none at all, instead of blind spots."""
        if self.status.watches_problem is None:
            self._log.error("too_few_watches", reason=str(error), instead="polling")
        self.status.watches_problem = str(error)
        why = "the kernel grants too few inotify watches"
        instead = Choice(mode="poll", why=why, threads=choice.threads)
        self._poll(share, mounts, instead, again_at=time.monotonic() + INOTIFY_AGAIN_SECONDS)

    def _poll(self, share: Share, mounts: tuple[Mount, ...], choice: Choice, *, again_at: float | None) -> None:
        """Look again and again."""
        threads = choice.threads
        with PollTree(self._root, self._rules, threads=threads, on_directory=self.status.alive) as tree:
            share.check()  # what was learned while it went away would be wrong
            self._begin(tree, choice)
            look_at = time.monotonic() + self._settings.watch_poll_seconds
            while not self._stop.is_set() and self._still_there(share, mounts):
                if time.monotonic() >= look_at:
                    self._look(tree, share)
                    look_at = time.monotonic() + self._settings.watch_poll_seconds
                if again_at is not None and time.monotonic() >= again_at:
                    if self._has_enough_watches():
                        return
                    again_at = time.monotonic() + INOTIFY_AGAIN_SECONDS
                self._stop.wait(max(0.0, min(CHECK_SECONDS, look_at - time.monotonic())))

    def _look(self, tree: PollTree, share: Share) -> None:
        changes = tree.look()
        share.check()  # else all that vanished with it would be reported
        self._note(changes, len(changes))

    def _has_enough_watches(self) -> bool:
        try:
            with InotifyTree(self._root, self._rules, on_directory=self.status.alive):
                return True
        except ConfigurationError as error:
            self.status.watches_problem = str(error)
            return False

    def _begin(self, tree: InotifyTree | PollTree, choice: Choice) -> None:
        """The watches stand: from here on nothing is missed, so now what was before can be asked for."""
        self.status.tree, self.status.choice = tree, choice
        if self._started:
            self._pending.note_everything(time.monotonic())
        else:
            self._delivery.ask_for_first_scan()
        self._started = True
        self.status.share_problem = None
        blind = "" if choice.mode == "inotify" else "edits in place are found by the quick scan"
        facts = {"mode": choice.mode, "why": choice.why, "directories": len(tree), "unreadable": tree.unreadable}
        self._log.info("watching", root=os.fsdecode(self._root), **facts, not_seen=blind)

    def _still_there(self, share: Share, mounts: tuple[Mount, ...]) -> bool:
        """Tell whether the mounts are as they were.

        Raises:
            ShareUnavailableError: the share is gone.
        """
        share.check()
        same = mounts_of(self._root) == mounts
        self.status.alive()
        self._delivery.check()
        if not same:
            self._log.warning("mounts_changed", instead="watching anew")
        return same

    def _note(self, changes: list[Change], events: int) -> None:
        self.status.alive()
        if events:
            self.status.noted(events)
        self._pending.note(changes, time.monotonic())

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)
        self.status.alive()
        self._delivery.check()

    def _size_of(self, path: bytes) -> int:
        try:
            found = os.lstat(join(self._root, path))
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _beat(self) -> None:
        """Tell the heartbeat how things are: now and then, and at once when they turned."""
        pending = len(self._pending) + len(self._delivery)
        state = self.status.as_state(pending=pending, spool_problem=self._delivery.problem)
        said = (state["why"], state["problem"], state["overflows"])
        if said != self._said or time.monotonic() - self._beaten_at >= BEAT_SECONDS:
            self._heartbeat.beat(state)
            self._said, self._beaten_at = said, time.monotonic()


@contextmanager
def _stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
