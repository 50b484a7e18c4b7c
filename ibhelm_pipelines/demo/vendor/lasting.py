"""A simulated vendor that outlives its process: its office is kept in a file, and taken up again by the next demo.

An office that began anew would look to the platform as if much of it had vanished at once. It is kept within a second
of each change, so a kill -9 loses no more.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from ibhelm_pipelines.local.state import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any, Self

LIFE_SECONDS = 30.0
_KEEP_SECONDS = 1.0


class Simulator(Protocol):
    """What it is of a simulator that is kept."""

    def start(self) -> Any:
        """Serve from now on."""

    def stop(self) -> None:
        """Serve no more."""

    def mutate(self, *, seed: int | str, count: int, names: Sequence[str] = ()) -> list[str]:
        """Let the office live."""

    def as_json(self) -> dict[str, Any]:
        """Return all that is to be kept."""

    def take(self, kept: dict[str, Any]) -> None:
        """Go on from what was kept."""


class Lasting(ABC):
    """Serves within the block, with the same office as the last time.

    Args:
        simulator: as it would begin.
        memory: file in which its office is kept.
        life: what happens in the office, once it lives.
        life_seconds: pause between two changes.
    """

    def __init__(self, simulator: Simulator, *, memory: Path, life: Sequence[str], life_seconds: float) -> None:
        self._lasting, self._memory, self._life, self._life_seconds = simulator, memory, life, life_seconds
        if kept := read_json(memory):
            simulator.take(kept)
        self._kept = self._state()
        self._over = threading.Event()
        self._next_change = float("inf")
        self._tell: Callable[[str], None] = lambda _: None
        self._thread = threading.Thread(target=self._run, name=f"{memory.stem}-life", daemon=True)

    @abstractmethod
    def _state(self) -> object:
        """Return what changes when anything does."""

    def __enter__(self) -> Self:
        self._lasting.start()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()
        self._lasting.stop()
        self._keep()

    def live(self, tell: Callable[[str], None]) -> None:
        """Let the office live from now on, and tell of each change."""
        self._tell, self._next_change = tell, time.monotonic() + self._life_seconds

    def _run(self) -> None:
        while not self._over.wait(min(_KEEP_SECONDS, self._life_seconds)):
            if time.monotonic() >= self._next_change:
                self._next_change = time.monotonic() + self._life_seconds
                done = self._lasting.mutate(seed=time.time_ns(), count=1, names=self._life)
                self._tell("".join(done))
            self._keep()

    def _keep(self) -> None:
        state = self._state()
        if state != self._kept:
            write_json(self._memory, self._lasting.as_json())
            self._kept = state
