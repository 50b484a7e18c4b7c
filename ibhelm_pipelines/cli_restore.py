"""`ibhelm restore` and `ibhelm history`: what was, written into a folder or shown."""

from __future__ import annotations

import datetime as dt
import sys
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.errors import ConfigurationError, PermanentError
from ibhelm_pipelines.safety.bucket_restore import restore_from_bucket
from ibhelm_pipelines.safety.history import history, near_paths, purged
from ibhelm_pipelines.safety.moments import parse_moment, shown
from ibhelm_pipelines.safety.past import asked_path
from ibhelm_pipelines.safety.restore import restore
from ibhelm_pipelines.safety.restore_report import GOOD, MEANINGS
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.safety.history import PastVersion
    from ibhelm_pipelines.safety.restore_report import RestoreReport
    from ibhelm_pipelines.safety.restoring import Done

INCOMPLETE = 3
MANY = 12
"""Files of a folder to which the same happened in one minute: more of them are one line."""
_MEGABYTE = 1_000_000


@click.command("restore")
@click.argument("path", default="")
@click.option(
    "--at", "at_text", metavar="TIME", help="As it was then, such as 2026-03-01T12:00 (Germany). Default: now."
)
@click.option("--to", "target", metavar="DIR", required=True, type=click.Path(path_type=Path), help="The folder.")
@click.option("--overwrite", is_flag=True, help="Replace files in DIR that differ from what was.")
@click.option("--from-bucket", is_flag=True, help="Ask the manifests in the bucket instead of the database.")
def restore_command(path: str, at_text: str | None, target: Path, overwrite: bool, from_bucket: bool) -> None:
    """Write PATH (a file or folder below the NAS root; without one, all) as it was into DIR. See docs/restore.md.

    Files get their whole path below DIR. Run it again after an interruption: it goes on.

    \b
    Exit status:
      0    all files are there as they were
      1    it stopped; the message says why, and the same command goes on
      3    it came to its end, but some files are not as they were: see ibhelm-restore.jsonl in DIR
    """
    settings = load_settings()
    now = dt.datetime.now(dt.UTC)
    at = parse_moment(at_text, now=now) if at_text else None
    with _bar() as tell:
        if from_bucket:
            report = restore_from_bucket(settings, path, at=at, target=target, overwrite=overwrite, on_progress=tell)
        else:
            report = restore(settings, path, at=at or now, target=target, overwrite=overwrite, on_progress=tell)
    _show(Console(), report)
    if not report.complete:
        sys.exit(INCOMPLETE)


@contextmanager
def _bar() -> Iterator[Callable[[Done], None]]:
    columns = (TextColumn("Restoring"), BarColumn(), TextColumn("{task.fields[numbers]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, numbers="asking what there was")

        def tell(done: Done) -> None:
            speed = (progress.tasks[task].speed or 0) / _MEGABYTE
            numbers = f"{done.files:,} of {done.of_files:,} files, {done.size / _MEGABYTE:,.0f} of"
            numbers += f" {done.of_size / _MEGABYTE:,.0f} MB, {speed:,.1f} MB/s"
            progress.update(task, total=done.of_size, completed=done.size, numbers=numbers)

        yield tell


def _show(console: Console, report: RestoreReport) -> None:
    what = Text(f"{report.path or 'All files'} as of {shown(report.at)}, in {report.target}")
    console.print(what, soft_wrap=True)
    for state, meaning in MEANINGS.items():
        if count := report.files[state]:
            style = "" if state in GOOD else "bold red"
            console.print(f"  {count:>9,}  {meaning}", style=style, highlight=False, soft_wrap=True)
    if report.imprecise:
        console.print(f"  {report.imprecise:>9,}  of them with another time than they had", highlight=False)
    for warning in report.warnings:
        console.print(Text(f"Note: {warning}"), soft_wrap=True)
    speed = f"{report.fetched / _MEGABYTE:,.1f} MB fetched in {report.seconds:,.1f} s"
    console.print(f"{speed}; every file in {report.manifest}", highlight=False, soft_wrap=True)


@click.command("history")
@click.argument("path")
def history_command(path: str) -> None:
    """Show what happened to PATH, a file or folder below the NAS root, and when (clock in Germany).

    Files that are deleted are found, too, and by each path that they ever had.
    """
    settings = load_settings()
    asked = asked_path(settings, path)
    if not asked:
        raise ConfigurationError("No path is given.", next_step="Name a file or folder below the NAS root.")
    url = settings.require_database_url()
    with translated_errors(), connect(url, application="history", autocommit=True) as connection:
        found = history(connection, asked)
        near = [] if found else near_paths(connection, asked)
        warnings = purged(connection)
    if not found:
        raise PermanentError(
            " ".join([f"Nothing is known of {asked}.", *warnings]),
            next_step=f"Similar: {'; '.join(near)}." if near else "Nothing is spelt similarly either.",
        )
    console = Console(highlight=False)
    notes = (f"Note: {warning}" for warning in warnings)
    for line in (f"{asked} (the clock in Germany)", _HEAD, *_lines(found, asked), *notes):
        console.print(Text(line), soft_wrap=True)


_HEAD = f"{'When':<24} {'What':<17} {'Bytes':>15}  {'Time of the file':<24} {'SHA-256':<8}  Path below it"


def _lines(found: list[PastVersion], asked: str) -> Iterator[str]:
    """Paths are those below the one that was asked for; where a file stood elsewhere, the whole one."""
    for (minute, event), group in groupby(found, key=lambda each: (f"{shown(each.at):.16}", each.event)):
        same = list(group)
        if len(same) > MANY:
            size = f"{sum(each.size_bytes for each in same):,}"
            such = f"{len(same):,} files, such as {_below(same[0].path, asked)}"
            yield f"{minute:<24} {event:<17} {size:>15}  {'':<24} {'':<8}  {such}"
            continue
        for each in same:
            yield _line(each, asked)


def _line(each: PastVersion, asked: str) -> str:
    path = f"{each.path_before} -> {each.path}" if each.path_before else _below(each.path, asked)
    size = time = content = ""
    if each.event != "deleted":
        size, content = f"{each.size_bytes:,}", (each.content_hash or "not read")[:8]
        time = "not kept" if each.mtime_ns is None else _mtime(each.mtime_ns)
    return f"{shown(each.at):<24} {each.event:<17} {size:>15}  {time:<24} {content:<8}  {path}".rstrip()


def _mtime(mtime_ns: int) -> str:
    """A file's time, whatever a broken clock made of it."""
    try:
        return shown(dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=mtime_ns // 1000))
    except OverflowError:
        return f"{mtime_ns} ns"


def _below(path: str, asked: str) -> str:
    return path[len(asked) + 1 :] if path.startswith(f"{asked}/") else "" if path == asked else path
