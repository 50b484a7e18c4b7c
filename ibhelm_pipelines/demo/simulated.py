"""The Teamwork of the demo: the simulator within the demo's own process, with the projects of the generated NAS.

Its office is kept in the state folder and taken up again by the next demo: an office that began anew would look to the
platform as if much of it had vanished at once. It is kept within a second of each change, so a kill -9 loses no more.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.share import PROJECTS, SEED
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.local.ports import choose_port
from ibhelm_pipelines.local.state import read_json, read_or_make_secrets, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any, Self

TASKS = 1200
REQUESTS_PER_MINUTE = 1500
"""Ten times what Teamwork.com grants: a newcomer should not wait for the manners of a guest."""

LIFE_SECONDS = 30.0
LIFE = (
    "create task", "edit task", "complete task", "reopen task", "delete task", "restore task", "tag task",
    "assign task", "remove last tag of task", "create comment", "edit comment", "create time", "edit time",
)  # fmt: skip
"""What happens in the office while somebody looks: everyday things, and nothing that takes a whole project away."""

_KEEP_SECONDS = 1.0
_TABLES = {
    "projects": "projects",
    "people": "people",
    "task lists": "task_lists",
    "tasks": "tasks",
    "comments": "comments",
    "time entries": "time_entries",
}


class SimulatedTeamwork:
    """Serves within the block, on the same port and with the same office as the last time.

    Args:
        state_dir: where the office is kept.
        life_seconds: pause between two changes, once it lives.
    """

    def __init__(self, state_dir: Path, *, life_seconds: float = LIFE_SECONDS) -> None:
        self._memory, self._life_seconds = state_dir / "teamwork.json", life_seconds
        self._secret = read_or_make_secrets(state_dir / "secrets.json", ["teamwork_webhooks"])["teamwork_webhooks"]
        port = choose_port(0, memory=state_dir / "teamwork.port", service="The simulator of Teamwork", variable="")
        self._simulator = TeamworkSimulator(
            seed=SEED, projects=PROJECTS, tasks=TASKS, port=port, rate_limit=REQUESTS_PER_MINUTE
        )
        if kept := read_json(self._memory):
            self._simulator.take(kept)
        self._kept = self._state()
        self._over = threading.Event()
        self._next_change = float("inf")
        self._tell: Callable[[str], None] = lambda _: None
        self._thread = threading.Thread(target=self._run, name="teamwork-life", daemon=True)

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that lead a process of ours to it."""
        return {
            "IBHELM_TEAMWORK_URL": self._simulator.url,
            "IBHELM_TEAMWORK_TOKEN": self._simulator.token,
            "IBHELM_TEAMWORK_EXCLUDED_PROJECTS": "none",
            "IBHELM_TEAMWORK_EXCLUDED_COMPANIES": "none",
            "IBHELM_TEAMWORK_REQUESTS_PER_MINUTE": str(REQUESTS_PER_MINUTE),
            "IBHELM_TEAMWORK_WEBHOOK_SECRET": self._secret,
        }

    def __enter__(self) -> Self:
        self._simulator.start()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()
        self._simulator.stop()
        self._keep()

    def live(self, tell: Callable[[str], None]) -> None:
        """Let the office live from now on, and tell of each change."""
        self._tell, self._next_change = tell, time.monotonic() + self._life_seconds

    def shown(self) -> dict[str, set[int]]:
        """Return the ids of all that a person sees in it, by what it is; comments are those on tasks."""
        truth = self._simulator.truth()
        return {what: {row["id"] for row in truth[table] if _is_shown(row)} for what, table in _TABLES.items()}

    def _run(self) -> None:
        while not self._over.wait(min(_KEEP_SECONDS, self._life_seconds)):
            if time.monotonic() >= self._next_change:
                self._next_change = time.monotonic() + self._life_seconds
                done = self._simulator.mutate(seed=time.time_ns(), count=1, names=LIFE)
                self._tell("".join(done))
            self._keep()

    def _keep(self) -> None:
        state = self._state()
        if state != self._kept:
            write_json(self._memory, self._simulator.as_json())
            self._kept = state

    def _state(self) -> tuple[int, str]:
        """What changes when anything does."""
        hooks = [(hook.id, hook.url, hook.token, hook.status) for hook in list(self._simulator.webhooks.hooks.values())]
        return self._simulator.office.version, f"{self._simulator.webhooks.enabled} {hooks}"


def _is_shown(row: Mapping[str, Any]) -> bool:
    return not (row["deleted"] or row["project_deleted"]) and row.get("objectType", "task") in ("task", "tasks")
