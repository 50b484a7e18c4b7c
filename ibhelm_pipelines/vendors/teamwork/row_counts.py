"""How many rows each asset of Teamwork has, whoever wrote them last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.vendors.statements import count_live
from ibhelm_pipelines.vendors.teamwork.resources import RESOURCES

if TYPE_CHECKING:
    from ibhelm_pipelines.db.connect import Connection


def count_rows(connection: Connection, asset: str) -> int:
    """Return how many rows of this asset are live; none where it is none of Teamwork's."""
    tables = [resource.table for resource in RESOURCES if resource.asset == asset]
    counts = [connection.execute(count_live(table)).fetchall() for table in tables]
    return sum(count for [(count,)] in counts)
