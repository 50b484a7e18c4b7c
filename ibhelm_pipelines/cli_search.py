"""`ibhelm search`: the search of the web page, in a terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.search.finding import MOST_HITS, open_finder
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from ibhelm_pipelines.search.results import Hit, Results

_FOUND = "bold yellow"


def _no_misspelt_option(context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if word.startswith("--"):
            raise click.NoSuchOption(word, ctx=context)
    return words


# A word with a minus is left out of what is found; click would look for options in it.
@click.command("search", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True, callback=_no_misspelt_option)
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, MOST_HITS), help="Hits that are shown.")
@click.option("--cursor", help="Go on where the page before ended; --json prints it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--open", "opened", type=click.IntRange(1), help="Open this hit, by its number in the table.")
def search_command(
    words: tuple[str, ...], limit: int, cursor: str | None, opened: int | None, *, as_json: bool
) -> None:
    """Find files, mails, comments and tasks.

    \b
    ibhelm search Brandschutzklappe Abnahme projekt:2301 seit:2024
    ibhelm search '"DN 50" OR "DN 65" -Angebot typ:Plan kg:430'
    """
    with open_finder(load_settings()) as finder:
        results = finder.search(" ".join(words), limit=max(limit, opened or 0), cursor=cursor, facets=as_json)
    if opened:
        _open(results, opened)
    elif as_json:
        click.echo(json.dumps(asdict(results), default=str, ensure_ascii=False, indent=2))
    else:
        _print(Console(), results)


def _open(results: Results, number: int) -> None:
    if number > len(results.hits):
        raise ConfigurationError(
            f"There is no hit {number}: {len(results.hits)} were found.", next_step="Choose one from the table."
        )
    hit = results.hits[number - 1]
    if hit.url is None:
        raise ConfigurationError(
            f"`{hit.title}` cannot be opened from here: it has no address yet.",
            next_step="An original gets its link when it is stored; `ibhelm status` says what is behind.",
        )
    click.echo(hit.url)
    click.launch(hit.url)


def _print(console: Console, results: Results) -> None:
    for sentence in (*results.problems, *filter(None, [results.without_vectors])):
        console.print(Text(sentence, style="yellow"))
    if results.suggestion:
        console.print(Text("Did you mean: ").append(results.suggestion, style="bold").append(" ?"))
    if not results.hits:
        console.print("Nothing found. Fewer words or other spellings find more.")
        return
    shown = Table(show_lines=True)
    for name in ("", "what", "where and when", "text"):
        shown.add_column(name, overflow="fold")
    for number, hit in enumerate(results.hits, 1):
        shown.add_row(str(number), _what(hit), _where(hit), _passages(hit))
    console.print(shown)
    more = "more than " if results.is_capped else ""
    console.print(f"{more}{results.total:,} found in {results.took_ms:.0f} ms")


def _what(hit: Hit) -> Text:
    return _marked(hit.title_parts).append(f"\n{hit.document_type or hit.kind}", style="dim")


def _where(hit: Hit) -> Text:
    projects = ", ".join(name for _, name in hit.projects)
    return Text("\n".join(filter(None, [projects, hit.context, f"{hit.occurred_at:%d.%m.%Y}"])))


def _passages(hit: Hit) -> Text:
    lines = []
    for snippet in hit.snippets:
        page = Text(f"S. {snippet.page}  ", style="dim") if snippet.page else Text()
        lines.append(page + _marked(snippet.parts))
    return Text("\n").join(lines)


def _marked(parts: tuple[tuple[str, bool], ...]) -> Text:
    text = Text()
    for part, is_found in parts:
        text.append(part, style=_FOUND if is_found else "")
    return text
