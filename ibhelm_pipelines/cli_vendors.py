"""`ibhelm teamwork-webhooks | missive-webhooks install URL | list | remove`: what vendors tell us by themselves."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.settings import load_settings
from ibhelm_pipelines.vendors.missive import webhooks as missive
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


@click.group("missive-webhooks")
def missive_webhooks() -> None:
    """Let Missive tell us of changes within seconds. Some of it only a person can set up, in Missive itself."""


@missive_webhooks.command("install")
@click.argument("url")
def install_missive(url: str) -> None:
    """Make Missive post new mails and comments to URL, the https address of `ibhelm webhooks` behind your proxy.

    It may be run again at any time, also with another URL. It says what is left to be done in Missive's own settings.
    Exit status 1 when Missive refused a rule.
    """
    done = missive.install(load_settings(), url)
    click.echo(f"{len(done.made)} rules made, {len(done.kept)} were there, {len(done.deleted)} deleted.")
    for hook in done.doubtful:
        click.echo(
            f"{hook.event}: an earlier attempt had no answer, so there may be one more, to {hook.url}. Missive does not"
            " list its rules to us: if there are two in its settings, delete one."
        )
    for event, reason in done.refused.items():
        click.echo(f"{event}: {reason}")
    click.echo(_by_hand(url))
    if done.refused:
        raise SystemExit(EXIT_MISSING)


def _by_hand(url: str) -> str:
    kinds = "\n".join(f"     - {kind}" for kind in missive.BY_HAND)
    return f"""
What only you can do, in Missive under Settings > Rules (an administrator of the organisation):

  1. Open each rule that was made, at its action `Webhook` enter as validation secret the value of
     IBHELM_MISSIVE_WEBHOOK_SECRET, and save. Do it now: until then our receiver refuses its posts, and Missive
     switches a rule off after 50 refusals.
  2. Make a rule of your organisation for each of these, without conditions (Missive's API can make none of them):
{kinds}
     Each has one action: `Webhook`, with the URL {url}
     and the value of IBHELM_MISSIVE_WEBHOOK_SECRET as validation secret.
  3. Send yourself a mail, wait a moment, and look: `ibhelm missive-webhooks list`.

Without the rules of step 2, such changes come with the next sync, labels and the like with the nightly one."""


@missive_webhooks.command("list")
def list_missive() -> None:
    """Show the rules that we made, and what posts came. Exit status 1 when there is none, or one is in doubt.

    Missive does not say how its rules stand, not even whether they are still there.
    """
    listing = missive.list_webhooks(load_settings())
    table = Table()
    for name in ("rule", "of", "URL", "id"):
        table.add_column(name, overflow="fold")
    for hook in listing.hooks:
        whose = listing.organizations.get(hook.organization or "", hook.organization or "the token's user")
        table.add_row(*map(Text, (hook.kind, whose, hook.url, hook.id or "no answer told it")))
    Console().print(table)
    for event, (count, last) in listing.posts.items():
        click.echo(f"{event or 'without a name'}: {count} in the last day, the last one {last:%Y-%m-%d %H:%M:%S %Z}.")
    if not listing.posts:
        click.echo("No post of Missive ever came.")
    if not listing.hooks or any(hook.id is None for hook in listing.hooks):
        click.echo("`ibhelm missive-webhooks install URL` makes what is missing.")
        raise SystemExit(EXIT_MISSING)


@missive_webhooks.command("remove")
def remove_missive() -> None:
    """Delete the rules that we made. Those that were made by hand stay, and so does what they post to us."""
    removed = missive.remove(load_settings())
    click.echo(f"{len(removed.deleted)} rules deleted." if removed.deleted else "There was none of ours.")
    for hook in removed.doubtful:
        click.echo(f"{hook.event}: its id was never known. See whether it is there, in Missive's settings.")
