"""Office files (docx, xlsx, pptx, vsdx, odt, ods, odp, rtf): their text page by page, and a picture of how they begin.

Runs inside the sandbox. What a file is, its own parts say, not its name. The text is read by streams of our own
(zip_package.py): the usual libraries build whole trees in memory, leave out headers, notes and text boxes, and show
bare numbers. The picture is the one that the program put into the file when that is a good one, else a sheet of paper
with the beginning of the text or table.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

from ibhelm_pipelines.content import office_sheets, office_slides, office_visio, office_word, open_document
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.office_facts import open_document_facts, open_xml_facts, rich_text_facts
from ibhelm_pipelines.content.office_picture import embedded_preview, largest_picture
from ibhelm_pipelines.content.office_sheets import Row
from ibhelm_pipelines.content.outcome import Outcome, empty, unsupported
from ibhelm_pipelines.content.page import MAX_COLUMNS, MAX_LINES, draw_table, draw_text
from ibhelm_pipelines.content.pages import Enough, Pages
from ibhelm_pipelines.content.rich_text import RichText
from ibhelm_pipelines.content.zip_package import LOCKED, START, TIME_SHARE, Package
from ibhelm_pipelines.errors import SuspectFileError

NOTHING = "The Office file has no text"
NOTHING_TO_SHOW = "The Office file has neither text nor a picture that can be shown"
NO_DOCUMENT = "The file is packed like an Office file but holds no document"
BINARY_WORKBOOK = "Excel workbook in binary form (xlsb): cannot be read"

PREVIEW_CHARS = 6000
"""More than a sheet holds."""

MAX_RICH_TEXT_BYTES = 256 << 20
CONTENT_TYPES = "[Content_Types].xml"

_READERS = {
    "word": office_word.read,
    "xl": lambda package, main, pages: office_sheets.Book(package, main).read(pages),
    "ppt": office_slides.read,
    "visio": office_visio.read,
}
_KINDS = (("wordprocessingml", "word"), ("spreadsheetml", "xl"), ("presentationml", "ppt"), ("visio", "visio"))
_KINDS_WITH_MACROS = (("ms-word", "word"), ("ms-excel", "xl"), ("ms-powerpoint", "ppt"))


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the text: headers, body, notes, comments; sheets and slides are pages."""
    if _is_rich_text(file):
        return _rich_text(file, limits)
    pages = Pages(limits.text_chars)
    package = Package(file, limits)
    if open_document.CONTENT in package:
        return _open_document_text(package, pages)
    kind, main = _main_part(package)
    if kind not in _READERS:
        return unsupported(kind)
    facts = open_xml_facts(package, _count(package, kind, main))
    pages.fill(lambda: _READERS[kind](package, main, pages))
    return pages.outcome(NOTHING, facts, counts_pages=kind != "word" or facts.page_count is not None)


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Show the picture that the file carries of itself, or draw how it begins."""
    if _is_rich_text(file):
        return _rich_text_thumbnail(file, limits)
    package = Package(file, limits)
    if open_document.CONTENT in package:
        return _open_document_thumbnail(package, limits)
    kind, main = _main_part(package)
    if kind not in _READERS:
        return unsupported(kind)
    facts = open_xml_facts(package, _count(package, kind, main))
    preview = embedded_preview(package, package.related("", "thumbnail"), limits)
    if preview is None and kind == "xl":
        preview = _draw_sheet(office_sheets.Book(package, main))
    preview = preview or draw_beginning(lambda pages: _READERS[kind](package, main, pages))
    preview = preview or largest_picture(package, limits)
    return Outcome(state="ok", preview=preview, facts=facts) if preview else empty(NOTHING_TO_SHOW, facts)


def _main_part(package: Package) -> tuple[str, str]:
    """What kind of document it is, or the sentence why none can be read, and its main part.

    Raises:
        SuspectFileError: there is none.
    """
    types = _content_types(package)
    candidates = [*package.related("", "officeDocument", "document"), *types]
    for part in candidates:
        kind = _kind(types.get(part.lower(), ""), part)
        if kind and part in package:
            return kind, part
    raise SuspectFileError(NO_DOCUMENT)


def _content_types(package: Package) -> dict[str, str]:
    """The parts that are main parts of something, with their types, in lower case."""
    overrides = (value for kind, tag, value in package.events(CONTENT_TYPES) if kind == START and tag == "Override")
    named = ((value.get("PartName", "").lstrip("/"), value.get("ContentType", "")) for value in overrides)
    return {part.lower(): content_type.lower() for part, content_type in named if ".main" in content_type}


def _kind(content_type: str, part: str) -> str:
    if "binary" in content_type:
        return BINARY_WORKBOOK
    found = next((kind for mark, kind in (*_KINDS, *_KINDS_WITH_MACROS) if mark in content_type), None)
    folder = part.lower().partition("/")[0]
    return found or (folder if folder in _READERS else "")


def _count(package: Package, kind: str, main: str) -> int | None:
    """Sheets or slides; how many pages a text has, only the program knew."""
    if kind == "xl":
        return sum(1 for event, tag, _ in package.events(main) if event == START and tag == "sheet") or None
    if kind == "ppt":
        return len(office_slides.slides(package, main)) or None
    return len(office_visio.sheets(package, main)) or None if kind == "visio" else None


def _open_document_text(package: Package, pages: Pages) -> Outcome:
    if open_document.is_locked(package):
        return unsupported(LOCKED)
    kind = open_document.kind(package)
    facts = open_document_facts(package, open_document.count(package, kind))
    pages.fill(lambda: open_document.read(package, kind, pages))
    return pages.outcome(NOTHING, facts, counts_pages=kind != "text" or facts.page_count is not None)


def _open_document_thumbnail(package: Package, limits: Limits) -> Outcome:
    if open_document.is_locked(package):
        return unsupported(LOCKED)
    kind = open_document.kind(package)
    facts = open_document_facts(package, open_document.count(package, kind))
    preview = embedded_preview(package, ["Thumbnails/thumbnail.png"], limits)
    if preview is None and kind == "spreadsheet":
        preview = draw_rows(itertools.islice(_first_sheet(open_document.rows(package)), MAX_LINES))
    preview = preview or draw_beginning(lambda pages: open_document.read(package, kind, pages))
    preview = preview or largest_picture(package, limits)
    return Outcome(state="ok", preview=preview, facts=facts) if preview else empty(NOTHING_TO_SHOW, facts)


def _draw_sheet(book: office_sheets.Book) -> bytes | None:
    """The first sheet that people see and that shows something."""
    for sheet in sorted(book.sheets, key=lambda sheet: sheet.hidden):
        drawn = draw_rows(itertools.islice(book.rows(sheet), MAX_LINES))
        if drawn is not None:
            return drawn
    return None


def _first_sheet(rows: Iterable[tuple[str, Row]]) -> Iterator[Row]:
    first = None
    for sheet, row in rows:
        first = sheet if first is None else first
        if sheet != first:
            return
        yield row


def draw_rows(rows: Iterable[Row]) -> bytes | None:
    """Draw a table without the columns that are empty at its left."""
    found: list[Row] = []
    with suppress(Enough):
        found.extend(row for row in rows if row)
    left = min((min(row) for row in found), default=0)
    table = [[row.get(column, "") for column in range(left, min(max(row), left + MAX_COLUMNS) + 1)] for row in found]
    return draw_table(table) if table else None


def draw_beginning(read: Callable[[Pages], None]) -> bytes | None:
    """Draw the first page of a text."""
    pages = Pages(PREVIEW_CHARS)
    pages.fill(lambda: read(pages))
    text = pages.text().lstrip("\f")
    return draw_text(text.partition("\f")[0]) if text.strip() else None


def _is_rich_text(file: BinaryIO) -> bool:
    beginning = file.read(5)
    file.seek(0)
    return beginning == b"{\\rtf"


def _rich_text(file: BinaryIO, limits: Limits) -> Outcome:
    pages, reader = _read_rich_text(file, limits, limits.text_chars)
    facts = rich_text_facts(reader.facts)
    return pages.outcome(NOTHING, facts, counts_pages=facts.page_count is not None)


def _rich_text_thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    pages, reader = _read_rich_text(file, limits, PREVIEW_CHARS)
    text, facts = pages.text().lstrip("\f").partition("\f")[0], rich_text_facts(reader.facts)
    return Outcome(state="ok", preview=draw_text(text), facts=facts) if text.strip() else empty(NOTHING, facts)


def _read_rich_text(file: BinaryIO, limits: Limits, max_chars: int) -> tuple[Pages, RichText]:
    deadline = time.monotonic() + limits.seconds * TIME_SHARE
    pages = Pages(max_chars)
    reader = RichText(pages, is_late=lambda: time.monotonic() > deadline)
    source = file.read(MAX_RICH_TEXT_BYTES)
    pages.fill(lambda: reader.read(source))
    pages.truncated = pages.truncated or bool(file.read(1))
    return pages, reader
