"""`ibhelm retry`: what the readers gave up is tried again now, by a person's wish only."""

from __future__ import annotations

import difflib
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, cast

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ibhelm_pipelines.cli_job import EXIT_OPEN, EXIT_STOPPED, EXIT_STORED, table
from ibhelm_pipelines.cli_progress import STEPS
from ibhelm_pipelines.content.families import FAMILIES
from ibhelm_pipelines.content.retrying import STATES, Choice, Retried, find, retry
from ibhelm_pipelines.content.steps import LIVE_ORDER
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.content.outcome import Step
    from ibhelm_pipelines.content.retrying import Found
    from ibhelm_pipelines.settings import Settings


@click.command("retry")
@click.option("--reason", help="A part of the reason, as `ibhelm status` or the view content_problems says it.")
@click.option("--family", "families", multiple=True, type=click.Choice(list(FAMILIES)), help="Of this family.")
@click.option("--step", "steps", multiple=True, type=click.Choice(LIVE_ORDER), help="Of this step.")
@click.option("--folder", "folders", multiple=True, help="In this project folder, or in those below it.")
@click.option("--truncated", is_flag=True, help="Texts that end before their document, once a limit was raised.")
@click.option("--dry-run", is_flag=True, help="Only show what would be tried again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def retry_command(
    reason: str | None,
    families: tuple[str, ...],
    steps: tuple[str, ...],
    folders: tuple[str, ...],
    *,
    truncated: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Try again what failed or had no tool, or with --truncated was cut off: all that meets the filters.

    At least one filter is needed.

    What failed for good stays so until the file or its tool changes, and this is how to say that something else has:
    memory, a program that was installed, a setting. What an older tool made well stays until something better is there.

    \b
    Exit status:
      0    all of it is done now, or there was nothing to do
      1    it could not be tried; the message says why
      3    something failed again, has no tool, or is waiting
      130  stopped by Ctrl-C; what was done stays, the next scan does the rest
    """
    if not (reason or families or steps or folders or truncated):
        raise click.UsageError("Name at least one of --reason, --family, --step, --folder and --truncated.")
    settings = load_settings()
    choice = Choice(
        steps=cast("tuple[Step, ...]", steps) or LIVE_ORDER,
        reason=reason,
        families=families or None,
        folders=_folders(settings, folders) or None,
        truncated=truncated,
    )
    found = find(settings, choice)
    if dry_run:
        _show_found(found, as_json=as_json)
    else:
        sys.exit(_retry(settings, found, as_json=as_json))


def _folders(settings: Settings, wanted: Sequence[str]) -> list[str]:
    """Return the project folders of these names, and those below them.

    Raises:
        ConfigurationError: there is none.
    """
    with connect(settings.require_database_url(), application="retry", autocommit=True) as connection:
        known = [name for (name,) in connection.execute(load_queries("progress")["known_folders"])]
    folders = [name for name in known if any(name == w or name.startswith(f"{w.rstrip('/')}/") for w in wanted)]
    unknown = [w for w in wanted if not any(name == w or name.startswith(f"{w.rstrip('/')}/") for name in folders)]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=3) or sorted(known)[:3]
        raise ConfigurationError(
            f"There is no project folder {unknown[0]}.", next_step=f"Did you mean {', '.join(near)}?"
        )
    return folders


def _retry(settings: Settings, found: list[Found], *, as_json: bool) -> int:
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    tasks = {
        step: bar.add_task(STEPS[step], total=count) for step, count in Counter(each.step for each in found).items()
    }
    try:
        with bar:
            retried = retry(settings, found, progress=lambda step, done: bar.advance(tasks[step], done))
    except KeyboardInterrupt:
        console.print("Stopped. What was done stays; the next scan does the rest.")
        return EXIT_STOPPED
    _show_retried(retried, as_json=as_json)
    left = any(sum(done.states.values()) > done.states["ok"] + done.states["empty"] for done in retried.values())
    return EXIT_OPEN if left or any(done.waiting for done in retried.values()) else EXIT_STORED


def _show_found(found: list[Found], *, as_json: bool) -> None:
    groups = Counter((each.step, each.family, each.state, each.reason) for each in found).most_common()
    names = ("step", "family", "state", "reason")
    if as_json:
        click.echo(json.dumps([{**dict(zip(names, key, strict=True)), "contents": n} for key, n in groups]))
        return
    shown = table(f"{len(found):,} would be tried again", ["step"])
    for column in ("family", "state", "contents", "reason"):
        shown.add_column(column, justify="right" if column == "contents" else "left", overflow="fold")
    for (step, family, state, reason), contents in groups:
        shown.add_row(step, family, state, f"{contents:,}", Text(reason))
    Console().print(shown)


def _show_retried(retried: dict[Step, Retried], *, as_json: bool) -> None:
    if as_json:
        numbers = {
            step: {"states": done.states, "reasons": done.reasons, "waiting": done.waiting}
            for step, done in retried.items()
        }
        click.echo(json.dumps(numbers, ensure_ascii=False))
        return
    console = Console()
    shown = table("Tried again", ["step", *STATES, "waiting"])
    for step, done in retried.items():
        shown.add_row(STEPS[step], *(f"{done.states[state]:,}" for state in STATES), f"{done.waiting:,}")
    console.print(shown if retried else "There is nothing to try again.")
    for done in retried.values():
        for reason, contents in done.reasons.most_common():
            console.print(f"{contents:,} x {reason}", markup=False)
