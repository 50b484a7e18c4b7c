"""Counts how many live items have a project, a cost group, a place, a kind of document, for `ops.health`.

Counted where all links are computed, not where they are asked for: it takes a second for 300,000 files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection


def count_links(connection: Connection) -> None:
    """Write down how many items have which link now."""
    connection.execute(load_queries("register_counts")["count_links"])
