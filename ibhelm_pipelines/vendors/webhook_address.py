"""What every vendor's webhooks need before they are made: a secret that signs them, and an address that can be posted
to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import SecretStr


def require_secret(vendor: str, secret: SecretStr | None) -> str:
    """Return the secret that signs a vendor's webhooks.

    Raises:
        ConfigurationError: none is set: whatever came would be refused.
    """
    if secret is None:
        raise ConfigurationError(
            f"{vendor.capitalize()}'s webhooks need a secret: IBHELM_{vendor.upper()}_WEBHOOK_SECRET is not set.",
            next_step="Set it to a long random text, such as `openssl rand -hex 32` gives, and start `ibhelm up` anew.",
        )
    return secret.get_secret_value()


def require_address(vendor: str, url: str) -> None:
    """See that an address is one that a vendor can post to.

    Raises:
        ConfigurationError: it is not.
    """
    parts = urlsplit(url)
    problem = ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problem = f"{url} is no address of a web server."
    elif parts.username or parts.password:
        problem = f"The address holds a password, which every administrator of {vendor.capitalize()} would see."
    elif parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost"):
        problem = f"{url} is not encrypted, and webhooks name people and their work."
    elif parts.path in ("", "/"):
        problem = f"{url} names no path, and the receiver answers nothing there."
    if problem:
        example = f"https://hooks.example.com/webhooks/{vendor}"
        raise ConfigurationError(problem, next_step=f"Name the https address of the receiver, such as {example}.")
