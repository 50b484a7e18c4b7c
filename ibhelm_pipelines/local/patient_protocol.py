"""uvicorn's HTTP protocol for strangers: whoever dawdles is cut off, and broken HTTP costs nobody a traceback.

uvicorn waits for ever for the rest of a request and for whoever takes no answer, and answers 400 to broken HTTP without
looking whether an answer to the same request is under way, which then fails in the middle (uvicorn 0.54).
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_SECONDS = 10.0
"""From the first byte of a request, or from connecting, to its last byte."""

TAKING_SECONDS = 60.0
"""In which a client must have taken what was sent to it, some hundred kilobytes at most."""

LOG_PAUSE_SECONDS = 60.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to patience."""

    on_broken: Callable[[], None] = staticmethod(lambda: None)
    _patience: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._stop_waiting()  # from here on uvicorn's own time limit for the next request runs
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_sending()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._sending = self.loop.call_later(TAKING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_sending()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self.on_broken()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # what the application still says goes nowhere
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _wait(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_sending(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None


class OncePerMinute(logging.Filter):
    """Lets each message of uvicorn about its clients through once a minute: strangers decide how often it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            return True
        now, message = time.monotonic(), str(record.msg)
        due = now - self._last.get(message, -LOG_PAUSE_SECONDS) >= LOG_PAUSE_SECONDS
        if due:
            self._last[message] = now
        return due


def protocol_class(on_broken: Callable[[], None]) -> type[asyncio.Protocol]:
    """Return the protocol that reports each broken request."""
    members: dict[str, Any] = {"on_broken": staticmethod(on_broken)}
    return type("Protocol", (PatientProtocol,), members)
