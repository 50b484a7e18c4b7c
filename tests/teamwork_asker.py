"""Asks a simulated Teamwork.com over real sockets: one request, or a whole list with everything that it may show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator

V3 = "/projects/api/v3"
EVERYTHING = {
    "tasks": (
        "includeCompletedTasks includeArchivedProjects showCompletedLists showDeleted includeTasksFromDeletedLists"
        " getSubTasks includeCustomFields includeRelatedTasks includeCompletedPredecessors includeCompletedSubtasks"
    ),
    "projects": "includeArchivedProjects includeCustomFields includeCompletedStatus",
    "tasklists": "includeArchivedProjects showCompleted showDeleted getEmptyLists",
    "people": "showDeleted includeClients",
    "companies": "",
    "tags": "",
    "comments": "includeArchivedProjects",
    "time": "includeArchivedProjects showDeleted",
    "milestones": "includeArchivedProjects showDeleted includeCompleted",
    "customfields": "showDeleted",
}
"""The flags that make each list show all it has."""

KEYS = {"time": "timelogs"}


def everything(resource: str) -> dict[str, str]:
    return dict.fromkeys(EVERYTHING[resource].split(), "true") | {"commentStatus": "all"}


@dataclass
class Asker:
    """Somebody with the API key."""

    teamwork: TeamworkSimulator

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.send("GET", path, params=params)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        auth = options.pop("auth", (self.teamwork.token, "x"))
        return requests.request(method, f"{self.teamwork.url}{path}", auth=auth, timeout=20, **options)

    def page(self, resource: str, **params: Any) -> dict[str, Any]:
        answer = self.get(f"{V3}/{resource}.json", **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, resource: str, **params: Any) -> list[dict[str, Any]]:
        """Return the rows of all pages."""
        rows, number, more = [], 1, True
        while more:
            page = self.page(resource, **{"pageSize": 500, **params, "page": number})
            rows += page[KEYS.get(resource, resource)] or []
            number, more = number + 1, page["meta"]["page"]["hasMore"]
        return rows

    def ids(self, resource: str, **params: Any) -> set[int]:
        return {row["id"] for row in self.rows(resource, **params)}

    def all_ids(self, resource: str, **params: Any) -> set[int]:
        return self.ids(resource, **{**everything(resource), **params})
