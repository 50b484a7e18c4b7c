"""Requests to Missive's API: who may ask, how its limits are told, and how errors are worded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.missive.api import Api, Refused
from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.mutations import mutate
from ibhelm_pipelines.demo.vendor.exchange import Parameters, Reply
from ibhelm_pipelines.demo.vendor.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from starlette.requests import Request

    from ibhelm_pipelines.demo.missive.state import Office
    from ibhelm_pipelines.demo.vendor.request_log import RequestLog

UNAUTHORIZED = "Authentication token is invalid or has been revoked"


class MissiveGateway(Gateway):
    """Takes requests to Missive's API.

    Args:
        office: what they are about.
        api: answers them.
        token: the personal token.
        seed: of the faults.
        log: counts and limits requests.
        monotonic: the clock of the limits.
    """

    faults: MissiveFaults
    too_many = "Too many requests, please slow down"

    def __init__(
        self,
        office: Office,
        api: Api,
        *,
        token: str,
        seed: int,
        log: RequestLog,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(office, faults=MissiveFaults(), seed=seed, log=log, monotonic=monotonic)
        self._office, self._api, self._token = office, api, token

    def _reply(self, request: Request, body: bytes) -> Reply:
        path, method = request.url.path, request.method
        if self.faults.token_expired or request.headers.get("authorization", "") != f"Bearer {self._token}":
            return Reply(status=401, body={"error": {"message": UNAUTHORIZED}})
        if any(path.startswith(prefix) for prefix in self.faults.forbidden):
            return self._error(path, 403, "Forbidden", "You are not allowed to see this")
        is_json = request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"
        if method in {"POST", "PATCH"} and not is_json:
            return self._error(path, 400, "Bad Request", "Content-Type must be application/json")
        try:
            document = json.loads(body) if body else None
        except ValueError:
            return self._error(path, 400, "Bad Request", "The body is not JSON")
        try:
            return self._api.answer(method, path, Parameters(dict(request.query_params)), document)
        except Refused as refused:
            return self._error(path, refused.status, "Refused", str(refused))

    def _error(self, path: str, status: int, title: str, detail: str) -> Reply:  # noqa: ARG002 - one shape everywhere
        shapes: dict[str, object] = {
            "error": {"error": {"message": detail}},
            "errors": {"errors": [{"title": title, "detail": detail}]},
            "message": {"message": detail},
        }
        return Reply(status=status, body=shapes[self._office.switches.error_body])

    def _has_more(self, reply: Reply) -> bool:
        return reply.more

    def _move_rows(self, rng: Random, count: int) -> None:
        mutate(self._office, rng, count)

    def _budget_headers(self, refused_for: int | None = None) -> dict[str, str]:
        """Tell the tightest limit, where the switch allows more than a refusal to tell it."""
        if refused_for is None and self._office.switches.rate_limit_headers == "refusals":
            return {}
        window = min(self.log.windows, key=lambda each: each.remaining())
        epoch = int(self._office.moment().timestamp())
        wait = int(window.seconds_to_reset(self._monotonic())) + 1 if refused_for is None else refused_for
        headers = {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(0 if refused_for else window.remaining()),
            "X-RateLimit-Reset": str(epoch + wait),
        }
        return headers if refused_for is None else {**headers, "Retry-After": str(refused_for)}
