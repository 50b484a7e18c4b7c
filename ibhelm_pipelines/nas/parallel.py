"""Walks and compares the scope of a scan, in as many processes as there are cores when it is large.

The levels above the project folders are read here; the folders are dealt out. A process that does not come to its end
is an error of the whole walk: from half a walk nothing may be concluded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import TransientError
from ibhelm_pipelines.nas.walk_process import WalkNews, WalkOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future

    from ibhelm_pipelines.nas.fingerprint import Comparison, Differing, Fingerprints
    from ibhelm_pipelines.nas.walk import Start, Walker

PROCESSES = os.cpu_count() or 1
FOLDERS_WORTH_A_PROCESS = 16
"""Starting a process costs as much as walking some ten thousand files."""

_ASK_AGAIN_SECONDS = 0.02
"""How often we look whether Postgres has its digests, while the processes walk ahead of it."""


def compare_share(
    walker: Walker,
    known: Future[Fingerprints],
    comparison: Comparison,
    *,
    on_files: Callable[[int], None],
) -> Generator[Differing]:
    """Yield the directories of the walker's scope that differ; its log and the comparison are complete at the end.

    Raises:
        ShareUnavailableError: the root cannot be read.
        TransientError: a walking process ended early.
    """
    yield from comparison.differing(walker.walk_top(), known, on_files=on_files)
    processes = min(PROCESSES, len(walker.starts) // FOLDERS_WORTH_A_PROCESS)
    if processes < 2:
        for start in walker.starts:
            yield from comparison.differing(walker.walk_folder(start), known, on_files=on_files)
        return
    for news in _walk_together(walker, known, processes):
        on_files(news.files)
        yield from news.differing
        if news.comparison is not None and news.log is not None:
            comparison.add(news.comparison)
            walker.log.add(news.log)


def _walk_together(walker: Walker, known: Future[Fingerprints], processes: int) -> Iterator[WalkNews]:
    with ExitStack() as stack:
        # Dealt out like cards: neighbours in the list, often one year's projects, are of a size.
        started = [stack.enter_context(_started(walker, walker.starts[i::processes])) for i in range(processes)]
        unsent, speaking = list(started), list(started)
        while speaking:
            while unsent and known.done():
                _tell(unsent.pop(), known.result())
            ready = wait([process.news for process in speaking], timeout=_ASK_AGAIN_SECONDS if unsent else None)
            for process in [process for process in speaking if process.news in ready]:
                item = _hear(process)
                if item.comparison is not None:
                    speaking.remove(process)
                yield item


@dataclass(frozen=True, kw_only=True)
class _Process:
    """A walking process and the two pipes to it."""

    orders: Connection
    news: Connection


@contextmanager
def _started(walker: Walker, starts: list[Start]) -> Iterator[_Process]:
    # Not `-m`: the module would be `__main__` there, and what it sends could not be named here.
    command = [sys.executable, "-c", "from ibhelm_pipelines.nas.walk_process import main; main()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        process = _Process(
            orders=Connection(os.dup(child.stdin.fileno()), readable=False),
            news=Connection(os.dup(child.stdout.fileno()), writable=False),
        )
        try:
            order = WalkOrder(root=walker.root, rules=walker.rules, folder_depth=walker.folder_depth, starts=starts)
            _tell(process, order)
            yield process
        finally:
            child.kill()  # one that has come to its end does not mind
            process.orders.close()
            process.news.close()


def _tell(process: _Process, message: WalkOrder | Fingerprints) -> None:
    try:
        process.orders.send(message)
    except BrokenPipeError as error:
        raise _ended_early() from error


def _hear(process: _Process) -> WalkNews:
    try:
        news: WalkNews = process.news.recv()
    except EOFError as error:
        raise _ended_early() from error
    return news


def _ended_early() -> TransientError:
    return TransientError(
        "A process that walked the share ended before its time.", next_step="Nothing was concluded; scan again."
    )
