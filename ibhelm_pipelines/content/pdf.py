"""PDF: a picture of the first page that shows something, and the text of all pages with form feeds between them.

Runs inside the sandbox only. MuPDF repairs what it can; a page that it cannot read costs that page, and the result
says so. Pages that have only a picture are named, for the pipeline to have them recognised one by one (ocr.py).
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import pymupdf
from PIL import Image

from ibhelm_pipelines.content.limits import PREVIEW_PIXELS, Limits, encode_preview, is_memory_shortage
from ibhelm_pipelines.content.outcome import SO_FAR, Outcome, empty, unsupported
from ibhelm_pipelines.content.pdf_extras import attachments_of, facts_of, has_xfa, notes_on
from ibhelm_pipelines.content.pdf_repair import BROKEN, TRIED_PAGES, find_pages, were_found
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)

LOCKED = "The PDF is protected by a password"
NO_PAGES = "The PDF is damaged: it has no page that can be found"
DAMAGED = "The PDF is damaged beyond repair"
ENCRYPTED = "The PDF is encrypted in a way that cannot be read"
PAGES_FOUND = "The list of pages is damaged: the pages were found one by one"
NO_SIZE = "The first page of the PDF has no size"
BLANK = "The first pages are blank"
NO_TEXT = "No text in this PDF: its pages are blank or drawn"
NO_TEXT_IN_SCAN = "No text in this PDF: its pages are scanned"
XFA = "The fields of this form are kept as XFA, which only Adobe's programs show"

TEXT_FLAGS = pymupdf.TEXTFLAGS_TEXT & ~pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_DEHYPHENATE
"""Search wants `fi` as two letters and words that a line break cut in one piece."""

TEXT_TIME_SHARE = 0.6
"""Part of the time limit after which no further page is begun: what was read so far is worth keeping."""

BLANK_RANGE = 24
"""Grey levels between the darkest and the lightest pixel of a page with nothing on it."""

SCANNED_CHARS = 100
"""A page with more letters has text of its own; a stamp or the line of a scanning program has fewer."""

SCANNED_AREA = 0.5
"""Part of a page that its pictures cover when it is a scan."""

MAX_PICTURED = 5000
"""Pages that are named; far beyond what anybody lets recognise in one document."""

RENDERED_PIXELS = (1700, 24_000_000)
"""Shortest longest side, and most pixels in all, at which a page is recognised: small type on A4, and A0 still fits."""

MAX_DPI = 300


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Draw the first page that shows something."""
    with opened(file) as document:
        refusal = _refusal(document)
        if refusal is not None:
            return refusal
        return Outcome(state="ok", preview=encode_preview(_first_to_show(document)), facts=facts_of(document))


def printed_thumbnail(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Draw the first page that shows something, of a PDF that was printed only for that; a blank one is no preview."""
    with opened(file) as document:
        drawn = _first_to_show(document)
    return empty(BLANK) if _is_blank(drawn) else Outcome(state="ok", preview=encode_preview(drawn))


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the text of all pages, their comments and fields, and the names of what is attached."""
    with opened(file) as document:
        refusal = _refusal(document)
        if refusal is not None:
            return refusal
        return _read_pages(document, limits)


def page_picture(document: Any, number: int) -> Image.Image:
    """Draw a page in grey, in the resolution of what was scanned, upright as the PDF has it."""
    page = document[number]
    scale = _scale_of_scan(page)
    pixels = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, alpha=False)
    return Image.frombytes("L", (pixels.width, pixels.height), pixels.samples)


@contextmanager
def opened(file: BinaryIO) -> Iterator[Any]:
    """Open a PDF; what MuPDF raises for a broken one becomes a SuspectFileError."""
    # The path of the descriptor names the very file that was checked, whatever its real name is (which may not be
    # UTF-8).
    try:
        document = pymupdf.open(f"/dev/fd/{file.fileno()}", filetype="pdf")
    except (pymupdf.FileDataError, pymupdf.EmptyFileError) as error:
        raise SuspectFileError(DAMAGED) from error
    try:
        if not _is_encrypted(document):
            find_pages(document)
        yield document
    except pymupdf.mupdf.FzErrorBase as error:
        if is_memory_shortage(error):
            raise
        raise SuspectFileError(DAMAGED) from error
    finally:
        document.close()
        pymupdf.TOOLS.store_shrink(100)


def _refusal(document: Any) -> Outcome | None:
    if document.needs_pass:
        return unsupported(LOCKED)
    if document.page_count == 0:
        if _is_encrypted(document):
            return unsupported(ENCRYPTED)
        raise SuspectFileError(NO_PAGES)
    return None


def _is_encrypted(document: Any) -> bool:
    """Whether it is, also when no password is needed."""
    return bool(document.needs_pass or (document.metadata or {}).get("encryption"))


def _first_to_show(document: Any) -> Image.Image:
    """Draw the first page with something on it: a blank cover sheet tells nobody anything.

    It is the first one that can be drawn when none of the first ones shows anything.
    """
    first, failure = None, SuspectFileError(NO_SIZE)
    for number in range(min(TRIED_PAGES, document.page_count)):
        try:
            drawn = _draw(document[number])
        except (*BROKEN, SuspectFileError) as error:
            if is_memory_shortage(error):
                raise
            failure = error if isinstance(error, SuspectFileError) else SuspectFileError(DAMAGED)
            continue
        if not _is_blank(drawn):
            return drawn
        first = first or drawn
    if first is None:
        raise failure
    return first


def _draw(page: Any) -> Image.Image:
    longest = max(page.rect.width, page.rect.height)
    if not longest > 0:
        raise SuspectFileError(NO_SIZE)
    scale = PREVIEW_PIXELS / longest
    pixels = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False)
    return Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples)


def _is_blank(drawn: Image.Image) -> bool:
    darkest, lightest = drawn.convert("L").getextrema()
    return bool(lightest - darkest < BLANK_RANGE)  # type: ignore[operator] # of one band


def _scale_of_scan(page: Any) -> float:
    """Pixels per point: those of the largest picture on the page, within what lettering needs and a worker can hold."""
    wide, high = page.rect.width, page.rect.height
    if not (wide > 0 and high > 0):
        raise SuspectFileError("A page of the PDF has no size")
    shortest, most = RENDERED_PIXELS
    pictures = (info for info in page.get_image_info() if info["bbox"][2] > info["bbox"][0])
    native = max((info["width"] / (info["bbox"][2] - info["bbox"][0]) for info in pictures), default=MAX_DPI / 72)
    scale = max(min(native, MAX_DPI / 72), shortest / max(wide, high))
    return float(min(scale, (most / (wide * high)) ** 0.5))


def _read_pages(document: Any, limits: Limits) -> Outcome:
    deadline = time.monotonic() + limits.seconds * TEXT_TIME_SHARE
    pages: list[str] = []
    unread, pictured, chars = 0, [], 0
    for number in range(document.page_count):
        page, is_scan = _page_text(document, number)
        unread += page is None
        if is_scan:
            pictured.append(number)
        pages.append(page or "")
        chars += len(page or "") + 1
        if chars > limits.text_chars or time.monotonic() > deadline:
            break
    if unread == len(pages):
        raise SuspectFileError("No page of the PDF can be read")
    return _text_outcome(document, pages, unread, pictured, limits)


def _page_text(document: Any, number: int) -> tuple[str | None, bool]:
    """Return the text of a page, None when it cannot be read, and whether the page is a scan without text."""
    try:
        page = document[number]
        found = str(page.get_text("text", flags=TEXT_FLAGS)).replace("\f", "\n")
        notes = notes_on(page, found)
        return "\n".join([found.rstrip(), *notes]) if notes else found, _is_scan(page, found)
    except BROKEN as error:  # counted by the caller
        if is_memory_shortage(error):
            raise
        return None, False


def _is_scan(page: Any, found: str) -> bool:
    """Whether a page has next to no text, though pictures cover most of it."""
    if sum(map(str.isalnum, found)) > SCANNED_CHARS:
        return False
    whole = page.rect
    boxes = (pymupdf.Rect(info["bbox"]) & whole for info in page.get_image_info())
    covered = sum(abs(box.width * box.height) for box in boxes if not box.is_empty)
    return bool(covered > SCANNED_AREA * abs(whole.width * whole.height))


def _text_outcome(document: Any, pages: list[str], unread: int, pictured: list[int], limits: Limits) -> Outcome:
    attached = attachments_of(document)
    if attached:
        pages = [*pages[:-1], "\n".join(filter(None, (pages[-1].rstrip(), attached)))]
    whole = storable("\f".join(pages))
    reasons = [f"{unread} of {document.page_count} pages could not be read"] if unread else []
    if were_found(document):
        reasons.append(PAGES_FOUND)
    if has_xfa(document):
        reasons.append(XFA)
    found = bool(whole.strip())
    if not found:
        nothing = NO_TEXT_IN_SCAN if pictured else NO_TEXT
        reasons = [nothing if len(pages) == document.page_count else nothing + SO_FAR, *reasons]
    return Outcome(
        state="ok" if found else "empty",
        reason="; ".join(reasons) or None,
        text=whole[: limits.text_chars] if found else None,
        truncated=len(whole) > limits.text_chars or len(pages) < document.page_count,
        pages_read=len(pages) - unread - len(pictured),
        pictured=tuple(pictured[:MAX_PICTURED]),
        facts=facts_of(document),
    )
