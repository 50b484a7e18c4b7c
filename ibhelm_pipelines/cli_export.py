"""`ibhelm export`: everything of one project in a folder or a ZIP."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from ibhelm_pipelines.export.run import ExportReport, export
from ibhelm_pipelines.settings import load_settings
from ibhelm_pipelines.wording import visible

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

INCOMPLETE = 3
"""Exit status when something that belongs to the project could not be had."""

_STAGES = {"files": "files", "mails": "mails"}


@click.command("export")
@click.argument("project")
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="A new folder, or NAME.zip.")
@click.option("--with-deleted", is_flag=True, help="Also files that were deleted on the NAS, in a folder of their own.")
def export_command(project: str, target: Path, *, with_deleted: bool) -> None:
    """Write everything of PROJECT into a folder or a ZIP that opens in any browser, without this platform.

    PROJECT is a number (2301), a name, words of a name, or id:17. What is inside holds personal data: see
    docs/export.md before you hand it on.

    \b
    Exit status:
      0    everything is in it
      1    there is no export; the message says why
      3    the export is there, but something belongs to the project and could not be had; it names what
    """
    report = _export(load_settings(), project, target, with_deleted=with_deleted)
    _show(report)
    if report.missing:
        sys.exit(INCOMPLETE)


def _export(settings: Settings, project: str, target: Path, *, with_deleted: bool) -> ExportReport:
    with Console(stderr=True).status("Reading the register") as status:
        return export(
            settings,
            project,
            target,
            now=dt.datetime.now(dt.UTC),
            with_deleted=with_deleted,
            on_progress=lambda what, done, total: status.update(
                f"{done:,} of {total:,} {_STAGES[what]}" if total else f"{done:,} {_STAGES[what]}"
            ),
        )


def _show(report: ExportReport) -> None:
    counts = report.counts
    click.echo(f"{visible(report.project)}: {report.path}")
    click.echo(
        f"{counts['files']:,} files, {counts['mails']:,} mails, {counts['email_comments']:,} comments on them,"
        f" {counts['tasks']:,} tasks, {counts['task_comments']:,} comments on them; {report.files:,} files with all"
        f" pages, {report.bytes / 1e6:,.1f} MB."
    )
    if report.renamed:
        click.echo(f"{report.renamed:,} files have another name than on the NAS: seiten/umbenannt.html lists them.")
    if report.not_kept:
        click.echo(
            f"{report.not_kept:,} attachments of mails are in Missive only: seiten/nicht-geladen.html lists them."
        )
    if report.missing:
        click.echo(
            f"{report.missing:,} things are missing: seiten/fehlt.html names each with its reason."
            " `ibhelm scan` and `ibhelm retry` bring back what the NAS still has; then export again.",
            err=True,
        )
