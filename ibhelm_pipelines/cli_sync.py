"""`ibhelm sync`: what the schedules do with a vendor, started by hand, with an exit status that tells."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from ibhelm_pipelines.cli_job import (
    EXIT_STOPPED,
    Job,
    Outcome,
    ask_all,
    exchange_folder,
    open_point,
    run_job,
    show_end,
    table,
)
from ibhelm_pipelines.db.checks import TEAMWORK_QUESTIONS
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.settings import load_settings
from ibhelm_pipelines.vendors.teamwork.api import require_access

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from rich.status import Status
    from rich.table import Table

    from ibhelm_pipelines.settings import Settings

COLUMNS = {"rows": "dagster/row_count", **{name: name for name in ("new", "changed", "deleted", "requests")}}
"""Columns of the closing table, and the numbers of the run that stand in them."""

_DAY = click.DateTime(["%Y-%m-%d"])


@dataclass(frozen=True, kw_only=True)
class SyncOutcome(Outcome):
    """What a sync left, by asset."""

    assets: dict[str, dict[str, Any]] = field(default_factory=dict)


@click.group("sync")
def sync_command() -> None:
    """Bring the tables in line with a vendor."""


@sync_command.command("teamwork")
@click.option("--full", is_flag=True, help="Read everything, and find what vanished.")
@click.option("--project", "projects", type=int, multiple=True, metavar="ID", help="Read this project again.")
@click.option("--since", type=_DAY, help="Read again what changed on this day or later.")
@click.option("--until", type=_DAY, help="Read again what changed on this day or before.")
@click.option("--confirm-deletions", is_flag=True, help="With --full: all that vanished is meant to be gone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def sync_teamwork_command(
    *,
    full: bool,
    projects: tuple[int, ...],
    since: dt.datetime | None,
    until: dt.datetime | None,
    confirm_deletions: bool,
    as_json: bool,
) -> None:
    """Read what changed in Teamwork since the last time; or everything; or some projects or days again.

    \b
    Exit status:
      0    everything is stored
      1    the run failed; the message says why
      3    the run finished, but something is open: refused deletions, things not understood
      130  stopped by Ctrl-C; what was stored stays, the next sync goes on from there
    """
    if full and (projects or since or until):
        raise click.UsageError("--full reads everything: it goes with no project and no day.")
    if confirm_deletions and not full:
        raise click.UsageError("--confirm-deletions goes with --full, which finds what vanished.")
    config = {
        "full": full,
        "projects": list(projects),
        "since": f"{since:%Y-%m-%d}" if since else None,
        "until": f"{until:%Y-%m-%d}" if until else None,
        "confirm_deletions": confirm_deletions,
    }
    console = Console(stderr=True)
    try:
        outcome = _sync(load_settings(), console, config)
    except IbhelmError as error:
        outcome = SyncOutcome(error=str(error))
    except KeyboardInterrupt:
        console.print("Stopped. What was stored stays; the next sync goes on from there.")
        sys.exit(EXIT_STOPPED)
    _show(outcome, as_json=as_json)
    sys.exit(outcome.exit_status)


def _sync(settings: Settings, console: Console, config: dict[str, Any]) -> SyncOutcome:
    url = settings.require_database_url()
    require_access(settings)
    ask_all(url, ())  # whether it is there: said at once, and not after the run's retries
    tags = {"ibhelm/full": "true"} if config["full"] else {}
    job = Job(name="sync_teamwork", op="read_teamwork", config=config, tags=tags)
    with exchange_folder(job) as folder, console.status("Starting the run") as status:
        summary = run_job(settings, job, folder, lambda: _progress(status, folder))
    answers = ask_all(url, TEAMWORK_QUESTIONS)
    return SyncOutcome(
        run_id=summary.get("run_id"),
        error=summary.get("error"),
        assets=summary.get("assets", {}),
        open=[open_point(answer) for answer in answers if not answer.passed],
    )


def _progress(status: Status, folder: Path) -> None:
    """Show which list is being read, as the run writes it down."""
    path = folder / "progress"
    if path.exists():
        status.update(f"Reading {path.read_text(encoding='utf-8').replace('_', ' ')}")


def _show(outcome: SyncOutcome, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"status": outcome.status, **asdict(outcome)}, ensure_ascii=False))
        return
    console = Console()
    if outcome.assets:
        console.print(_table(outcome.assets))
    show_end(console, outcome)


def _table(assets: dict[str, dict[str, Any]]) -> Table:
    seconds = sum(numbers["seconds"] for numbers in assets.values())
    shown = table(f"Teamwork, {seconds:.1f} s", ["asset", *COLUMNS, "seconds"])
    for asset, numbers in assets.items():
        cells = (f"{numbers[name]:,}" for name in COLUMNS.values())
        shown.add_row(asset.removeprefix("teamwork_"), *cells, f"{numbers['seconds']:.1f}")
    return shown
