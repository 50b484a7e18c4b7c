"""Whether Teamwork answers us at all: the smallest question that only a good token at the right address can ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.vendors.teamwork.api import Api
from ibhelm_pipelines.vendors.teamwork.resources import COMPANIES

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings


def check_access(settings: Settings) -> str:
    """Ask Teamwork for one company; return its address.

    Raises:
        ConfigurationError: it is not connected, or refuses the token.
        VendorUnavailableError: it does not answer.
    """
    with Api(settings) as api:
        api.client.get(f"{COMPANIES.path}.json", {"pageSize": 1})
        return api.site
