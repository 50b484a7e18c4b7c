"""`ibhelm sync`: what the schedules do with a vendor, started by hand, with an exit status that tells."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import partial
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
from ibhelm_pipelines.db.checks import MISSIVE_QUESTIONS, TEAMWORK_QUESTIONS
from ibhelm_pipelines.settings import load_settings
from ibhelm_pipelines.vendors.missive.api import require_access as require_missive
from ibhelm_pipelines.vendors.teamwork.api import require_access as require_teamwork

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.status import Status
    from rich.table import Table

    from ibhelm_pipelines.db.question import Question
    from ibhelm_pipelines.settings import Settings

COLUMNS = {"rows": "dagster/row_count", **{name: name for name in ("new", "changed", "deleted")}}
"""Columns of the closing table, and the numbers of the run that stand in them."""

_DAY = click.DateTime(["%Y-%m-%d"])
_MONTH = click.DateTime(["%Y-%m"])


@dataclass(frozen=True, kw_only=True)
class SyncOutcome(Outcome):
    """What a sync left, by asset; where assets are read together, `requests` and `seconds` are those of all."""

    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: int | None = None
    seconds: float | None = None
    attachments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Vendor:
    """What is particular to a vendor.

    Attributes:
        name: as in the names of job, op and assets.
        require_access: says at once, and not after the run's retries, what is missing.
        questions: what is open afterwards.
    """

    name: str
    require_access: Callable[[Settings], object]
    questions: Sequence[Question]


TEAMWORK = _Vendor(name="teamwork", require_access=require_teamwork, questions=TEAMWORK_QUESTIONS)
MISSIVE = _Vendor(name="missive", require_access=require_missive, questions=MISSIVE_QUESTIONS)


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
    config = {
        "full": full,
        "projects": list(projects),
        "since": f"{since:%Y-%m-%d}" if since else None,
        "until": f"{until:%Y-%m-%d}" if until else None,
        "confirm_deletions": confirm_deletions,
    }
    _command(TEAMWORK, config, as_json=as_json)


@sync_command.command("missive")
@click.option("--full", is_flag=True, help="List everything, and find what vanished, moved or was merged.")
@click.option("--month", "months", type=_MONTH, multiple=True, metavar="YYYY-MM", help="Read this month again.")
@click.option("--confirm-deletions", is_flag=True, help="With --full: all that vanished is meant to be gone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def sync_missive_command(
    *, full: bool, months: tuple[dt.datetime, ...], confirm_deletions: bool, as_json: bool
) -> None:
    """Read what is new in Missive; or list everything; or read some months again. Then bring the attachments.

    \b
    Exit status:
      0    everything is stored
      1    the run failed; the message says why
      3    the run finished, but something is open: conversations that cannot be read, attachments that wait
      130  stopped by Ctrl-C; what was stored stays, the next sync goes on from there
    """
    if full and months:
        raise click.UsageError("--full lists everything: it goes with no month.")
    config = {"full": full, "months": [f"{month:%Y-%m}" for month in months], "confirm_deletions": confirm_deletions}
    _command(MISSIVE, config, as_json=as_json)


def _command(vendor: _Vendor, config: dict[str, Any], *, as_json: bool) -> None:
    if config["confirm_deletions"] and not config["full"]:
        raise click.UsageError("--confirm-deletions goes with --full, which finds what vanished.")
    console = Console(stderr=True)
    show = partial(_show, vendor, as_json=as_json)
    carry_out(lambda: _sync(vendor, load_settings(), console, config), SyncOutcome, show, console)


def _sync(vendor: _Vendor, settings: Settings, console: Console, config: dict[str, Any]) -> SyncOutcome:
    url = settings.require_database_url()
    vendor.require_access(settings)
    ask_all(url, ())  # whether it is there: said at once, and not after the run's retries
    tags = {"ibhelm/full": "true"} if config["full"] else {}
    job = Job(name=f"sync_{vendor.name}", op=f"read_{vendor.name}", config=config, tags=tags)
    with exchange_folder(job) as folder, console.status("Starting the run") as status:
        summary = run_job(settings, job, folder, lambda: _progress(status, folder))
    answers = ask_all(url, vendor.questions)
    known = {name: summary[name] for name in ("assets", "requests", "seconds", "attachments") if name in summary}
    return SyncOutcome(
        run_id=summary.get("run_id"),
        error=summary.get("error"),
        open=[open_point(answer) for answer in answers if not answer.passed] + _left(summary),
        **known,
    )


def _left(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Return what no check tells yet, because it is young: it is tried again by itself."""
    points = []
    if due := summary.get("due"):
        points.append(("conversations_due", f"{due} conversations could not be read.", "They are tried again soon."))
    attachments = summary.get("attachments", {})
    if attachments.get("mode") == "on" and (waiting := attachments.get("waiting")):
        points.append(("attachments_waiting", f"{waiting} attachments are not brought yet.", "They are tried again."))
    names = ("check", "problem", "next_step")
    return [dict(zip(names, point, strict=True)) for point in points]


def _progress(status: Status, folder: Path) -> None:
    """Show what is being read, as the run writes it down."""
    path = folder / "progress"
    if path.exists():
        status.update(f"Reading {path.read_text(encoding='utf-8').replace('_', ' ')}")


def _show(vendor: _Vendor, outcome: SyncOutcome, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"status": outcome.status, **asdict(outcome)}, ensure_ascii=False))
        return
    console = Console()
    if outcome.assets:
        console.print(_table(vendor, outcome))
    if outcome.attachments:
        console.print(_attachments(outcome.attachments), soft_wrap=True)
    show_end(console, outcome)


def _table(vendor: _Vendor, outcome: SyncOutcome) -> Table:
    each = [name for name in ("requests", "seconds") if all(name in n for n in outcome.assets.values())]
    seconds = outcome.seconds or sum(numbers.get("seconds", 0) for numbers in outcome.assets.values())
    title = f"{vendor.name.capitalize()}, {seconds:.1f} s"
    if outcome.requests is not None:
        title += f", {outcome.requests:,} requests"
    shown = table(title, ["asset", *COLUMNS, *each])
    for asset, numbers in outcome.assets.items():
        cells = [f"{numbers[name]:,}" for name in (*COLUMNS.values(), *each)]
        shown.add_row(asset.removeprefix(f"{vendor.name}_"), *cells)
    return shown


def _attachments(total: dict[str, Any]) -> str:
    if total["mode"] == "off":
        return "Attachments are left in Missive: IBHELM_ATTACHMENT_INBOX is off."
    if total["mode"] == "dry-run":
        planned = f"{total['waiting']:,} would be put on the NAS"
        return f"Attachments: {planned}; nothing is fetched while IBHELM_ATTACHMENT_INBOX says dry-run."
    numbers = ", ".join(f"{total[name]:,} {name}" for name in ("saved", "linked", "failed", "waiting"))
    return f"Attachments: {numbers}; {sum(total['skipped'].values()):,} skipped by the rules."
