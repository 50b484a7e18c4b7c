"""Missive's simulator and the settings that lead to it, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

if TYPE_CHECKING:
    from ibhelm_pipelines.demo.missive.server import MissiveSimulator
    from ibhelm_pipelines.settings import Settings

PLENTY = 100_000_000
"""Requests in 15 minutes: tests do not wait for a budget unless they are about it."""


def connected(settings: Settings, missive: MissiveSimulator, **more: Any) -> Settings:
    """Return settings with which this Missive is read: all teams, and the token owner's own mailbox."""
    office = missive.office
    with office.lock:
        teams = [f"team:{row['id']}" for row in office.live("teams")]
        labels = [f"label:{row['id']}" for row in office.live("shared_labels")]
    fields: dict[str, Any] = {
        "missive_url": missive.url,
        "missive_token": SecretStr(missive.token),
        "missive_allowed": (*teams, *labels, f"user:{office.me}"),
        "missive_requests_per_15_minutes": PLENTY,
    }
    return settings.model_copy(update=fields | more)
