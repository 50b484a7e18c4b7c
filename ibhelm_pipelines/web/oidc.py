"""OpenID Connect, as far as one web page needs it: the authorization code flow with PKCE against one issuer.

Written on PyJWT and requests, which are here anyway: what must be right is the check of the ID token, and that is
PyJWT's `decode` with everything required; Authlib would add its own sessions and clients around the same call.

Invariants (OpenID Connect Core 3.1.3.7): nobody is believed but a token of this issuer, for us, for this very attempt
(nonce), not expired, signed by a key that the issuer publishes, with an algorithm of public keys. Nothing is sent to an
address that others could read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import jwt
import requests

from ibhelm_pipelines.errors import PermanentError, TransientError
from ibhelm_pipelines.local.entrance import is_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ibhelm_pipelines.local.entrance import Issuer

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Of public keys only: `none` and HS256 would let anybody sign who knows what all know."""

REQUIRED = ("iss", "sub", "aud", "exp", "iat")
LEEWAY_SECONDS = 60
TIMEOUT_SECONDS = (5, 10)
KEPT_SECONDS = 3600
SHORTEST_REFETCH_SECONDS = 60
"""Between two looks for a key that is not known: whoever sends rubbish does not make us ask the issuer each time."""

LONGEST_NAME = 100
LONGEST_ADDRESS = 254

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who signed in.

    Attributes:
        account: tells people apart: the verified address; else what the issuer calls them, with its own key of them.
    """

    name: str
    account: str


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What one attempt to sign in must come back with; kept in the session of its browser."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Attempt:
        """Return one that nobody guesses."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state=state, nonce=nonce, verifier=verifier)

    @property
    def challenge(self) -> str:
        """The verifier as the issuer is told of it (RFC 7636, S256)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Client:
    """We, at the issuer. Any number of threads may use it.

    Args:
        issuer: whom we believe, and what we are there.
        redirect_uri: where browsers come back to.
        clock: seconds, always growing.
    """

    def __init__(self, issuer: Issuer, redirect_uri: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._redirect_uri, self._clock = issuer, redirect_uri, clock
        self._lock = Lock()
        self._found: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, jwt.PyJWKSet] | None = None

    def address(self, attempt: Attempt) -> str:
        """Return where a browser is sent to sign in.

        Raises:
            TransientError: the issuer does not answer.
            PermanentError: what it answers cannot be used.
        """
        endpoint: str = self._discovered()["authorization_endpoint"]
        asked = {
            "response_type": "code",
            "client_id": self._issuer.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid email profile",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def person(self, code: str, attempt: Attempt) -> Person:
        """Return whom a code stands for, if we let them in.

        Raises:
            TransientError: the issuer does not answer.
            PermanentError: the code or its token is not believed, or the person is not among those who may come in.
        """
        claims = self._claims(self._id_token(code, attempt))
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), attempt.nonce.encode()):
            raise PermanentError("The ID token is of another attempt (nonce).")
        if claims.get("azp", self._issuer.client_id) != self._issuer.client_id:
            raise PermanentError("The ID token was made for another client (azp).")
        self._check_domain(claims)
        name = next(str(claims[name]) for name in ("name", "email", "sub") if claims.get(name))[:LONGEST_NAME]
        return Person(name=name, account=_account(claims))

    def _id_token(self, code: str, attempt: Attempt) -> str:
        found, issuer = self._discovered(), self._issuer
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": attempt.verifier,
        }
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" in methods:
            named = (quote(issuer.client_id, safe=""), quote(issuer.client_secret, safe=""))  # RFC 6749, 2.3.1
        else:
            named = None
            form |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
        answer = _ask("POST", found["token_endpoint"], data=form, auth=named)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise PermanentError("The issuer gave no ID token.")
        return token

    def _claims(self, token: str) -> dict[str, Any]:
        """Return what a token says, once it is known to be the issuer's, for us, and not too old."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header.get("kid"))
            return jwt.decode(
                token, key, ALGORITHMS, audience=self._issuer.client_id, issuer=self._issuer.url,
                leeway=LEEWAY_SECONDS, options={"require": list(REQUIRED)},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise PermanentError(f"The ID token is not believed: {error}.") from error

    def _key(self, key_id: str | None) -> jwt.PyJWK:
        """Return the issuer's key of this name. Issuers change their keys, so an unknown one is looked for afresh."""
        with self._lock:
            for is_last in (False, True):
                fetched_at, keys = self._keys or (float("-inf"), None)
                known = [key for key in keys.keys if _is_for_signing(key)] if keys else []
                named = [key for key in known if key.key_id == key_id] if key_id is not None else known
                if len(named) == 1:
                    return named[0]
                if is_last or self._clock() - fetched_at < SHORTEST_REFETCH_SECONDS:
                    break
                self._keys = (self._clock(), _key_set(_ask("GET", self._discovered_now()["jwks_uri"])))
        raise PermanentError("The ID token is signed with a key that the issuer does not publish.")

    def _discovered(self) -> dict[str, Any]:
        with self._lock:
            return self._discovered_now()

    def _discovered_now(self) -> dict[str, Any]:
        """Return what the issuer says of itself (OpenID Connect Discovery)."""
        if self._found is not None and self._clock() - self._found[0] < KEPT_SECONDS:
            return self._found[1]
        found = _ask("GET", f"{self._issuer.url.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer.url:
            raise PermanentError(
                f"The issuer calls itself {found.get('issuer')}, and not {self._issuer.url}.",
                next_step="Set IBHELM_OIDC_ISSUER to what it calls itself, letter by letter.",
            )
        for name in _ENDPOINTS:
            if not is_safe(str(found.get(name, ""))):
                raise PermanentError(f"The issuer's {name} is missing, or no https address.")
        self._found = (self._clock(), found)
        return found

    def _check_domain(self, claims: Mapping[str, Any]) -> None:
        allowed = self._issuer.allowed_domains
        if allowed is None:
            return
        is_verified = _is_verified(claims)
        domain = str(claims.get("email", "")).rpartition("@")[2].lower()
        if not is_verified or domain not in allowed:
            raise PermanentError(
                "Somebody whom the issuer knows has no verified address of an allowed domain.",
                next_step="IBHELM_OIDC_ALLOWED_DOMAINS says which are allowed.",
            )


def _is_verified(claims: Mapping[str, Any]) -> bool:
    return claims.get("email_verified") in (True, "true")


def _account(claims: Mapping[str, Any]) -> str:
    address = str(claims.get("email") or "")[:LONGEST_ADDRESS]
    if address and _is_verified(claims):
        return address
    return f"{address} ({claims['sub']})".strip()


def _is_for_signing(key: jwt.PyJWK) -> bool:
    return key.public_key_use in (None, "sig")


def _key_set(found: dict[str, Any]) -> jwt.PyJWKSet:
    try:
        return jwt.PyJWKSet.from_dict(found)
    except (jwt.PyJWTError, TypeError, AttributeError) as error:
        raise PermanentError(f"The issuer's keys cannot be read: {error}.") from error


def _ask(method: str, url: str, **values: Any) -> dict[str, Any]:
    """Return the JSON object at an address of the issuer; a redirect is none, for it could lead anywhere."""
    try:
        answer = requests.request(method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **values)
    except requests.RequestException as error:
        raise TransientError(f"The OpenID Connect issuer does not answer: {error}.") from error
    if answer.status_code >= 500:
        raise TransientError(f"The OpenID Connect issuer answers {answer.status_code}.")
    try:
        found = answer.json()
    except requests.exceptions.JSONDecodeError:
        found = None
    if answer.status_code != 200 or not isinstance(found, dict):
        said = found.get("error") if isinstance(found, dict) else "no JSON object"
        raise PermanentError(f"The OpenID Connect issuer answers {answer.status_code}: {said}.")
    return found
