"""Whether Missive answers us at all, and whose conversations are read: what `ibhelm doctor` says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.vendors.missive.api import Api, require_access
from ibhelm_pipelines.vendors.missive.policy import Policy, is_directory_read
from ibhelm_pipelines.vendors.missive.resources import ORGANIZATIONS
from ibhelm_pipelines.vendors.missive.sync import is_connected

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

_NO_POSTGRES = "Postgres, which counts the requests, does not run"


def describe_access(settings: Settings) -> str:
    """Say how things stand with Missive, for `ibhelm doctor`.

    Raises:
        ConfigurationError, VendorUnavailableError: what is wrong, and what to do.
    """
    if not is_connected(settings):
        return "off; IBHELM_MISSIVE_TOKEN is not set"
    require_access(settings)
    if settings.database_url is None:
        return f"{settings.missive_url}, not asked: {_NO_POSTGRES}"
    try:
        return f"{check_access(settings)}; {_describe_policy(settings)}"
    except DatabaseUnavailableError:
        return f"{settings.missive_url}, not asked: {_NO_POSTGRES}"


def check_access(settings: Settings) -> str:
    """Ask Missive for its organisations; return its address.

    Raises:
        ConfigurationError: it is not connected, or refuses the token.
        VendorUnavailableError: it does not answer.
    """
    with Api(settings) as api:
        next(api.directory(ORGANIZATIONS.path))
    return settings.missive_url


def _describe_policy(settings: Settings) -> str:
    with connect(settings.require_database_url(), application="doctor", autocommit=True) as connection:
        if not is_directory_read(connection):
            return f"reads {', '.join(settings.missive_allowed or ())}, looked up by the first `ibhelm sync missive`"
        named = Policy.of(settings, connection).names(connection)
    parts = [f"{_plural(kind, len(names))} {', '.join(names)}" for kind, names in named.items() if names]
    return f"reads {'; '.join(parts)}"


def _plural(kind: str, count: int) -> str:
    return f"{count} {kind}" if count == 1 else f"{count} {kind}s"
