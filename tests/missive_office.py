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
    truth = missive.truth()
    teams = [f"team:{row['id']}" for row in truth["teams"] if not row["deleted"]]
    labels = [f"label:{row['id']}" for row in truth["shared_labels"] if not row["deleted"]]
    [owner] = [f"user:{row['id']}" for row in truth["users"] if row["me"]]
    fields: dict[str, Any] = {
        "missive_url": missive.url,
        "missive_token": SecretStr(missive.token),
        "missive_allowed": (*teams, *labels, owner),
        "missive_requests_per_15_minutes": PLENTY,
    }
    return settings.model_copy(update=fields | more)
