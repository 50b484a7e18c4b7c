"""What the demo says at its end: what arrived in Postgres and S3, what did not and why, and where to look next."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from psycopg.rows import dict_row
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.demo.linked import print_linked
from ibhelm_pipelines.local.entrance import sign_in_hint
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.local.postgres import find_binaries
from ibhelm_pipelines.local.records import WEBSERVER, recorded
from ibhelm_pipelines.vendors.missive.sync import is_connected as is_missive_connected
from ibhelm_pipelines.vendors.teamwork.sync import is_connected as is_teamwork_connected

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rich.console import Console

    from ibhelm_pipelines.demo.linked import Claims
    from ibhelm_pipelines.settings import Settings

STEPS = {"store": "original", "thumbnail": "preview", "text": "text", "scan": "reading"}
_MEGABYTE = 1_000_000


def print_closing(
    console: Console,
    settings: Settings,
    teamwork: Mapping[str, set[int]],
    missive: Mapping[str, set[str]],
    claims: Claims | None = None,
) -> bool:
    """Print what the tables hold now, and where to look next; return whether they hold what the vendors show.

    Args:
        console: where to.
        settings: of the running stack.
        teamwork: the ids that Teamwork shows, by what they are; empty where nobody can tell, and then nothing differs.
        missive: the same of Missive.
        claims: what the register should have found; None where nobody can tell.
    """
    totals = _ask(settings, "totals")[0]
    console.print(_totals_table(totals))
    if lines := _ask(settings, "without_result"):
        console.print(_reasons_table(lines))
    agrees = True
    if is_teamwork_connected(settings):
        agrees = _print_vendor(console, settings, "Teamwork", teamwork)
    if is_missive_connected(settings):
        agrees = _print_vendor(console, settings, "Missive", missive) and agrees
        _print_attachments(console, settings)
    if claims is not None:
        print_linked(console, _ask(settings, "linked"), claims)
    console.print(_searchable_table(_ask(settings, "searchable")))
    for title, text in _places(settings):
        console.print(f"{title:<9}{text}", markup=False, highlight=False, soft_wrap=True)
    return agrees


def _ask(settings: Settings, query: str, **values: Any) -> list[dict[str, Any]]:
    url = settings.require_database_url()
    with connect(url, application="demo", autocommit=True) as connection, translated_errors():
        return connection.cursor(row_factory=dict_row).execute(load_queries("demo")[query], values or None).fetchall()


def _totals_table(totals: dict[str, int]) -> Table:
    shown = {"megabytes" if name == "size_bytes" else name: count for name, count in totals.items()}
    shown["megabytes"] //= _MEGABYTE
    table = Table(title="What is there now", title_justify="left")
    for name in shown:
        table.add_column(name, justify="right")
    table.add_row(*(f"{count:,}" for count in shown.values()))
    return table


def _searchable_table(lines: list[dict[str, Any]]) -> Table:
    table = Table(title="What can be found", title_justify="left")
    for line in lines:
        table.add_column(line["what"], justify="right")
    table.add_row(*(f"{line['count']:,}" for line in lines))
    return table


def _print_vendor(console: Console, settings: Settings, vendor: str, truth: Mapping[str, set[Any]]) -> bool:
    """Print how much of a vendor's the tables hold, and return whether that is what it shows itself."""
    ours = {line["what"]: set(line["ids"]) for line in _ask(settings, f"{vendor.lower()}_shown")}
    table = Table(title=f"What is there of {vendor}", title_justify="left")
    names = list(truth) or sorted(ours)
    for name in ("", *names):
        table.add_column(name, justify="right" if name else "left")
    if truth:
        table.add_row(f"in {vendor}", *(f"{len(truth[name]):,}" for name in names))
    table.add_row("in the tables", *(f"{len(ours.get(name, ())):,}" for name in names))
    console.print(table)
    different = [name for name in truth if truth[name] != ours.get(name, set())]
    if different:
        puts_right = f"`ibhelm sync {vendor.lower()} --full` puts that right."
        console.print(f"The two differ in {', '.join(different)}: {puts_right}")
    return not different


def _print_attachments(console: Console, settings: Settings) -> None:
    lines = _ask(settings, "attachments_are", general=settings.attachment_general_inbox)
    table = Table(title="Where attachments of mails are", title_justify="left")
    for column in ("attachments", "", "for example"):
        table.add_column(column, justify="right" if column == "attachments" else "left", overflow="fold")
    for line in lines:
        table.add_row(*map(Text, (f"{line['count']:,}", line["place"], line["for_example"])))
    console.print(table)


def _reasons_table(lines: list[dict[str, Any]]) -> Table:
    table = Table(title="What has no result, and why", title_justify="left")
    for column in ("what", "state", "contents"):
        table.add_column(column, justify="right" if column == "contents" else "left", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for line in lines:
        # Of what failed one wants to see a file; what is unsupported names its kind already.
        example = f" (such as {line['for_example']})" if line["state"] == "failed" else ""
        cells = (STEPS[line["what"]], line["state"], f"{line['count']:,}", line["reason"] + example)
        table.add_row(*map(Text, cells))
    return table


def _places(settings: Settings) -> list[tuple[str, str]]:
    """Where to look: a title and a line to click on or to paste."""
    env, psql = shlex.quote(str(settings.state_dir / "env")), shutil.which("psql") or find_binaries() / "psql"
    url = "IBHELM_DATABASE_URL" if settings.reader_database_url is None else "IBHELM_READER_DATABASE_URL"
    ask = f'. {env} && {psql} "${url}" -c'
    files = "select path, size_bytes, modified_at from files order by modified_at desc limit 20"
    tasks = "select name, state, task_type, due_on, updated_at from tasks order by updated_at desc limit 20"
    mails = "select delivered_at, from_address, subject, snippet from emails order by delivered_at desc limit 20"
    _, port = recorded(settings.state_dir).get(WEBSERVER, (None, settings.dagster_port))
    places = [
        ("Dagster", f"http://{HOST}:{port}/asset-groups"),
        ("Postgres", f'{ask} "{files}"'),
        *([("Teamwork", f'{ask} "{tasks}"')] if is_teamwork_connected(settings) else []),
        *([("Missive", f'{ask} "{mails}"')] if is_missive_connected(settings) else []),
        ("Search", f"{settings.web_address}/ (sign in {sign_in_hint(settings)})"),
        ("Files", f"{settings.web_address}: previews and downloads, by the links in files and email_attachments"),
        ("S3", f"{settings.s3_endpoint}, bucket {settings.s3_bucket}: originals/<hash>, thumbnails/<hash>.webp"),
    ]
    examples = _ask(settings, "example_preview")
    return [*places, *(("Preview", f"of {example['name']}: {example['url']}") for example in examples)]
