"""Lists of tar archives, and of what is packed as one stream: gzip, bzip2, xz, zstd, with or without a tar in it.

What has no directory must be unpacked to be listed: as a stream that is thrown away piece by piece, up to
MAX_UNPACKED bytes and the deadline. What was seen until then is the list, and it says that it is not whole.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import time
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from backports import zstd

from ibhelm_pipelines.content.listing import CUT_OFF, Entry, Listing, from_unix_time
from ibhelm_pipelines.content.tar_list import BLOCK, entries_of
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

MAX_UNPACKED = 512 << 20
PIECE_BYTES = 256 << 10
MAX_GZIP_HEADER = 70_000
HAS_EXTRA, HAS_NAME = 4, 8

NAMELESS = "(ohne Namen)"

_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)
"""What the unpackers raise for broken data; bz2 and gzip raise OSError."""

_UNPACKERS: dict[str, Callable[[BinaryIO], BinaryIO]] = {
    "gz": lambda file: cast("BinaryIO", gzip.GzipFile(fileobj=file)),
    "bz2": lambda file: cast("BinaryIO", bz2.BZ2File(file)),
    "xz": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115 - the file is the caller's
    "zst": lambda file: cast("BinaryIO", zstd.ZstdFile(file)),
}


class _SpentError(Exception):
    """As much was unpacked as may be."""


class _InFile:
    """A tar archive as it lies there."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, os.SEEK_END)
        file.seek(0)

    def read(self, count: int) -> bytes:
        return self._file.read(count)

    def skip(self, count: int) -> None:
        if self._file.tell() + count > self._length:
            raise SuspectFileError(CUT_OFF)
        self._file.seek(count, os.SEEK_CUR)


class _Unpacked:
    """A stream of unpacked bytes that ends with an error when there were too many."""

    def __init__(self, stream: BinaryIO, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self.count = 0

    def read(self, count: int) -> bytes:
        if self.count + count > MAX_UNPACKED or time.monotonic() > self._deadline:
            raise _SpentError
        data = self._stream.read(count)
        self.count += len(data)
        return data

    def skip(self, count: int) -> None:
        while count > 0:
            passed = len(self.read(min(count, PIECE_BYTES)))
            if not passed:
                raise SuspectFileError(CUT_OFF)
            count -= passed


def list_tar(file: BinaryIO, kind: str, deadline: float) -> Listing:
    """List a tar archive from header to header."""
    return _collect(entries_of(_InFile(file)), Listing(kind=kind, doubtful="cp1252"), deadline)


def list_packed(file: BinaryIO, kind: str, deadline: float) -> Listing:
    """List the tar archive that is packed, or the one file."""
    listing = Listing(kind=kind, doubtful="cp1252")
    try:
        head = _UNPACKERS[kind](file).read(BLOCK)
    except _BROKEN as error:
        return listing.cut(_judged(error))
    file.seek(0)
    name, moment = _gzip_header(file) if kind == "gz" else (NAMELESS, None)
    file.seek(0)
    stream = _Unpacked(_UNPACKERS[kind](file), deadline)
    if head.startswith(b"ustar", 257):
        listing.kind = f"tar.{kind}"
        return _collect(entries_of(stream), listing, deadline)
    return _measured(stream, listing, name, moment)


def _collect(entries: Iterator[Entry], listing: Listing, deadline: float) -> Listing:
    try:
        is_whole = all(listing.add(entry) and time.monotonic() < deadline for entry in entries)
    except _SpentError:
        return listing.cut()
    except (SuspectFileError, *_BROKEN) as error:
        return listing.cut(_judged(error))
    return listing if is_whole else listing.cut()


def _measured(stream: _Unpacked, listing: Listing, name: str | bytes, moment: dt.datetime | None) -> Listing:
    """A file that is packed alone: its length is told only by unpacking it."""
    try:
        while stream.read(PIECE_BYTES):
            pass
    except _SpentError:
        listing.cut()
    except _BROKEN as error:
        listing.cut(_judged(error))
    listing.add(Entry(name=name, size=stream.count if listing.is_whole else None, written_at=moment))
    return listing


def _judged(error: Exception) -> str:
    """Return the reason for an error of an unpacker; that of a disk is none."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    return CUT_OFF


def _gzip_header(file: BinaryIO) -> tuple[str | bytes, dt.datetime | None]:
    """Return the name and the date that the header has, if any."""
    head = file.read(MAX_GZIP_HEADER)
    flags, moment = head[3], from_unix_time(int.from_bytes(head[4:8], "little"))
    at = 10
    if flags & HAS_EXTRA:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
    name = head[at:].partition(b"\0")[0] if flags & HAS_NAME else b""
    return name or NAMELESS, moment
