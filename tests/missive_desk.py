"""Missive as Dagster reads it: the simulator, our tables of it, the job and the assets, for tests."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from typing import Any

import dagster as dg
from missive_office import PLENTY
from vendor_desk import VendorDesk

from assets.missive import MISSIVE, email_attachments, missive_directory, missive_months
from assets.missive_job import missive_sync_job
from ibhelm_pipelines.db.checks import MISSIVE_QUESTIONS
from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform

Told = dict[tuple[str, str | None], dict[str, Any]]


class Desk(VendorDesk):
    """A simulated Missive, our tables of it, the job that reads it, and the assets."""

    questions = MISSIVE_QUESTIONS

    def __init__(
        self, missive: MissiveSimulator, settings: Settings, instance: dg.DagsterInstance, platform: Platform
    ) -> None:
        overrides = {
            **platform.overrides,
            "missive_url": missive.url,
            "missive_token": missive.token,
            "missive_allowed": ",".join(settings.missive_allowed or ()),
            "missive_requests_per_15_minutes": str(PLENTY),
            "attachment_inbox": settings.attachment_inbox,
        }
        super().__init__(settings, instance, Platform(overrides=overrides, first_pause_seconds=0))
        self.missive = missive

    def with_settings(self, **more: str | None) -> Platform:
        """The platform with other settings; None: without this one."""
        changed = {**self.platform.overrides, **more}
        left = {name: value for name, value in changed.items() if value is not None}
        return Platform(overrides=left, first_pause_seconds=0)

    def sync(self, platform: Platform | None = None, **config: Any) -> dg.ExecuteInProcessResult:
        return missive_sync_job.execute_in_process(
            instance=self.instance,
            resources={"platform": platform or self.platform},
            run_config={"ops": {"read_missive": {"config": config}}},
            raise_on_error=False,
        )

    def materialize(self, *names: str, platform: Platform | None = None, **how: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [MISSIVE, missive_directory, missive_months, email_attachments],
            selection=list(names),
            instance=self.instance,
            resources={"platform": platform or self.platform},
            raise_on_error=False,
            **how,
        )

    def age(self, interval: str) -> None:
        """Let everything have been read so long ago."""
        super().age(interval)
        self.rows(
            "update ops.conversation_reads set listed_at = listed_at - %s::interval, read_at = read_at - %s::interval",
            interval,
            interval,
        )

    def health(self) -> tuple[str, str]:
        [(state, detail)] = self.rows("select state, detail from ops.health where subject = 'missive'")
        return state, detail

    def months(self) -> set[str]:
        """Of all live conversations."""
        query = "select last_activity_at from conversations where deleted_at is null"
        return {f"{when:%Y-%m}-01" for (when,) in self.rows(query)}

    def write_mail(self) -> dict[str, Any]:
        """Somebody answers; return the conversation."""
        office = self.missive.office
        conversation_id = self.one(
            "select missive_id from conversations where deleted_at is null and messages_count > 0 order by id limit 1"
        )
        conversation: dict[str, Any] = office.tables["conversations"][conversation_id]
        known = next(iter(office.inside("messages", conversation_id)))
        now = office.now()
        new = {name: value for name, value in known.items() if name != "id"}
        new |= {"created_at": now, "delivered_at": now, "updated_at": now, "attachments": [], "_incoming": True}
        actions.add_message(office, new)
        return conversation


def told(result: dg.ExecuteInProcessResult) -> Told:
    """The numbers of each asset and month that was told of."""
    return {
        (event.asset_key.to_user_string(), event.partition): {n: v.value for n, v in event.metadata.items()}
        for event in materializations(result)
    }


def materializations(result: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    events = [e for e in result.all_events if e.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION]
    return [event.step_materialization_data.materialization for event in events]
