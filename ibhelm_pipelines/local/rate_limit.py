"""A token bucket for each client, in memory: a quick client is asked to wait, the others do not notice.

The number of clients is bounded: when it is reached, the one that was silent longest is forgotten, which can only give
it more room and never another one less.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class RateLimit:
    """Lets each client do so much at once, and so much a second from then on.

    Args:
        per_second: tokens that come back in a second.
        burst: tokens of a client that was quiet.
        max_clients: clients that are remembered.
        clock: seconds, always growing.
    """

    def __init__(
        self, *, per_second: float, burst: int, max_clients: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._max_clients, self._clock = per_second, burst, max_clients, clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_seconds(self, client: Hashable) -> int:
        """Take one token: 0 when there was one, else after how many whole seconds there will be one again."""
        now = self._clock()
        tokens, at = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._per_second)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        return 0 if allowed else math.ceil((1 - tokens) / self._per_second)
