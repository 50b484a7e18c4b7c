"""`ibhelm verify` and `ibhelm retention`: the objects in S3 read again and healed, and what is old enough purged."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, TypeVar

import click
from rich.console import Console
from rich.text import Text

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.safety.purge import SHOWN, PurgeReport, purge
from ibhelm_pipelines.safety.verification import VerificationReport, verify_mirror
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.settings import Settings

OPEN = 3
LINES = 30
"""Objects that are named; how many more there are is said."""

_MEGABYTE = 1_000_000

Report = TypeVar("Report")


@click.command("verify")
@click.option("--everything", is_flag=True, help="Read every object, and not only those whose turn it is.")
@click.option(
    "--rebuild",
    "bucket",
    metavar="BUCKET",
    help="The bucket was lost, or much of it: fill it again from the NAS. Name it, so that no other one is filled.",
)
def verify_command(everything: bool, bucket: str | None) -> None:
    """Read objects in S3 back, compare the bucket with the tables, and heal what is missing or damaged.

    \b
    Exit status:
      0    all that was looked at is right, or is right again
      1    it could not be done; the message says why
      3    something could not be healed, or so much is missing that an operator must decide
    """
    settings = load_settings()
    if bucket is not None and bucket != settings.s3_bucket:
        raise ConfigurationError(
            f"The bucket of the settings is {settings.s3_bucket}, not {bucket}.",
            next_step="Nothing was changed. Set IBHELM_S3_BUCKET, or name the one that is set.",
        )
    report = _with_status(
        lambda tell: verify_mirror(
            settings, now=dt.datetime.now(dt.UTC), everything=everything, rebuild=bucket is not None, on_progress=tell
        )
    )
    console = Console()
    _show_verified(console, report)
    if report.refused:
        console.print(
            Text(
                f"Refused: {report.refused} Nothing was concluded from it. Is {settings.s3_bucket} on"
                f" {settings.s3_endpoint} the right bucket? If it was lost, fill it again from the NAS:"
                f" ibhelm verify --rebuild {settings.s3_bucket}"
            ),
            soft_wrap=True,
        )
    if _show_open(console, settings) or report.refused:
        sys.exit(OPEN)


@click.command("retention")
@click.option("--dry-run", is_flag=True, help="Only show what would be purged.")
@click.option("--confirm", "confirmed", is_flag=True, help="Purge although it is much at once, or the clock leapt.")
def retention_command(dry_run: bool, confirmed: bool) -> None:
    """Purge files that are deleted for longer than IBHELM_RETENTION_DAYS, and objects that nothing names.

    \b
    Exit status:
      0    all that is due is gone (with --dry-run: is shown)
      1    it could not be done; the message says why
      3    an operator must decide: see what would go with --dry-run, then --confirm
    """
    settings = load_settings()
    report = _with_status(
        lambda tell: purge(
            settings, now=dt.datetime.now(dt.UTC), dry_run=dry_run, confirmed=confirmed, on_progress=tell
        )
    )
    _show_purged(Console(), settings, report, dry_run=dry_run)
    if report.refused or report.orphans_refused:
        sys.exit(OPEN)


def _with_status(work: Callable[[Callable[[str], object]], Report]) -> Report:
    with Console(stderr=True).status("Starting") as status:
        return work(status.update)


def _show_verified(console: Console, report: VerificationReport) -> None:
    speed = report.bytes / _MEGABYTE / max(report.seconds, 0.001)
    lines = [
        f"{report.listed:,} objects compared with the bucket",
        f"{report.objects:,} read back and right, {report.bytes / _MEGABYTE:,.1f} MB at {speed:,.1f} MB/s",
        f"{report.missing:,} missing, {report.damaged:,} damaged, {report.healed:,} of them healed",
    ]
    if report.busy:
        lines.append(f"{report.busy:,} left to somebody who is at them; the next run looks again")
    for line in lines:
        console.print(line, highlight=False)


def _show_open(console: Console, settings: Settings) -> int:
    with connect(settings.require_database_url(), application="verify", autocommit=True) as connection:
        rows = connection.execute(load_queries("mirror")["open_problems"]).fetchall()
    for kind, paths, why in rows[:LINES]:
        console.print(Text(f"Open: {paths} ({kind}): {why}."), soft_wrap=True)
    if len(rows) > LINES:
        console.print(f"and {len(rows) - LINES:,} more in ops.open_object_problems", highlight=False)
    return len(rows)


def _show_purged(console: Console, settings: Settings, report: PurgeReport, *, dry_run: bool) -> None:
    verb = "would go" if dry_run else "went"
    for line in (
        f"Files deleted for more than {settings.retention_days:,} days: {report.files:,} {verb},"
        f" with {report.versions:,} versions"
        if settings.retention_days
        else "No file is ever purged: IBHELM_RETENTION_DAYS is 0",
        f"Contents that nothing else carries: {report.contents:,} {verb}, {report.texts:,} with text,"
        f" {report.objects:,} objects of {report.object_bytes / _MEGABYTE:,.1f} MB",
        f"Objects without a row: {report.orphans:,} {verb}, {report.orphan_bytes / _MEGABYTE:,.1f} MB; there are"
        f" {report.orphans_noted:,}, each kept for {settings.orphan_grace_days} days",
    ):
        console.print(line, highlight=False)
    for path in report.paths:
        console.print(Text(f"  {path}"), soft_wrap=True)
    if report.files > SHOWN and report.paths:
        console.print(f"  and {report.files - SHOWN:,} more", highlight=False)
    if report.postponed:
        console.print(report.postponed)
    for refused in filter(None, (report.refused, report.orphans_refused)):
        console.print(Text(f"Refused: {refused} See --dry-run; if it is meant so: ibhelm retention --confirm"))
