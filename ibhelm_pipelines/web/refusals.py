"""What a visitor is told who gets nothing: a German sentence, as a page or as JSON, and never why in our own terms."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ibhelm_pipelines.errors import IbhelmError, TransientError
from ibhelm_pipelines.web.templating import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

API = "/api"
RETRY_SECONDS = "10"

AWAY = "Die Suche antwortet gerade nicht. Bitte in einem Moment noch einmal versuchen."
NOT_SET_UP = "Die Suche ist noch nicht fertig eingerichtet; `ibhelm status` sagt der Verwaltung, was fehlt."
BROKEN = "Hier ist etwas schiefgegangen; es steht im Protokoll. Bitte noch einmal versuchen."
FORGED = "Das Formular ist veraltet. Bitte die Seite neu laden und noch einmal absenden."
SIGN_IN = "Bitte anmelden."

_TITLES = {
    401: "Nicht angemeldet",
    403: "Nicht angenommen",
    404: "Nicht gefunden",
    405: "So nicht",
    413: "Zu groß",
    422: "Nicht verstanden",
    429: "Einen Moment",
    503: "Nicht verfügbar",
}
_SENTENCES = {
    404: "Das gibt es hier nicht, oder nicht mehr.",
    405: "So lässt sich diese Adresse nicht aufrufen.",
    413: "Das ist zu viel auf einmal.",
}
"""For refusals of the framework itself, which come with an English word only."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why the API gives nothing: a German sentence."""

    status: int
    error: str


def refusal(request: Request, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a sentence in the form in which it was asked for."""
    if request.url.path.startswith(API + "/"):
        return JSONResponse(asdict(Refusal(status=status, error=sentence)), status, dict(headers or {}))
    title = _TITLES.get(status, "Fehler")
    return render(request, "message.html", status=status, headers=headers, title=title, sentence=sentence)


async def refuse(request: Request, error: Exception) -> Response:
    """Answer an HTTPException."""
    assert isinstance(error, HTTPException)
    is_said = error.detail != HTTPStatus(error.status_code).phrase
    sentence = error.detail if is_said else _SENTENCES.get(error.status_code, BROKEN)
    return refusal(request, error.status_code, sentence, error.headers)


async def unavailable(request: Request, error: Exception) -> Response:
    """Answer where Postgres or what we need of it is away; the log says why."""
    assert isinstance(error, IbhelmError)
    structlog.get_logger().warning("search_unavailable", problem=str(error))
    sentence = AWAY if isinstance(error, TransientError) else NOT_SET_UP
    return refusal(request, 503, sentence, {"Retry-After": RETRY_SECONDS})


async def broken(request: Request, _error: Exception) -> Response:
    """Answer after a mistake of ours; whoever calls this raises it again, so that it is logged."""
    return refusal(request, 500, BROKEN)
