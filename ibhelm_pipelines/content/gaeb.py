"""Bills of quantities in the formats of the GAEB, which German tenders are exchanged in: their items as text and table.

Runs inside the sandbox only. Three spellings are read, from 1990 (columns), 2000 (words in brackets) and today (XML);
which one it is, the first bytes say, whatever the file is called.
"""

from __future__ import annotations

import time
from typing import BinaryIO

from ibhelm_pipelines.content import gaeb_lines, gaeb_xml
from ibhelm_pipelines.content.bill import Bill
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome, empty
from ibhelm_pipelines.content.page import MAX_LINES, draw_table
from ibhelm_pipelines.content.text import read_text

NO_ITEMS = "The GAEB file has no items"

MAX_SOURCE_CHARS = 16_000_000
"""Of the two old spellings, which are read as a whole; thousands of items have a few hundred thousand."""

TIME_SHARE = 0.6
PREVIEW_CHARS = 12_000
"""More than the first lines that fit on a preview."""


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the first items as a table."""
    bill = _read(file, limits, PREVIEW_CHARS)
    facts, rows = bill.facts(), bill.rows(MAX_LINES)
    if not rows:
        return empty(NO_ITEMS, facts, stopped=bill.stopped)
    return Outcome(state="ok", preview=draw_table(rows, title=facts.title), facts=facts)


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read all items, with their long texts and prices."""
    bill = _read(file, limits, limits.text_chars)
    facts = bill.facts()
    if not bill.entries:
        return empty(NO_ITEMS, facts, stopped=bill.stopped)
    whole = bill.text()
    truncated = bill.stopped or len(whole) > limits.text_chars
    return Outcome(state="ok", text=whole[: limits.text_chars], truncated=truncated, facts=facts)


def _read(file: BinaryIO, limits: Limits, max_chars: int) -> Bill:
    deadline = time.monotonic() + limits.seconds * TIME_SHARE
    bill = Bill(full=lambda chars: chars > max_chars or time.monotonic() > deadline)
    head = file.read(512)
    file.seek(0)
    if b"#begin[" not in head and b"<" in head:
        gaeb_xml.read(file, bill)
        return bill
    source, more = read_text(file, MAX_SOURCE_CHARS)
    (gaeb_lines.read_2000 if b"#begin[" in head else gaeb_lines.read_90)(source, bill)
    bill.stopped = bill.stopped or more
    return bill
