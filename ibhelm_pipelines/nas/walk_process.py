"""One of the processes that walk a share together: a thread of Python cannot use a second core for that.

Started by `nas.parallel`; it speaks with its parent over stdin and
stdout. It hands back only the directories that differ, so that what is unchanged costs a number. It imports
nothing heavy, because every scan of the whole share waits for its start.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import Connection
from threading import Thread
from typing import TYPE_CHECKING

from ibhelm_pipelines.nas.fingerprint import Comparison, Differing, Fingerprints
from ibhelm_pipelines.nas.walk import Start, Walker, WalkLog

if TYPE_CHECKING:
    from ibhelm_pipelines.nas.ignore import IgnoreRules

BATCH_FILES = 5_000
REPORT_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class WalkOrder:
    """What one process walks."""

    root: bytes
    rules: IgnoreRules
    folder_depth: int
    starts: list[Start]


@dataclass(kw_only=True)
class WalkNews:
    """What a process says: on the way, files met and directories that differ; at the end, once, all the rest."""

    files: int
    differing: list[Differing]
    comparison: Comparison | None = None
    log: WalkLog | None = None


class _Reporter:
    """Collects what is to be said and says it in batches."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._news = WalkNews(files=0, differing=[])
        self._waiting_files = 0
        self._due = time.monotonic() + REPORT_SECONDS

    def met(self, files: int) -> None:
        self._news.files += files
        if time.monotonic() >= self._due:
            self.say()

    def differs(self, item: Differing) -> None:
        self._news.differing.append(item)
        self._waiting_files += len(item[1].files)
        if self._waiting_files >= BATCH_FILES:
            self.say()

    def say(self, *, comparison: Comparison | None = None, log: WalkLog | None = None) -> None:
        self._news.comparison, self._news.log = comparison, log
        self._connection.send(self._news)
        self._news = WalkNews(files=0, differing=[])
        self._waiting_files = 0
        self._due = time.monotonic() + REPORT_SECONDS


def main() -> None:
    """Walk what the parent orders, and compare with what it sends after that."""
    gc.disable()  # a short life without cycles; collecting would look at each name that waits, again and again
    orders = Connection(os.dup(sys.stdin.fileno()), writable=False)
    reporter = _Reporter(Connection(os.dup(sys.stdout.fileno()), readable=False))
    try:
        _walk(orders, reporter)
    except (EOFError, BrokenPipeError):
        sys.exit("The scan that wanted this walk is gone.")


def _walk(orders: Connection, reporter: _Reporter) -> None:
    order: WalkOrder = orders.recv()
    known: Future[Fingerprints] = Future()
    Thread(target=_receive, args=(orders, known), daemon=True).start()
    comparison = Comparison()
    walker = Walker(order.root, order.rules, folder_depth=order.folder_depth)
    directories = chain.from_iterable(map(walker.walk_folder, order.starts))
    for item in comparison.differing(directories, known, on_files=reporter.met):
        reporter.differs(item)
    reporter.say(comparison=comparison, log=walker.log)


def _receive(orders: Connection, known: Future[Fingerprints]) -> None:
    try:
        known.set_result(orders.recv())
    except EOFError as error:
        known.set_exception(error)
