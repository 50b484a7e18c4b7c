"""Whether Missive answers us at all: the smallest question that only a good token at the right address can ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.vendors.missive.api import Api, require_access
from ibhelm_pipelines.vendors.missive.resources import ORGANIZATIONS
from ibhelm_pipelines.vendors.missive.sync import is_connected

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

_NO_POSTGRES = "Postgres, which counts the requests, does not run"


def check_access(settings: Settings) -> str:
    """Ask Missive for its organisations; return its address.

    Raises:
        ConfigurationError: it is not connected, refuses the token, or it is not said what may be read.
        VendorUnavailableError: it does not answer.
    """
    with Api(settings, first=True) as api:
        api.client.get(ORGANIZATIONS.path)
    return settings.missive_url


def describe_access(settings: Settings) -> str:
    """Say how things stand with Missive, for `ibhelm doctor`.

    Raises:
        ConfigurationError, VendorUnavailableError: what is wrong, and what to do.
    """
    if not is_connected(settings):
        return "off; IBHELM_MISSIVE_TOKEN is not set"
    require_access(settings)
    try:
        return check_access(settings) if settings.database_url else f"{settings.missive_url}, not asked: {_NO_POSTGRES}"
    except DatabaseUnavailableError:
        return f"{settings.missive_url}, not asked: {_NO_POSTGRES}"
