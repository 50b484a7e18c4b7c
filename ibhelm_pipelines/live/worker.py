"""The worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings


def work(settings: Settings) -> None:
    """Do what waits in the inbox until a signal says stop."""
    raise NotImplementedError
