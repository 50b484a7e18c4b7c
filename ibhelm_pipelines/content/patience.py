"""A limit on processor time around a call into a library that knows none, so that there is time left for second best.

Only in the main thread of a worker. The signal comes again and again, should the library swallow the first one.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 0.5


class TooSlowError(Exception):
    """The time that was allowed is over."""


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Allow what is inside this much processor time.

    Raises:
        TooSlowError: it takes longer.
    """
    before = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlowError
