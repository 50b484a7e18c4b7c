"""Counts what was asked for, and refuses what is above the vendor's limits: so many in any window, so many at once."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any


class Window:
    """One limit: so many requests within so many seconds, wherever these begin.

    Args:
        limit: requests that it allows.
        seconds: how long it is; it slides.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self.most = 0
        self._arrived: deque[float] = deque()
        self._granted: deque[float] = deque()

    def arrive(self, now: float) -> None:
        """Note a request, granted or not."""
        for times in (self._arrived, self._granted):
            while times and times[0] <= now - self.seconds:
                times.popleft()
        self._arrived.append(now)
        self.most = max(self.most, len(self._arrived))

    def wait(self, now: float) -> float:
        """Return for how many seconds a request is refused, or 0."""
        return self._granted[0] + self.seconds - now if len(self._granted) >= self.limit else 0.0

    def grant(self, now: float) -> None:
        """Note that a request was let in."""
        self._granted.append(now)

    def remaining(self) -> int:
        """Return how many more requests it allows."""
        return self.limit - len(self._granted)

    def seconds_to_reset(self, now: float) -> float:
        """Return when the oldest request is forgotten."""
        return max(self._granted[0] + self.seconds - now, 0.0) if self._granted else 0.0


class RequestLog:
    """All requests, by path and by status; those above a limit are refused and count against none.

    Args:
        windows: the limits over time; the first is the one that a vendor with a single limit tells of.
        concurrent: requests that may be under way at once.
    """

    def __init__(self, *windows: Window, concurrent: int | None = None) -> None:
        self.windows, self.concurrent = windows, concurrent
        self.by_path: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self.total = 0
        self.refused = 0
        self.under_way = 0
        self.most_concurrent = 0

    def begin(self, path: str, now: float) -> float:
        """Note a request that is under way from now on; return for how many seconds it is refused, or 0."""
        self.total += 1
        self.by_path[path] += 1
        self.under_way += 1
        self.most_concurrent = max(self.most_concurrent, self.under_way)
        for window in self.windows:
            window.arrive(now)
        wait = max(window.wait(now) for window in self.windows)
        if not wait and self.concurrent is not None and self.under_way > self.concurrent:
            wait = 1.0  # until one of the others may be done
        if wait:
            self.refused += 1
            return wait
        for window in self.windows:
            window.grant(now)
        return 0.0

    def end(self, status: int) -> None:
        """Note how a request was answered; 0 for not at all."""
        self.under_way -= 1
        self.by_status[status] += 1

    @property
    def most_in_a_window(self) -> int:
        """Requests in the busiest stretch of the first window's length, refused ones included."""
        return self.windows[0].most

    def as_counters(self) -> dict[str, Any]:
        """Return all counts."""
        windows = [{"limit": each.limit, "seconds": each.seconds, "most": each.most} for each in self.windows]
        return {
            "total": self.total,
            "refused": self.refused,
            "windows": windows,
            "most_concurrent": self.most_concurrent,
            "by_path": dict(sorted(self.by_path.items())),
            "by_status": {str(status): count for status, count in sorted(self.by_status.items())},
        }
