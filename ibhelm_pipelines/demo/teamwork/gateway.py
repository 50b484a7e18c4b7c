"""Requests to Teamwork.com: who may ask, which version of the API they mean, and how its limit is told."""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.demo.teamwork import api_v1, api_v3
from ibhelm_pipelines.demo.teamwork.mutations import mutate
from ibhelm_pipelines.demo.teamwork.query import Query
from ibhelm_pipelines.demo.vendor.exchange import BadQuery, Reply
from ibhelm_pipelines.demo.vendor.faults import Faults
from ibhelm_pipelines.demo.vendor.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from starlette.requests import Request

    from ibhelm_pipelines.demo.teamwork.state import Office
    from ibhelm_pipelines.demo.teamwork.webhooks import Webhooks
    from ibhelm_pipelines.demo.vendor.request_log import RequestLog


class TeamworkGateway(Gateway):
    """Takes requests to Teamwork's API.

    Args:
        office: what they are about.
        webhooks: what the first version of the API installs.
        token: the API key.
        seed: of the faults.
        log: counts and limits requests.
        monotonic: the clock of the limit.
    """

    too_many = "You have exceeded your rate limit. Please try again in a little while."

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
        super().__init__(office, faults=Faults(), seed=seed, log=log, monotonic=monotonic)
        self._office, self._token = office, token
        self._v1, self._v3 = api_v1.ApiV1(office, webhooks), api_v3.ApiV3(office)

    def _reply(self, request: Request, body: bytes) -> Reply:
        path = request.url.path
        if self.faults.token_expired or not self._knows(request.headers.get("authorization", "")):
            return self._error(path, 401, "Unauthorized", "The API key is missing, wrong or expired")
        if any(path.startswith(prefix) for prefix in self.faults.forbidden):
            return self._error(path, 403, "Forbidden", "You do not have access to this resource")
        query = Query(dict(request.query_params))
        by = next(iter(self._office.tables["people"]))
        try:
            document = json.loads(body) if body else None
        except ValueError:
            return self._error(path, 400, "Bad Request", "The body is not JSON")
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

    def _error(self, path: str, status: int, title: str, detail: str) -> Reply:
        if path.startswith(api_v3.PREFIX):
            return api_v3.error(status, title, detail)
        return api_v1.failed(status, detail)

    def _has_more(self, reply: Reply) -> bool:
        page: Any = reply.body.get("meta", {}).get("page", {}) if isinstance(reply.body, dict) else {}
        return bool(page.get("hasMore"))

    def _move_rows(self, rng: Random, count: int) -> None:
        mutate(self._office, rng, count)

    def _budget_headers(self, refused_for: int | None = None) -> dict[str, str]:
        """Say how many requests are left in the spelling of the switch."""
        switches, window = self._office.switches, self.log.windows[0]
        wait = math.ceil(window.seconds_to_reset(self._monotonic())) if refused_for is None else refused_for
        epoch = math.ceil(self._office.moment().timestamp()) if switches.rate_limit_reset == "epoch" else 0
        values = {
            "Limit": window.limit,
            "Remaining": window.remaining() if refused_for is None else 0,
            "Reset": epoch + wait,
        }
        spell = str if switches.rate_limit_headers == "X-Rate-Limit" else str.lower
        budget = {f"{switches.rate_limit_headers}-{spell(name)}": str(value) for name, value in values.items()}
        retry = refused_for is not None and switches.retry_after
        return {**budget, **({"Retry-After": str(refused_for)} if retry else {})}
