"""Links what the lanes have just brought in line with disk and vendors, and makes its documents, so that it is found at
once, under its project and by its words.

The runs of `register` and `search`, every few minutes, find the same: what is missed here costs minutes, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.register.linking import link_some
from ibhelm_pipelines.search.documents import index_some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.settings import Settings


def link_files_with(settings: Settings, hashes: Sequence[str]) -> None:
    """Link and index the live files that hold one of these contents."""
    _link_files(settings, _ids(settings, "files_with_contents", {"hashes": list(hashes)}))


def link_files_of(settings: Settings, folder: str) -> None:
    """Link and index the live files of a project folder."""
    _link_files(settings, _ids(settings, "files_of_folder", {"folder": folder}))


def link_tasks(settings: Settings, teamwork_ids: Sequence[int]) -> None:
    """Link and index these tasks; their comments have the same links."""
    tasks = _ids(settings, "tasks_named", {"ids": list(teamwork_ids)})
    link_some(settings, "task", tasks)
    index_some(settings, "task", tasks)
    index_some(settings, "task_comment", _ids(settings, "comments_of_tasks", {"ids": tasks}))


def index_comments(settings: Settings, teamwork_ids: Sequence[int]) -> None:
    """Index these comments of tasks."""
    index_some(settings, "task_comment", _ids(settings, "comments_named", {"ids": list(teamwork_ids)}))


def link_conversations(settings: Settings, missive_ids: Sequence[str]) -> None:
    """Link these conversations, and index their mails and comments."""
    conversations = _ids(settings, "conversations_named", {"ids": list(missive_ids)})
    link_some(settings, "conversation", conversations)
    index_some(settings, "email", _ids(settings, "emails_of_conversations", {"ids": conversations}))
    index_some(settings, "email_comment", _ids(settings, "comments_of_conversations", {"ids": conversations}))


def _link_files(settings: Settings, files: Sequence[int]) -> None:
    link_some(settings, "file", files)
    index_some(settings, "file", files)


def _ids(settings: Settings, query: str, values: dict[str, object]) -> list[int]:
    with (
        connect(settings.require_database_url(), application="worker", autocommit=True) as connection,
        translated_errors(),
    ):
        return [number for (number,) in connection.execute(load_queries("live")[query], values)]
