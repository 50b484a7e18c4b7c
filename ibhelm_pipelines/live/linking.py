"""Links what the lanes have just brought in line with disk and vendors, so that it is found under its project at once.

The register's own run, every few minutes, finds the same: what is missed here costs minutes, not links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.register.linking import link_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.settings import Settings


def link_files_with(settings: Settings, hashes: Sequence[str]) -> None:
    """Link the live files that hold one of these contents."""
    link_some(settings, "file", _ids(settings, "files_with_contents", {"hashes": list(hashes)}))


def link_files_of(settings: Settings, folder: str) -> None:
    """Link the live files of a project folder."""
    link_some(settings, "file", _ids(settings, "files_of_folder", {"folder": folder}))


def link_tasks(settings: Settings, teamwork_ids: Sequence[int]) -> None:
    """Link these tasks."""
    link_some(settings, "task", _ids(settings, "tasks_named", {"ids": list(teamwork_ids)}))


def link_conversations(settings: Settings, missive_ids: Sequence[str]) -> None:
    """Link these conversations."""
    link_some(settings, "conversation", _ids(settings, "conversations_named", {"ids": list(missive_ids)}))


def _ids(settings: Settings, query: str, values: dict[str, object]) -> list[int]:
    with (
        connect(settings.require_database_url(), application="worker", autocommit=True) as connection,
        translated_errors(),
    ):
        return [number for (number,) in connection.execute(load_queries("live")[query], values)]
