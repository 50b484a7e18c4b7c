"""Old workbooks (xls of Excel 5 to 2003) by xlrd: one page for each sheet, its cells as they are shown."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import xlrd

from ibhelm_pipelines.content import number_formats
from ibhelm_pipelines.content.office_sheets import TRUTH, Row
from ibhelm_pipelines.content.ole import BROKEN, DAMAGED
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from ibhelm_pipelines.content.pages import Pages

_BROKEN = (*BROKEN, AssertionError, struct.error)
LOCKED_MARK = "encrypted"


def open_book(content: bytes) -> OldBook | None:
    """Open the stream of a workbook; None when it is protected by a password.

    Raises:
        SuspectFileError: it is damaged.
    """
    try:
        book = xlrd.open_workbook(
            file_contents=content, formatting_info=True, on_demand=True, ragged_rows=True, logfile=io.StringIO()
        )
    except xlrd.XLRDError as error:
        if LOCKED_MARK in str(error).lower():
            return None
        raise SuspectFileError(DAMAGED) from error
    except _BROKEN as error:
        raise SuspectFileError(DAMAGED) from error
    return OldBook(book)


class OldBook:
    """A workbook; its sheets are loaded one after the other."""

    def __init__(self, book: Any) -> None:
        self._book = book

    @property
    def count(self) -> int:
        """How many sheets there are."""
        return int(self._book.nsheets)

    def read(self, pages: Pages) -> None:
        """Add the text of all sheets, hidden ones too."""
        for number in range(self.count):
            if number:
                pages.end_page()
            pages.line(self._book.sheet_names()[number])
            sheet = self._sheet(number)
            for row in self._rows(sheet):
                pages.line("\t".join(row.values()))
            for _, note in sorted(sheet.cell_note_map.items()):
                pages.line(" ".join(str(note.text).split()))
            self._book.unload_sheet(number)

    def first_rows(self) -> Iterator[Row]:
        """Yield the rows of the first sheet that people see and that shows something."""
        hidden = self._book._sheet_visibility  # the library's own attribute of a sheet needs it loaded
        for number in sorted(range(self.count), key=lambda number: hidden[number] != 0):
            rows = list(self._rows(self._sheet(number)))
            if rows:
                yield from rows
                return

    def _sheet(self, number: int) -> Any:
        try:
            return self._book.sheet_by_index(number)
        except (xlrd.XLRDError, *_BROKEN) as error:
            raise SuspectFileError(DAMAGED) from error

    def _rows(self, sheet: Any) -> Iterator[Row]:
        for number in range(sheet.nrows):
            cells = enumerate(sheet.row(number), 1)
            row = {column: shown for column, cell in cells if (shown := self._shown(cell))}
            if row:
                yield row

    def _shown(self, cell: Any) -> str:
        if cell.ctype == xlrd.XL_CELL_TEXT:
            return " ".join(cell.value.split())
        if cell.ctype in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
            return number_formats.show(cell.value, self._format(cell), from_1904=bool(self._book.datemode))
        if cell.ctype == xlrd.XL_CELL_BOOLEAN:
            return TRUTH[str(int(cell.value))]
        return xlrd.error_text_from_code.get(cell.value, "") if cell.ctype == xlrd.XL_CELL_ERROR else ""

    def _format(self, cell: Any) -> str:
        try:
            key = self._book.xf_list[cell.xf_index].format_key
        except (IndexError, TypeError):
            return "General"
        if key in number_formats.BUILT_IN:
            return number_formats.BUILT_IN[key]
        known = self._book.format_map.get(key)
        return known.format_str if known is not None else "General"
