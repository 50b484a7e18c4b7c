"""Answers that break off: half a body, half a connection, or none at all.

uvicorn hides the connection from its applications, so our protocol keeps them by their two ends.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Receive, Scope, Send

_Ends = tuple[tuple[str, int], tuple[str, int]]
_HANG_UP = struct.pack("ii", 1, 0)
"""Linger for no time: the peer sees a reset instead of an orderly end."""


class AbruptProtocol(H11Protocol):
    """HTTP/1.1 whose connections can be broken from within an answer."""

    open: ClassVar[dict[_Ends, asyncio.Transport]] = {}
    _ends: _Ends

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._ends = transport.get_extra_info("peername")[:2], transport.get_extra_info("sockname")[:2]
        self.open[self._ends] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.pop(self._ends, None)
        super().connection_lost(exc)


class BrokenAnswer(Response):
    """Announces its whole body, sends the first part of it, and breaks the connection."""

    def __init__(self, whole: bytes, sent: int) -> None:
        super().__init__(whole, media_type="application/json")
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = AbruptProtocol.open[tuple(scope["client"]), tuple(scope["server"])]
        if self._sent:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            part: Any = self.body[: self._sent]
            await send({"type": "http.response.body", "body": part, "more_body": True})
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP)
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass
