"""The job behind the schedules and `ibhelm sync missive`: one run over all that Missive has, then the attachments, then
the checks.

An op and not a selection of the assets, as for Teamwork. It tells of a month only what changed in it, or where nothing
was ever told of it. Attachments come month by month, newest first; a run begins no further month after some minutes,
so that the first thousand attachments do not hold up the mails of the day: the next run goes on.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from assets.checks import news_of
from assets.job_report import Event, Progress, earlier_summary, reported, told_before
from assets.missive import (
    DESCRIPTIONS,
    POOL,
    attachment_numbers,
    directory_numbers,
    month_numbers,
    rows_of_months,
)
from assets.reporting import ROW_COUNT, is_on
from ibhelm_pipelines.db.checks import MISSIVE_QUESTIONS
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.live.attachments import AttachmentReport, save_attachments, settle_attachments
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.months import count_waiting, months_to_save
from ibhelm_pipelines.vendors.missive.resources import ATTACHMENTS_ASSET, DIRECTORY_ASSET
from ibhelm_pipelines.vendors.missive.sync import SyncReport, sync, sync_months
from resources.lanes import LANE_TAG, LONGEST_RUN_SECONDS, MISSIVE_SYNC_JOB
from resources.partitions import MONTHS
from resources.platform import Platform
from resources.vendors import MISSIVE

ATTACHMENT_SECONDS = 15 * 60
"""After so long a run begins no further month of attachments."""
SETTLING_SECONDS = 60
"""How long a run waits for other scans to let go of folders in which it put attachments."""

_TELLING = ("new", "changed", "deleted", "restored", "failed")
_SUMMED = ("seen", "saved", "linked", "bytes", "failed", "seconds")


class MissiveRunConfig(dg.Config):
    """What to read, and where `ibhelm sync` looks for what came of it; nothing said: what is new."""

    full: bool = Field(default=False, description="List everything, find what vanished, read again what is young")
    months: list[str] = Field(default=[], description="Backfill: months to read again, such as 2026-05")
    confirm_deletions: bool = Field(
        default=False, description="With full: all that vanished is meant to be gone, however much it is"
    )
    report_path: str = Field(
        default="", description="File for the summary as JSON; what is being read is in `progress` beside it"
    )

    def require_sense(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigurationError: everything and months, or a month that is none.
        """
        if self.full and self.months:
            raise ConfigurationError("A full reading has all months.", next_step="Leave out either `full` or `months`.")
        for month in self.months:
            if not MONTHS.has_partition_key(f"{month}-01"):
                raise ConfigurationError(
                    f"{month} is no month that can be read.", next_step="Write it as 2026-05; the first is 2015-01."
                )


@dg.op(out={}, pool=POOL)
def read_missive(context: dg.OpExecutionContext, config: MissiveRunConfig, platform: Platform) -> Iterator[Event]:
    """Read what is new; tell Dagster of it; bring the attachments; then ask what could be wrong, however it went."""
    with platform.working(context, asset=MISSIVE_SYNC_JOB) as settings:
        summary: dict[str, Any] = {"run_id": context.run_id, "assets": {}}
        summary |= earlier_summary(context, config.report_path)
        work = _work(context, config, settings, summary)
        yield from reported(
            work, summary, config.report_path, lambda: news_of(context.instance, MISSIVE_QUESTIONS, settings)
        )


@dg.job(name=MISSIVE_SYNC_JOB, tags={LANE_TAG: "missive", "dagster/max_runtime": str(LONGEST_RUN_SECONDS)})
def missive_sync_job() -> None:
    """Bring the tables in line with Missive and the attachments to the NAS, and ask what could be wrong."""
    read_missive()


def _work(
    context: dg.OpExecutionContext, config: MissiveRunConfig, settings: Settings, summary: dict[str, Any]
) -> Iterator[Event]:
    config.require_sense()
    if not is_on(context, MISSIVE, settings):
        summary["off"] = MISSIVE.off
        return
    progress = Progress(config.report_path, context.log.info)
    if DIRECTORY_ASSET not in told_before(context):  # else only the attachments are left to this attempt
        yield from _read(context, config, settings, summary, progress)
    yield from _save(context, config, settings, summary, progress)


def _read(
    context: dg.OpExecutionContext,
    config: MissiveRunConfig,
    settings: Settings,
    summary: dict[str, Any],
    progress: Progress,
) -> Iterator[Event]:
    began = time.monotonic()
    if config.months:
        report = sync_months(settings, config.months, progress=progress)
    else:
        report = sync(settings, full=config.full, confirm_deletions=config.confirm_deletions, progress=progress)
    summary |= {"requests": report.requests, "due": report.due, "seconds": round(time.monotonic() - began, 3)}
    rows = rows_of_months(settings)
    for name in DESCRIPTIONS:
        summary["assets"][name] = {**vars(report.of(name)), ROW_COUNT: sum(rows.get(name, {}).values())}
        yield from _tell_months(context, report, rows, name)
    numbers = directory_numbers(report)
    summary["assets"][DIRECTORY_ASSET] = numbers
    context.log.info(f"Read with {report.requests} requests: {summary['assets']}")
    is_news = any(numbers[each] for each in (*_TELLING, "refused"))
    if config.full or config.months or is_news or not _was_told(context, DIRECTORY_ASSET):
        yield dg.AssetMaterialization(DIRECTORY_ASSET, metadata={**numbers, "requests": report.requests})


def _tell_months(
    context: dg.OpExecutionContext, report: SyncReport, rows: dict[str, dict[str, int]], name: str
) -> Iterator[dg.AssetMaterialization]:
    """Tell of the months in which something changed, and of those that were never told of."""
    told = context.instance.get_materialized_partitions(dg.AssetKey(name))
    for month in sorted({*report.counts.get(name, {}), *rows.get(name, {})}):
        numbers = month_numbers(report, rows, name, month)
        is_news = month not in told or any(numbers[each] for each in _TELLING)
        if is_news and MONTHS.has_partition_key(month):
            yield dg.AssetMaterialization(name, partition=month, metadata=numbers)


def _was_told(context: dg.OpExecutionContext, asset: str) -> bool:
    return context.instance.get_latest_materialization_event(dg.AssetKey(asset)) is not None


def _save(
    context: dg.OpExecutionContext,
    config: MissiveRunConfig,
    settings: Settings,
    summary: dict[str, Any],
    progress: Progress,
) -> Iterator[dg.AssetMaterialization]:
    """Bring attachments to the NAS, or plan it."""
    total: dict[str, Any] = {"mode": settings.attachment_inbox, **dict.fromkeys(_SUMMED, 0), "skipped": {}}
    summary["attachments"] = total
    rows = rows_of_months(settings).get(ATTACHMENTS_ASSET, {})
    told = context.instance.get_materialized_partitions(dg.AssetKey(ATTACHMENTS_ASSET))
    for month, report in _saved(config, settings, progress):
        _add(total, report)
        is_news = month not in told or report.saved or report.linked or report.failed
        if month is not None and is_news and MONTHS.has_partition_key(month):
            numbers = attachment_numbers(report, rows.get(month, 0))
            yield dg.AssetMaterialization(ATTACHMENTS_ASSET, partition=month, metadata=numbers)
    if settings.attachment_inbox == "on":
        settle_attachments(settings, seconds=SETTLING_SECONDS)
    total["waiting"] = count_waiting(settings)
    context.log.info(f"Attachments: {total}")


def _saved(
    config: MissiveRunConfig, settings: Settings, progress: Progress
) -> Iterator[tuple[str | None, AttachmentReport]]:
    began = time.monotonic()
    months: Sequence[str | None] = [f"{month}-01" for month in config.months]
    for month in months or months_to_save(settings, everything=config.full):
        if not config.months and time.monotonic() - began > ATTACHMENT_SECONDS:
            return
        when = (month or "no month")[:7]

        def show(report: AttachmentReport, when: str = when) -> None:
            progress(f"attachments of {when}: {report.saved + report.linked} saved, {report.failed} failed")

        yield month, save_attachments(settings, month=month, progress=show)


def _add(total: dict[str, Any], report: AttachmentReport) -> None:
    for name in _SUMMED:
        total[name] += getattr(report, name)
    skipped: Mapping[str, int] = report.skipped
    for reason, count in skipped.items():
        total["skipped"][reason] = total["skipped"].get(reason, 0) + count
