"""Typesets the office's letters, lists and reports as real PDFs: text, tables, page breaks, letterhead, page numbers.

The bytes depend on the calls alone: built-in fonts, no document id, and dates that the caller gives. The operators of a
page are written here, because the library looks through all fonts of the page for each piece of text: half the time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pymupdf

WIDTH, HEIGHT = 595, 842  # A4 in points
LEFT, RIGHT, TOP, BOTTOM = 62, 545, 92, 772
SIZE = 9.5
LEADING = 12.6
REGULAR, BOLD = "helv", "hebo"
# Helvetica, in thousandths of the size: the characters of figures, which stand to the right in their column.
FIGURE_WIDTHS = dict.fromkeys("0123456789", 556) | {".": 278, ",": 278, " ": 278, "-": 333, "+": 584}
_ESCAPED = str.maketrans({"\\": "\\\\", "(": "\\(", ")": "\\)"})


def pdf_bytes(document: Any, *, title: str, author: str, day: dt.date) -> bytes:
    """Close a document into bytes that are the same each time."""
    stamp = f"D:{day:%Y%m%d}093000+01'00'"
    document.set_metadata({"title": title, "author": author, "creationDate": stamp, "modDate": stamp})
    data: bytes = document.tobytes(garbage=1, deflate=True, no_new_id=True)
    document.close()
    return data


class Sheet:
    """A document that grows from the top down; whatever does not fit goes to the next page."""

    def __init__(self, *, sender: str, subtitle: str = "", running_title: str = "") -> None:
        self._pages: list[list[str]] = []
        self._sender = sender
        self._subtitle = subtitle
        self._running_title = running_title
        self._y = 0.0
        self.new_page()

    def new_page(self) -> None:
        """Begin a page with the head of the sender."""
        self._pages.append([])
        self._put(LEFT, 46, self._sender, font=BOLD, size=12)
        self._put(LEFT, 59, self._subtitle, size=7.5)
        self._rule(66)
        self._y = TOP

    def _put(self, x: float, y: float, text: str, *, font: str = REGULAR, size: float = SIZE) -> None:
        if text:
            where = f"{x:.2f} {HEIGHT - y:.2f} Td"
            self._pages[-1].append(f"BT /{font} {size} Tf {where} ({text.translate(_ESCAPED)}) Tj ET")

    def _rule(self, y: float, *, width: float = 0.6) -> None:
        self._pages[-1].append(f"{width} w {LEFT} {HEIGHT - y:.2f} m {RIGHT} {HEIGHT - y:.2f} l S")

    def _room_for(self, height: float) -> None:
        if self._y + height > BOTTOM:
            self.new_page()

    def gap(self, height: float = LEADING / 2) -> None:
        self._y += height

    def line(self, text: str, *, bold: bool = False, size: float = SIZE) -> None:
        """One line as it is, without wrapping."""
        self._room_for(LEADING)
        self._y += LEADING
        self._put(LEFT, self._y, text, font=BOLD if bold else REGULAR, size=size)

    def heading(self, text: str, *, size: float = 12) -> None:
        self._room_for(4 * LEADING)
        self.gap()
        self.line(text, bold=True, size=size)
        self.gap(3)

    def paragraph(self, text: str) -> None:
        for line in wrapped(text, RIGHT - LEFT):
            self.line(line)
        self.gap()

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        """A table whose head is repeated on each page; columns that hold only figures stand to the right.

        Args:
            head: one title per column.
            rows: cells as text; a long one wraps in its column.
            widths: of the columns in points.
        """
        self._row(head, widths, bold=True)
        for row in rows:
            height = LEADING * max(len(wrapped(cell, width - 6)) for cell, width in zip(row, widths, strict=True))
            if self._y + height > BOTTOM:
                self.new_page()
                self._row(head, widths, bold=True)
            self._row(row, widths)
        self.gap()

    def _row(self, cells: Sequence[str], widths: Sequence[int], *, bold: bool = False) -> None:
        x, lowest = LEFT, self._y
        for cell, width in zip(cells, widths, strict=True):
            for number, line in enumerate(wrapped(cell, width - 6), 1):
                shift = width - 6 - _figure_width(line) if _is_figure(line) else 0
                self._put(x + shift, self._y + number * LEADING, line, font=BOLD if bold else REGULAR, size=SIZE - 1)
                lowest = max(lowest, self._y + number * LEADING)
            x += width
        self._y = lowest + 3
        self._rule(self._y, width=0.6 if bold else 0.2)

    def finish(self, *, title: str, author: str, day: dt.date) -> bytes:
        """Write the page numbers and return the bytes."""
        document = pymupdf.open()
        for number, operators in enumerate(self._pages, 1):
            foot = f"{self._running_title}   |   Seite {number} von {len(self._pages)}"
            operators.append(f"BT /{REGULAR} 7.5 Tf {LEFT} 36 Td ({foot.translate(_ESCAPED)}) Tj ET")
            _set_page(document, "\n".join(operators))
        return pdf_bytes(document, title=title, author=author, day=day)


def _set_page(document: Any, operators: str) -> None:
    page = document.new_page(width=WIDTH, height=HEIGHT)
    for font in (REGULAR, BOLD):
        page.insert_font(fontname=font)
    xref = document.get_new_xref()
    document.update_object(xref, "<<>>")
    document.update_stream(xref, operators.encode("cp1252"))
    page.set_contents(xref)


def _is_figure(text: str) -> bool:
    return bool(text) and set(text) <= FIGURE_WIDTHS.keys()


def _figure_width(text: str) -> float:
    return sum(FIGURE_WIDTHS[character] for character in text) * (SIZE - 1) / 1000


def wrapped(text: str, width: float) -> list[str]:
    """Break text at spaces into lines of at most the width in points (a single longer word stays whole)."""
    lines: list[str] = [""]
    limit = width * 0.2  # characters: Helvetica at this size is about 5 points wide a character
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > limit:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
