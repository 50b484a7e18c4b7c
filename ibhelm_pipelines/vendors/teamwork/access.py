"""Whether Teamwork answers us at all: the smallest question that only a good token at the right address can ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.vendors.teamwork.api import Api, require_access
from ibhelm_pipelines.vendors.teamwork.resources import COMPANIES
from ibhelm_pipelines.vendors.teamwork.sync import is_connected

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

_NO_POSTGRES = "Postgres, which counts the requests, does not run"


def check_access(settings: Settings) -> str:
    """Ask Teamwork for one company; return its address.

    Raises:
        ConfigurationError: it is not connected, or refuses the token.
        VendorUnavailableError: it does not answer.
    """
    with Api(settings) as api:
        api.client.get(f"{COMPANIES.path}.json", {"pageSize": 1})
        return api.site


def describe_access(settings: Settings) -> str:
    """Say how things stand with Teamwork, for `ibhelm doctor`.

    Raises:
        ConfigurationError, VendorUnavailableError: what is wrong, and what to do.
    """
    if not is_connected(settings):
        return "off; IBHELM_TEAMWORK_TOKEN is not set"
    url, _ = require_access(settings)
    try:
        return check_access(settings) if settings.database_url else f"{url}, not asked: {_NO_POSTGRES}"
    except DatabaseUnavailableError:
        return f"{url}, not asked: {_NO_POSTGRES}"
