"""The shorter lists: people, cost groups, places, and what people must be told (missing, not kept, renamed)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.export.pages import PAGES, write_page
from ibhelm_pipelines.export.paging import Series, write_series
from ibhelm_pipelines.export.sheets import Sheet

if TYPE_CHECKING:
    from ibhelm_pipelines.export.output import Output
    from ibhelm_pipelines.export.paging import Group
    from ibhelm_pipelines.export.reading import Reader

PEOPLE, PEOPLE_SHEET = f"{PAGES}/beteiligte.html", "tabellen/beteiligte.csv"
COST_GROUPS, PLACES = f"{PAGES}/kostengruppen.html", f"{PAGES}/orte.html"
NOTES = {
    "missing": ("fehlt", "Was fehlt", "Das gehört dazu, war aber nicht zu haben."),
    "not_kept": ("nicht-geladen", "Nicht geladene Anhänge", "Diese Anhänge von Mails liegen nur in Missive."),
    "renamed": ("umbenannt", "Umbenannte Dateien", "Diese Namen nimmt nicht jedes System; hier heißen sie anders."),
}  # fmt: skip


def write_people(reader: Reader, output: Output) -> int:
    """Write who takes part; return how many."""
    rows = reader.all("people")
    columns = ("Name", "Firma", "Rolle", "Kollege", "Mail", "Telefon", "Mails", "Aufgaben", "Kommentare", "Minuten",
               "Dateien", "Erster Kontakt", "Letzter Kontakt", "Notiz")  # fmt: skip
    with Sheet(output, PEOPLE_SHEET, columns) as sheet:
        for row in rows:
            sheet.write(*row.values())
    series = Series(stem="beteiligte", title="Beteiligte", template="people", per_page=100)
    groups = (("Büro" if row["is_colleague"] else row["company"] or "Ohne Firma", row) for row in rows)
    write_series(output, series, groups)
    return len(rows)


def write_links(output: Output, kind: str, *, stem: str, title: str) -> list[Group]:
    """Write what belongs to each cost group or place; return these."""
    rows = (
        (label, {"what": what, "title": named, "path": path, "detail": ""})
        for label, what, named, path in output.book.links(kind)
    )
    path = f"{PAGES}/{stem}.html"
    series = Series(stem=f"{stem}-liste", title=title, back=(path, title))
    groups = write_series(output, series, rows) if output.book.has_links(kind) else []
    write_page(output, path, "groups", title=title, groups=groups)
    return groups


def write_notes(output: Output, kind: str) -> str:
    """Write what was noted; return the page."""
    stem, title, why = NOTES[kind]
    rows = (
        ("", {"what": "", "title": subject, "path": None, "detail": detail})
        for subject, detail in output.book.notes(kind)
    )
    write_series(output, Series(stem=stem, title=title, values={"why": why}), rows)
    return f"{PAGES}/{stem}.html"
