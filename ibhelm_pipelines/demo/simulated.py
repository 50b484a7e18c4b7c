"""The Teamwork of the demo: the simulator within the demo's own process, with the projects of the generated NAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.share import PROJECTS, SEED
from ibhelm_pipelines.demo.teamwork.filing import projects_meant, tasks_meant
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.vendor.lasting import LIFE_SECONDS, Lasting
from ibhelm_pipelines.local.ports import choose_port
from ibhelm_pipelines.local.state import read_or_make_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from ibhelm_pipelines.demo.register_truth import About

TASKS = 1200
REQUESTS_PER_MINUTE = 1500
"""Ten times what Teamwork.com grants: a newcomer should not wait for the manners of a guest."""

LIFE = (
    "create task", "edit task", "complete task", "reopen task", "delete task", "restore task", "tag task",
    "assign task", "remove last tag of task", "create comment", "edit comment", "create time", "edit time",
)  # fmt: skip
"""What happens in the office while somebody looks: everyday things, and nothing that takes a whole project away."""

_TABLES = {
    "projects": "projects",
    "people": "people",
    "task lists": "task_lists",
    "tasks": "tasks",
    "comments": "comments",
    "time entries": "time_entries",
}


class SimulatedTeamwork(Lasting):
    """Serves within the block, on the same port and with the same office as the last time.

    Args:
        state_dir: where the office is kept.
        life_seconds: pause between two changes, once it lives.
    """

    def __init__(self, state_dir: Path, *, life_seconds: float = LIFE_SECONDS) -> None:
        self._secret = read_or_make_secrets(state_dir / "secrets.json", ["teamwork_webhooks"])["teamwork_webhooks"]
        port = choose_port(0, memory=state_dir / "teamwork.port", service="The simulator of Teamwork", variable="")
        self._simulator = TeamworkSimulator(
            seed=SEED, projects=PROJECTS, tasks=TASKS, filed=True, port=port, rate_limit=REQUESTS_PER_MINUTE
        )
        super().__init__(self._simulator, memory=state_dir / "teamwork.json", life=LIFE, life_seconds=life_seconds)

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

    def shown(self) -> dict[str, set[int]]:
        """Return the ids of all that a person sees in it, by what it is; comments are those on tasks."""
        truth = self._simulator.truth()
        return {what: {row["id"] for row in truth[table] if _is_shown(row)} for what, table in _TABLES.items()}

    def tasks_meant(self) -> dict[int, About]:
        """Return what each task is about that a person sees, by its id."""
        return tasks_meant(self._simulator.office)

    def projects_meant(self) -> dict[str, int]:
        """Return the id of each project, by its number, or by its name where it has none."""
        return projects_meant(self._simulator.office)

    def _state(self) -> object:
        hooks = [(hook.id, hook.url, hook.token, hook.status) for hook in list(self._simulator.webhooks.hooks.values())]
        return self._simulator.office.version, f"{self._simulator.webhooks.enabled} {hooks}"


def _is_shown(row: Mapping[str, Any]) -> bool:
    return not (row["deleted"] or row["project_deleted"]) and row.get("objectType", "task") in ("task", "tasks")
