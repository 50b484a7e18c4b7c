"""`ibhelm index`: what can be found is brought in line with what there is now."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import click
from rich.console import Console

from ibhelm_pipelines.cli_job import Job, KeptOutcome, carry_out, keep_now, show_end, table
from ibhelm_pipelines.db.checks import SEARCH_QUESTIONS
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

KINDS = ("file", "email", "email_comment", "task", "task_comment")


@click.command("index")
@click.option("--all", "everything", is_flag=True, help="Also what has not changed, as every night.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def index_command(*, everything: bool, as_json: bool) -> None:
    """Let everything be found by what it says now, instead of within the next five minutes.

    \b
    Exit status:
      0    everything can be found
      1    the run failed; the message says why
      130  stopped by Ctrl-C; what was indexed stays
    """
    console = Console(stderr=True)
    show = partial(_show_outcome, as_json=as_json)
    carry_out(lambda: _index(load_settings(), console, everything=everything), KeptOutcome, show, console)


def _index(settings: Settings, console: Console, *, everything: bool) -> KeptOutcome:
    job = Job(name="search", op="keep_search", config={"everything": everything}, tags={})
    return keep_now(settings, console, job, SEARCH_QUESTIONS)


def _show_outcome(outcome: KeptOutcome, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"status": outcome.status, **asdict(outcome)}, ensure_ascii=False))
        return
    console = Console()
    if numbers := outcome.assets.get("search_documents"):
        shown = table(f"What can be found, {numbers['seconds']:.1f} s", ["asset", *KINDS])
        for title, name in (("there are", "documents"), ("looked at now", "looked_at")):
            shown.add_row(title, *(f"{numbers.get(f'{kind}_{name}', 0):,}" for kind in KINDS))
        console.print(shown)
    show_end(console, outcome)
