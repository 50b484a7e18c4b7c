"""Teamwork's simulator and the settings that lead to it, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from tenacity import wait_random_exponential

from ibhelm_pipelines.vendors import http, reply

if TYPE_CHECKING:
    import pytest

    from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
    from ibhelm_pipelines.settings import Settings

PLENTY = 1_000_000
"""Requests a minute: tests do not wait for a budget unless they are about it."""


def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pauses before another attempt be short; that they are long enough is tested where they are made."""
    monkeypatch.setattr(http, "_BACKOFF", wait_random_exponential(multiplier=0.02, max=0.1))
    monkeypatch.setattr(reply, "SHORTEST_PAUSE_SECONDS", 0.05)


def connected(settings: Settings, teamwork: TeamworkSimulator, **more: Any) -> Settings:
    """Return settings with which this Teamwork is read."""
    fields: dict[str, Any] = {
        "teamwork_url": teamwork.url,
        "teamwork_token": SecretStr(teamwork.token),
        "teamwork_excluded_projects": ("none",),
        "teamwork_excluded_companies": ("none",),
        "teamwork_requests_per_minute": PLENTY,
    }
    return settings.model_copy(update=fields | more)
