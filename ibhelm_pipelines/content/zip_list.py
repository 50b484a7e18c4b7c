"""The directory of a ZIP archive, read entry by entry.

Not by the standard library: its ZipFile makes an object of a kilobyte of each entry before one can ask for the first,
which a million entries turn into a gigabyte; it takes names of German DOS for those of another code page; and it gives
up on an archive without its end, of which the first files are still there.
"""

from __future__ import annotations

import datetime as dt
import os
import struct
import time
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.content.listing import CUT_OFF, Entry, Listing

if TYPE_CHECKING:
    from collections.abc import Iterator

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = struct.Struct("<2H")

MAX_COMMENT = 65_535
IS_LOCKED, HAS_DESCRIPTOR, IS_UTF8 = 0x1, 0x8, 0x800
UNIX = 3
UNKNOWN_SIZE, UNKNOWN_COUNT = 0xFFFFFFFF, 0xFFFF
LONG_SIZES, UNICODE_NAME = 0x0001, 0x7075


def list_zip(file: BinaryIO, kind: str, deadline: float) -> Listing:
    """List a ZIP archive by its directory, or without one by what stands before each file."""
    listing = Listing(kind=kind)
    directory = _directory(file)
    if directory is None:
        _collect(_walked(file, listing), listing, deadline)
        return listing.cut(CUT_OFF)
    start, end, total = directory
    file.seek(start)
    if _collect(_read(file, end, listing), listing, deadline):
        return listing if file.tell() >= end else listing.cut(CUT_OFF)
    listing.total = max(total, len(listing.entries))
    return listing.cut()


def _collect(entries: Iterator[Entry], listing: Listing, deadline: float) -> bool:
    """Take entries, and return whether they came to their end before there were enough."""
    return all(listing.add(entry) and time.monotonic() < deadline for entry in entries)


def _directory(file: BinaryIO) -> tuple[int, int, int] | None:
    """Return where the directory begins and ends, and how many entries it claims to have."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _END.size - MAX_COMMENT - _LOCATOR.size))
    base, tail = file.tell(), file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + _END.size:
        return None
    _, _, _, _, count, size, _, _ = _END.unpack_from(tail, at)
    end = base + at
    if size == UNKNOWN_SIZE or count == UNKNOWN_COUNT or tail[at - _LOCATOR.size : at].startswith(b"PK\6\7"):
        end, count, size = _long_directory(file, tail[max(0, at - _LOCATOR.size) : at]) or (end, count, size)
    start = end - size
    return (start, end, count) if start >= 0 and _is_directory(file, start, size) else None


def _long_directory(file: BinaryIO, locator: bytes) -> tuple[int, int, int] | None:
    """Return where the directory of a large archive ends, its count and its length."""
    if len(locator) < _LOCATOR.size or not locator.startswith(b"PK\6\7"):
        return None
    _, _, offset, _ = _LOCATOR.unpack(locator)
    if offset > file.seek(0, os.SEEK_END):
        return None
    file.seek(offset)
    record = file.read(_END_64.size)
    if len(record) < _END_64.size or not record.startswith(b"PK\6\6"):
        return None
    *_, count, size, _ = _END_64.unpack(record)
    return offset, count, size


def _is_directory(file: BinaryIO, start: int, size: int) -> bool:
    file.seek(start)
    return size == 0 or file.read(4) == b"PK\1\2"


def _read(file: BinaryIO, end: int, listing: Listing) -> Iterator[Entry]:
    while file.tell() < end:
        record = file.read(_CENTRAL.size)
        if len(record) < _CENTRAL.size or not record.startswith(b"PK\1\2"):
            return
        _, made, _, flags, _, clock, day, _, _, size, names, extras, notes, *_ = _CENTRAL.unpack(record)
        name, extra = file.read(names), file.read(extras)
        file.seek(notes, os.SEEK_CUR)
        if made >> 8 == UNIX:
            listing.doubtful = "cp1252"
        listing.is_locked |= bool(flags & IS_LOCKED)
        yield _entry(name, extra, flags, size, (day, clock))


def _walked(file: BinaryIO, listing: Listing) -> Iterator[Entry]:
    """Go from file to file, as far as each tells its length."""
    file.seek(0)
    while True:
        record = file.read(_LOCAL.size)
        if len(record) < _LOCAL.size or not record.startswith(b"PK\3\4"):
            return
        _, _, flags, _, clock, day, _, packed, size, names, extras = _LOCAL.unpack(record)
        name, extra = file.read(names), file.read(extras)
        if not name:
            return
        listing.is_locked |= bool(flags & IS_LOCKED)
        is_told = not flags & HAS_DESCRIPTOR and packed != UNKNOWN_SIZE
        yield _entry(name, extra, flags, size if is_told else None, (day, clock))
        if not is_told:
            return
        file.seek(packed, os.SEEK_CUR)


def _entry(name: bytes, extra: bytes, flags: int, size: int | None, moment: tuple[int, int]) -> Entry:
    extras = dict(_extras(extra))
    if size == UNKNOWN_SIZE:
        size = int.from_bytes(extras.get(LONG_SIZES, b"")[:8], "little") or None
    # After a version and a checksum, the name in UTF-8 for programs that cannot say so in the flags.
    shown = extras[UNICODE_NAME][5:].decode("utf-8", "replace") if len(extras.get(UNICODE_NAME, b"")) > 5 else None
    if shown is None:
        shown = name.decode("utf-8", "replace") if flags & IS_UTF8 else None
    is_folder = name.endswith((b"/", b"\\"))
    return Entry(name=shown or name, size=size, written_at=_date(*moment), is_folder=is_folder)


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        yield kind, extra[at + _EXTRA.size : at + _EXTRA.size + length]
        at += _EXTRA.size + length


def _date(day: int, clock: int) -> dt.datetime | None:
    try:
        return dt.datetime(  # noqa: DTZ001 - the clock on the wall where it was packed
            1980 + (day >> 9), day >> 5 & 15, day & 31, clock >> 11, clock >> 5 & 63, min((clock & 31) * 2, 59)
        )
    except ValueError:
        return None
