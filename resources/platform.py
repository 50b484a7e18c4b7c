"""How an asset, a job or a sensor gets the settings of the platform, and how a run shows that it is alive.

Settings come from IBHELM_* in the process that runs the code (code server or run), never from Dagster's configuration,
so that the command line and Dagster cannot disagree. While a run is executing, a session-level advisory lock named
after it is held in Postgres: the lock dies with the process, whatever kills it, and the sensor `lost_runs` knows by
that which "started" runs exist on paper only. What a step does is logged as JSON lines on standard error, which Dagster
keeps with the run.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import dagster as dg
import structlog
from pydantic import Field

from ibhelm_pipelines.db.connect import Connection, connect
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.logs import configure_own_logging, log_context
from ibhelm_pipelines.redaction import Redactor
from ibhelm_pipelines.settings import Settings, load_settings
from resources.failures import dagster_failures, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

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
    def working(
        self,
        context: dg.OpExecutionContext | dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
        *,
        asset: str,
        folders: Sequence[str] | None = None,
    ) -> Iterator[Settings]:
        """Give settings to one step, log its begin and its end, and turn its errors into Dagster's.

        Args:
            context: of the step.
            asset: what it works for: an asset, or the job where there are several; in every line of the log.
            folders: project folders that it works on, None for all; likewise.
        """
        retry_number = context.retry_number
        with dagster_failures(retry_number=retry_number, first_pause_seconds=self.first_pause_seconds):
            settings = self.settings()
            configure_own_logging("run", settings)
            folder = list(folders) if folders is not None else None
            with (
                log_context(run=context.run.run_id, asset=asset, folder=folder),
                without_secrets(Redactor(settings)),
                _Logged(retry_number),
            ):
                yield settings


class _Logged:
    """Writes one line at the begin of a step and one at its end, however it ends."""

    def __init__(self, retry_number: int) -> None:
        self._log = structlog.get_logger()
        self._retry = retry_number

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._log.info("step_started", retry=self._retry)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        seconds = round(time.monotonic() - self._started, 3)
        if error is None:
            self._log.info("step_ended", seconds=seconds)
        elif isinstance(error, IbhelmError):
            self._log.warning("step_failed", seconds=seconds, error=type(error).__name__, reason=str(error))
        elif isinstance(error, Exception):
            self._log.error("step_failed", seconds=seconds, error=type(error).__name__, exc_info=error)
        else:
            self._log.warning("step_interrupted", seconds=seconds, error=type(error).__name__)


def is_alive(connection: Connection, run_id: str) -> bool:
    """Return whether a process is executing this run, by the lock that only it can hold."""
    with connection.transaction():
        row = connection.execute(_IS_FREE, [run_id]).fetchone()
        return row is None or not row[0]
