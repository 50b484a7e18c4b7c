"""`ibhelm forget`: shows what would be removed of a person, asks, and removes it. No address is ever logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.privacy.again import forget_again
from ibhelm_pipelines.privacy.forget import forget, plan
from ibhelm_pipelines.privacy.forget import take_back as taken_back
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.privacy.outside import Backups
    from ibhelm_pipelines.privacy.planning import Report
    from ibhelm_pipelines.settings import Settings

LINES = 30
"""Files that are named; how many more there are is said."""

_KINDS = {
    "people": "People in the register, with what the office wrote about them",
    "mails": "Mails from this person, with text and recipients",
    "comments": "Comments of this person",
    "attachments": "Attachments of these",
    "contacts": "Contacts with this address",
    "colleagues": "Colleagues with this address",
    "recipient_entries": "Entries as recipient of others' mails",
    "mentions": "Other records of Missive that name this person",
    "webhook_posts": "Webhook posts that name this person",
    "accesses": "Entries of the access log that name this person as who read something",
    "inbox_files": "Files that we put onto the NAS for these mails",
    "contents": "Contents that nothing else carries",
    "texts": "... with their extracted text",
    "objects": "... with their originals and previews in S3",
}
_STAYS = {
    "files": "files on the NAS hold what was sent with these mails",
    "mails_that_may_quote": "mails of others in the same conversations, whose text may quote or name this person",
    "people_in_teamwork": "people in Teamwork with this address: delete them there",
    "saved_searches": "saved searches of the search page hold this address: delete them there",
}


@click.command("forget")
@click.option("--address", "addresses", multiple=True, help="Whose; may be given several times.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed and what would stay.")
@click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
@click.option("--even-if-unknown", is_flag=True, help="Also keep away an address of which nothing is stored yet.")
@click.option("--again", is_flag=True, help="Without an address: after a restore, forget again whoever is back.")
@click.option("--take-back", is_flag=True, help="Remove nothing; no longer keep the address away: it was a mistake.")
def forget_command(
    *, addresses: tuple[str, ...], dry_run: bool, yes: bool, even_if_unknown: bool, again: bool, take_back: bool
) -> None:
    """Remove what came from a person by mail, and keep it away. See docs/privacy.md before.

    \b
    Exit status:
      0    all is removed (with --dry-run: all is shown)
      1    nothing, or not all, was removed; the message says why, and running it again goes on
    """
    settings, console = load_settings(), Console()
    if again == bool(addresses):
        raise click.UsageError("Name --address, or say --again without one.")
    if again:
        _forget_again(settings, console)
    elif take_back:
        _take_back(settings, console, addresses)
    else:
        _forget_addresses(settings, console, addresses, dry_run=dry_run, yes=yes, even_if_unknown=even_if_unknown)


def _forget_addresses(
    settings: Settings,
    console: Console,
    addresses: Sequence[str],
    *,
    dry_run: bool,
    yes: bool,
    even_if_unknown: bool,
) -> None:
    planned = plan(settings, addresses)
    _require_known(planned, len(addresses), even_if_unknown=even_if_unknown)
    if planned.noted:
        console.print(f"{planned.noted} of {len(addresses)} addresses are noted as forgotten already.", highlight=False)
    _show(console, planned, title="Would be removed")
    if dry_run:
        return
    if not yes:
        click.confirm("Remove this for good, and keep it away?", abort=True)
    _show(console, _forget(settings, addresses), title="Removed")


def _forget_again(settings: Settings, console: Console) -> None:
    again = forget_again(settings)
    console.print(
        f"{again.taken_over} notes were brought back from the bucket;"
        f" {again.addresses} forgotten addresses were stored.",
        highlight=False,
    )
    if again.report is not None:
        _show(console, again.report, title="Removed again")


def _take_back(settings: Settings, console: Console, addresses: Sequence[str]) -> None:
    taken = taken_back(settings, addresses)
    console.print(
        f"{taken} of {len(addresses)} addresses were noted, and are no longer kept away. `ibhelm sync missive --full`"
        " reads again what Missive still has of them; what was removed elsewhere stays removed.",
        highlight=False,
    )


def _forget(settings: Settings, addresses: Sequence[str]) -> Report:
    with Console(stderr=True).status("Removing") as status:
        return forget(
            settings,
            addresses,
            on_progress=lambda done, total: status.update(f"{done:,} of {total:,} mails and comments"),
        )


def _require_known(planned: Report, total: int, *, even_if_unknown: bool) -> None:
    """Refuse a mistyped address: noting it would look as if somebody had been forgotten."""
    if planned.unknown and not even_if_unknown:
        raise ConfigurationError(
            f"Nothing is stored of address {', '.join(map(str, planned.unknown))} of {total}; nothing was removed.",
            next_step="Correct it; or, to keep its mails away in future, run this with --even-if-unknown.",
        )


def _show(console: Console, report: Report, *, title: str) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for kind, meaning in _KINDS.items():
        table.add_row(meaning, f"{report.removed[kind]:,}")
    table.add_row("Bytes of these objects", f"{report.removed['object_bytes']:,}")
    console.print(table)
    for kind, meaning in _STAYS.items():
        if report.stays[kind]:
            console.print(f"Stays: {report.stays[kind]:,} {meaning}.", highlight=False)
    for path, reason in report.files[:LINES]:
        console.print(Text(f"  {path} ({reason})"), soft_wrap=True)
    if len(report.files) > LINES:
        console.print(f"  and {len(report.files) - LINES:,} more", highlight=False)
    _show_backups(console, report.backups)
    for folder in report.folders:
        console.print(
            Text(f"Stays: the folder {folder}, because something else is in it; its name may name the person.")
        )


def _show_backups(console: Console, backups: Backups) -> None:
    """Say until when backups hold the person: nobody can take anything out of them."""
    if backups.count:
        until = "" if backups.until is None else f"; by the rules the last of them expires on {backups.until:%d.%m.%Y}"
        console.print(
            f"Stays: {backups.count:,} backups of the databases that were made before{until}.", highlight=False
        )
    for key in backups.for_ever:
        console.print(Text(f"Stays: {key}, until somebody deletes it: it is damaged, so no rule does."))
