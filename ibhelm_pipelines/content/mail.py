"""Mails in files: one (.eml, .mht, text with the headers of a mail), or a whole folder of them (.mbox).

Runs inside the sandbox. The text is what a mail program shows: the head, with the names and sizes of what was
attached, and the words; attached mails below. Attachments are not looked into: filed ones are contents of their own.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.content.letter import Letter, drawn, outcome
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.mime import MimeReader
from ibhelm_pipelines.content.outcome import Outcome
from ibhelm_pipelines.content.sniff import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME_SHARE = 0.6
"""Part of the time limit after which no further mail or part is begun."""

MAX_MAIL_BYTES = 128 << 20
"""Of one mail; no server takes larger ones."""

PREVIEW_BYTES = 4 << 20
PREVIEW_CHARS = 16_384
MAX_LINE = 1 << 20
MAX_MAILS = 20_000
BLANKS = b"\xef\xbb\xbf \t\r\n"
"""What may stand before the first header, the mark of UTF-8 among it."""

_ENVELOPE = b"From "
_QUOTED_ENVELOPE = re.compile(rb"^>(?=>*From )", re.MULTILINE)


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the head and the first lines of the first mail."""
    deadline = time.monotonic() + limits.seconds * TIME_SHARE
    data, is_whole = next(_mails(file, PREVIEW_BYTES))
    letter = MimeReader(data, max_chars=PREVIEW_CHARS, deadline=deadline).read()
    if not is_whole:
        letter.attachments = [replace(each, size=None) for each in letter.attachments]
    return drawn(letter)


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read all mails, with their heads."""
    deadline = time.monotonic() + limits.seconds * TIME_SHARE
    letters: list[Letter] = []
    chars = 0
    for data, is_whole in _mails(file, MAX_MAIL_BYTES):
        if len(letters) >= MAX_MAILS or chars > limits.text_chars or time.monotonic() > deadline:
            letters[-1].is_whole = False
            break
        letter = MimeReader(data, max_chars=limits.text_chars - chars + 1, deadline=deadline).read()
        letter.is_whole &= is_whole
        letters.append(letter)
        chars += len(letter.body)
    return outcome(letters, limits)


def _mails(file: BinaryIO, max_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """Yield each mail of a file, up to so many bytes of it, and whether it is whole."""
    beginning = file.read(HEAD_BYTES).lstrip(BLANKS)
    file.seek(0)
    if beginning.startswith(_ENVELOPE):
        yield from _mails_of_folder(file, max_bytes)
        return
    data = file.read(max_bytes)
    yield data.lstrip(BLANKS), not file.read(1)


def _mails_of_folder(file: BinaryIO, max_bytes: int) -> Iterator[tuple[bytes, bool]]:
    """A line that begins with `From ` after a blank one begins a mail; such lines inside are quoted."""
    lines, length, was_blank = list[bytes](), 0, True
    while line := file.readline(MAX_LINE):
        if was_blank and line.startswith(_ENVELOPE):
            if lines:
                yield _unquoted(lines), length <= max_bytes
            lines, length = [], 0
        else:
            length += len(line)
            if length <= max_bytes:
                lines.append(line)
        was_blank = not line.strip()
    yield _unquoted(lines), length <= max_bytes


def _unquoted(lines: list[bytes]) -> bytes:
    return _QUOTED_ENVELOPE.sub(b"", b"".join(lines))
