"""A clock for simulated vendors that stands still until a test moves it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass
class Clock:
    """Says a time, and goes on when it is told to."""

    now: dt.datetime = dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def tick(self, seconds: float = 1) -> str:
        self.now += dt.timedelta(seconds=seconds)
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
