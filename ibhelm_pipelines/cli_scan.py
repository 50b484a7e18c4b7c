"""`ibhelm scan`: the job that the schedules run, started by hand, with a progress bar and an exit status that tells."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from ibhelm_pipelines.cli_job import (
    Job,
    Outcome,
    ask_all,
    carry_out,
    exchange_folder,
    open_point,
    run_job,
    show_end,
    table,
)
from ibhelm_pipelines.cli_progress import STEPS, RunProgress
from ibhelm_pipelines.db.checks import FILE_QUESTIONS
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.nas.folders import list_folders
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ScanOutcome(Outcome):
    """What a scan left."""

    scan: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, Any] = field(default_factory=dict)


@click.command("scan")
@click.argument("folders", nargs=-1)
@click.option("--deep", is_flag=True, help="Also re-read the files whose turn it is.")
@click.option(
    "--confirm-deletions", type=int, metavar="SCAN_ID", help="Allow the deletions that this scan refused, once."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def scan_command(folders: tuple[str, ...], deep: bool, confirm_deletions: int | None, as_json: bool) -> None:
    """Scan the NAS, or some of its project FOLDERS, store what is new, make previews and text.

    \b
    Exit status:
      0    everything is stored
      1    the run failed; the message says why
      3    the run finished, but something is open: unreadable files, refused deletions, contents not stored
      130  stopped by Ctrl-C; what was stored stays, the next scan goes on from there
    """
    console = Console(stderr=True)
    config = {
        "folders": sorted(set(folders)) or None,
        "deep": deep,
        "confirm_deletions": confirm_deletions,
    }
    carry_out(
        lambda: _scan(load_settings(), console, config), ScanOutcome, lambda each: _show(each, as_json=as_json), console
    )


def _scan(settings: Settings, console: Console, config: dict[str, Any]) -> ScanOutcome:
    url = settings.require_database_url()
    _require_folders(settings, config["folders"] or [])
    tags = {"ibhelm/deep": "true"} if config["deep"] else {}
    job = Job(name="scan", op="scan_and_derive", config=config, tags=tags)
    with (
        exchange_folder(job) as folder,
        RunProgress(url, console, folders=config["folders"], deep=config["deep"]) as progress,
    ):
        summary = run_job(settings, job, folder, progress.update)
    answers = [answer for answer in ask_all(url, FILE_QUESTIONS) if not answer.passed]
    return ScanOutcome(
        **summary,
        open=[open_point(a) for a in answers if a.question.severity == "error"] or _restless(summary),
        warnings=[open_point(a) for a in answers if a.question.severity == "warning"],
    )


def _require_folders(settings: Settings, folders: Sequence[str]) -> None:
    """Say at once what a run would only say after its retries: the share is away, or a folder is misspelt.

    Raises:
        ShareUnavailableError: the share is not there.
        ConfigurationError: a folder is neither on the share nor known from before.
    """
    on_disk = list_folders(settings)
    with connect(settings.require_database_url(), application="scan", autocommit=True) as connection:
        known = {name for (name,) in connection.execute(load_queries("progress")["known_folders"])}
    unknown = sorted(set(folders).difference(on_disk, known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], on_disk, n=3) or on_disk[:3]
        raise ConfigurationError(
            f"There is no project folder {unknown[0]} on the share.", next_step=f"Did you mean {', '.join(near)}?"
        )


def _restless(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Name what no table keeps: names that were listed and then gone, so that nothing was concluded in their folder."""
    if summary.get("scan", {}).get("state") != "incomplete":
        return []
    problem = "Files or folders were renamed or removed while the scan looked at them."
    return [{"check": "restless_share", "problem": problem, "next_step": "Scan again; the next scan settles it."}]


def _show(outcome: ScanOutcome, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"status": outcome.status, **asdict(outcome)}, ensure_ascii=False))
        return
    console = Console()
    if outcome.scan:
        console.print(_scan_table(outcome.scan))
    if outcome.steps:
        console.print(_steps_table(outcome.steps))
    show_end(console, outcome)


def _scan_table(scan: dict[str, Any]) -> Table:
    total: dict[str, int] = scan["total"]
    shown = table(f"Scan {scan['scan_id']}, {scan['seconds']:.1f} s, {scan['state']}", list(total))
    shown.add_row(*(f"{count:,}" for count in total.values()))
    return shown


def _steps_table(steps: dict[str, Any]) -> Table:
    shown = table("Contents", ["step", *next(iter(steps.values()))["total"], "seconds"])
    for step, report in steps.items():
        shown.add_row(STEPS[step], *(f"{count:,}" for count in report["total"].values()), f"{report['seconds']:.1f}")
    return shown
