"""Stands between the platform and an S3 server: answers otherwise where a test wants it, and lists in short pages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

_KEPT_BACK = ("connection", "transfer-encoding", "server", "date")


@dataclass
class Between:
    """What passes by.

    Attributes:
        instead: is asked with method and target before each request; the status and error code that it returns are
            the answer.
        afterwards: gets target and body of each answer, and returns the body that is given.
        page: most keys of one listing.
    """

    target: str
    url: str = ""
    page: int = 1000
    asked: list[str] = field(default_factory=list)
    instead: Callable[[str, str], tuple[int, str] | None] = lambda _method, _target: None
    afterwards: Callable[[str, bytes], bytes] = lambda _target, body: body


@contextmanager
def between(target: str) -> Iterator[Between]:
    """Run one before this server."""
    found = Between(target)
    session = requests.Session()
    session.trust_env = False

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.asked.append(f"{self.command} {self.path}")
            refused = found.instead(self.command, self.path)
            if refused is not None:
                return self._give(refused[0], {}, f"<Error><Code>{refused[1]}</Code></Error>".encode())
            headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            short = f"&max-keys={found.page}" if "list-type=2" in self.path else ""
            reply = session.request(
                self.command, found.target + self.path + short, headers=headers, data=body, timeout=60
            )
            return self._give(reply.status_code, dict(reply.headers), found.afterwards(self.path, reply.content))

        do_POST = do_DELETE = do_PUT = do_HEAD = do_GET  # noqa: N815 - these are the names that http.server asks for

        def _give(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in (*_KEPT_BACK, *(() if self.command == "HEAD" else ("content-length",))):
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

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
        session.close()
