"""Who is signed in, in a signed cookie, and the token that a form must carry so that no other site can send it.

Invariants: a session begins with nothing of what was before (no fixation), ends twelve hours after it began however
busy it was, and at once where it is signed out: a copy of its cookie is worth nothing from then on. What was signed out
is remembered in memory only; a thief of a cookie who waits for a restart gains what is left of the twelve hours.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import itsdangerous
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Scope

SESSION_SECONDS = 12 * 3600
COOKIE = "ibhelm_web"
"""Cookies know no ports: Dagster and NocoDB on this machine see the same ones."""

CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody who may come in.

    Attributes:
        name: for the page.
        key: tells visitors apart, for limits; never logged.
        account: who it is, for the log of accesses.
    """

    name: str
    key: str
    account: str


class Sessions:
    """Begins and ends sessions.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ended: dict[str, float] = {}

    def begin(self, request: Request, name: str, account: str) -> None:
        """Let somebody in, by name and account."""
        request.session.clear()
        until, key = self._clock() + SESSION_SECONDS, secrets.token_urlsafe(16)
        said = {"name": name, "account": account, "id": key, "until": until, "csrf": _new_token()}
        request.session.update(said)

    def end(self, request: Request) -> None:
        """Sign somebody out."""
        now = self._clock()
        self._ended = {key: until for key, until in self._ended.items() if until > now}
        if "id" in request.session:
            self._ended[request.session["id"]] = request.session["until"]
        request.session.clear()

    def visitor(self, request: Request) -> Visitor | None:
        """Return who is signed in."""
        return self.visitor_of(request.session)

    def visitor_of(self, session: Mapping[str, Any]) -> Visitor | None:
        """Return whose session it is; None of one that ended, or was begun by an older version."""
        if "account" not in session or session["id"] in self._ended or session["until"] <= self._clock():
            return None
        return Visitor(name=session["name"], key=session["id"], account=session["account"])


class SessionCookie:
    """The signed cookie in which a session travels; names and signature as Starlette's middleware has them.

    Args:
        key: what signs it.
        address: of the page as browsers reach it.
    """

    def __init__(self, key: str, address: str) -> None:
        self._key, self._is_secure = key, address.startswith("https://")
        # With this prefix browsers take no such cookie from a neighbour under the same domain.
        self._name = f"__Host-{COOKIE}" if self._is_secure else COOKIE
        self._signer = itsdangerous.TimestampSigner(key)

    def middleware(self) -> Middleware:
        """Return what reads and writes it for the pages."""
        return Middleware(
            SessionMiddleware,
            secret_key=self._key,
            session_cookie=self._name,
            max_age=SESSION_SECONDS,
            https_only=self._is_secure,
        )

    def read(self, scope: Scope) -> dict[str, Any]:
        """Return what it says, for whoever must not write it; empty where it is not signed by us."""
        said = Request(scope).cookies.get(self._name, "")
        try:
            session = json.loads(base64.b64decode(self._signer.unsign(said, max_age=SESSION_SECONDS)))
        except (itsdangerous.BadSignature, UnicodeEncodeError):
            return {}
        return session if isinstance(session, dict) else {}


def csrf_token(request: Request) -> str:
    """Return the token of this session, for forms and for the header of scripts."""
    if "csrf" not in request.session:
        request.session["csrf"] = _new_token()
    token: str = request.session["csrf"]
    return token


def is_csrf_token(request: Request, token: str) -> bool:
    """Return whether a form came from a page of ours, of this very session."""
    known: str = request.session.get("csrf", "")
    return bool(known) and hmac.compare_digest(known.encode(), token.encode("utf-8", "replace"))


def _new_token() -> str:
    return secrets.token_urlsafe(24)
