"""Shows where a scan stands, in `ops.scans`, for the progress bar and the status page.

Written over a connection of its own, at most once a second, so that it neither waits for the chunk that is being
stored nor slows it down.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection

INTERVAL_SECONDS = 1.0


class Progress:
    """Counts, and writes what it counted once a second; safe to call from the hashing threads."""

    def __init__(self, connection: Connection, scan_id: int) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._due = time.monotonic() + INTERVAL_SECONDS
        self._values: dict[str, int | str] = {
            "scan_id": scan_id,
            "phase": "walk",
            "files_seen": 0,
            "files_to_hash": 0,
            "files_hashed": 0,
            "bytes_to_hash": 0,
            "bytes_hashed": 0,
        }

    def enter(self, phase: str) -> None:
        """Begin a phase: walk, compare, hash, delete, verify."""
        with self._lock:
            self._values["phase"] = phase
        self.write()

    def add(self, **counts: int) -> None:
        """Add to counters by their name in `ops.scans`."""
        with self._lock:
            for name, count in counts.items():
                self._values[name] = int(self._values[name]) + count
            due = time.monotonic() >= self._due
        if due:
            self.write()

    def write(self) -> None:
        """Write the counters now."""
        with self._lock:
            self._due = time.monotonic() + INTERVAL_SECONDS
            self._connection.execute(load_queries("nas")["update_progress"], self._values)
