"""Renders the pages: plain HTML and one style sheet, which look the same from a disk as from a server.

Invariants: everything that is said is escaped, signs that hide or turn what is written are shown as what they are, and
links lead to files of the export only. A value that a template misses is an error, never an empty place.
"""

from __future__ import annotations

import datetime as dt
import posixpath
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ibhelm_pipelines.wording import day, minute, number, size, visible

if TYPE_CHECKING:
    from ibhelm_pipelines.export.output import Output

HERE = Path(__file__).parent
STYLE = "stil.css"
PAGES = "seiten"

NAVIGATION = (
    ("index.html", "Übersicht"), ("seiten/ordner.html", "Dateien"), ("seiten/unterhaltungen.html", "Mails"),
    ("seiten/aufgaben.html", "Aufgaben"), ("seiten/zeiten.html", "Zeiten"), ("seiten/beteiligte.html", "Beteiligte"),
    ("seiten/kostengruppen.html", "Kostengruppen"), ("seiten/orte.html", "Orte"), ("seiten/verlauf.html", "Verlauf"),
)  # fmt: skip

_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
    "Dezember",
)  # fmt: skip


def write_page(output: Output, path: str, template: str, **values: object) -> None:
    """Write a page of the export.

    Args:
        output: where it goes.
        path: where it stands in the export.
        template: its name in templates/, without the ending.
        values: what it shows.
    """
    shown = _environment().get_template(f"{template}.html").render({"here": path, "now": output.now, **values})
    output.write(path, shown.encode("utf-8", "replace"))


def write_style(output: Output) -> None:
    """Write the style sheet."""
    output.write(STYLE, (HERE / "templates" / STYLE).read_bytes())


def link(target: str, here: str) -> str:
    """Return the address of a file of the export, as a page of the export names it.

    Args:
        target: its path; a place within it stands behind a `|`, which no file name of an export has, as many have a #.
        here: the page.
    """
    path, _, anchor = target.partition("|")
    address = quote(posixpath.relpath(path, posixpath.dirname(here) or "."), safe="/")
    return f"{address}#{anchor}" if anchor else address


def month_name(month: str) -> str:
    """Return `2025-03` as `März 2025`."""
    return f"{_MONTHS[int(month[5:]) - 1]} {month[:4]}"


def hours(minutes: int) -> str:
    """Return minutes as hours, such as 1:05."""
    return f"{minutes // 60}:{minutes % 60:02}"


def date(value: dt.date) -> str:
    """Return a date without a time of day, such as 24.12.2025."""
    return value.strftime("%d.%m.%Y")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "day": day, "minute": minute, "number": number, "size": size}
    environment.globals |= {"style": STYLE, "navigation": NAVIGATION}
    environment.filters |= {"link": link, "month": month_name, "hours": hours, "date": date}
    return environment
