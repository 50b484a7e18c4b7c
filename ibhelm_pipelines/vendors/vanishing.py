"""How much may vanish at a vendor before a person has to say that it is meant to be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

FEW = 10
"""So many things may vanish at once without a question, however few there are."""


def is_beyond_belief(settings: Settings, *, vanished: int, live: int) -> bool:
    """Return whether so many of so many cannot be believed to be gone: lost access looks the same."""
    share = live * settings.max_deletion_percent / 100
    return vanished > FEW and (vanished > settings.max_deletions or vanished > share)
