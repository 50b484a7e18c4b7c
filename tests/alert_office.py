"""What tests of alerts share: a made-up trouble, a time to begin at, and a mailbox.

The mailbox is a real HTTP server that takes what Apprise posts, and may refuse, or keep the sender waiting.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import tables

from ibhelm_pipelines.alerts.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

START = dt.datetime(2026, 11, 23, 1, 30, tzinfo=dt.UTC)
TICK = dt.timedelta(seconds=30)
DAY = dt.timedelta(days=1)


def trouble(name: str = "rot", **changes: Any) -> Condition:
    values = {
        "key": f"check:{name}",
        "severity": "error",
        "title": f"Trouble with {name}",
        "body": f"3 files are {name}. Look at them.",
    }
    return Condition(**{**values, **changes})


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    return tables.ask(settings.require_database_url(), query)


@dataclass
class Mailbox:
    """What came, and how the server behaves."""

    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    may_answer: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/geheim"


@contextmanager
def open_mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            box.requests += 1
            box.may_answer.wait(60)
            if box.status == 200:
                box.messages.append(json.loads(body))
            self.send_response(box.status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield box
    box.may_answer.set()
    server.shutdown()
    server.server_close()
    thread.join()
