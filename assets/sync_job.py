"""The job behind the schedules and `ibhelm sync teamwork`: one run over all that Teamwork has, then the checks.

An op and not a selection of the assets, because a run every few minutes would write events although nothing changed. It
reports the same assets with the same numbers, but only where there is something to tell: what changed or failed, what
was never told of, and everything after a full reading or a backfill. What fails stops only what is built on it.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator
from typing import Any

import dagster as dg
import structlog
from pydantic import Field

from assets.checks import news_of
from assets.job_report import Event, Progress, earlier_summary, reported, told_before
from assets.reporting import Numbers, is_on
from assets.teamwork import UPSTREAM, SyncConfig, read_asset, sync_numbers
from ibhelm_pipelines.db.checks import TEAMWORK_QUESTIONS
from ibhelm_pipelines.errors import ConfigurationError, IbhelmError
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.teamwork.webhooks import check_webhooks
from resources.lanes import LANE_TAG, TEAMWORK_SYNC_JOB
from resources.platform import Platform
from resources.vendors import TEAMWORK

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
        summary: dict[str, Any] = {
            "run_id": context.run_id,
            "assets": {},
            **earlier_summary(context, config.report_path),
        }
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
    if not is_on(context, TEAMWORK, settings):
        summary["off"] = TEAMWORK.off
        return
    done = told_before(context)
    progress = Progress(config.report_path, context.log.info)
    failed: dict[str, IbhelmError] = {}
    for asset, needed in UPSTREAM.items():
        if needed in failed:
            failed[asset] = failed[needed]
        elif asset not in done:
            numbers = _read(settings, asset, config, failed, progress)
            if numbers is not None:
                summary["assets"][asset] = numbers
                context.log.info(f"{asset}: {numbers}")
                yield from _tell(context, config, asset, numbers)
    for error in failed.values():
        raise error
    if (webhooks := check_webhooks(settings)).looked:
        context.log.info(f"Webhooks: {webhooks}")


def _read(
    settings: Settings, asset: str, config: SyncRunConfig, failed: dict[str, IbhelmError], progress: Progress
) -> Numbers | None:
    """Return the numbers of one asset, or none and why it failed.

    Raises:
        ConfigurationError: a person must act first; the other assets would fail likewise.
    """
    try:
        return sync_numbers(read_asset(settings, asset, config, progress))
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
