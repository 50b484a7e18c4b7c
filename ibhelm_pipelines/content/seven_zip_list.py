"""The directory of a 7z archive: names, sizes and dates, without unpacking a file.

The directory stands at the end, usually packed itself (LZMA, which the standard library unpacks). py7zr would read it,
too, with ten packages of unpackers that nobody needs for a list; this is the part of the format that a list takes
(7zFormat.txt of the 7-Zip SDK; the names here are from there).

Invariant: every count is only believed as far as there are bytes for it.
"""

from __future__ import annotations

import lzma
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.content.listing import CUT_OFF, Entry, Listing, from_unix_time

if TYPE_CHECKING:
    import datetime as dt

MAX_DIRECTORY = 64 << 20
"""Bytes of a directory: a million entries have about as many."""

MAX_PACKED_TIMES = 4
"""A directory may be packed, and the directory of that again; nobody does it more often."""

SIGNATURE_BYTES = 32
END, HEADER, ARCHIVE_PROPERTIES, MORE_STREAMS, STREAMS, FILES = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05
PACK_INFO, UNPACK_INFO, SUBSTREAMS = 0x06, 0x07, 0x08
SIZES, DIGESTS, FOLDER, UNPACK_SIZES, STREAM_COUNTS = 0x09, 0x0A, 0x0B, 0x0C, 0x0D
EMPTY_STREAM, EMPTY_FILE, NAMES, MODIFIED, PACKED_HEADER = 0x0E, 0x0F, 0x11, 0x14, 0x17

COPY, LZMA2, LZMA1, AES = b"\x00", b"\x21", b"\x03\x01\x01", b"\x06\xf1\x07"
_FILETIME_TO_UNIX = 11_644_473_600


class _LockedError(Exception):
    """The names need a password."""


class _BrokenError(Exception):
    """What stands there is no directory of a 7z archive."""


@dataclass
class _Coder:
    method: bytes
    properties: bytes
    inputs: int = 1
    outputs: int = 1


@dataclass
class _Folder:
    """What was packed together: by which coders, into how many bytes, and of how many files."""

    coders: list[_Coder]
    unpacked: list[int] = field(default_factory=list)
    streams: int = 1
    has_digest: bool = False

    @property
    def size(self) -> int:
        return self.unpacked[-1] if self.unpacked else 0

    @property
    def outputs(self) -> int:
        return sum(coder.outputs for coder in self.coders)


@dataclass
class _Streams:
    position: int = 0
    packed: list[int] = field(default_factory=list)
    folders: list[_Folder] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


@dataclass
class _Files:
    names: list[str] = field(default_factory=list)
    moments: list[int | None] = field(default_factory=list)
    is_empty: list[bool] = field(default_factory=list)
    is_empty_file: list[bool] = field(default_factory=list)


class _Bytes:
    """A directory that is read byte by byte, and ends with an error where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise _BrokenError
        self._at += count
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """Read a number of one to nine bytes: the leading ones of the first say how many follow."""
        first = self.byte()
        for extra in range(8):
            mask = 0x80 >> extra
            if not first & mask:
                return int.from_bytes(self.take(extra), "little") | (first & (mask - 1)) << (8 * extra)
        return int.from_bytes(self.take(8), "little")

    def count(self) -> int:
        """Read how many things follow: each has a bit at least."""
        count = self.number()
        if count > len(self._data) * 8:
            raise _BrokenError
        return count

    def bits(self, count: int) -> list[bool]:
        data = self.take(-(-count // 8))
        return [bool(data[index // 8] & 0x80 >> index % 8) for index in range(count)]

    def bits_or_all(self, count: int) -> list[bool]:
        return [True] * count if self.byte() else self.bits(count)

    def digests(self, count: int) -> list[bool]:
        """Pass over checksums, and return which there are."""
        known = self.bits_or_all(count)
        self.take(4 * sum(known))
        return known

    def rest(self) -> bytes:
        return self._data[self._at :]

    def expect(self, kind: int) -> None:
        if self.byte() != kind:
            raise _BrokenError


def list_seven_zip(file: BinaryIO, kind: str, deadline: float) -> Listing:
    """List a 7z archive by its directory."""
    listing = Listing(kind=kind)
    try:
        directory = _directory(file)
        if directory is None:
            return listing
        streams, files = _read_header(directory)
        return _filled(listing, streams, files, deadline)
    except _LockedError:
        listing.has_locked_names = True
        return listing
    except (_BrokenError, lzma.LZMAError, UnicodeDecodeError):
        return listing.cut(CUT_OFF)


def _directory(file: BinaryIO) -> _Bytes | None:
    start = file.read(SIGNATURE_BYTES)
    if len(start) < SIGNATURE_BYTES:
        raise _BrokenError
    offset, size = (int.from_bytes(start[at : at + 8], "little") for at in (12, 20))
    if size == 0:
        return None
    data = _read_at(file, SIGNATURE_BYTES + offset, size)
    for _ in range(MAX_PACKED_TIMES):
        directory = _Bytes(data)
        kind = directory.byte()
        if kind == HEADER:
            return directory
        if kind != PACKED_HEADER:
            break
        data = _unpacked(file, _read_streams(directory))
    raise _BrokenError


def _read_at(file: BinaryIO, position: int, size: int) -> bytes:
    if size > MAX_DIRECTORY or position + size > file.seek(0, os.SEEK_END):
        raise _BrokenError
    file.seek(position)
    return file.read(size)


def _unpacked(file: BinaryIO, streams: _Streams) -> bytes:
    if not streams.folders or not streams.packed:
        raise _BrokenError
    folder = streams.folders[0]
    if _is_locked(folder):
        raise _LockedError
    if len(folder.coders) != 1 or folder.size > MAX_DIRECTORY:
        raise _BrokenError
    data = _read_at(file, SIGNATURE_BYTES + streams.position, streams.packed[0])
    coder = folder.coders[0]
    if coder.method == COPY:
        return data
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_filter(coder, folder.size)])
    return unpacker.decompress(data, folder.size)


def _filter(coder: _Coder, size: int) -> dict[str, int]:
    """Return how Python's lzma is told of a coder; a dictionary larger than what is unpacked has no use."""
    properties = coder.properties
    if coder.method == LZMA1 and len(properties) == 5:
        bits, room = properties[0], int.from_bytes(properties[1:], "little")
        shape = {"lc": bits % 9, "lp": bits // 9 % 5, "pb": bits // 45}
        return {"id": lzma.FILTER_LZMA1, "dict_size": _dictionary(room, size), **shape}
    if coder.method == LZMA2 and len(properties) == 1:
        room = (2 | properties[0] & 1) << (properties[0] // 2 + 11)
        return {"id": lzma.FILTER_LZMA2, "dict_size": _dictionary(room, size)}
    raise _BrokenError


def _dictionary(room: int, size: int) -> int:
    return max(4096, min(room, size))


def _is_locked(folder: _Folder) -> bool:
    return any(coder.method.startswith(AES) for coder in folder.coders)


def _read_header(data: _Bytes) -> tuple[_Streams, _Files]:
    streams, files = _Streams(), _Files()
    while (kind := data.byte()) != END:
        if kind == ARCHIVE_PROPERTIES:
            while data.byte() != END:
                data.take(data.number())
        elif kind == MORE_STREAMS:
            _read_streams(data)
        elif kind == STREAMS:
            streams = _read_streams(data)
        elif kind == FILES:
            files = _read_files(data)
        else:
            raise _BrokenError
    return streams, files


def _read_streams(data: _Bytes) -> _Streams:
    streams = _Streams()
    has_substreams = False
    while (kind := data.byte()) != END:
        if kind == PACK_INFO:
            _read_pack_info(data, streams)
        elif kind == UNPACK_INFO:
            _read_folders(data, streams)
        elif kind == SUBSTREAMS:
            _read_substreams(data, streams)
            has_substreams = True
        else:
            raise _BrokenError
    if not has_substreams:
        streams.sizes = [folder.size for folder in streams.folders]
    return streams


def _read_pack_info(data: _Bytes, streams: _Streams) -> None:
    streams.position, count = data.number(), data.count()
    while (kind := data.byte()) != END:
        if kind == SIZES:
            streams.packed = [data.number() for _ in range(count)]
        elif kind == DIGESTS:
            data.digests(count)
        else:
            raise _BrokenError


def _read_folders(data: _Bytes, streams: _Streams) -> None:
    data.expect(FOLDER)
    count = data.count()
    data.expect(0)  # 1: the folders are in another stream, which nobody writes
    streams.folders = [_read_folder(data) for _ in range(count)]
    data.expect(UNPACK_SIZES)
    for folder in streams.folders:
        folder.unpacked = [data.number() for _ in range(folder.outputs)]
    while (kind := data.byte()) != END:
        if kind != DIGESTS:
            raise _BrokenError
        for folder, known in zip(streams.folders, data.digests(count), strict=True):
            folder.has_digest = known


def _read_folder(data: _Bytes) -> _Folder:
    folder = _Folder([_read_coder(data) for _ in range(data.count())])
    inputs = sum(coder.inputs for coder in folder.coders)
    bound = max(0, folder.outputs - 1)
    for _ in range(2 * bound):
        data.number()
    if inputs - bound > 1:
        for _ in range(inputs - bound):
            data.number()
    return folder


def _read_coder(data: _Bytes) -> _Coder:
    flags = data.byte()
    coder = _Coder(data.take(flags & 15), b"")
    if flags & 0x10:
        coder.inputs, coder.outputs = data.count(), data.count()
    if flags & 0x20:
        coder.properties = data.take(data.number())
    return coder


def _read_substreams(data: _Bytes, streams: _Streams) -> None:
    kind = data.byte()
    if kind == STREAM_COUNTS:
        for folder in streams.folders:
            folder.streams = data.count()
        kind = data.byte()
    for folder in streams.folders:
        streams.sizes += _read_sizes(data, folder, are_told=kind == SIZES)
    if kind == SIZES:
        kind = data.byte()
    if kind == DIGESTS:
        data.digests(sum(0 if each.streams == 1 and each.has_digest else each.streams for each in streams.folders))
        kind = data.byte()
    if kind != END:
        raise _BrokenError


def _read_sizes(data: _Bytes, folder: _Folder, *, are_told: bool) -> list[int]:
    """Return the sizes of a folder's files: all but the last are told, it has the rest."""
    if folder.streams == 0:
        return []
    told = [data.number() for _ in range(folder.streams - 1)] if are_told else []
    return [*told, max(0, folder.size - sum(told))]


def _read_files(data: _Bytes) -> _Files:
    files = _Files()
    count = data.count()
    while (kind := data.byte()) != END:
        about = _Bytes(data.take(data.number()))
        if kind == NAMES:
            about.expect(0)
            files.names = _read_names(about, count)
        elif kind == MODIFIED:
            known = about.bits_or_all(count)
            about.expect(0)
            files.moments = [int.from_bytes(about.take(8), "little") if each else None for each in known]
        elif kind == EMPTY_STREAM:
            files.is_empty = about.bits(count)
        elif kind == EMPTY_FILE:
            files.is_empty_file = about.bits(sum(files.is_empty))
    return files


def _read_names(about: _Bytes, count: int) -> list[str]:
    names = about.rest().decode("utf-16-le", "replace").split("\0")
    if len(names) < count:
        raise _BrokenError
    return names[:count]


def _filled(listing: Listing, streams: _Streams, files: _Files, deadline: float) -> Listing:
    sizes, empty_files = iter(streams.sizes), iter(files.is_empty_file)
    listing.is_locked = any(_is_locked(folder) for folder in streams.folders)
    for index, name in enumerate(files.names):
        is_empty = index < len(files.is_empty) and files.is_empty[index]
        is_folder = is_empty and not next(empty_files, False)
        size = 0 if is_empty else next(sizes, None)
        moment = files.moments[index] if index < len(files.moments) else None
        entry = Entry(name=name, size=size, written_at=_date(moment), is_folder=is_folder)
        if not listing.add(entry) or time.monotonic() > deadline:
            listing.total = len(files.names)
            return listing.cut() if index + 1 < len(files.names) else listing
    return listing


def _date(moment: int | None) -> dt.datetime | None:
    """Return a moment of Windows: steps of 100 ns since 1601."""
    return None if moment is None else from_unix_time(moment / 10_000_000 - _FILETIME_TO_UNIX)
