"""The watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings


def watch(settings: Settings) -> None:
    """Watch the share until a signal says stop."""
    raise NotImplementedError
