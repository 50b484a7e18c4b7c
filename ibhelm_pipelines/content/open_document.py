"""OpenDocument (odt, ods, odp): one walk for all three, because they share their elements.

Cells hold the text that was shown beside the value, so that nothing needs to be formatted. Pages are sheets, slides,
or where LibreOffice broke the page when it saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.pages import Enough
from ibhelm_pipelines.content.zip_package import END, START, TEXT, Event, Package

if TYPE_CHECKING:
    from ibhelm_pipelines.content.pages import Pages

KINDS = frozenset({"text", "spreadsheet", "presentation", "drawing"})
CONTENT, STYLES = "content.xml", "styles.xml"

_SKIPPED = frozenset({
    "tracked-changes", "forms", "binary-data", "title", "desc", "note-citation", "date", "creator-initials",
    "automatic-styles", "scripts", "font-face-decls", "event-listeners", "settings", "sender-initials", "ruby-text",
})  # fmt: skip
"""Texts that were deleted, what is only said of a picture, numbers of notes."""

_ASIDE = frozenset({"note-body", "annotation", "text-box"})
"""They stand in the middle of a paragraph and are read after it."""

_CELLS = frozenset({"table-cell", "covered-table-cell"})
_PARAGRAPHS = frozenset({"p", "h"})
_HEADERS = frozenset({"header", "footer", "header-first", "footer-first", "header-left", "footer-left"})
MAX_REPEATS = 100
"""Of a cell that stands for many; sheets end in millions of empty ones."""

MAX_SPACES = 100

Row = dict[int, str]


class Story:
    """Reads events of a text, a slide or a sheet into pages."""

    def __init__(self, pages: Pages, *, within: frozenset[str] | None = None) -> None:
        self._pages = pages
        self._within = within
        self._inside = 0 if within else 1
        self._skipping = 0
        self._paragraphs = 0
        self._cells = 0
        self._begun = False
        self._asides: list[tuple[list[str], int]] = []
        self._after: list[str] = []

    def read(self, events: Iterable[Event]) -> None:
        """Read the events of a part."""
        for kind, name, value in events:
            if self._skipping:
                self._skipping += (kind == START) - (kind == END)
            elif self._within and name in self._within and kind != TEXT:
                self._inside += 1 if kind == START else -1
            elif not self._inside:
                continue
            elif kind == TEXT:
                if self._paragraphs:
                    self._put(" ".join(name.split("\n")))
            elif kind == START:
                self._start(name, value)
            else:
                self._end(name)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in _SKIPPED:
            self._skipping = 1
        elif name in _PARAGRAPHS:
            self._paragraphs += 1
        elif name in _ASIDE:
            self._asides.append(([], self._paragraphs))
            self._paragraphs = 0
        elif name == "creator" and self._asides:  # of an annotation
            self._paragraphs += 1
        elif name == "table-cell":
            self._cells += 1
        elif name in ("page", "table") and attributes.get("name") is not None and not self._cells and not self._asides:
            self._begin_page(name, attributes["name"])
        else:
            self._sign(name, attributes)

    def _sign(self, name: str, attributes: dict[str, str]) -> None:
        if name == "s":
            count = attributes.get("c", "1")
            self._put(" " * min(int(count) if count.isdecimal() else 1, MAX_SPACES))
        elif name == "tab":
            self._put("\t")
        elif name == "line-break":
            self._put("\n")
        elif name == "soft-page-break" and not self._asides and not self._cells:
            self._pages.end_page_unless_blank()

    def _end(self, name: str) -> None:
        if name in _PARAGRAPHS:
            self._paragraphs = max(self._paragraphs - 1, 0)
            self._put(" " if self._cells else "\n")
            self._put_asides()
        elif name == "creator" and self._asides:
            self._paragraphs -= 1
            self._put(": ")
        elif name in _ASIDE and self._asides:
            pieces, self._paragraphs = self._asides.pop()
            self._after.append("".join(pieces))
            if not self._paragraphs:
                self._put_asides()
        elif name == "table-cell":
            self._cells -= 1
            self._put("\t")
        elif name == "table-row":
            self._put("\n")

    def _put_asides(self) -> None:
        if self._asides:
            return
        for text in self._after:
            self._put(" ".join(text.split()) + " " if self._cells else text)
        self._after.clear()

    def _begin_page(self, kind: str, name: str) -> None:
        """Slides and sheets are pages; sheets are known by their names. Tables of a text are neither."""
        if self._within is not None and kind in self._within:
            return
        if self._begun:
            self._pages.end_page()
        self._begun = True
        if kind == "table":
            self._pages.line(name)

    def _put(self, piece: str) -> None:
        if self._asides:
            self._asides[-1][0].append(piece)
        else:
            self._pages.add(piece)


def read(package: Package, kind: str, pages: Pages) -> None:
    """Add the text of a document.

    Args:
        package: the file.
        kind: `text`, `spreadsheet` or `presentation`, or another word of its media type.
        pages: what the text goes to.
    """
    events = package.events(CONTENT)
    Story(pages).read(_unnamed(events) if kind not in ("spreadsheet", "presentation") else events)
    Story(pages, within=_HEADERS).read(package.events(STYLES))


def _unnamed(events: Iterable[Event]) -> Iterator[Event]:
    """The tables of a text have names too, which nobody sees."""
    for kind, name, value in events:
        yield (kind, name, {} if kind == START and name in ("table", "page") else value)


def rows(package: Package) -> Iterator[tuple[str, Row]]:
    """Yield the rows of all sheets that show something, each with the name of its sheet."""
    cells, sheet = _Cells(), ""
    for kind, name, value in package.events(CONTENT):
        if kind == TEXT:
            cells.add(name)
        elif kind == START:
            sheet = value.get("name", sheet) if name == "table" else sheet
            cells.start(name, value)
        elif row := cells.end(name):
            yield sheet, row


class _Cells:
    """The row and the cell that a walk over a sheet is in."""

    def __init__(self) -> None:
        self._row: Row = {}
        self._text: list[str] | None = None
        self._column, self._repeats = 0, 1
        self._comments = 0

    def add(self, text: str) -> None:
        if self._text is not None and not self._comments:
            self._text.append(text)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "annotation":
            self._comments += 1
        elif name in _CELLS:
            self._text, self._repeats = [], _repeats(attributes)
        elif name == "table-row":
            self._row, self._column = {}, 0

    def end(self, name: str) -> Row:
        """End an element; returns the row that is complete with it, or nothing."""
        if name == "annotation":
            self._comments -= 1
        elif name in _CELLS:
            shown = " ".join("".join(self._text or []).split())
            if shown:
                last = self._column + min(self._repeats, MAX_REPEATS)
                self._row |= dict.fromkeys(range(self._column + 1, last + 1), shown)
            self._text, self._column = None, self._column + self._repeats
        return self._row if name == "table-row" else {}


def _repeats(attributes: dict[str, str]) -> int:
    count = attributes.get("number-columns-repeated", "1")
    return int(count) if count.isdecimal() and len(count) < 6 else 1


def kind(package: Package) -> str:
    """Return what the file says it is: `text`, `spreadsheet`, `presentation`, `graphics`."""
    media_type = (package.read("mimetype", 200) or b"").decode("ascii", "replace")
    found = re.search(r"opendocument\.([a-z]+)", media_type)
    return found[1] if found else _kind_by_content(package)


def _kind_by_content(package: Package) -> str:
    return next((tag for kind, tag, _ in package.events(CONTENT) if kind == START and tag in KINDS), "text")


def count(package: Package, kind: str) -> int | None:
    """Return how many sheets or slides there are."""
    tag = {"spreadsheet": "table", "presentation": "page", "graphics": "page"}.get(kind)
    if tag is None:
        return None
    try:
        return sum(1 for event, name, _ in package.events(CONTENT) if event == START and name == tag) or None
    except Enough:
        return None


def is_locked(package: Package) -> bool:
    """Whether the content can only be read with a password."""
    manifest = package.events("META-INF/manifest.xml")
    return any(kind == START and name == "encryption-data" for kind, name, _ in manifest)
