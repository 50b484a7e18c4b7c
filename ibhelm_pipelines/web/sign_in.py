"""Signing in with the office's one account, and signing out."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import structlog
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ibhelm_pipelines.web.guard import SIGN_IN_PAGE, local_path
from ibhelm_pipelines.web.sessions import csrf_token
from ibhelm_pipelines.web.templating import render

if TYPE_CHECKING:
    from starlette.requests import Request

    from ibhelm_pipelines.local.entrance import Account
    from ibhelm_pipelines.web.guard import Attempts
    from ibhelm_pipelines.web.sessions import Sessions

WRONG = "Name oder Passwort stimmt nicht."


class SignInForm:
    """The form for name and password.

    Args:
        account: whom it lets in.
        sessions: of those who are in.
        attempts: how many there may be.
    """

    def __init__(self, account: Account, sessions: Sessions, attempts: Attempts) -> None:
        self._account, self._sessions, self._attempts = account, sessions, attempts

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [Route(SIGN_IN_PAGE, self._form), Route(SIGN_IN_PAGE, self._sign_in, methods=["POST"])]

    async def _form(self, request: Request) -> Response:
        wanted = local_path(request.query_params.get("next", "/"))
        if request.state.visitor is not None:
            return RedirectResponse(wanted, 303)
        return _page(request, wanted)

    async def _sign_in(self, request: Request) -> Response:
        if answer := self._attempts.refusal(request):
            return answer
        form = await request.form()
        wanted = local_path(_text(form.get("next")))
        if not self._is_right(_text(form.get("user")), _text(form.get("password"))):
            log_refusal(request, "wrong name or password")
            return _page(request, wanted, status=403, problem=WRONG)
        self._sessions.begin(request, self._account.user, self._account.user)
        return RedirectResponse(wanted, 303)

    def _is_right(self, user: str, password: str) -> bool:
        """Compare both, always, in a time that tells nothing of them, nor of their length."""
        is_user = hmac.compare_digest(_digest(user.strip()), _digest(self._account.user))
        is_password = hmac.compare_digest(_digest(password), _digest(self._account.password))
        return is_user and is_password


class SignOut:
    """Ends a session."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def routes(self) -> list[Route]:
        """Return its address."""
        return [Route("/logout", self._sign_out, methods=["POST"])]

    async def _sign_out(self, request: Request) -> Response:
        self._sessions.end(request)
        return RedirectResponse(SIGN_IN_PAGE, 303)


def log_refusal(request: Request, reason: str) -> None:
    """Log that somebody was not let in, and from where: the one address that our log keeps, to find guessers by."""
    address = request.client.host if request.client else ""
    structlog.get_logger().warning("sign_in_refused", address=address, reason=reason)


def _page(request: Request, wanted: str, *, status: int = 200, problem: str = "") -> Response:
    token = csrf_token(request)
    return render(request, "login.html", status=status, next=wanted, problem=problem, csrf=token, start="")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
