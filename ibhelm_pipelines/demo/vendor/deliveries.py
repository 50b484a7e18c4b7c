"""Webhooks under way: a thread of their own that delivers them when they are due, and the faults that befall them."""

from __future__ import annotations

import heapq
import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

import requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ibhelm_pipelines.demo.vendor.faults import Faults

T = TypeVar("T")


class Deliveries(Generic[T]):
    """What is to be delivered, and when.

    Args:
        name: of the thread.
        attempt: delivers one thing; it may put it back for a later try.
    """

    def __init__(self, *, name: str, attempt: Callable[[requests.Session, T], None]) -> None:
        self._attempt = attempt
        self._waiting: list[tuple[float, int, T]] = []
        self._number = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._delivering = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Deliver nothing more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def send(self, what: T, faults: Faults, rng: Random) -> None:
        """Deliver something as the faults will it: now or later, once, twice or never."""
        delay = 0.0
        if rng.random() < faults.webhook_missing:
            return
        if rng.random() < faults.webhook_reordered:
            delay = rng.random()
        if rng.random() < faults.webhook_late:
            delay = faults.webhook_late_seconds
        self.put(what, delay)
        if rng.random() < faults.webhook_duplicate:
            self.put(what, delay + rng.random() / 10)

    def put(self, what: T, delay: float) -> None:
        """Deliver something after so many seconds."""
        with self._changed:
            self._number += 1
            heapq.heappush(self._waiting, (time.monotonic() + delay, self._number, what))
            self._changed.notify_all()

    def settle(self, seconds: float = 60.0) -> bool:
        """Wait until nothing is under way and nothing is to be tried again; return whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._delivering, seconds)

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False  # to this machine, past any proxy
            while due := self._next():
                self._attempt(session, due[0])
                with self._changed:
                    self._delivering = False
                    self._changed.notify_all()

    def _next(self) -> tuple[T] | None:
        """Wait for the next thing that is due; None when all is over."""
        with self._changed:
            while not self._stopping:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    self._delivering = True
                    return (heapq.heappop(self._waiting)[2],)
                self._changed.wait(wait)
        return None


def post(session: requests.Session, url: str, body: bytes, headers: dict[str, str], timeout: float) -> int:
    """Return the status that a receiver answered with; 0 for none."""
    try:
        answer = session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False)
    except requests.RequestException:
        return 0  # kept with the delivery, and tried again
    return answer.status_code
