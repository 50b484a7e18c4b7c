"""The application behind `ibhelm web`: the gateway for everybody with a signed link, the pages for who is signed in.

Invariants: the gateway answers as if there were no pages, also while Postgres is away; every page stands behind the
guard. A line of the log says which page was asked for, and never what was searched, by whom, or from where.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Match, Route

from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.local.entrance import Account, Closed, entrance, session_key
from ibhelm_pipelines.web.answers import Sent
from ibhelm_pipelines.web.api import Api
from ibhelm_pipelines.web.guard import Attempts, Guard
from ibhelm_pipelines.web.headers import page_headers
from ibhelm_pipelines.web.oidc_sign_in import IssuerSignIn
from ibhelm_pipelines.web.pages import SearchPages
from ibhelm_pipelines.web.refusals import broken, refuse, unavailable
from ibhelm_pipelines.web.sessions import SessionCookie, Sessions, csrf_token
from ibhelm_pipelines.web.sign_in import SignInForm, SignOut
from ibhelm_pipelines.web.static_files import StaticFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from starlette.types import ASGIApp, Receive, Scope, Send

    from ibhelm_pipelines.local.entrance import Entrance
    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.web.desk import Desk
    from ibhelm_pipelines.web.readings import Readings
    from ibhelm_pipelines.web.saved import SavedSearches


def front(
    settings: Settings, secret: str, *, gateway: ASGIApp, desk: Desk, saved: SavedSearches, readings: Readings
) -> ASGIApp:
    """Return the application.

    Args:
        settings: of this process.
        secret: IBHELM_WEB_SECRET.
        gateway: answers whatever is no page.
        desk: answers searches.
        saved: the searches that the office keeps.
        readings: where is written down who reads what.
    """
    way, sessions, attempts = entrance(settings), Sessions(), Attempts()
    routes = [
        *SearchPages(desk, saved, address=settings.web_address, csrf=csrf_token).routes(),
        *Api(desk, saved).routes(),
        *_sign_in(way, settings.web_address, sessions, attempts),
        *SignOut(sessions).routes(),
        *StaticFiles().routes(),
    ]
    token = settings.api_token.get_secret_value() if settings.api_token is not None else None
    guard = Middleware(Guard, way=way, sessions=sessions, attempts=attempts, api_token=token, readings=readings)
    refusals: Mapping[Any, Any] = {HTTPException: refuse, IbhelmError: unavailable, Exception: broken}
    cookie = SessionCookie(session_key(secret, way), settings.web_address)
    pages = Starlette(routes=routes, middleware=[cookie.middleware(), guard], exception_handlers=refusals)
    pages.router.redirect_slashes = False
    told = _Introduced(gateway, cookie, sessions)
    return _Front(told, pages, routes, page_headers(settings.web_address))


def _sign_in(way: Entrance, address: str, sessions: Sessions, attempts: Attempts) -> Sequence[Route]:
    if isinstance(way, Closed):
        return []
    if isinstance(way, Account):
        return SignInForm(way, sessions, attempts).routes()
    return IssuerSignIn(way, address, sessions, attempts).routes()


class _Introduced:
    """Tells the gateway who asks, where somebody is signed in: for the log of accesses, and for nothing else."""

    def __init__(self, gateway: ASGIApp, cookie: SessionCookie, sessions: Sessions) -> None:
        self._gateway, self._cookie, self._sessions = gateway, cookie, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"visitor": self._sessions.visitor_of(self._cookie.read(scope))}
        await self._gateway(scope, receive, send)


class _Front:
    """Sends each request to the pages or to the gateway, and logs those of the pages."""

    def __init__(self, gateway: ASGIApp, pages: ASGIApp, routes: Sequence[Route], headers: Mapping[str, str]) -> None:
        self._gateway, self._pages, self._routes, self._headers = gateway, pages, routes, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = next((route for route in self._routes if route.matches(scope)[0] is not Match.NONE), None)
        if route is None:
            await self._gateway(scope, receive, send)
            return
        started, sent = time.perf_counter(), Sent(send, self._headers)
        try:
            await self._pages(scope, receive, sent)
        finally:
            seconds = round(time.perf_counter() - started, 4)
            numbers = {"status": sent.status, "bytes": sent.bytes, "complete": sent.complete, "seconds": seconds}
            structlog.get_logger().info("page", method=scope["method"], route=route.path, **numbers)
