"""Stands between a connector and a simulated vendor: notes what is asked for, and may answer otherwise."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests

_PASSED_ON = ("authorization", "accept", "content-type")
_KEPT_BACK = ("connection", "content-length", "content-encoding", "transfer-encoding", "server")


@dataclass(frozen=True)
class Asked:
    """A request, and when it came, by the monotonic clock."""

    path: str
    query: str
    at: float


@dataclass(frozen=True)
class Given:
    """An answer; names of headers in small letters."""

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    def with_body(self, body: object) -> Given:
        return replace(self, content=json.dumps(body).encode())


@dataclass
class Proxy:
    """What passes by.

    Attributes:
        before: is called with every request before it is passed on; what it returns is the answer.
        after: is called with every answer before it is given; what it returns is given instead.
    """

    target: str
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    before: Callable[[Asked], Given | None] = lambda _asked: None
    after: Callable[[Asked, Given], Given | None] = lambda _asked, _given: None

    def calm(self) -> None:
        """Let everything pass as it is."""
        self.before, self.after = (lambda _asked: None), (lambda _asked, _given: None)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Given:
        parts = urlsplit(target)
        asked = Asked(parts.path, parts.query, time.monotonic())
        self.asked.append(asked)
        given = self.before(asked)
        if given is None:
            passed = {name: value for name, value in headers.items() if name.lower() in _PASSED_ON}
            with requests.Session() as session:
                session.trust_env = False
                reply = session.request(method, self.target + target, headers=passed, data=body, timeout=60)
            headers = {name.lower(): value for name, value in reply.headers.items()}
            given = Given(reply.status_code, reply.content, headers)
        return self.after(asked, given) or given


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    """Run one before this address."""
    found = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            given = found.answer(self.command, self.path, dict(self.headers), body)
            self.send_response_only(given.status)
            for name, value in given.headers.items():
                if name not in _KEPT_BACK:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.content)))
            self.end_headers()
            self.wfile.write(given.content)

        do_POST = do_DELETE = do_GET  # noqa: N815 - these are the names that http.server asks for

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
