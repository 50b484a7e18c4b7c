"""In which encoding a text is, told by its bytes: marks, zeros, UTF-8, and the two old German ones.

Windows wrote cp1252, DOS and many machines on a building site (measuring devices, old calculation programs) cp850. Both
are eight bits wide and nearly every file is valid in both, so what decides is which of them puts umlauts between
letters: ü of cp850 is no letter in cp1252, and the other way round a box-drawing line.

Invariant: time in proportion to the bytes given; never a guess for what is no text.
"""

from __future__ import annotations

import codecs
import re

MAX_CONTROL_SHARE = 0.01
"""A log may carry a stray control byte; a binary file carries many."""

MIN_WIDE_BYTES = 16
MAX_RARE_SHARE = 0.1
"""Of the characters of a text in UTF-16 without a mark: those of no European script; random bytes give nearly all."""

_TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1a\x1b")
_UNDEFINED_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")
_EUROPEAN = 0x0530
"""Latin, Greek and Cyrillic end before this code point."""

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# ä and ö of cp850 are quotation marks of cp1252, which stand at the edge of a word; ß is á, so it proves nothing alone.
_DOS_LETTERS = re.compile(
    rb"(?<=[A-Za-z])[\x84\x94](?=[A-Za-z\xe1])|(?<=[A-Za-z])[\x81\xe1]|\x81(?=[a-z])|(?<![A-Za-z])[\x8e\x99\x9a](?=[a-z])"
)
_WINDOWS_LETTERS = re.compile(rb"(?<=[A-Za-z])[\xc0-\xd6\xd8-\xf6\xf8-\xff]|[\xe4\xf6\xfc\xc4\xd6\xdc](?=[a-z])")


def text_encoding(head: bytes) -> str | None:
    """Return the encoding that text with this beginning is in, or None when it is not text."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        return _wide_encoding(head)
    if _controls(head) > len(head) * MAX_CONTROL_SHARE:
        return None
    return "utf-8" if _is_utf8(head) else _eight_bits(head)


def old_encoding(raw: bytes, *, doubtful: str = "cp1252") -> str:
    """Return the encoding of text that is not UTF-8: what DOS or what Windows wrote.

    Args:
        raw: some of the text.
        doubtful: the answer where it has no letters to tell by.
    """
    dos, windows = (sum(1 for _ in letters.finditer(raw)) for letters in (_DOS_LETTERS, _WINDOWS_LETTERS))
    if dos == windows:
        return doubtful
    return "cp850" if dos > windows else "cp1252"


def _eight_bits(head: bytes) -> str | None:
    encoding = old_encoding(head)
    return None if encoding == "cp1252" and _UNDEFINED_IN_CP1252.intersection(head) else encoding


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: a character cut at the end is fine
    except UnicodeDecodeError:
        return False
    return True


def _controls(head: bytes) -> int:
    return sum(1 for byte in head if byte < 0x20 and byte not in _TEXT_CONTROLS)


def _wide_encoding(head: bytes) -> str | None:
    """Text of two or four bytes a character without a mark: the upper bytes of European letters are zeros."""
    if len(head) < MIN_WIDE_BYTES:
        return None
    for encoding, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        try:
            text = head[: len(head) // width * width].decode(encoding)
        except UnicodeDecodeError as error:
            if len(head) - error.start > width * 2:  # not just a surrogate pair that the head cuts
                continue
            text = head[: error.start].decode(encoding)
        if _is_european(text):
            return encoding
    return None


def _is_european(text: str) -> bool:
    bad = sum(1 for sign in text if ord(sign) < 0x20 and ord(sign) not in _TEXT_CONTROLS)
    rare = sum(1 for sign in text if ord(sign) >= _EUROPEAN and not 0x2010 <= ord(sign) <= 0x266F)
    spaces = sum(1 for sign in text if sign in " \n\t")
    return bad == 0 and rare <= len(text) * MAX_RARE_SHARE and spaces > 0
