"""Presentations (pptx): one page for each slide, with its notes, comments and what stands on its master."""

from __future__ import annotations

from ibhelm_pipelines.content.office_story import Story, add_graphics, add_parts
from ibhelm_pipelines.content.pages import Pages
from ibhelm_pipelines.content.zip_package import START, Package

_FURNITURE = frozenset({"sldNum", "sldImg", "hdr", "ftr", "dt"})
"""Placeholders of a page of notes that say nothing of the slide."""

_COMMENT_TAGS = frozenset({"t", "text"})


def slides(package: Package, main: str) -> list[str]:
    """Return the parts of the slides in the order of the show, hidden ones too."""
    relations = package.relations(main)
    ids = (value.get("id", "") for kind, tag, value in package.events(main) if kind == START and tag == "sldId")
    # Of the two attributes called `id` the later one wins, which is the relation.
    return [relations[name].target for name in ids if name in relations and relations[name].target in package]


def read(package: Package, main: str, pages: Pages) -> None:
    """Add the text of all slides."""
    masters: set[str] = set()
    for number, slide in enumerate(slides(package, main)):
        if number:
            pages.end_page()
        Story(pages).read(package.events(slide))
        add_graphics(package, slide, pages)
        add_parts(package, package.related(slide, "notesSlide"), pages, hides=_FURNITURE.__contains__)
        add_parts(package, package.related(slide, "comments"), pages, text_tags=_COMMENT_TAGS)
        _add_masters(package, slide, pages, masters)


def _add_masters(package: Package, slide: str, pages: Pages, seen: set[str]) -> None:
    """A company's name stands on every slide but is kept once: it counts for the first slide that shows it."""
    layouts = package.related(slide, "slideLayout")
    new = [*layouts, *(master for layout in layouts for master in package.related(layout, "slideMaster"))]
    add_parts(package, [part for part in new if part not in seen], pages, hides=lambda _: True)
    seen.update(new)
