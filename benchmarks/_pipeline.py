"""The pipeline's role on a server of a benchmark: what any other role writes is taken for what a person decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from ibhelm_pipelines.db.migrations import migrate

if TYPE_CHECKING:
    from ibhelm_pipelines.local.postgres import EmbeddedPostgres

PASSWORD = "of the benchmark"


def pipeline_url(server: EmbeddedPostgres) -> str:
    """Migrate the server's database, and return its URL for the pipeline."""
    migrate(server.url())
    with psycopg.connect(server.url()) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute("alter role ibhelm_pipeline login password %s", [PASSWORD])
    return server.url(user="ibhelm_pipeline", password=PASSWORD)
