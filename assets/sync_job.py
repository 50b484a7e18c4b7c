"""The job behind the schedules and `ibhelm sync teamwork`: one run over all that Teamwork has, then the checks.

An op and not a selection of the assets, because a run every few minutes would write events although nothing changed. It
reports the same assets with the same numbers, but only where there is something to tell: what changed or failed, what
was never told of, and everything after a full reading or a backfill. What fails stops only what is built on it.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import structlog
from pydantic import Field

from assets.checks import news_of
from assets.job_report import Event, reported
from assets.reporting import Numbers
from assets.teamwork import OFF, UPSTREAM, SyncConfig, is_on, read_asset, sync_numbers
from ibhelm_pipelines.db.checks import TEAMWORK_QUESTIONS
from ibhelm_pipelines.errors import ConfigurationError, IbhelmError
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.webhooks import check_webhooks
from resources.lanes import LANE_TAG, TEAMWORK_SYNC_JOB
from resources.platform import Platform

_TELLING = ("new", "changed", "deleted", "restored", "failed", "refused")
"""Numbers that make an asset worth an event."""


class SyncRunConfig(SyncConfig):
    """What to read, and where `ibhelm sync` looks for what came of it."""

    report_path: str = Field(
        default="", description="File for the summary as JSON; the list that is being read is in `progress` beside it"
    )


@dg.op(out={})
def read_teamwork(context: dg.OpExecutionContext, config: SyncRunConfig, platform: Platform) -> Iterator[Event]:
    """Read one asset after the other; tell Dagster of each; then ask what could be wrong, however it went."""
    with platform.working(context, asset=TEAMWORK_SYNC_JOB) as settings:
        summary: dict[str, Any] = {"run_id": context.run_id, "assets": _earlier_numbers(context, config)}
        work = _work(context, config, settings, summary)
        yield from reported(
            work, summary, config.report_path, lambda: news_of(context.instance, TEAMWORK_QUESTIONS, settings)
        )


@dg.job(name=TEAMWORK_SYNC_JOB, tags={LANE_TAG: "teamwork"})
def teamwork_sync_job() -> None:
    """Bring the tables in line with Teamwork, and ask what could be wrong."""
    read_teamwork()


def _work(
    context: dg.OpExecutionContext, config: SyncRunConfig, settings: Settings, summary: dict[str, Any]
) -> Iterator[Event]:
    if not is_on(context, settings):
        summary["off"] = OFF
        return
    done = _told_before(context)
    failed: dict[str, IbhelmError] = {}
    for asset, needed in UPSTREAM.items():
        if needed in failed:
            failed[asset] = failed[needed]
        elif asset not in done:
            numbers = _read(settings, asset, config, failed)
            if numbers is not None:
                summary["assets"][asset] = numbers
                context.log.info(f"{asset}: {numbers}")
                yield from _tell(context, config, asset, numbers)
    for error in failed.values():
        raise error
    if (webhooks := check_webhooks(settings)).looked:
        context.log.info(f"Webhooks: {webhooks}")


def _read(settings: Settings, asset: str, config: SyncRunConfig, failed: dict[str, IbhelmError]) -> Numbers | None:
    """Return the numbers of one asset, or none and why it failed.

    Raises:
        ConfigurationError: a person must act first; the other assets would fail likewise.
    """
    try:
        return sync_numbers(read_asset(settings, asset, config, lambda name: _show(config, name)))
    except ConfigurationError:
        raise
    except IbhelmError as error:
        structlog.get_logger().warning("asset_not_read", of=asset, reason=str(error))
        failed[asset] = error
        return None


def _tell(
    context: dg.OpExecutionContext, config: SyncConfig, asset: str, numbers: Numbers
) -> Iterator[dg.AssetMaterialization]:
    is_wanted = config.full or config.window() is not None
    was_told = context.instance.get_latest_materialization_event(dg.AssetKey(asset)) is not None
    if is_wanted or not was_told or any(numbers[name] for name in _TELLING):
        yield dg.AssetMaterialization(asset, metadata=numbers)


def _told_before(context: dg.OpExecutionContext) -> set[str]:
    """Return what an earlier attempt of this run has done: a full reading is not begun from its beginning again."""
    if not context.retry_number:
        return set()
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    records = context.instance.get_records_for_run(context.run_id, of_type=kind).records
    events = [record.event_log_entry.dagster_event for record in records]
    return {event.asset_key.to_user_string() for event in events if event and event.asset_key}


def _earlier_numbers(context: dg.OpExecutionContext, config: SyncRunConfig) -> dict[str, Numbers]:
    """Return what the summary of an earlier attempt of this run says of the assets."""
    if not (context.retry_number and config.report_path):
        return {}
    assets: dict[str, Numbers] = json.loads(Path(config.report_path).read_text(encoding="utf-8"))["assets"]
    return assets


def _show(config: SyncRunConfig, name: str) -> None:
    if config.report_path:
        Path(config.report_path).with_name("progress").write_text(name, encoding="utf-8")
