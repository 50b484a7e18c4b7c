"""The worker processes that open files: where they come from, and whose turn it is.

They come from a fork server that has the readers loaded, because the parent has threads and must not fork. Every
worker has a pipe of its own and nothing else in common with the others. The ready-made pools share one channel and
its lock: a worker whose heap a file had corrupted died inside that lock, all others stood still for a minute, and an
innocent file was blamed (seen with pebble 5.2 on the corpus of real PDFs).

A slot is room for one worker. Large contents never take the last slots that are kept for small ones, so that a short
job finds room however long the long ones take.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import socket
from contextlib import suppress
from threading import Condition, Lock
from typing import TYPE_CHECKING, cast

from ibhelm_pipelines.content import clean_start, jail
from ibhelm_pipelines.content.confinement import Protections
from ibhelm_pipelines.content.families import reader_modules
from ibhelm_pipelines.content.limits import SMALL_BYTES
from ibhelm_pipelines.content.line import Line, NonsenseError, decode, longest_answer, nonsense
from ibhelm_pipelines.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import ForkServerContext
    from types import TracebackType
    from typing import BinaryIO

    from ibhelm_pipelines.content.jail import Order, Perform
    from ibhelm_pipelines.content.limits import Limits
    from ibhelm_pipelines.settings import Settings

FILES_PER_WORKER = 500
"""Then a worker is replaced, so that what its libraries leak stays small."""

START_SECONDS = 60
"""Longest wait for a worker to start; a second is usual, a machine that swaps needs more."""

MAX_READY_BYTES = 1000

DYING_SECONDS = 5
"""A worker whose pipe is closed is exiting; so long it may take to."""


TIME_IS_UP = object()
DIED = object()


class Workers:
    """The slots; the sandboxes of any number of threads share them. A worker starts when its slot is first needed.

    Args:
        settings: number of workers, and their memory limit.
        for_small: slots on top of that number, so that contents up to SMALL_BYTES find one whatever the others do.
        perform: what a worker does with an order; tests put hostile code here.
    """

    def __init__(self, settings: Settings, *, for_small: int = 0, perform: Perform = jail.perform) -> None:
        self.closed = False
        self._for_small = for_small
        number = settings.content_workers + for_small
        self._slots = [Slot(settings.content_memory_mb, perform) for _ in range(number)]
        self._idle = list(self._slots)
        lock = Lock()
        self._room = {0: Condition(lock), for_small: Condition(lock)}
        self._all_back = Condition(lock)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the workers at once; whoever still wants one learns that it is over."""
        self.closed = True
        for slot in self._slots:
            slot.interrupt()
        self.wake()
        with self._all_back:
            self._all_back.wait_for(lambda: len(self._idle) == len(self._slots))
        for slot in self._slots:
            slot.discard()

    def take(self, size_bytes: int, *, unless: Callable[[], bool]) -> Slot | None:
        """Wait for a slot for a content of this size and take it; None as soon as the caller no longer wants it."""
        kept = 0 if size_bytes <= SMALL_BYTES else self._for_small
        with self._room[kept]:
            self._room[kept].wait_for(lambda: unless() or len(self._idle) > kept)
            if unless():
                self._offer()  # what this one was woken for
                return None
            return self._idle.pop()

    def give_back(self, slot: Slot) -> None:
        """Let the next one have the slot."""
        with self._all_back:
            self._idle.append(slot)
            self._offer()
            self._all_back.notify_all()

    def wake(self) -> None:
        """Have everybody who waits for a slot ask again whether it is still wanted."""
        for room in self._room.values():
            with room:
                room.notify_all()

    def _offer(self) -> None:
        """Wake one of those who can have a slot: all of them would only take the processor from the workers."""
        for kept, room in self._room.items():
            if len(self._idle) > kept:
                room.notify()


class Slot:
    """Room for one worker at a time; owned by the thread that took it."""

    def __init__(self, memory_mb: int, perform: Perform) -> None:
        self._memory_mb = memory_mb
        self._perform = perform
        self._worker: Worker | None = None

    def worker(self, *, alone: bool) -> Worker:
        """Return the worker, started now if there is none.

        Args:
            alone: one that serves a single content and is locked in with it.
        """
        if alone:
            self.discard()
        if self._worker is None:
            self._worker = Worker(self._memory_mb, self._perform, alone=alone)
        return self._worker

    def replace_if_used_up(self) -> None:
        """End a worker that served long enough or has grown too much."""
        if self._worker is not None and self._worker.used_up:
            self.discard()

    def interrupt(self) -> None:
        """From another thread: kill the worker, so that the owner of the slot need not wait for it."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    def discard(self) -> int:
        """End the worker, if there is one, and return its exit status."""
        worker, self._worker = self._worker, None
        return worker.end() if worker is not None else 0


class Worker:
    """One process, from its start to its end.

    Attributes:
        files: how many it was given.
        protections: what holds in it; None until it is locked in.
    """

    def __init__(self, memory_mb: int, perform: Perform = jail.perform, *, alone: bool = False) -> None:
        self.files = 0
        self.protections: Protections | None = None
        self._alone = alone
        self._worn_out = False
        self._silent = False
        ours, theirs = socket.socketpair()
        self._line = Line(ours)
        target = jail.serve_one if alone else jail.serve
        self._process = _context().Process(target=target, args=(theirs, memory_mb, perform), name="reader", daemon=True)
        with theirs:
            self._start()
        if not alone:
            self._await_ready()

    @property
    def used_up(self) -> bool:
        """Whether another one should take its place."""
        return self._alone or self._worn_out or self.files >= FILES_PER_WORKER

    def ask(self, order: Order, file: BinaryIO) -> object:
        """Return the outcome, or TIME_IS_UP, or DIED.

        Raises:
            TransientError: the process that was to be locked in with this file did not start.
        """
        self.files += 1
        try:
            self._line.send(pickle.dumps(order), file.fileno())
        except OSError:
            self._silent = True
            return DIED
        if self._alone:
            self._await_ready()
        return self._answer(order.limits)

    def kill(self) -> None:
        """Kill the process and its group; whoever waits for its answer hears that it died."""
        if self._alone and self._process.pid is not None:
            with suppress(ProcessLookupError, PermissionError):  # a reader is no group of its own
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def end(self) -> int:
        """Make sure that the process is gone, and return its exit status; one that is dying keeps its own."""
        if self._silent:
            self._process.join(timeout=DYING_SECONDS)
        self.kill()
        self._process.join()
        self._line.close()
        return cast("int", self._process.exitcode)

    def _start(self) -> None:
        try:
            self._process.start()
        except (OSError, EOFError) as error:  # the fork server itself does not start
            self._line.close()
            raise _cannot_start(str(error)) from error

    def _await_ready(self) -> None:
        answer = self._hear(START_SECONDS, MAX_READY_BYTES)
        if not isinstance(answer, bytes):
            raise _cannot_start(name_exit(self.end()))
        self.protections = Protections(**json.loads(answer))

    def _answer(self, limits: Limits) -> object:
        answer = self._hear(limits.seconds, longest_answer(limits.text_chars))
        if not isinstance(answer, bytes):
            return answer
        try:
            outcome, self._worn_out = decode(answer, limits.text_chars)
        except NonsenseError as error:
            self._worn_out = True
            return nonsense(error)
        return outcome

    def _hear(self, seconds: float, most: int) -> object:
        try:
            answer = self._line.hear(seconds, most)
        except (EOFError, OSError):
            self._silent = True
            return DIED
        except NonsenseError as error:
            self._worn_out = True
            return nonsense(error)
        return TIME_IS_UP if answer is None else answer


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([clean_start.__name__, jail.__name__, *reader_modules()])
    return context


def _cannot_start(reason: str) -> TransientError:
    return TransientError(
        f"A worker process that opens files did not start ({reason}).",
        next_step="Check free memory and the process limit of this machine.",
    )


def name_exit(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
