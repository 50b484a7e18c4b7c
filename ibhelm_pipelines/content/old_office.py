"""Old Office files (doc, xls, ppt) and what else lies in an OLE file: their text, and a sheet with its beginning.

Runs inside the sandbox. What it is, the streams say: a workbook may hold a Word document and is one none the less. New
Office files that are protected by a password are OLE files too.
"""

from __future__ import annotations

import itertools
from typing import BinaryIO

from ibhelm_pipelines.content import old_word
from ibhelm_pipelines.content.families import FAMILIES, ReadStep, load_reader
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.office import NOTHING, draw_beginning, draw_rows
from ibhelm_pipelines.content.old_sheets import OldBook, open_book
from ibhelm_pipelines.content.old_slides import Show
from ibhelm_pipelines.content.ole import DAMAGED, Ole
from ibhelm_pipelines.content.outcome import Facts, Outcome, empty, unsupported
from ibhelm_pipelines.content.page import MAX_LINES
from ibhelm_pipelines.content.pages import Pages, ends_early
from ibhelm_pipelines.content.zip_package import LOCKED
from ibhelm_pipelines.errors import SuspectFileError

TOO_OLD = "PowerPoint file of before 1997: cannot be read"
UNKNOWN = "The file is of an old Office kind that cannot be read (Visio, Publisher, Project or another)"

WORD, SLIDES, BOOKS, MAIL = "worddocument", "powerpoint document", ("workbook", "book"), "__properties_version1.0"
"""Streams, in lower case. A workbook comes last: documents may hold one."""


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the text; sheets and slides are pages."""
    ole = Ole(file)
    refusal = _refusal(ole)
    if refusal is not None:
        return _as_mail(ole, file, limits, "text") or refusal
    pages = Pages(limits.text_chars)
    if WORD in ole.names:
        pages.fill(lambda: old_word.read(ole, pages))
        return _text(ole, pages, ole.facts(), counts_pages=False)
    if SLIDES in ole.names:
        show = Show(ole)
        pages.fill(lambda: show.read(pages))
        return _text(ole, pages, ole.facts(count=len(show.slides)))
    book = _book(ole)
    if book is None:
        return unsupported(LOCKED)
    pages.fill(lambda: book.read(pages))
    return _text(ole, pages, ole.facts(count=book.count))


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the beginning of the text or table."""
    ole = Ole(file)
    refusal = _refusal(ole)
    if refusal is not None:
        return _as_mail(ole, file, limits, "thumbnail") or refusal
    if WORD in ole.names:
        return _shown(draw_beginning(lambda pages: old_word.read(ole, pages)), ole.facts())
    if SLIDES in ole.names:
        show = Show(ole)
        return _shown(draw_beginning(show.read), ole.facts(count=len(show.slides)))
    book = _book(ole)
    if book is None:
        return unsupported(LOCKED)
    return _shown(draw_rows(itertools.islice(book.first_rows(), MAX_LINES)), ole.facts(count=book.count))


def _refusal(ole: Ole) -> Outcome | None:
    if "encryptedpackage" in ole.names:
        return unsupported(LOCKED)
    if WORD in ole.names:
        return unsupported(LOCKED) if old_word.is_locked(ole.read(WORD)) else None
    if SLIDES in ole.names:
        return unsupported(LOCKED) if Show(ole).is_locked else None
    if any(name in ole.names for name in BOOKS):
        return None
    return unsupported(TOO_OLD if "pp40" in ole.names or "pp30" in ole.names else UNKNOWN)


def _text(ole: Ole, pages: Pages, facts: Facts, *, counts_pages: bool = True) -> Outcome:
    """The outcome; of a file that is cut off, no text is no proof that there was none."""
    if ole.is_cut and not pages.text().strip():
        raise SuspectFileError(DAMAGED)
    if ole.is_cut:
        pages.truncated, pages.reason = True, ends_early(DAMAGED)
    return pages.outcome(NOTHING, facts, counts_pages=counts_pages)


def _book(ole: Ole) -> OldBook | None:
    return open_book(ole.read(next(name for name in BOOKS if name in ole.names)))


def _shown(preview: bytes | None, facts: Facts) -> Outcome:
    return Outcome(state="ok", preview=preview, facts=facts) if preview else empty(NOTHING, facts)


def _as_mail(ole: Ole, file: BinaryIO, limits: Limits, step: ReadStep) -> Outcome | None:
    """A mail that Outlook saved under another name; its bytes begin like those of any OLE file."""
    reader = getattr(FAMILIES["outlook"], step).reader
    if MAIL not in ole.names or reader is None:
        return None
    file.seek(0)
    return load_reader(reader)(file, limits)
