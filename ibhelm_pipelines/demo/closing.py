"""The closing tables of the demo: what arrived in Postgres and S3, and what did not, by its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import dict_row
from rich.table import Table

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from rich.console import Console

STEPS = {"store": "original", "thumbnail": "preview", "text": "text", "scan": "reading"}
_MEGABYTE = 1_000_000


def print_closing_tables(console: Console, database_url: str) -> None:
    """Print what the tables hold now."""
    queries = load_queries("demo")
    with connect(database_url, application="demo", autocommit=True) as connection, translated_errors():
        cursor = connection.cursor(row_factory=dict_row)
        totals = cursor.execute(queries["totals"]).fetchone() or {}
        lines = cursor.execute(queries["without_result"]).fetchall()
    console.print(_totals_table(totals))
    if lines:
        console.print(_reasons_table(lines))


def _totals_table(totals: dict[str, int]) -> Table:
    table = Table(title="What is there now", title_justify="left")
    shown = {"megabytes" if name == "size_bytes" else name: count for name, count in totals.items()}
    shown["megabytes"] //= _MEGABYTE
    for name in shown:
        table.add_column(name, justify="right")
    table.add_row(*(f"{count:,}" for count in shown.values()))
    return table


def _reasons_table(lines: list[dict[str, str | int]]) -> Table:
    table = Table(title="What has no result, and why", title_justify="left")
    for column in ("what", "state", "contents", "reason", "for example"):
        table.add_column(column, justify="right" if column == "contents" else "left", overflow="fold")
    for line in lines:
        what = STEPS[str(line["what"])]
        table.add_row(what, str(line["state"]), f"{line['count']:,}", str(line["reason"]), str(line["for_example"]))
    return table
