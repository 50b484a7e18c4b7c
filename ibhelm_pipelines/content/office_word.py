"""Word documents (docx): headers, body, footers, notes and comments; pages as Word laid them out last."""

from __future__ import annotations

from ibhelm_pipelines.content.office_story import Story, add_graphics, add_parts
from ibhelm_pipelines.content.pages import Pages
from ibhelm_pipelines.content.zip_package import Package
from ibhelm_pipelines.plain_text import html_to_text

MAX_CHUNK_BYTES = 8 << 20
"""Of an HTML page that is kept inside a document."""


def read(package: Package, main: str, pages: Pages) -> None:
    """Add the text of a document."""
    add_parts(package, package.related(main, "header"), pages)
    Story(pages).read(package.events(main))
    for chunk in package.related(main, "aFChunk"):
        pages.line(_html(package, chunk))
    add_parts(package, package.related(main, "footer"), pages)
    for part in package.related(main, "footnotes", "endnotes", "comments"):
        Story(pages).read(package.events(part))
    add_graphics(package, main, pages)


def _html(package: Package, part: str) -> str:
    """Programs that make documents put whole HTML pages into them, for Word to convert when it opens them."""
    source = package.read(part, MAX_CHUNK_BYTES) or b""
    return html_to_text(source.decode("utf-8", "replace")) if b"<" in source[:1000] else ""
