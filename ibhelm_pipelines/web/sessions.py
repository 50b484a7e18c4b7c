"""Who is signed in, in a signed cookie, and the token that a form must carry so that no other site can send it.

Invariants: a session begins with nothing of what was before (no fixation), ends twelve hours after it began however
busy it was, and at once where it is signed out: a copy of its cookie is worth nothing from then on. What was signed out
is remembered in memory only; a thief of a cookie who waits for a restart gains what is left of the twelve hours.
"""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

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
    """

    name: str
    key: str


class Sessions:
    """Begins and ends sessions.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ended: dict[str, float] = {}

    def begin(self, request: Request, name: str) -> None:
        """Let somebody in."""
        request.session.clear()
        until = self._clock() + SESSION_SECONDS
        request.session.update({"name": name, "id": secrets.token_urlsafe(16), "until": until, "csrf": _new_token()})

    def end(self, request: Request) -> None:
        """Sign somebody out."""
        now = self._clock()
        self._ended = {key: until for key, until in self._ended.items() if until > now}
        if "id" in request.session:
            self._ended[request.session["id"]] = request.session["until"]
        request.session.clear()

    def visitor(self, request: Request) -> Visitor | None:
        """Return who is signed in."""
        session = request.session
        if "id" not in session or session["id"] in self._ended or session["until"] <= self._clock():
            return None
        return Visitor(name=session["name"], key=session["id"])


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
