"""Plain text, Markdown, CSV, JSON: decoded as what it most likely is, and a picture of how it begins.

Runs inside the sandbox. Reads no further than the characters that are kept, however big the file is.
"""

from __future__ import annotations

import codecs
import csv
from typing import BinaryIO

from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome, empty
from ibhelm_pipelines.content.page import MAX_LINES, draw_table, draw_text
from ibhelm_pipelines.content.sniff import HEAD_BYTES, text_encoding
from ibhelm_pipelines.plain_text import storable

BLANK = "The text is only blanks"
PREVIEW_BYTES = 16_384
"""More than a preview page holds."""

MAX_BYTES_PER_CHAR = 4

_AS_CP1252 = "ibhelm-cp1252"


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
    return Outcome(state="ok", text=whole, truncated=truncated) if whole.strip() else empty(BLANK)


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
    return raw.decode("utf-8", _AS_CP1252) if encoding in ("utf-8", "cp1252") else raw.decode(encoding, "replace")


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Decode what is not UTF-8 as Windows wrote it; old exports mix both in one file, line by line."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_AS_CP1252, _as_cp1252)
