"""What goes back to a client: counted for the log, and never without the headers that every answer of its kind has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Message, Send


class Sent:
    """What was sent to a client.

    Args:
        send: where to.
        headers: of every answer that does not say otherwise itself.
    """

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.status, self.bytes, self.complete = 0, 0, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            said = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(each for each in self._headers if each[0] not in said)]
        await self._send(message)
        if message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
