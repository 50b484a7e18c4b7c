"""What the receiver counts: for Prometheus, for its heartbeat, and for a log that strangers cannot fill."""

from __future__ import annotations

import time
from collections import Counter as Tally
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

LOG_PAUSE_SECONDS = 60.0
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Counts:
    """The numbers of one receiver since it started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._outcomes: Tally[str] = Tally()
        self._refusals: Tally[str] = Tally()
        self._unsaid: Tally[tuple[str, str]] = Tally()
        self._said_at: dict[tuple[str, str], float] = {}
        self._received = self._counter("received", "Posts that came in", "vendor")
        self._stored = self._counter("stored", "Signed posts that were stored", "vendor")
        self._duplicate = self._counter("duplicate", "Signed posts that were known already", "vendor")
        self._unknown = self._counter("not_understood", "Signed posts of an unknown shape; also in stored", "vendor")
        self._rejected = self._counter("rejected", "Posts that were refused", "vendor", "reason")
        self._seconds = Histogram(
            "ibhelm_webhooks_seconds",
            "From the head of a post to its answer",
            ["vendor"],
            registry=self.registry,
            buckets=SECONDS,
        )

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"ibhelm_webhooks_{name}", about, labels, registry=self.registry)

    def received(self, vendor: str) -> None:
        self._outcomes["received"] += 1
        self._received.labels(vendor).inc()

    def stored(self, vendor: str, *, understood: bool) -> None:
        self._outcomes["stored"] += 1
        self._stored.labels(vendor).inc()
        if not understood:
            self._outcomes["not_understood"] += 1
            self._unknown.labels(vendor).inc()

    def duplicate(self, vendor: str) -> None:
        self._outcomes["duplicate"] += 1
        self._duplicate.labels(vendor).inc()

    def rejected(self, vendor: str, reason: str) -> None:
        """Count a refusal; it is logged at most once a minute, with how many there were since the last time."""
        self._refusals[reason] += 1
        self._rejected.labels(vendor, reason).inc()
        key, now = (vendor, reason), time.monotonic()
        self._unsaid[key] += 1
        if now - self._said_at.get(key, -LOG_PAUSE_SECONDS) >= LOG_PAUSE_SECONDS:
            self._said_at[key] = now
            structlog.get_logger().warning("webhook_refused", vendor=vendor, reason=reason, count=self._unsaid.pop(key))

    def answered(self, vendor: str, seconds: float) -> None:
        self._seconds.labels(vendor).observe(seconds)

    def as_state(self) -> dict[str, Any]:
        """Return the sums in JSON's types."""
        names = ("received", "stored", "duplicate", "not_understood")
        return {**{name: self._outcomes[name] for name in names}, "rejected": dict(self._refusals)}

    def as_text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self.registry)
