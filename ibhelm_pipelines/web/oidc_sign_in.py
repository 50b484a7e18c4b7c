"""Signing in by an OpenID Connect issuer: there and back.

Invariant: an answer counts once, in the browser that asked for it, within ten minutes.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import anyio
import structlog
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ibhelm_pipelines.errors import PermanentError, TransientError
from ibhelm_pipelines.web.guard import SIGN_IN_PAGE, local_path
from ibhelm_pipelines.web.oidc import Attempt, Client
from ibhelm_pipelines.web.refusals import refusal
from ibhelm_pipelines.web.sign_in import log_refusal
from ibhelm_pipelines.web.templating import render

if TYPE_CHECKING:
    from starlette.requests import Request

    from ibhelm_pipelines.local.entrance import Issuer
    from ibhelm_pipelines.web.guard import Attempts
    from ibhelm_pipelines.web.sessions import Sessions

_Result = TypeVar("_Result")

CALLBACK = "/login/callback"
START = "/login/start"
ATTEMPT_SECONDS = 600
THREADS = 4

NOT_ANSWERING = "Der Anmeldedienst antwortet gerade nicht. Bitte in einem Moment noch einmal versuchen."
NOT_THIS_ONE = "Diese Anmeldung ist abgelaufen oder gehört zu einem anderen Fenster. Bitte noch einmal anmelden."
NOT_LET_IN = "Die Anmeldung ist nicht angenommen worden. Wer hinein darf, legt die Verwaltung fest."


class IssuerSignIn:
    """The way over the issuer.

    Args:
        issuer: whom we believe.
        address: of this page as browsers reach it.
        sessions: of those who are in.
        attempts: how many there may be.
    """

    def __init__(self, issuer: Issuer, address: str, sessions: Sessions, attempts: Attempts) -> None:
        self._client = Client(issuer, address + CALLBACK)
        self._sessions, self._attempts = sessions, attempts
        self._threads = anyio.CapacityLimiter(THREADS)
        self._spent: dict[str, float] = {}

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [Route(SIGN_IN_PAGE, self._form), Route(START, self._start), Route(CALLBACK, self._come_back)]

    async def _form(self, request: Request) -> Response:
        wanted = local_path(request.query_params.get("next", "/"))
        if request.state.visitor is not None:
            return RedirectResponse(wanted, 303)
        start = f"{START}?next={quote(wanted, safe='/')}"
        return render(request, "login.html", next=wanted, problem="", start=start)

    async def _start(self, request: Request) -> Response:
        attempt = Attempt.new()
        try:
            address = await self._in_thread(partial(self._client.address, attempt))
        except (PermanentError, TransientError) as error:
            structlog.get_logger().warning("issuer_unusable", problem=str(error))
            return refusal(request, 503, NOT_ANSWERING, {"Retry-After": "10"})
        wanted = local_path(request.query_params.get("next", "/"))
        kept = {**asdict(attempt), "next": wanted, "until": time.time() + ATTEMPT_SECONDS}
        request.session["attempt"] = kept
        return RedirectResponse(address, 303)

    async def _come_back(self, request: Request) -> Response:
        if answer := self._attempts.refusal(request):
            return answer
        kept = request.session.pop("attempt", None)
        state = request.query_params.get("state", "")
        if kept is None or not self._is_fresh(kept, state):
            log_refusal(request, "the answer of the issuer is of another attempt, or too late")
            return refusal(request, 403, NOT_THIS_ONE)
        self._spent[state] = kept["until"]
        attempt = Attempt(state=kept["state"], nonce=kept["nonce"], verifier=kept["verifier"])
        try:
            person = await self._in_thread(partial(self._client.person, _code(request), attempt))
        except TransientError as error:
            log_refusal(request, str(error))
            return refusal(request, 503, NOT_ANSWERING, {"Retry-After": "10"})
        except PermanentError as error:
            log_refusal(request, str(error))
            return refusal(request, 403, NOT_LET_IN)
        self._sessions.begin(request, person.name, person.account)
        return RedirectResponse(kept["next"], 303)

    def _is_fresh(self, kept: dict[str, str | float], state: str) -> bool:
        now = time.time()
        self._spent = {each: until for each, until in self._spent.items() if until > now}
        is_ours = hmac.compare_digest(str(kept["state"]).encode(), state.encode("utf-8", "replace"))
        return is_ours and float(kept["until"]) > now and state not in self._spent

    async def _in_thread(self, work: partial[_Result]) -> _Result:
        return await anyio.to_thread.run_sync(work, limiter=self._threads)


def _code(request: Request) -> str:
    """Return the code that the issuer sent along.

    Raises:
        PermanentError: it sent none; somebody pressed cancel, say.
    """
    code = request.query_params.get("code", "")
    if not code:
        raise PermanentError(f"The issuer sent no code: {request.query_params.get('error', 'nothing')[:100]!r}.")
    return code
