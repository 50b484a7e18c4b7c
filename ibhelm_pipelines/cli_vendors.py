"""`ibhelm teamwork-webhooks install URL | list | remove`: what Teamwork tells us by itself, so that nothing waits."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.settings import load_settings
from ibhelm_pipelines.vendors.teamwork import webhooks

EXIT_MISSING = 1


@click.group("teamwork-webhooks")
def teamwork_webhooks() -> None:
    """Let Teamwork tell us of changes within seconds. Needs the key of an administrator there."""


@teamwork_webhooks.command("install")
@click.argument("url")
def install(url: str) -> None:
    """Make Teamwork post every change to URL, the https address of `ibhelm webhooks` behind your reverse proxy.

    It may be run again at any time: it mends what is wrong, moves all to another URL, and leaves webhooks of others
    alone. Exit status 1 when an event is still without an active webhook.
    """
    done = webhooks.install(load_settings(), url)
    click.echo(f"{len(done.made)} webhooks made, {len(done.kept)} kept, {done.deleted} deleted that were too many.")
    for event, reason in done.refused.items():
        click.echo(f"{event}: {reason}")
    if done.missing:
        click.echo(f"Without an active webhook: {', '.join(done.missing)}. Run this again, or look in Teamwork.")
        raise SystemExit(EXIT_MISSING)
    click.echo(f"Teamwork posts to {url}.")


@teamwork_webhooks.command("list")
def list_() -> None:
    """Show all webhooks in Teamwork, which of them are ours, and what is missing. Exit status 1 when something is."""
    listing = webhooks.list_webhooks(load_settings())
    table = Table()
    for name in ("event", "URL", "status", "ours"):
        table.add_column(name, overflow="fold")
    for each in sorted(listing.webhooks, key=lambda each: (not listing.is_ours(each), each.event)):
        table.add_row(*map(Text, (each.event, each.url, each.status, "yes" if listing.is_ours(each) else "no")))
    Console().print(table)
    if not listing.urls:
        click.echo("None of them is ours: `ibhelm teamwork-webhooks install URL` makes them.")
        return
    last = f"{listing.last_post:%Y-%m-%d %H:%M:%S %Z}" if listing.last_post else "never"
    click.echo(f"Our receiver stored the last post of Teamwork: {last}.")
    if listing.missing:
        click.echo(f"Without an active webhook: {', '.join(listing.missing)}.")
        click.echo(f"`ibhelm teamwork-webhooks install {listing.urls[-1]}` puts that right.")
        raise SystemExit(EXIT_MISSING)


@teamwork_webhooks.command("remove")
def remove() -> None:
    """Delete our webhooks in Teamwork, and those of nobody else. Changes are read every few minutes all the same."""
    removed = webhooks.remove(load_settings())
    click.echo(f"{len(removed)} webhooks deleted." if removed else "There was none of ours.")
