"""Who may come in to the search page: by the office's one account, by an OpenID Connect issuer, or nobody.

Invariant: what is not set up, or only half, is closed and says what is missing; it is never open.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

ANY = "any"
EVERYBODYS = ("accounts.google.com", "appleid.apple.com", "gitlab.com", "login.salesforce.com")
"""Issuers at which everybody in the world can have an account: whom they let in is nobody's choice."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Account:
    """One name and password for the whole office."""

    user: str
    password: str


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """An OpenID Connect issuer and what we are there.

    Attributes:
        url: as its tokens name it.
        allowed_domains: of verified addresses; None lets in all whom the issuer does.
    """

    url: str
    client_id: str
    client_secret: str
    allowed_domains: frozenset[str] | None


@dataclass(frozen=True, kw_only=True)
class Closed:
    """Nobody comes in.

    Attributes:
        problem: why, for the admin.
        next_step: what the admin should do.
    """

    problem: str
    next_step: str


Entrance = Account | Issuer | Closed


def entrance(settings: Settings) -> Entrance:
    """Return who may come in."""
    if settings.oidc_issuer is not None or settings.oidc_client_id is not None:
        return _issuer(settings)
    if settings.web_password is None:
        return Closed(
            problem="The search page is off: neither a password nor an OpenID Connect issuer is set.",
            next_step="Set IBHELM_WEB_PASSWORD (`ibhelm up` makes one), or IBHELM_OIDC_ISSUER and what belongs to it.",
        )
    return Account(user=settings.web_user, password=settings.web_password.get_secret_value())


def closed_problem(settings: Settings) -> str | None:
    """Return why nobody can sign in, and what to do about it; None where somebody can."""
    way = entrance(settings)
    return f"{way.problem} {way.next_step}" if isinstance(way, Closed) else None


def sign_in_hint(settings: Settings) -> str:
    """Return how people sign in, for the admin: who they are, and where the password is."""
    way = entrance(settings)
    if isinstance(way, Closed):
        return way.problem
    if isinstance(way, Issuer):
        return f"by {way.url}"
    return f"as {way.user}, password IBHELM_WEB_PASSWORD: in {settings.state_dir / 'env'} unless you set one"


def session_key(secret: str, way: Entrance) -> str:
    """Return what signs sessions. Another password, issuer or list of domains ends them all, as another secret does.

    Args:
        secret: IBHELM_WEB_SECRET.
        way: who may come in.
    """
    said = tuple(sorted(value) if isinstance(value, frozenset) else value for value in vars(way).values())
    return hmac.digest(secret.encode(), repr(("sessions", type(way).__name__, *said)).encode(), "sha256").hex()


def _issuer(settings: Settings) -> Issuer | Closed:
    url, client_id, domains = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_allowed_domains
    secret = settings.oidc_client_secret
    if url is None or client_id is None or secret is None or not domains:
        return Closed(
            problem="The search page is off: OpenID Connect is set up only in part.",
            next_step="Set IBHELM_OIDC_ISSUER, IBHELM_OIDC_CLIENT_ID, IBHELM_OIDC_CLIENT_SECRET and"
            " IBHELM_OIDC_ALLOWED_DOMAINS (domains, or `any`).",
        )
    if not is_safe(url):
        return Closed(
            problem=f"The search page is off: the issuer {url} is no https address.",
            next_step="Correct IBHELM_OIDC_ISSUER; it is written as in the tokens of the issuer.",
        )
    if domains == (ANY,) and urlsplit(url).hostname in EVERYBODYS:
        return Closed(
            problem=f"The search page is off: everybody in the world can sign in at {url}.",
            next_step="Name the office's domains in IBHELM_OIDC_ALLOWED_DOMAINS.",
        )
    allowed = None if domains == (ANY,) else frozenset(domain.lower().lstrip("@") for domain in domains)
    return Issuer(url=url, client_id=client_id, client_secret=secret.get_secret_value(), allowed_domains=allowed)


def is_safe(url: str) -> bool:
    """Return whether what is sent to an address can be read by nobody else: https, or on this machine."""
    parts = urlsplit(url)
    return (parts.scheme == "https" and bool(parts.hostname)) or (parts.scheme == "http" and parts.hostname in LOOPBACK)
