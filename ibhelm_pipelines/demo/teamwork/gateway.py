"""What stands between the socket and the answers: the request budget, faults, and who may ask.

A request is counted first, refused where the budget is spent, then struck by a fault, and only then answered.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ibhelm_pipelines.demo.teamwork import api_v1, api_v3
from ibhelm_pipelines.demo.teamwork.broken import BrokenAnswer
from ibhelm_pipelines.demo.teamwork.faults import Faults, RequestLog
from ibhelm_pipelines.demo.teamwork.mutations import mutate
from ibhelm_pipelines.demo.teamwork.query import BadQuery, Query, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from ibhelm_pipelines.demo.teamwork.state import Office
    from ibhelm_pipelines.demo.teamwork.webhooks import Webhooks

TOO_MANY = "You have exceeded your rate limit. Please try again in a little while."
_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Gateway:
    """Takes requests to the vendor's API.

    Args:
        office: what they are about.
        webhooks: what the first version of the API installs.
        token: the API key.
        seed: of the faults.
        log: counts and limits requests.
        monotonic: the clock of the limit.
    """

    def __init__(
        self,
        office: Office,
        webhooks: Webhooks,
        *,
        token: str,
        seed: int,
        log: RequestLog,
        monotonic: Callable[[], float],
    ) -> None:
        self._office, self._token, self._monotonic = office, token, monotonic
        self._v1, self._v3 = api_v1.ApiV1(office, webhooks), api_v3.ApiV3(office)
        self._rng, self._life = Random(f"{seed} faults"), Random(f"{seed} between pages")
        self.log = log
        self.faults = Faults()
        self.after_page: Callable[[], None] | None = None

    async def respond(self, request: Request) -> Response:
        """Answer a request, or fail as the faults will it."""
        path = request.url.path
        body = await request.body()
        refused = self.log.count(path, self._monotonic())
        fault = self.faults.draw(self._rng)
        if self._rng.random() < self.faults.slow:
            await asyncio.sleep(self.faults.slow_seconds)
        response = self._refusal(path, refused) or self._fault(path, fault) or self._answer(request, body, fault)
        self.log.by_status[0 if isinstance(response, BrokenAnswer) else response.status_code] += 1
        return response

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
            return self._written(_error(path, status, title, "Something went wrong"))
        return None

    def _answer(self, request: Request, body: bytes, fault: str) -> Response:
        with self._office.lock:
            reply = self._reply(request, body)
            response = self._written(reply)
        if request.method == "GET" and _has_more(reply):
            self._between_pages()
        whole = bytes(response.body)
        if fault == "truncated_json" and reply.status == 200:
            return Response(whole[: len(whole) // 2], 200, self._headers(), media_type="application/json")
        return BrokenAnswer(whole, len(whole) // 2) if fault == "cut" and len(whole) > 1 else response

    def _reply(self, request: Request, body: bytes) -> Reply:
        path = request.url.path
        if self.faults.token_expired or not self._knows(request.headers.get("authorization", "")):
            return _error(path, 401, "Unauthorized", "The API key is missing, wrong or expired")
        if any(path.startswith(prefix) for prefix in self.faults.forbidden):
            return _error(path, 403, "Forbidden", "You do not have access to this resource")
        query = Query(dict(request.query_params))
        by = next(iter(self._office.tables["people"]))
        try:
            document = json.loads(body) if body else None
        except ValueError:
            return _error(path, 400, "Bad Request", "The body is not JSON")
        if path.startswith(api_v3.PREFIX):
            return self._v3.answer(request.method, path.removeprefix(api_v3.PREFIX), query, document, by)
        try:
            return self._v1.answer(request.method, path, query, document, by)
        except BadQuery as bad:
            return api_v1.failed(400, str(bad))

    def _knows(self, authorization: str) -> bool:
        """Return whether the API key is the user name of Basic, with any password, or the token of Bearer."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return value == self._token
        try:
            user = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return False
        return scheme.lower() == "basic" and user == self._token

    def _between_pages(self) -> None:
        if self._rng.random() < self.faults.moving_rows:
            mutate(self._office, self._life, self.faults.moving_rows_changes)
        if self.after_page:
            self.after_page()

    def _written(self, reply: Reply) -> Response:
        headers = {**self._headers(), **reply.headers}
        if reply.body is None:
            return Response(status_code=reply.status, headers=headers)
        text = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":"))
        return Response(text.encode(), reply.status, headers, media_type="application/json")

    def _too_many(self, path: str, wait: float) -> Response:
        seconds = max(math.ceil(wait), 1)
        reply = _error(path, 429, "Too Many Requests", TOO_MANY)
        retry = {"Retry-After": str(seconds)} if self._office.switches.retry_after else {}
        return self._written(Reply(status=429, body=reply.body, headers={**self._headers(0, seconds), **retry}))

    def _headers(self, remaining: int | None = None, seconds: int | None = None) -> dict[str, str]:
        """Say what time it is, and how many requests are left in the spelling of the switch."""
        switches = self._office.switches
        wait = math.ceil(self.log.seconds_to_reset(self._monotonic())) if seconds is None else seconds
        epoch = math.ceil(self._office.moment().timestamp()) if switches.rate_limit_reset == "epoch" else 0
        values = {
            "Limit": self.log.limit,
            "Remaining": self.log.remaining() if remaining is None else remaining,
            "Reset": epoch + wait,
        }
        spell = str if switches.rate_limit_headers == "X-Rate-Limit" else str.lower
        budget = {f"{switches.rate_limit_headers}-{spell(name)}": str(value) for name, value in values.items()}
        return {"Date": format_datetime(self._office.moment(), usegmt=True), **budget}


def _error(path: str, status: int, title: str, detail: str) -> Reply:
    if path.startswith(api_v3.PREFIX):
        return api_v3.error(status, title, detail)
    return api_v1.failed(status, detail)


def _has_more(reply: Reply) -> bool:
    page: Any = reply.body.get("meta", {}).get("page", {}) if isinstance(reply.body, dict) else {}
    return bool(page.get("hasMore"))
