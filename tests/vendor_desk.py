"""A vendor as Dagster reads it, for tests: our tables of it, what its checks say, and when its schedules run."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import datetime as dt
from collections.abc import Sequence
from typing import Any, ClassVar

import dagster as dg
import tables

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import Question, ask
from ibhelm_pipelines.definitions import defs
from ibhelm_pipelines.settings import Settings
from resources.lanes import FULL_TAG
from resources.platform import Platform


class VendorDesk:
    """Our tables of a vendor.

    Attributes:
        questions: the vendor's checks.
    """

    questions: ClassVar[Sequence[Question]]

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, platform: Platform) -> None:
        self.settings, self.instance, self.platform = settings, instance, platform

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.settings.require_database_url(), query, *values)

    def one(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value

    def cursors(self) -> list[tuple[Any, ...]]:
        return self.rows("select resource, watermark, synced_at, full_synced_at from ops.sync_cursors order by 1")

    def age(self, interval: str) -> None:
        """Let everything have been read so long ago."""
        self.rows(
            "update ops.sync_cursors set synced_at = synced_at - %s::interval,"
            " full_synced_at = full_synced_at - %s::interval",
            interval,
            interval,
        )

    def answers(self, *, at_any_moment: bool = False) -> dict[str, str]:
        """The sentences of the checks that fail, by name."""
        questions = [q.at_any_moment() if at_any_moment else q for q in self.questions]
        with connect(self.settings.require_database_url(), application="test", autocommit=True) as connection:
            return {q.name: answer.problem for q in questions if not (answer := ask(connection, q)).passed}

    def scheduled(
        self, schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, platform: Platform | None = None
    ) -> dg.RunRequest | str | None:
        """The run that the schedule asks for now, or why it asks for none."""
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=dt.datetime.now(dt.UTC),
            repository_def=defs.get_repository_def(),
            resources={"platform": platform or self.platform},
        ) as context:
            data = schedule.evaluate_tick(context)
        return data.run_requests[0] if data.run_requests else data.skip_message


def is_full(request: object, *, job: str, op: str) -> bool:
    """Whether a schedule asks for a full run; its tag and its config say the same."""
    assert isinstance(request, dg.RunRequest)
    assert dg.validate_run_config(defs.get_repository_def().get_job(job), request.run_config)
    full = request.run_config["ops"][op]["config"]["full"]
    assert (request.tags.get(FULL_TAG) == "true") is full
    return bool(full)
