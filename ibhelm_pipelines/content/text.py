"""Plain text, Markdown, CSV, JSON: decoded as what it most likely is, and a picture of how it begins.

Runs inside the sandbox. Reads no further than the characters that are kept, however big the file is.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable
from typing import BinaryIO

from ibhelm_pipelines.content.encodings import old_encoding, text_encoding
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome, empty
from ibhelm_pipelines.content.page import MAX_LINES, draw_table, draw_text
from ibhelm_pipelines.content.sniff import HEAD_BYTES
from ibhelm_pipelines.plain_text import storable

BLANK = "The text is only blanks"
PREVIEW_BYTES = 16_384
"""More than a preview page holds."""

MAX_BYTES_PER_CHAR = 4

MAX_WORD = 32
SAMPLE_BYTES = 65_536
"""Around the first sign that is not UTF-8: by these it is told which old encoding the file is in."""

_FROM_OLD = {"cp1252": "ibhelm-cp1252", "cp850": "ibhelm-cp850"}


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Draw the beginning of the text."""
    beginning, _ = read_text(file, PREVIEW_BYTES // MAX_BYTES_PER_CHAR)
    return Outcome(state="ok", preview=draw_text(beginning)) if beginning.strip() else empty(BLANK)


def thumbnail_csv(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the beginning of a table; what does not look like one is drawn as text."""
    beginning, _ = read_text(file, PREVIEW_BYTES // MAX_BYTES_PER_CHAR)
    rows = _rows(beginning)
    if max(map(len, rows), default=0) < 2:
        file.seek(0)
        return thumbnail(file, limits)
    return Outcome(state="ok", preview=draw_table(rows))


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the text."""
    whole, truncated = read_text(file, limits.text_chars)
    return Outcome(state="ok", text=whole, truncated=truncated) if whole.strip() else empty(BLANK, stopped=truncated)


def read_text(file: BinaryIO, max_chars: int) -> tuple[str, bool]:
    """Return the decoded text up to `max_chars` characters, and whether there is more of it."""
    head = file.read(HEAD_BYTES)
    raw = head + file.read(max_chars * MAX_BYTES_PER_CHAR)
    decoded = storable(_decode(raw, text_encoding(head) or "cp1252"))
    return decoded[:max_chars], len(decoded) > max_chars or bool(file.read(1))


def _rows(beginning: str) -> list[list[str]]:
    """The delimiter is the one that the first lines use most:

    German Excel writes semicolons, everyone else commas or tabs.
    """
    lines = beginning.splitlines()[:MAX_LINES]
    delimiter = max(";\t,|", key=lambda sign: sum(line.count(sign) for line in lines))
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []


def _decode(raw: bytes, encoding: str) -> str:
    if encoding not in ("utf-8", "cp1252"):
        return raw.decode(encoding, "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        # Old exports mix UTF-8 and one of the others in one file, line by line.
        old = old_encoding(raw[error.start - min(error.start, MAX_WORD) : error.start + SAMPLE_BYTES])
        return raw.decode("utf-8", _FROM_OLD[old])


def _decoder_of(old: str) -> Callable[[UnicodeError], tuple[str, int]]:
    """Return an error handler that decodes what is not UTF-8 as an old program wrote it."""

    def decode(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        return error.object[error.start : error.end].decode(old, "replace"), error.end

    return decode


for _old, _name in _FROM_OLD.items():
    codecs.register_error(_name, _decoder_of(_old))
