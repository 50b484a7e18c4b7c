"""OLE files as small as they can be made: the container of old Office files, of encrypted ones, of Outlook's mails."""

from __future__ import annotations

import struct

SECTOR = 512
MIN_STREAM = 4096
"""Shorter streams would lie in a container of their own."""

_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_STREAM, _ROOT = 2, 5


def ole(streams: dict[str, bytes]) -> bytes:
    """An OLE file with these streams, each padded with zeros to the shortest length that a stream has."""
    padded = {name: data.ljust(MIN_STREAM, b"\0") for name, data in streams.items()}
    directory_sectors = -(-(len(padded) + 1) // 4)
    fat = [_FAT, *_chain(1, directory_sectors)]
    entries, body = [_entry("Root Entry", _ROOT, child=1)], b""
    for number, (name, data) in enumerate(padded.items(), 1):
        start, count = len(fat), -(-len(data) // SECTOR)
        fat += _chain(start, count)
        right = number + 1 if number < len(padded) else _NONE
        entries.append(_entry(name, _STREAM, right=right, start=start, size=len(data)))
        body += data.ljust(count * SECTOR, b"\0")
    assert len(fat) <= SECTOR // 4, "more than one FAT sector is not needed here"
    table = struct.pack("<128I", *fat, *[_FREE] * (128 - len(fat)))
    directory = b"".join(entries).ljust(directory_sectors * SECTOR, b"\0")
    return _header() + table + directory + body


def _chain(start: int, count: int) -> list[int]:
    return [*range(start + 1, start + count), _END]


def _header() -> bytes:
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, 1, 1, 0, MIN_STREAM, _END, 0, _END, 0)
    return head + struct.pack("<109I", 0, *[_FREE] * 108)


def _entry(name: str, kind: int, *, right: int = _NONE, child: int = _NONE, start: int = _END, size: int = 0) -> bytes:
    encoded = name.encode("utf-16-le")
    head = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded) + 2, kind, 1)
    return head + struct.pack("<III16xI16xIQ", _NONE, right, child, 0, start, size)
