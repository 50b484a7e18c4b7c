"""Asks a simulated Missive over real sockets: one request, or a whole list, by the safe way through its pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from ibhelm_pipelines.demo.missive.server import MissiveSimulator

Row = dict[str, Any]


@dataclass
class MissiveAsker:
    """Somebody with the token."""

    missive: MissiveSimulator

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.send("GET", path, params=params)

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.missive.token}", **options.pop("headers", {})}
        return requests.request(method, f"{self.missive.url}{path}", headers=headers, timeout=20, **options)

    def rows(self, path: str, **params: Any) -> list[Row]:
        """Return the rows of one page."""
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        (rows,) = answer.json().values()
        return rows

    def all_rows(self, path: str, time: str, **params: Any) -> dict[str, Row]:
        """Return the rows of all pages: a second that fills a page is passed by, and nothing new ends it."""
        seen: dict[str, Row] = {}
        until: dict[str, int] = {}
        while page := self.rows(path, **params, **until):
            oldest = min(row[time] for row in page)
            fresh = [row for row in page if row["id"] not in seen]
            seen |= {row["id"]: row for row in page}
            until = {"until": oldest if fresh else oldest - 1}
        return seen

    def conversations(self, **mailbox: Any) -> dict[str, Row]:
        return self.all_rows("/conversations", "last_activity_at", **mailbox)

    def messages(self, conversation: str) -> dict[str, Row]:
        return self.all_rows(f"/conversations/{conversation}/messages", "delivered_at")

    def comments(self, conversation: str) -> dict[str, Row]:
        return self.all_rows(f"/conversations/{conversation}/comments", "created_at")

    def message(self, message: str) -> Row:
        answer = self.get(f"/messages/{message}")
        assert answer.status_code == 200, answer.text
        whole = answer.json()["messages"]
        return whole[0] if isinstance(whole, list) else whole

    def truth(self, table: str, test: Callable[[Row], bool] = lambda _: True) -> dict[str, Row]:
        return {row["id"]: row for row in self.missive.truth()[table] if test(row)}

    def readable(self, table: str) -> dict[str, Row]:
        return self.truth(table, lambda row: row["readable"])
