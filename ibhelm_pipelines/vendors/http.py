"""How a vendor is asked: within the shared budget, again after what passes by itself, and with errors of our own types.

An answer is a JSON object that came whole, or it is an error: nothing that went wrong can look like an empty page
(lesson 1). That a thing is gone is believed only where the vendor's API itself says so: a page of HTML with status 404
comes from something in front of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import requests
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import HTTPError, NewConnectionError

from ibhelm_pipelines.errors import (
    IbhelmError,
    VendorForbiddenError,
    VendorMissingError,
    VendorRefusedError,
    VendorRequestError,
    VendorUnavailableError,
)
from ibhelm_pipelines.vendors.exchange import Exchange, OutOfBoundsError, exchange, open_session
from ibhelm_pipelines.vendors.reply import json_object, minute_limit, pause_seconds, vendor_time, vendor_words

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from requests.auth import AuthBase

    from ibhelm_pipelines.vendors.budget import Budget

ATTEMPTS = 6
BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
TIMEOUT_SECONDS = (10.0, 60.0)
"""To get a connection, and between two pieces of an answer."""

Parameter = str | int | bool | None
"""None leaves a parameter out; true and false are written as JSON writes them."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a vendor said.

    Attributes:
        body: a JSON object; empty where a change was answered without a body.
        read_at: when it was asked, by the clock of Postgres; orders the readings of all processes.
        vendor_time: when it answered, by its own clock; None where it does not say.
        headers: their names in any case.
    """

    body: dict[str, Any]
    read_at: dt.datetime
    vendor_time: dt.datetime | None
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Request:
    method: Method
    path: str
    parameters: Mapping[str, Parameter]
    body: Mapping[str, Any] | None

    @property
    def is_change(self) -> bool:
        return self.method != "GET"

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows whether it arrived."""
        return self.method not in ("POST", "PATCH")

    @property
    def encoded(self) -> dict[str, str]:
        written = {True: "true", False: "false"}
        return {
            name: written[value] if isinstance(value, bool) else str(value)
            for name, value in self.parameters.items()
            if value is not None
        }


class _PassingError(Exception):
    """One attempt failed in a way that may pass by itself.

    Args:
        reason: what happened, the rest of a sentence that begins with the vendor.
        maybe_done: whether the vendor may have done what it was asked.
        paused: whether the budget makes the next attempt wait.
    """

    def __init__(self, reason: str, *, maybe_done: bool = True, paused: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.maybe_done, self.paused = reason, maybe_done, paused


class VendorClient:
    """Asks one vendor over one session; not for several threads at once.

    Args:
        vendor: as in the names of the settings, in small letters.
        base_url: scheme and host, and the path that all paths begin with.
        auth: what proves who we are; goes to this host only.
        budget: of this vendor; each attempt takes from it.
        timeout: seconds to connect, and of silence.
        attempts: how often one request is tried.
        sleep: must last at least so many seconds, or raise so that the wait ends.
    """

    def __init__(
        self,
        *,
        vendor: str,
        base_url: str,
        auth: AuthBase | tuple[str, str],
        budget: Budget,
        timeout: tuple[float, float] = TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._vendor, self._base_url, self._budget = vendor, base_url.rstrip("/"), budget
        self._timeout, self._attempts, self._sleep = timeout, attempts, sleep
        self._session = open_session(auth)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the session; the budget belongs to whoever made it."""
        self._session.close()

    def get(self, path: str, parameters: Mapping[str, Parameter] | None = None) -> Answer:
        """Read something.

        Args:
            path: below the base URL, with a slash in front.
            parameters: of the query.

        Raises:
            VendorUnavailableError: no understandable answer after all attempts, or no turn within five minutes.
            VendorRefusedError: the token is refused (401); VendorForbiddenError: it does not show this (403).
            VendorMissingError: the vendor says that there is no such thing (404, 410).
            VendorRequestError: the vendor does not accept the request, or sends us elsewhere.
            DatabaseUnavailableError: the budget cannot be asked.
        """
        return self._ask(_Request(method="GET", path=path, parameters=parameters or {}, body=None))

    def send(
        self, method: Literal["POST", "PUT", "PATCH", "DELETE"], path: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Change something; raises what `get` raises.

        A POST or PATCH that may have arrived is not sent again; after VendorUnavailableError look whether it was done.
        A PUT or DELETE is, so a DELETE may end with VendorMissingError although it is this one that deleted.
        """
        return self._ask(_Request(method=method, path=path, parameters={}, body=body))

    def _ask(self, request: _Request) -> Answer:
        if not request.path.startswith("/"):
            raise ValueError(f"the path {request.path!r} does not begin with a slash")  # it could name another host

        def may_repeat(error: BaseException) -> bool:
            return isinstance(error, _PassingError) and (request.is_repeatable or not error.maybe_done)

        def tell(state: RetryCallState) -> None:
            structlog.get_logger().info(
                "vendor_asked_again",
                vendor=self._vendor,
                method=request.method,
                path=request.path,
                parameters=request.encoded,
                attempt=state.attempt_number,
                reason=str(state.outcome and state.outcome.exception()),
            )

        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=_wait,
            retry=retry_if_exception(may_repeat),
            sleep=self._sleep,
            before_sleep=tell,
            reraise=True,
        )
        try:
            return retrying(self._try, request)
        except _PassingError as error:
            tries = retrying.statistics["attempt_number"]
            raise VendorUnavailableError(
                f"{self._name} {error.reason} ({request.method} {request.path}, attempt {tries} of {self._attempts}).",
                next_step="Nothing is lost; the next run tries again. If it stays so, see the vendor's status page.",
            ) from error

    def _try(self, request: _Request) -> Answer:
        read_at = self._budget.take()
        reply = self._exchange(request)
        if (limit := minute_limit(reply)) is not None:
            self._budget.limit(limit)
        if not _is_good(request, reply):
            self._fail(request, reply)
        body = {} if request.is_change and not reply.content.strip() else json_object(reply)
        if body is None:
            raise _PassingError(f"answered {reply.status} with something that is no JSON object")
        return Answer(body=body, read_at=read_at, vendor_time=vendor_time(reply), headers=reply.headers)

    def _exchange(self, request: _Request) -> Exchange:
        try:
            return exchange(
                self._session,
                request.method,
                self._base_url + request.path,
                parameters=request.encoded,
                body=request.body,
                timeout=self._timeout,
            )
        except (requests.RequestException, HTTPError) as error:
            connected = not isinstance(error, requests.ConnectTimeout) and not _is_unconnected(error)
            raise _PassingError(what_broke(error), maybe_done=connected) from error

    def _fail(self, request: _Request, reply: Exchange) -> NoReturn:
        status = reply.status
        if status in (429, 503):
            self._budget.pause(pause_seconds(reply))
            raise _PassingError(f"answered {status}, and wants a pause", maybe_done=False, paused=True)
        if status in (404, 410) and reply.content.strip() and json_object(reply) is None:
            raise _PassingError(f"answered {status} with a page that is not from its API")
        if 300 <= status < 500 and status != 408:
            raise self._refusal(request, reply)
        raise _PassingError(f"answered {status}{_said(reply)}")

    def _refusal(self, request: _Request, reply: Exchange) -> IbhelmError:
        status, asked, said = reply.status, f"{request.method} {request.path}", _said(reply)
        variable = f"IBHELM_{self._vendor.upper()}_TOKEN"
        if status == 401:
            return VendorRefusedError(
                f"{self._name} refuses our token (401).",
                next_step=f"Make a new one there, and set {variable}; nothing is lost meanwhile.",
            )
        if status == 403:
            return VendorForbiddenError(
                f"{self._name} does not let our token do {asked} (403){said}.",
                next_step=f"Give its user the right there, or set {variable} to the token of one who has it.",
            )
        if status in (404, 410):
            return VendorMissingError(f"{self._name} knows no such thing: {asked} ({status}){said}.")
        if status < 400:
            return VendorRequestError(
                f"{self._name} sends us to another address ({status}, {asked}), where our token does not go.",
                next_step=f"Set IBHELM_{self._vendor.upper()}_URL to the address at which the vendor really is.",
            )
        return VendorRequestError(
            f"{self._name} does not accept {asked} ({status}){said}.",
            next_step="This is a mistake in the platform: report it with this sentence.",
        )

    @property
    def _name(self) -> str:
        return self._vendor.capitalize()


_BACKOFF = wait_random_exponential(multiplier=BACKOFF_SECONDS, max=MAX_BACKOFF_SECONDS)


def _wait(state: RetryCallState) -> float:
    """Seconds until the next attempt; none where the budget makes it wait, together with all others."""
    error = state.outcome.exception() if state.outcome is not None else None
    return 0.0 if isinstance(error, _PassingError) and error.paused else _BACKOFF(state)


def _is_unconnected(error: BaseException) -> bool:
    reason = error.args[0] if error.args else None
    return isinstance(getattr(reason, "reason", None), NewConnectionError)


def what_broke(error: BaseException) -> str:
    """Say why there is no answer, without the URL and the addresses of objects that the libraries put into their
    sentences."""
    if isinstance(error, requests.ConnectTimeout):
        return "takes no connection"
    if isinstance(error, OutOfBoundsError):
        return f"was given up: {error}"
    cause = _system_error(error)
    if isinstance(error, requests.Timeout) or isinstance(cause, TimeoutError):
        return "was silent for too long"
    verb = "cannot be reached" if _is_unconnected(error) else "broke off"
    return f"{verb}: {(cause and cause.strerror) or type(cause or error).__name__}"


def _system_error(error: BaseException | None) -> OSError | None:
    """Return what the operating system or TLS said, from which the libraries made their own errors."""
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
            return error
        error = error.__cause__ or error.__context__
    return None


def _is_good(request: _Request, reply: Exchange) -> bool:
    return 200 <= reply.status < 300 if request.is_change else reply.status == 200


def _said(reply: Exchange) -> str:
    words = vendor_words(reply)
    return f": {words}" if words else ""
