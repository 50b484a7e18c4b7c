"""`ibhelm access-log`: who read what (docs/access-log.md)."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.access_log.listing import Choice, accesses
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.access_log.listing import Listed

MOST_ITEMS = 5
_MOMENTS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


@click.command("access-log")
@click.option("--person", help="Of this account: an address, the name of the one account, API, user@host.")
@click.option("--file", "path", help="Of this file or folder, by its path below the NAS root, as it is or was.")
@click.option("--client", help="From this network address.")
@click.option("--since", type=click.DateTime(_MOMENTS), help="From this moment on, local time.")
@click.option("--until", type=click.DateTime(_MOMENTS), help="Before this moment, local time.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 100_000), help="Accesses at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead of a table.")
def access_log_command(
    *,
    person: str | None,
    path: str | None,
    client: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show who read what, the newest first. That you looked is written down, too.

    Kept for IBHELM_ACCESS_LOG_DAYS. It is there to clear up incidents, not to watch people: see docs/dsgvo.md before.
    """
    choice = Choice(person=person, path=path, client=client, since=_local(since), until=_local(until))
    found = accesses(load_settings(), choice, limit=limit, now=dt.datetime.now(dt.UTC))
    if as_json:
        for each in found:
            click.echo(json.dumps(asdict(each), default=str, ensure_ascii=False))
    else:
        _print(found, limit)


def _local(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment.astimezone()


def _print(found: Sequence[Listed], limit: int) -> None:
    console = Console()
    if not found:
        console.print("Nothing of the kind was read, or it is longer ago than the log is kept.")
        return
    table = Table()
    for name in ("when", "who", "from", "how", "what"):
        table.add_column(name, overflow="fold")
    for each in found:
        how = f"{each.way} {each.action}" + ("" if each.outcome == "allowed" else f", denied ({each.status})")
        who = each.who or ("somebody with the link" if each.outcome == "allowed" else "nobody known")
        when = f"{each.at.astimezone():%d.%m.%Y %H:%M:%S}"
        table.add_row(when, Text(who), Text(each.client or ""), Text(how), Text(_what(each)))
    console.print(table)
    if len(found) == limit:
        console.print(f"The newest {limit:,}; --since, --until and --limit show others.", highlight=False)


def _what(access: Listed) -> str:
    named = access.paths or access.items or (() if access.content_hash is None else (access.content_hash,))
    shown = ", ".join(named[:MOST_ITEMS])
    more = f" and {len(named) - MOST_ITEMS} more" if len(named) > MOST_ITEMS else ""
    rows = "" if access.row_count is None else f" ({access.row_count} rows)"
    return shown + more + rows
