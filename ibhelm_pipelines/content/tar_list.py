"""The headers of a tar archive, one after the other, from a file or from what unpacks one.

A header is judged by the standard library; how far one is read on its word is decided here: its TarFile takes names
of any length into memory, so that a tar.gz of a few kilobytes could fill the machine.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ibhelm_pipelines.content.listing import CUT_OFF, Entry, from_unix_time
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512
MAX_HEADER = 1 << 20
"""Longest name or set of attributes that is read; a path of a thousand folders has kilobytes."""

SPARSE_GOES_ON, SPARSE_GOES_ON_AGAIN = 482, 504
"""Where old GNU headers of files with holes say that another block follows."""


class Source(Protocol):
    """A file, or a stream that can only go forward."""

    def read(self, count: int, /) -> bytes:
        """Return the next bytes."""

    def skip(self, count: int, /) -> None:
        """Go on without looking."""


@dataclass
class _Ahead:
    """What headers say of the entry that follows them."""

    name: str | bytes | None = None
    values: dict[str, str] = field(default_factory=dict)


def entries_of(source: Source) -> Iterator[Entry]:
    """Yield the entries of a tar archive.

    Raises:
        SuspectFileError: it ends, or is none any more, before its end.
    """
    ahead = _Ahead()
    while (block := source.read(BLOCK)).strip(b"\0"):
        info = _header(block)
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            _look_ahead(info, source, ahead)
        elif info.type in (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE):
            source.skip(_padded(info.size))
        else:
            entry = _entry(info, ahead)
            yield entry
            _pass_sparse_blocks(info, block, source)
            if info.isreg() or info.type not in tarfile.SUPPORTED_TYPES:
                source.skip(_padded(max(info.size, entry.size or 0) if "size" in ahead.values else info.size))
            ahead = _Ahead()
    if len(block) < BLOCK:
        raise SuspectFileError(CUT_OFF)


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise SuspectFileError(CUT_OFF) from error
    if info.size < 0:
        raise SuspectFileError(CUT_OFF)
    return info


def _entry(info: tarfile.TarInfo, ahead: _Ahead) -> Entry:
    told = ahead.values
    size = int(told["size"]) if told.get("size", "").isdecimal() else info.size
    return Entry(
        name=told.get("path") or ahead.name or info.name.encode("utf-8", "surrogateescape"),
        size=None if info.isdir() else size,
        written_at=from_unix_time(info.mtime),
        is_folder=info.isdir(),
    )


def _look_ahead(info: tarfile.TarInfo, source: Source, ahead: _Ahead) -> None:
    data = source.read(min(info.size, MAX_HEADER))
    source.skip(_padded(info.size) - len(data))
    if info.type == tarfile.GNUTYPE_LONGNAME:
        ahead.name = data.partition(b"\0")[0]
    else:
        ahead.values |= dict(_attributes(data))


def _attributes(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield what a pax header says: lines of `length key=value`, the length that of the whole line."""
    at = 0
    while at < len(data):
        length = data[at : at + 20].partition(b" ")[0]
        if not length.isdigit() or int(length) <= len(length) + 1:
            return
        line = data[at + len(length) + 1 : at + int(length)]
        key, _, value = line.rstrip(b"\n").partition(b"=")
        yield key.decode("utf-8", "replace"), value.decode("utf-8", "replace")
        at += int(length)


def _pass_sparse_blocks(info: tarfile.TarInfo, block: bytes, source: Source) -> None:
    goes_on = info.type == tarfile.GNUTYPE_SPARSE and block[SPARSE_GOES_ON]
    while goes_on:
        block = source.read(BLOCK)
        goes_on = len(block) == BLOCK and block[SPARSE_GOES_ON_AGAIN]


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
