"""Stands before every page: who is not signed in goes no further, and no other site posts in somebody's name.

Invariants: a page is closed unless it is named here as open, so that a new one cannot be forgotten; whatever changes
something carries the token of its session, or is a script's with our bearer token, which no browser sends by itself.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ibhelm_pipelines.local.entrance import Closed
from ibhelm_pipelines.local.rate_limit import RateLimit
from ibhelm_pipelines.web.refusals import API, FORGED, SIGN_IN, refusal
from ibhelm_pipelines.web.sessions import CSRF_FIELD, CSRF_HEADER, Visitor, is_csrf_token

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ibhelm_pipelines.local.entrance import Entrance
    from ibhelm_pipelines.web.readings import Readings
    from ibhelm_pipelines.web.sessions import Sessions

SIGN_IN_PAGE = "/login"
OPEN = frozenset({SIGN_IN_PAGE, "/login/start", "/login/callback"})
STATIC = "/static/"
SCRIPT = "API"
"""What a script with the token is called."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_BODY_BYTES = 64 * 1024
LONGEST_NEXT = 2000
"""It travels in a cookie, of which browsers keep 4,096 bytes."""

OFF = (
    "Die Suche ist abgeschaltet, weil keine Anmeldung eingerichtet ist. Die Verwaltung setzt IBHELM_WEB_PASSWORD;"
    " `ibhelm doctor` sagt mehr."
)
TOO_MANY = "Zu viele Anmeldeversuche. Bitte in {seconds} s noch einmal versuchen."


class Attempts:
    """How often somebody may try to get in: an address, and all together, for a guesser has many addresses.

    An office is one address to us. With twelve characters, a try every two seconds is no way in.
    """

    def __init__(self) -> None:
        self._by_address = RateLimit(per_second=0.1, burst=20, max_clients=10_000)
        self._in_all = RateLimit(per_second=0.5, burst=200, max_clients=1)

    def wait_seconds(self, request: Request) -> int:
        """Count one; return after how many seconds another one is taken, 0 for at once."""
        address = request.client.host if request.client else ""
        return self._by_address.wait_seconds(address) or self._in_all.wait_seconds("")

    def refusal(self, request: Request) -> Response | None:
        """Count one; return what is answered where it is one too many."""
        seconds = self.wait_seconds(request)
        if not seconds:
            return None
        return refusal(request, 429, TOO_MANY.format(seconds=seconds), {"Retry-After": str(seconds)})


class Guard:
    """The middleware; behind it, `request.state.visitor` is who asks, or None on an open page.

    Args:
        application: the pages.
        way: who may come in.
        sessions: who is in.
        attempts: for wrong tokens.
        api_token: with which scripts may use the API.
        readings: where is written down that a script was not let in.
    """

    def __init__(
        self,
        application: ASGIApp,
        *,
        way: Entrance,
        sessions: Sessions,
        attempts: Attempts,
        api_token: str | None,
        readings: Readings,
    ) -> None:
        self._application, self._way, self._sessions = application, way, sessions
        self._attempts, self._api_token, self._readings = attempts, api_token, readings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request.state.visitor = None
        if scope["path"].startswith(STATIC):
            await self._application(scope, receive, send)
            return
        answer, handed_on = await self._examine(request)
        if answer is None:
            await self._application(scope, handed_on, send)
        else:
            await answer(scope, receive, send)

    async def _examine(self, request: Request) -> tuple[Response | None, Receive]:
        """Return what is answered instead of the page, if anything is, and the body for the page."""
        bearer = self._bearer(request)
        answer = self._stop(request) if bearer is None else self._check_token(request, bearer)
        if answer is not None or request.method in SAFE_METHODS:
            return answer, request.receive
        body = await _read(request)
        if body is None:
            return refusal(request, 413, "Das ist zu viel auf einmal.", {"Connection": "close"}), request.receive
        if bearer is None and not is_csrf_token(request, _token(request, body)):
            return refusal(request, 403, FORGED), request.receive
        return None, _replayed(body, request.receive)

    def _bearer(self, request: Request) -> str | None:
        """Return the token with which a script asks; only the API knows such."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" and request.url.path.startswith(API) else None

    def _check_token(self, request: Request, token: str) -> Response | None:
        known = self._api_token
        if known is not None and hmac.compare_digest(known.encode(), token.encode("utf-8", "replace")):
            request.state.visitor = Visitor(name=SCRIPT, key="token", account=SCRIPT)
            return None
        if answer := self._attempts.refusal(request):
            return answer
        self._readings.script_denied(request, status=401)
        return _unauthorized(request, "Dieses Token gilt hier nicht.")

    def _stop(self, request: Request) -> Response | None:
        if isinstance(self._way, Closed):
            return refusal(request, 503, OFF)
        request.state.visitor = self._sessions.visitor(request)
        if request.state.visitor is not None or request.url.path in OPEN:
            return None
        if request.url.path.startswith(API + "/"):
            return _unauthorized(request, SIGN_IN)
        return _to_sign_in(request)


def _unauthorized(request: Request, sentence: str) -> Response:
    return refusal(request, 401, sentence, {"WWW-Authenticate": 'Bearer realm="ibhelm"'})


def _to_sign_in(request: Request) -> Response:
    """Send a person to the form, and from there back to the page that was wanted; a part takes the whole page along."""
    is_part = "hx-request" in request.headers
    if is_part:
        wanted = urlsplit(request.headers.get("hx-current-url", "/"))
    else:
        wanted = urlsplit(str(request.url)) if request.method in SAFE_METHODS else urlsplit("/")
    path = local_path(wanted._replace(scheme="", netloc="", fragment="").geturl())
    address = SIGN_IN_PAGE if path == "/" else f"{SIGN_IN_PAGE}?next={quote(path, safe='/')}"
    if is_part:
        return refusal(request, 401, SIGN_IN, {"HX-Redirect": address})
    return RedirectResponse(address, 303)


def local_path(wanted: str) -> str:
    """Return a path of ours as it is, and `/` for everything that could lead elsewhere."""
    is_plain = all(sign.isprintable() and sign != "\\" for sign in wanted) and len(wanted) <= LONGEST_NEXT
    is_local = wanted.startswith("/") and not wanted.startswith("//")
    leads_in = wanted.startswith((SIGN_IN_PAGE, "/logout"))
    return wanted if is_plain and is_local and not leads_in else "/"


def _token(request: Request, body: bytes) -> str:
    """Return the token that came with a form, or in the header of a script of our page."""
    if CSRF_HEADER in request.headers:
        return request.headers[CSRF_HEADER]
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ""
    try:
        fields = parse_qs(body.decode("latin-1"), max_num_fields=100)
    except ValueError:
        return ""
    return fields.get(CSRF_FIELD, [""])[-1]


async def _read(request: Request) -> bytes | None:
    """Return the body, or None where it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give the page the body that was read already."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
