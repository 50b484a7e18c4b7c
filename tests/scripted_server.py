"""A vendor that answers by a script, over real sockets: each request gets the next reply, well-formed or not."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

Play = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Request:
    """What arrived; names of headers in small letters."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def reply(status: int, body: object = b"", *, keep: bool = False, **headers: str) -> bytes:
    """Return a whole HTTP reply; underscores in names of headers stand for hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(content)}"]
    lines += [] if keep else ["Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def reset(connection: socket.socket) -> None:
    """Break the connection off without a reply."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass
class ScriptedServer:
    """Serves on 127.0.0.1 until the block ends; what comes when the script is over gets the last reply again.

    Args:
        script: bytes are sent as they are, a function does with the connection what it likes.
        port: 0 takes a free one.
    """

    script: list[bytes | Play] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        self._listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=[connection]))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            for request in _requests(stream):
                self.requests.append(request)
                step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if callable(step):
                    step(connection)
                else:
                    connection.sendall(step)
                if callable(step) or b"Connection: close" in step:
                    return


def _requests(stream: Any) -> Iterator[Request]:
    while line := stream.readline():
        method, target, _ = line.decode("latin-1").split(" ", 2)
        pairs = [each.decode("latin-1").split(":", 1) for each in iter(stream.readline, b"\r\n")]
        headers = {name.lower(): value.strip() for name, value in pairs}
        yield Request(method, target, headers, stream.read(int(headers.get("content-length", 0))))
