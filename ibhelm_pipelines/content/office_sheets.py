"""Workbooks (xlsx): one page for each sheet, its name first, its cells as they are shown; hidden sheets too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.content import number_formats
from ibhelm_pipelines.content.office_story import Story, add_graphics, add_parts
from ibhelm_pipelines.content.zip_package import END, START, TEXT, Event, Package

if TYPE_CHECKING:
    from ibhelm_pipelines.content.pages import Pages

MAX_STRING_CHARS = 40_000_000
"""Of all shared strings, which are held in memory; sheets beyond that are dumps of databases."""

MAX_STRINGS = 2_000_000
_REFERENCE = re.compile(r"([A-Za-z]{1,3})\d+")
_HEADER_CODE = re.compile(r'&(?:"[^"]*"|K[0-9A-F]{6}|\d+|[A-Za-z])|&(&)', re.IGNORECASE)
_HEADERS = frozenset({"oddHeader", "evenHeader", "firstHeader", "oddFooter", "evenFooter", "firstFooter"})
_COMMENT_TAGS = frozenset({"t", "text"})
TRUTH = {"1": "WAHR", "0": "FALSCH"}

Row = dict[int, str]
"""The cells of a row that show something, by column."""


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook."""

    name: str
    part: str
    hidden: bool


class Book:
    """A workbook: its sheets in order, and what their cells refer to."""

    def __init__(self, package: Package, main: str) -> None:
        self.sheets: list[Sheet] = []
        self._package = package
        self._main = main
        self._from_1904 = False
        self._read_workbook()
        self._strings = [
            string for part in package.related(main, "sharedStrings") for string in _strings(package.events(part))
        ]
        styles = package.related(main, "styles")
        self._formats = _formats(package.events(styles[0])) if styles else []

    def read(self, pages: Pages) -> None:
        """Add the text of all sheets."""
        for number, sheet in enumerate(self.sheets):
            if number:
                pages.end_page()
            pages.line(sheet.name)
            for row in self.rows(sheet):
                pages.line("\t".join(row.values()))
            self._read_beside(sheet, pages)

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        """Yield the rows of a sheet that show something, then its headers and footers."""
        cells = _Cells(self.shown)
        for kind, name, value in self._package.events(sheet.part):
            if kind == TEXT:
                cells.add(name)
            elif kind == START:
                cells.start(name, value)
            elif row := cells.end(name):
                yield row

    def shown(self, cell: dict[str, str]) -> str:
        """Return what a cell shows: its attributes, with `v` and `f` for its value and formula."""
        value = cell.get("v")
        if value is None:  # written by a program that does not calculate: the formula is all there is
            return f"={cell['f']}" if cell.get("f") else ""
        kind = cell.get("t", "n")
        if kind == "s":
            return self._string(value)
        if kind == "b":
            return TRUTH.get(value, value)
        return self._number(value, cell.get("s", "")) if kind == "n" else value.strip()

    def _string(self, index: str) -> str:
        place = int(index) if index.strip().isdecimal() else -1
        return self._strings[place] if 0 <= place < len(self._strings) else ""

    def _number(self, value: str, style: str) -> str:
        try:
            number = float(value)
            code = self._formats[int(style)] if style else "General"
        except (ValueError, IndexError):
            return value.strip()
        return number_formats.show(number, code, from_1904=self._from_1904)

    def _read_workbook(self) -> None:
        relations = self._package.relations(self._main)
        for kind, tag, value in self._package.events(self._main):
            if kind != START:
                continue
            if tag == "workbookPr":
                self._from_1904 = value.get("date1904") in ("1", "true", "on")
            elif tag == "sheet" and value.get("id") in relations:
                hidden = value.get("state", "visible") != "visible"
                self.sheets.append(Sheet(value.get("name", ""), relations[value["id"]].target, hidden))

    def _read_beside(self, sheet: Sheet, pages: Pages) -> None:
        """Text boxes, charts and comments."""
        package = self._package
        for drawing in package.related(sheet.part, "drawing"):
            Story(pages).read(package.events(drawing))
            add_graphics(package, drawing, pages)
        comments = package.related(sheet.part, "threadedComment") or package.related(sheet.part, "comments")
        add_parts(package, comments, pages, text_tags=_COMMENT_TAGS)


class _Cells:
    """The row and the cell that a walk over a sheet is in."""

    def __init__(self, shown: Callable[[dict[str, str]], str]) -> None:
        self._shown = shown
        self._row: Row = {}
        self._cell: dict[str, str] = {}
        self._column = 0
        self._inside = ""

    def add(self, text: str) -> None:
        if self._inside:
            self._cell[self._inside] = self._cell.get(self._inside, "") + text

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._cell, self._column = dict(attributes), _column(attributes.get("r", ""), self._column + 1)
            self._cell.pop("v", None)
        elif name in ("v", "f") or name in _HEADERS:
            self._inside = name
        elif name == "t" and self._cell.get("t") == "inlineStr":
            self._inside = "v"
        elif name == "row":
            self._row, self._column = {}, 0

    def end(self, name: str) -> Row:
        """End an element; returns the row that is complete with it, or nothing."""
        self._inside = ""
        if name == "c":
            cell, self._cell = self._cell, {}
            if shown := self._shown(cell):
                self._row[self._column] = shown
        elif name == "row":
            return self._row
        elif name in _HEADERS and (text := _header(self._cell.pop(name, ""))):
            return {1: text}
        return {}


def _strings(events: Iterator[Event]) -> Iterator[str]:
    """Shared strings without the hints how to speak them."""
    pieces: list[str] = []
    inside = spoken = False
    chars = count = 0
    for kind, name, _ in events:
        if kind == TEXT:
            if inside and not spoken:
                pieces.append(name)
        elif name == "t":
            inside = kind == START
        elif name == "rPh":
            spoken = kind == START
        elif name == "si" and kind == END:
            string = " ".join("".join(pieces).split())
            chars, count = chars + len(string), count + 1
            yield string
            pieces.clear()
            if chars > MAX_STRING_CHARS or count > MAX_STRINGS:
                return


def _formats(events: Iterator[Event]) -> list[str]:
    """The format code of each cell style."""
    codes, formats, of_cells = dict(number_formats.BUILT_IN), [], False
    for kind, name, value in events:
        if name == "cellXfs":
            of_cells = kind == START
        elif kind == START and name == "numFmt":
            codes[_number(value.get("numFmtId"))] = value.get("formatCode", "General")
        elif kind == START and name == "xf" and of_cells:
            formats.append(codes.get(_number(value.get("numFmtId")), "General"))
    return formats


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _column(reference: str, otherwise: int) -> int:
    match = _REFERENCE.fullmatch(reference)
    if not match:
        return otherwise
    number = 0
    for letter in match[1].upper():
        number = number * 26 + ord(letter) - 64
    return number


def _header(text: str) -> str:
    """A header without its codes for sides, fonts and page numbers."""
    return " ".join(_HEADER_CODE.sub(lambda match: "&" if match[1] else " ", text).split())
