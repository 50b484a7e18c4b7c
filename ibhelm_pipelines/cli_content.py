"""`ibhelm file-types | coverage | contact-sheet`: what the readers can, and what they make of the files of any folder.

They need neither a database nor an object store, and store nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.content import coverage as counting
from ibhelm_pipelines.content.contact_sheet import contact_sheet
from ibhelm_pipelines.content.families import FAMILIES
from ibhelm_pipelines.content.file_types import as_markdown, file_types, missing_programs
from ibhelm_pipelines.content.trying import Tried, try_folder
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from ibhelm_pipelines.content.coverage import FamilyCoverage

FOLDER = click.argument("folder", type=click.Path(path_type=Path))


@click.command("file-types")
@click.option("--markdown", is_flag=True, help="Print the table of docs/file-types.md.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def file_types_command(*, markdown: bool, as_json: bool) -> None:
    """Show which kinds of files are known, and what makes their previews and their text."""
    if markdown:
        click.echo(as_markdown(), nl=False)
        return
    if as_json:
        click.echo(json.dumps([asdict(each) for each in file_types()], ensure_ascii=False))
        return
    shown = Table(box=None, pad_edge=False, header_style="bold underline")
    for column in ("family", "extensions", "preview by", "text by", "own limits", "missing here"):
        shown.add_column(column, overflow="fold")
    settings = load_settings()
    for each in file_types():
        missing = ", ".join(missing_programs(FAMILIES[each.key], settings))
        shown.add_row(each.name, each.extensions, each.preview_by, each.text_by, each.limits, missing)
    Console().print(shown, markup=False)


@click.command("coverage")
@FOLDER
@click.option("--markdown", is_flag=True, help="Print the tables of docs/file-types.md.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def coverage_command(folder: Path, *, markdown: bool, as_json: bool) -> None:
    """Read every file of FOLDER as the pipeline would, and show how many give a preview and a text, and why others not.

    Nothing is stored. It uses as many processes as the pipeline, and their limits (IBHELM_CONTENT_...).
    """
    covered = counting.add_up(_try(folder))
    if as_json:
        click.echo(json.dumps([each.to_json() for each in covered], ensure_ascii=False))
    elif markdown:
        click.echo(counting.as_markdown(covered), nl=False)
    else:
        _show(covered)


@click.command("contact-sheet")
@FOLDER
@click.option(
    "--output",
    default=Path("contact-sheet.html"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the page goes.",
)
def contact_sheet_command(folder: Path, output: Path) -> None:
    """Make one HTML page with the previews of all files of FOLDER, to be looked at in a browser.

    The pictures are within the page: about 10 kB a file.
    """
    tried = _try(folder)
    try:
        output.write_text(contact_sheet(folder.resolve().name, tried), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{output} cannot be written: {error.strerror}.", next_step="Name another file with --output."
        ) from error
    click.echo(f"{len(tried)} files: {output.resolve().as_uri()}")


def _try(folder: Path) -> list[Tried]:
    bar = Progress(
        TextColumn("Reading files"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)
        return try_folder(folder, load_settings(), progress=lambda done, of: bar.update(task, completed=done, total=of))


def _show(covered: list[FamilyCoverage]) -> None:
    console = Console()
    shown = Table(box=None, pad_edge=False, header_style="bold underline")
    for column in ("family", "files", "preview", "text", "no text in it", "read in part"):
        shown.add_column(column, justify="left" if column == "family" else "right")
    for each in covered:
        counts = (each.previews.ok, each.texts.ok, each.texts.states["empty"])
        shares = (counting.share(count, each.files) for count in counts)
        shown.add_row(each.name, f"{each.files:,}", *shares, f"{each.texts.truncated or ''}")
    console.print(shown)
    why = Table(box=None, pad_edge=False, header_style="bold underline")
    for column in ("files", "family", "has no", "because"):
        why.add_column(column, justify="right" if column == "files" else "left", overflow="fold")
    for files, family, step, reason in counting.reasons(covered):
        why.add_row(f"{files:,}", family, step, Text(reason))
    if why.row_count:
        console.print(why)
