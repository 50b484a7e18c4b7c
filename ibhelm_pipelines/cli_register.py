"""`ibhelm rules`: what the rules of the register are, what one of them changes, and that they are applied now."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ibhelm_pipelines.cli_job import Job, KeptOutcome, carry_out, keep_now, show_end, table
from ibhelm_pipelines.db.checks import REGISTER_QUESTIONS
from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.register.rulebook import read_rules
from ibhelm_pipelines.register.trial import try_rule
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibhelm_pipelines.register.trial import Change, Trial
    from ibhelm_pipelines.settings import Settings

ITEMS = ("file", "task", "conversation")
ROWS = {
    "there are": "live",
    "with project": "project",
    "with cost group": "cost_group",
    "with place": "place",
    "with kind of document": "document_type",
    "looked at now": "looked_at",
}


@click.group("rules")
def rules_command() -> None:
    """Rules by which files, tasks and mails find their project, cost group, place and kind."""


@rules_command.command("list")
def list_command() -> None:
    """Show all rules of the table link_rules."""
    url = load_settings().require_database_url()
    with translated_errors(), connect(url, application="rules", autocommit=True) as connection:
        rules = read_rules(connection)
    shown = Table("rule", "decides", "reads", "pattern", "sure", "state")
    for rule in rules:
        shown.add_row(
            rule.name,
            rule.decides,
            rule.reads,
            rule.pattern,
            f"{rule.confidence:.2f}",
            "" if rule.is_enabled else "off",
        )
    Console().print(shown)


@rules_command.command("test")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def test_command(name: str, *, as_json: bool) -> None:
    """Show what the rule NAME changes; nothing is written.

    Add a new rule in NocoDB with "Aktiv" switched off, see here what it would do, then switch it on. Of a rule that is
    on you see what it contributes.
    """
    settings = load_settings()
    with Console(stderr=True).status("Reading the rules") as status:
        trial = try_rule(settings, name, progress=status.update)
    if as_json:
        click.echo(json.dumps(vars(trial), default=vars, ensure_ascii=False))
        return
    _show(trial)


@rules_command.command("apply")
@click.option("--all", "everything", is_flag=True, help="Also what cannot have changed, as every night.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def apply_command(*, everything: bool, as_json: bool) -> None:
    """Bring all links in line with rules, mappings and items now, instead of within the next ten minutes.

    \b
    Exit status:
      0    everything is linked
      1    the run failed; the message says why
      130  stopped by Ctrl-C; what was linked stays
    """
    console = Console(stderr=True)
    show = partial(_show_outcome, as_json=as_json)
    carry_out(lambda: _apply(load_settings(), console, everything=everything), KeptOutcome, show, console)


def _apply(settings: Settings, console: Console, *, everything: bool) -> KeptOutcome:
    job = Job(name="register", op="keep_register", config={"everything": everything}, tags={})
    return keep_now(settings, console, job, REGISTER_QUESTIONS)


def _show_outcome(outcome: KeptOutcome, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"status": outcome.status, **asdict(outcome)}, ensure_ascii=False))
        return
    console = Console()
    if links := outcome.assets.get("item_links"):
        console.print(_links_table(links))
    show_end(console, outcome)


def _links_table(numbers: Mapping[str, Any]) -> Table:
    """How many items there are of each kind, and how many of them have which link."""
    shown = table(f"The register, {numbers['seconds']:.1f} s", ["asset", *ITEMS])
    for title, name in ROWS.items():
        shown.add_row(
            title, *(f"{numbers[f'{item}_{name}']:,}" if f"{item}_{name}" in numbers else "" for item in ITEMS)
        )
    return shown


def _show(trial: Trial) -> None:
    console = Console()
    state = "is on: with it, compared with how it would be without it" if trial.is_enabled else "is off; switched on"
    seen = ", ".join(f"{count:,} {kind}s" for kind, count in trial.seen.items())
    console.print(f"The rule {trial.rule!r} {state}, of {seen}:", soft_wrap=True, highlight=False)
    for title, total, samples in (
        ("come", trial.added.total(), trial.samples_added),
        ("go", trial.removed.total(), trial.samples_removed),
    ):
        console.print(f"{total:,} links {title}", highlight=False)
        if samples:
            console.print(_table(samples))


def _table(samples: Sequence[Change]) -> Table:
    shown = Table("", "item", "linked with")
    for change in samples:
        shown.add_row(change.kind, change.item, change.target)
    return shown
