"""The tags of a DXF file, group code and value, read one after the other and never held together.

Both spellings are read, lines of text and binary. What cannot be understood is passed over in text; it ends the reading
of a binary file, but what came before stands.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

BINARY_MARK = b"AutoCAD Binary DXF\r\n\x1a\x00"
MAX_VALUE_BYTES = 65_536
"""Longer values are cut: no line of a drawing is that long, pictures inside of it are."""


class Tag(NamedTuple):
    """One tag; its value as it stands in the file, numbers of binary files as digits."""

    code: int
    value: bytes


END = b"EOF"
BROKEN = Tag(-1, b"")
"""Stands for what cannot be understood."""


def read_tags(file: BinaryIO) -> Iterator[Tag]:
    """Yield the tags of the file from its beginning."""
    file.seek(0)
    if file.read(len(BINARY_MARK)) == BINARY_MARK:
        return _binary_tags(file)
    file.seek(0)
    return _text_tags(file)


def _text_tags(file: BinaryIO) -> Iterator[Tag]:
    """A line that is no code where one should stand is passed over, and told as BROKEN."""
    while (line := _line(file)) is not None:
        try:
            code = int(line.lstrip(b"\xef\xbb\xbf"))
        except ValueError:
            yield BROKEN
            continue
        value = _line(file)
        if value is None:
            return
        yield Tag(code, value)
        if code == 0 and value == END:
            return


def _line(file: BinaryIO) -> bytes | None:
    line = file.readline(MAX_VALUE_BYTES)
    rest = line
    while rest and not rest.endswith(b"\n") and len(rest) == MAX_VALUE_BYTES:
        rest = file.readline(MAX_VALUE_BYTES)
    return line.strip(b" \t\r\n") if line else None


_NUMBERS = {
    **dict.fromkeys(range(10, 60), "<d"),
    **dict.fromkeys(range(60, 80), "<h"),
    **dict.fromkeys(range(90, 100), "<i"),
    **dict.fromkeys(range(110, 150), "<d"),
    **dict.fromkeys(range(160, 170), "<q"),
    **dict.fromkeys(range(170, 180), "<h"),
    **dict.fromkeys(range(210, 240), "<d"),
    **dict.fromkeys(range(270, 290), "<h"),
    **dict.fromkeys(range(290, 300), "<B"),
    **dict.fromkeys(range(370, 390), "<h"),
    **dict.fromkeys(range(400, 410), "<h"),
    **dict.fromkeys(range(420, 430), "<i"),
    **dict.fromkeys(range(440, 460), "<i"),
    **dict.fromkeys(range(460, 470), "<d"),
    **dict.fromkeys(range(1010, 1060), "<d"),
    **dict.fromkeys(range(1060, 1071), "<h"),
    1071: "<i",
}
"""How the numbers of a binary file are written, by group code (DXF reference, Group Code Value Types)."""

_CHUNKS = frozenset((*range(310, 320), 1004))
_LONG_CODE = 255
"""In files of R12 a code is one byte, and this one says that the real one follows in two."""


def _binary_tags(file: BinaryIO) -> Iterator[Tag]:
    short = _has_short_codes(file)
    while (code := _binary_code(file, short=short)) is not None:
        value = _binary_value(file, code)
        if value is None:
            return
        yield Tag(code, value)


def _has_short_codes(file: BinaryIO) -> bool:
    """The file begins with code 0 and SECTION: with codes of two bytes there are two zeros before the word."""
    start = file.read(2)
    file.seek(len(BINARY_MARK))
    return start != b"\0\0"


def _binary_code(file: BinaryIO, *, short: bool) -> int | None:
    raw = file.read(1 if short else 2)
    if short and raw == bytes([_LONG_CODE]):
        raw = file.read(2)
    return int.from_bytes(raw, "little") if raw else None


def _binary_value(file: BinaryIO, code: int) -> bytes | None:
    if code in _CHUNKS:
        length = file.read(1)
        return file.read(length[0]) if length else None
    pattern = _NUMBERS.get(code)
    if pattern is None:
        return _binary_word(file)
    raw = file.read(struct.calcsize(pattern))
    return str(struct.unpack(pattern, raw)[0]).encode() if len(raw) == struct.calcsize(pattern) else None


def _binary_word(file: BinaryIO) -> bytes | None:
    word = bytearray()
    while byte := file.read(1):
        if byte == b"\0":
            return bytes(word)
        if len(word) < MAX_VALUE_BYTES:
            word += byte
    return None
