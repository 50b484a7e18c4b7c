"""PDF: a picture of the first page, and the text of all pages with form feeds between them, by MuPDF.

Runs inside the sandbox only. MuPDF repairs what it can; a page that it cannot read costs that page, and the result
says so.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import pymupdf
from PIL import Image

from ibhelm_pipelines.content.limits import PREVIEW_PIXELS, Limits, encode_preview, fact, is_memory_shortage
from ibhelm_pipelines.content.outcome import Facts, Outcome, empty, unsupported
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)

LOCKED = "The PDF is protected by a password"
NO_PAGES = "The PDF is damaged: it has no page that can be found"
DAMAGED = "The PDF is damaged beyond repair"

TEXT_FLAGS = pymupdf.TEXTFLAGS_TEXT & ~pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_DEHYPHENATE
"""Search wants `fi` as two letters and words that a line break cut in one piece."""

TEXT_TIME_SHARE = 0.6
"""Part of the time limit after which no further page is begun: what was read so far is worth keeping."""


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Draw the first page."""
    with _opened(file) as document:
        refusal = _refusal(document)
        if refusal is not None:
            return refusal
        return Outcome(state="ok", preview=_draw(document[0]), facts=_facts(document))


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the text of all pages."""
    with _opened(file) as document:
        refusal = _refusal(document)
        if refusal is not None:
            return refusal
        return _read_pages(document, limits)


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Any]:
    # The path of the descriptor names the very file that was checked, whatever its real name is (which may not be
    # UTF-8).
    try:
        document = pymupdf.open(f"/dev/fd/{file.fileno()}", filetype="pdf")
    except (pymupdf.FileDataError, pymupdf.EmptyFileError) as error:
        raise SuspectFileError(DAMAGED) from error
    try:
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
        raise SuspectFileError(NO_PAGES)
    return None


def _facts(document: Any) -> Facts:
    metadata = document.metadata or {}
    return Facts(page_count=document.page_count, author=fact(metadata.get("author")), title=fact(metadata.get("title")))


def _draw(page: Any) -> bytes:
    longest = max(page.rect.width, page.rect.height)
    if not longest > 0:
        raise SuspectFileError("The first page of the PDF has no size")
    scale = PREVIEW_PIXELS / longest
    pixels = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False)
    return encode_preview(Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples))


def _read_pages(document: Any, limits: Limits) -> Outcome:
    deadline = time.monotonic() + limits.seconds * TEXT_TIME_SHARE
    pages: list[str] = []
    unread = chars = 0
    for number in range(document.page_count):
        page = _page_text(document, number)
        unread += page is None
        pages.append(page or "")
        chars += len(page or "") + 1
        if chars > limits.text_chars or time.monotonic() > deadline:
            break
    if unread == len(pages):
        raise SuspectFileError("No page of the PDF can be read")
    return _text_outcome(document, pages, unread, limits)


def _page_text(document: Any, number: int) -> str | None:
    try:
        return str(document[number].get_text("text", flags=TEXT_FLAGS))
    except (RuntimeError, ValueError) as error:  # what MuPDF raises for a broken page; counted by the caller
        if is_memory_shortage(error):
            raise
        return None


def _text_outcome(document: Any, pages: list[str], unread: int, limits: Limits) -> Outcome:
    whole = storable("\f".join(pages))
    facts = _facts(document)
    truncated = len(whole) > limits.text_chars or len(pages) < document.page_count
    if not whole.strip():
        return empty("No text in this PDF: scanned or drawn pages", facts)
    reason = f"{unread} of {document.page_count} pages could not be read" if unread else None
    return Outcome(state="ok", reason=reason, text=whole[: limits.text_chars], truncated=truncated, facts=facts)
