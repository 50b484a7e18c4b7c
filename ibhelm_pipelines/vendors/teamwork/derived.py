"""Recomputes what follows from several rows of Teamwork: projects, states and types of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from ibhelm_pipelines.vendors.store import Store


def derive(store: Store) -> None:
    """Recompute, in a transaction of its own or in the one that is going on."""
    sql = load_queries("teamwork")
    with store.writing():
        store.connection.execute(sql["derive_tasks"])
        store.connection.execute(sql["derive_task_types"])
