"""What stands between the socket and a vendor's answers: the request budget and faults.

A request is counted first, refused where the budget is spent, then struck by a fault, and only then answered.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from ibhelm_pipelines.demo.vendor.broken import BrokenAnswer
from ibhelm_pipelines.demo.vendor.exchange import json_bytes

if TYPE_CHECKING:
    import datetime as dt
    import threading
    from collections.abc import Callable

    from starlette.requests import Request

    from ibhelm_pipelines.demo.vendor.exchange import Reply
    from ibhelm_pipelines.demo.vendor.faults import Faults
    from ibhelm_pipelines.demo.vendor.request_log import RequestLog

_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Clocked(Protocol):
    """An office: its lock, and the time by the vendor's clock."""

    lock: threading.RLock

    def moment(self) -> dt.datetime:
        """The time by the vendor's clock, which may be wrong."""


class Gateway(ABC):
    """Takes requests to a vendor's API.

    Args:
        office: what they are about.
        faults: what goes wrong.
        seed: of the faults.
        log: counts and limits requests.
        monotonic: the clock of the limits.
    """

    def __init__(
        self, office: Clocked, *, faults: Faults, seed: int, log: RequestLog, monotonic: Callable[[], float]
    ) -> None:
        self.faults, self.log = faults, log
        self.after_page: Callable[[], None] | None = None
        self._clocked, self._monotonic = office, monotonic
        self._rng, self._life = Random(f"{seed} faults"), Random(f"{seed} between pages")

    @abstractmethod
    def _reply(self, request: Request, body: bytes) -> Reply:
        """Answer a request; the office is locked meanwhile."""

    @abstractmethod
    def _error(self, path: str, status: int, title: str, detail: str) -> Reply:
        """Answer that something went wrong."""

    @abstractmethod
    def _budget_headers(self, refused_for: int | None = None) -> dict[str, str]:
        """Say how many requests are left; `refused_for` so many seconds, if the request was refused."""

    @abstractmethod
    def _has_more(self, reply: Reply) -> bool:
        """Return whether an answer is a page that is not the last."""

    @abstractmethod
    def _move_rows(self, rng: Random, count: int) -> None:
        """Let the office live between two pages."""

    async def respond(self, request: Request) -> Response:
        """Answer a request, or fail as the faults will it."""
        path = request.url.path
        wait = self.log.begin(path, self._monotonic())
        status = 0
        try:
            response = await self._respond(request, path, wait)
            status = 0 if isinstance(response, BrokenAnswer) else response.status_code
        finally:
            self.log.end(status)
        return response

    async def _respond(self, request: Request, path: str, wait: float) -> Response:
        body = await request.body()
        fault = self.faults.draw(self._rng)
        if self._rng.random() < self.faults.slow:
            await asyncio.sleep(self.faults.slow_seconds)
        return self._refusal(path, wait) or self._fault(path, fault) or self._answer(request, body, fault)

    def _refusal(self, path: str, wait: float) -> Response | None:
        return self._too_many(path, wait) if wait else None

    def _fault(self, path: str, fault: str) -> Response | None:
        """Answer for a fault that needs no answer of the API."""
        if fault == "reset":
            return BrokenAnswer(b"", 0)
        if fault == "too_many_requests":
            return self._too_many(path, self.faults.too_many_requests_seconds)
        if fault == "bad_gateway":
            return Response(_BAD_GATEWAY, 502, self._headers(), media_type="text/html")
        if fault in {"server_error", "unavailable"}:
            status, title = {"server_error": (500, "Internal Server Error"), "unavailable": (503, "Unavailable")}[fault]
            return self._written(self._error(path, status, title, "Something went wrong"))
        return None

    def _answer(self, request: Request, body: bytes, fault: str) -> Response:
        with self._clocked.lock:
            reply = self._reply(request, body)
            response = self._written(reply)
        if request.method == "GET" and self._has_more(reply):
            self._between_pages()
        whole = bytes(response.body)
        if fault == "truncated_json" and reply.status == 200:
            return Response(whole[: len(whole) // 2], 200, self._headers(), media_type="application/json")
        return BrokenAnswer(whole, len(whole) // 2) if fault == "cut" and len(whole) > 1 else response

    def _between_pages(self) -> None:
        if self._rng.random() < self.faults.moving_rows:
            self._move_rows(self._life, self.faults.moving_rows_changes)
        if self.after_page:
            self.after_page()

    def _written(self, reply: Reply) -> Response:
        headers = {**self._headers(), **reply.headers}
        if reply.body is None:
            return Response(status_code=reply.status, headers=headers)
        return Response(json_bytes(reply.body), reply.status, headers, media_type="application/json")

    def _too_many(self, path: str, wait: float) -> Response:
        reply = self._error(path, 429, "Too Many Requests", self.too_many)
        headers = {**self._date(), **self._budget_headers(max(math.ceil(wait), 1))}
        return Response(json_bytes(reply.body), 429, headers, media_type="application/json")

    too_many = "Too many requests"
    """What a refusal says."""

    def _headers(self) -> dict[str, str]:
        return {**self._date(), **self._budget_headers()}

    def _date(self) -> dict[str, str]:
        """Say what time it is."""
        return {"Date": format_datetime(self._clocked.moment(), usegmt=True)}
