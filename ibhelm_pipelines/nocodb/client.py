"""NocoDB's HTTP API, with errors of our own types.

The token goes to the given address and nowhere else: no redirect is followed, and what the environment says of proxies
and .netrc is not heeded.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from urllib.parse import urlsplit

import requests

from ibhelm_pipelines.errors import ConfigurationError, PermanentError, TransientError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

TIMEOUT_SECONDS = (10.0, 120.0)
"""To get a connection, and of silence: NocoDB reads whole schemas within one request."""

JOB_SECONDS = 600.0
"""Longest job: reading the schema takes 15 s."""

JOB_PAUSE_SECONDS = 0.3
API_TOKEN_REFUSED = "ERR_API_TOKEN_NOT_ALLOWED"  # noqa: S105 - the name of an error


class ApiTokenRefused(PermanentError):  # noqa: N818 - it never leaves this room
    """NocoDB keeps this request for people who signed in."""


class NocoDB:
    """Asks one NocoDB; not for several threads at once.

    Args:
        url: of NocoDB, as a browser opens it.
        token: an API token, or a sign-in token (a JWT: three parts with dots between).

    Raises:
        ConfigurationError: the address is none.
    """

    def __init__(self, url: str, token: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise ConfigurationError(
                f"{url} is no address of NocoDB.", next_step="Write it as http://HOST:PORT or https://HOST."
            )
        self._url = url.rstrip("/").removesuffix("/dashboard")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["xc-auth" if token.count(".") == 2 else "xc-token"] = token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.close()

    def get(self, path: str) -> Any:
        """Read something.

        Raises:
            TransientError: NocoDB does not answer, or with something that is not from its API.
            ConfigurationError: it refuses the token; PermanentError: it refuses the request.
        """
        return self._ask("GET", path, None)

    def send(self, method: Literal["POST", "PATCH", "DELETE"], path: str, body: object = None) -> Any:
        """Change something; raises what `get` raises."""
        return self._ask(method, path, body)

    def run_job(self, path: str, body: object = None) -> None:
        """Start a job and wait for its end.

        Raises:
            PermanentError: it failed; TransientError: it did not end in time; else what `get` raises.
        """
        job = self.send("POST", path, body)["id"]
        seen, end = 0, time.monotonic() + JOB_SECONDS
        while time.monotonic() < end:
            told = self.send("POST", "/jobs/listen", {"_mid": seen, "data": {"id": job}})
            for message in told if isinstance(told, list) else [told]:
                seen = max(seen, message.get("_mid", seen))
                if _is_over(message, path):
                    return
            time.sleep(JOB_PAUSE_SECONDS)
        raise TransientError(
            f"NocoDB did not end its job within {JOB_SECONDS:.0f} s ({path}).", next_step="Run the command again."
        )

    def _ask(self, method: str, path: str, body: object) -> Any:
        try:
            reply = self._session.request(
                method, self._url + path, json=body, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise TransientError(
                f"NocoDB cannot be reached at {self._url} ({type(error).__name__}).",
                next_step="Start it (docs/nocodb.md), or correct the address.",
            ) from error
        answer = _json(reply)
        if reply.status_code >= 300:
            self._refuse(reply.status_code, f"{method} {path}", answer)
        if answer is None:
            raise TransientError(
                f"What answers at {self._url} is not NocoDB's API.", next_step="Give the address of NocoDB itself."
            )
        return answer

    def _refuse(self, status: int, asked: str, answer: Any) -> NoReturn:
        said = answer if isinstance(answer, dict) else {}
        words = said.get("message") or said.get("msg") or said.get("code") or "it does not say why"
        if said.get("error") == API_TOKEN_REFUSED:
            raise ApiTokenRefused(f"NocoDB does not let an API token do this ({asked}).")
        if status == 401:
            raise ConfigurationError(
                f"NocoDB refuses the token ({asked}: {words}).",
                next_step="Make a new one there (Account settings > Tokens), as a user who may create bases.",
            )
        if status == 403:
            raise ConfigurationError(
                f"NocoDB does not let the token's user do {asked}: {words}.",
                next_step="Use the token of an owner of the base.",
            )
        if status >= 500 or (status == 404 and not said):
            raise TransientError(
                f"NocoDB at {self._url} answered {status} ({asked}): {words}.", next_step="See its log; then run again."
            )
        raise PermanentError(f"NocoDB refuses {asked} ({status}): {words}.")


def _json(reply: requests.Response) -> Any:
    try:
        return reply.json()
    except requests.JSONDecodeError:
        return None


def _is_over(message: dict[str, Any], path: str) -> bool:
    data = message.get("data") or {}
    status = data.get("status") or message.get("status")
    if status == "failed":
        said = (data.get("data") or {}).get("error") or {}
        words = said.get("message", "it does not say why") if isinstance(said, dict) else str(said)
        raise PermanentError(f"A job of NocoDB failed ({path}): {words}.", next_step="See NocoDB's log.")
    return status in (
        "completed",
        "close",
    )  # close: it was over before we asked; what it did is looked at by the caller
