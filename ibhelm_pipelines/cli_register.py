"""`ibhelm rules`: what the rules of the register are, what one of them changes, and that they are applied now."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.register.linking import link_items
from ibhelm_pipelines.register.rulebook import read_rules
from ibhelm_pipelines.register.trial import try_rule
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.register.trial import Change, Trial


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
        click.echo(json.dumps(asdict(trial), ensure_ascii=False))
        return
    _show(trial)


@rules_command.command("apply")
def apply_command() -> None:
    """Link everything anew now, instead of within the next ten minutes."""
    settings = load_settings()
    with Console(stderr=True).status("Linking") as status:
        report = link_items(settings, progress=status.update)
    items = ", ".join(f"{count:,} {kind}s" for kind, count in report.seen.items())
    click.echo(f"{items} looked at in {report.seconds:.1f} s; {report.changed:,} links changed.")


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
