"""The webhook receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings


def serve(settings: Settings) -> None:
    """Receive webhooks until a signal says stop."""
    raise NotImplementedError
