"""How an asset, a job or a sensor gets the settings of the platform, and how a run shows that it is alive.

Settings come from IBHELM_* in the process that runs the code (code server or run), never from Dagster's configuration,
so that the command line and Dagster cannot disagree. While a run is executing, a session-level advisory lock named
after it is held in Postgres: the lock dies with the process, whatever kills it, and the sensor `lost_runs` knows by
that which "started" runs exist on paper only.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from ibhelm_pipelines.db.connect import Connection, connect
from ibhelm_pipelines.settings import Settings, load_settings
from resources.failures import dagster_failures

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOLD = "select pg_advisory_lock_shared(hashtextextended('ibhelm run ' || %s, 0))"
_IS_FREE = "select pg_try_advisory_xact_lock(hashtextextended('ibhelm run ' || %s, 0))"


class Platform(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic over what a resource function returns; this one is its own value
    """The platform's settings, for code that Dagster runs."""

    overrides: dict[str, str] = Field(
        default={}, description="Settings that win over the environment, by field name; for tests and trials"
    )
    first_pause_seconds: float = Field(
        default=15, ge=0, description="Pause before the first retry of a transient failure, seconds"
    )

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Platform]:
        """Hold the lock of the run for as long as the run lasts; sensors and schedules have none."""
        if context.run is None:
            yield self
            return
        with connect(self.settings().require_database_url(), application="run", autocommit=True) as connection:
            connection.execute(_HOLD, [context.run.run_id])
            yield self

    def settings(self) -> Settings:
        """Read the settings afresh: the embedded services may have moved to other ports since the process started."""
        return load_settings(self.overrides)

    @contextmanager
    def working(self, retry_number: int) -> Iterator[Settings]:
        """Give settings to one step, and turn its errors into Dagster's."""
        with dagster_failures(retry_number=retry_number, first_pause_seconds=self.first_pause_seconds):
            yield self.settings()


def is_alive(connection: Connection, run_id: str) -> bool:
    """Return whether a process is executing this run, by the lock that only it can hold."""
    with connection.transaction():
        row = connection.execute(_IS_FREE, [run_id]).fetchone()
        return row is None or not row[0]
