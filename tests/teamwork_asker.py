"""Asks a simulated Teamwork.com over real sockets: one request, or a whole list with everything that it may show."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


@dataclass
class Mailbox:
    """Takes webhooks, and answers with the statuses that it is told, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.posts) >= count, timeout=60), self.posts
            return list(self.posts)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        with self.arrived:
            self.posts.append((headers, body))
            self.arrived.notify_all()
            return self.statuses.pop(0) if self.statuses else 200


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(box.take(dict(self.headers), body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    box.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield box
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
