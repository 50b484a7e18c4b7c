"""Missive as rows: who is there, and month by month conversations, mails, comments and their attachments.

Conversations, mails and comments of a month are one reading of Missive, so they are one op: whichever of them is asked
for, all three are read, once. A month is that of a conversation's last activity. The job `sync_missive` reads what is
new without any of this; the partitions are for the graph, and to read chosen months again.
"""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import dagster as dg

from assets.folder_asset import CODE_VERSION, OWNERS
from assets.reporting import ROW_COUNT, Numbers, is_on
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.live.attachments import AttachmentReport, save_attachments
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.months import rows_by_month
from ibhelm_pipelines.vendors.missive.resources import (
    ATTACHMENTS_ASSET,
    COMMENTS_ASSET,
    CONVERSATIONS_ASSET,
    DIRECTORY_ASSET,
    EMAILS_ASSET,
)
from ibhelm_pipelines.vendors.missive.sync import SyncReport, sync_directory, sync_months
from ibhelm_pipelines.vendors.store import Counts
from resources import vendors
from resources.partitions import MONTHS, TEN_A_RUN
from resources.platform import Platform

GROUP = "missive"
POOL = "missive"
"""Whoever reads Missive waits in Dagster's queue for whoever does so already."""

DESCRIPTIONS = {
    CONVERSATIONS_ASSET: "Conversations of Missive with their labels, assignees and states, live or deleted, by month.",
    EMAILS_ASSET: "Mails and other messages of Missive, with recipients, safe HTML, clean text and attachments' names.",
    COMMENTS_ASSET: "What colleagues say to each other in conversations of Missive, with mentions and tasks.",
}
"""What one reading of a month makes."""

MISSIVE = dg.AssetSpec(
    "missive",
    group_name="sources",
    kinds={"api"},
    description="The office's mail in Missive: read over its API, as far as IBHELM_MISSIVE_ALLOWED goes; not written.",
)


def rows_of_months(settings: Settings) -> dict[str, dict[str, int]]:
    """Return by asset and month how many rows are live."""
    with connect(settings.require_database_url(), application="assets", autocommit=True) as connection:
        return rows_by_month(connection)


def month_numbers(report: SyncReport, rows: dict[str, dict[str, int]], asset: str, month: str) -> Numbers:
    """Return what a reading did for one asset in one month; zeros where there was nothing to do."""
    counts = report.counts.get(asset, {}).get(month, Counts())
    return {**vars(counts), ROW_COUNT: rows.get(asset, {}).get(month, 0)}


def directory_numbers(report: SyncReport) -> Numbers:
    """Return what a reading did for the directory."""
    counts = report.of(DIRECTORY_ASSET)
    return {**vars(counts), ROW_COUNT: counts.seen, "refused": report.refused}


def attachment_numbers(report: AttachmentReport, row_count: int) -> dict[str, Any]:
    """Return what was done with the attachments of one month."""
    numbers = {**asdict(report), "skipped": sum(report.skipped.values()), "planned": sum(report.planned.values())}
    return {**numbers, "why skipped": report.skipped, ROW_COUNT: row_count}


@dg.asset(
    name=DIRECTORY_ASSET,
    deps=[MISSIVE],
    group_name=GROUP,
    kinds={"postgres"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    pool=POOL,
    description="Organisations, colleagues, teams, shared labels and contacts of Missive, live or deleted.",
)
def missive_directory(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Read the short lists; no conversation."""
    with platform.working(context, asset=DIRECTORY_ASSET) as settings:
        if not is_on(context, vendors.MISSIVE, settings):
            return dg.MaterializeResult(metadata={"off": vendors.MISSIVE.off})
        report = sync_directory(settings)
    return dg.MaterializeResult(metadata={**directory_numbers(report), "requests": report.requests})


def _monthly_spec(name: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        deps=[DIRECTORY_ASSET if name == CONVERSATIONS_ASSET else CONVERSATIONS_ASSET],
        group_name=GROUP,
        kinds={"postgres"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        description=DESCRIPTIONS[name],
    )


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # backfill policies, see folder_asset.py

    @dg.multi_asset(
        name="missive_months",
        specs=[_monthly_spec(name) for name in DESCRIPTIONS],
        partitions_def=MONTHS,
        backfill_policy=TEN_A_RUN,
        can_subset=True,
        pool=POOL,
    )
    def missive_months(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetMaterialization]:
        """Read all conversations of the months of this run again, with all that is in them."""
        with platform.working(context, asset="missive_months", folders=context.partition_keys) as settings:
            off = {} if is_on(context, vendors.MISSIVE, settings) else {"off": vendors.MISSIVE.off}
            if not off:
                report = sync_months(settings, context.partition_keys)
                rows = rows_of_months(settings)
        selected = {key.to_user_string() for key in context.selected_asset_keys}
        for name in DESCRIPTIONS:
            for month in [] if off else context.partition_keys:
                numbers = month_numbers(report, rows, name, month)
                if name in selected:
                    context.add_asset_metadata(numbers, asset_key=name, partition_key=month)
                else:
                    context.log_event(dg.AssetMaterialization(name, partition=month, metadata=numbers))
            if name in selected:
                yield dg.MaterializeResult(asset_key=name, metadata=off or {"requests": report.requests})

    @dg.asset(
        name=ATTACHMENTS_ASSET,
        deps=[EMAILS_ASSET, COMMENTS_ASSET],
        group_name=GROUP,
        kinds={"postgres", "filesystem"},
        owners=OWNERS,
        code_version=CODE_VERSION,
        partitions_def=MONTHS,
        backfill_policy=TEN_A_RUN,
        description="Attachments of mails and comments, each on the NAS or with the rule that skips it, by month.",
    )
    def email_attachments(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
        """Bring the attachments of the months of this run to the NAS, as IBHELM_ATTACHMENT_INBOX allows."""
        with platform.working(context, asset=ATTACHMENTS_ASSET, folders=context.partition_keys) as settings:
            if not is_on(context, vendors.MISSIVE, settings):
                return dg.MaterializeResult(metadata={"off": vendors.MISSIVE.off})
            reports = {month: save_attachments(settings, month=month) for month in context.partition_keys}
            rows = rows_of_months(settings).get(ATTACHMENTS_ASSET, {})
        for month, report in reports.items():
            context.add_asset_metadata(attachment_numbers(report, rows.get(month, 0)), partition_key=month)
        return dg.MaterializeResult()
