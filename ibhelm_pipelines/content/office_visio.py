"""Visio drawings (vsdx): one page for each sheet, its name first, then the words on its shapes."""

from __future__ import annotations

from ibhelm_pipelines.content.office_story import Story
from ibhelm_pipelines.content.pages import Pages
from ibhelm_pipelines.content.zip_package import START, Package

_TEXT_TAGS = frozenset({"Text"})


def read(package: Package, main: str, pages: Pages) -> None:
    """Add the text of all sheets."""
    for number, (name, part) in enumerate(sheets(package, main)):
        if number:
            pages.end_page()
        pages.line(name)
        Story(pages, text_tags=_TEXT_TAGS).read(package.events(part))


def sheets(package: Package, main: str) -> list[tuple[str, str]]:
    """Return the names of the sheets and their parts, in order."""
    found: list[tuple[str, str]] = []
    for index in package.related(main, "pages"):
        relations, name = package.relations(index), ""
        for kind, tag, value in package.events(index):
            if kind == START and tag == "Page":
                name = value.get("Name", "")
            elif kind == START and tag == "Rel" and value.get("id") in relations:
                found.append((name, relations[value["id"]].target))
    return found
