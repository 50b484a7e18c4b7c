"""Reads the bytes of a content from the NAS, and never from a file that is no longer the one that the scan hashed.

A content that is not too large is copied into memory first, for the worker that opens it: such a copy has no name and
lies on no disk, so that a worker whom the kernel refuses every file can still open it as often as it likes, and it
cannot change under its reader.

Size, modification time and inode are compared with what the scan wrote down, before and after reading: a file that
was edited meanwhile gives no result at all, because it would be stored under the wrong hash. Nothing here ever
writes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError
from ibhelm_pipelines.share import signed64, storable_time_ns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHANGED = "The file changed since the last scan"
GONE = "The file is no longer where the last scan saw it"

_FLAGS = (
    os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
)  # a pipe that took the file's place must not hang us


COPIED_BYTES = 16 << 20
"""Copying so much takes 10 ms; a larger file gets a process of its own, which takes longer to start
(benchmarks/sandbox.py), but waits for no copy of gigabytes."""

_F_ADD_SEALS, _NO_CHANGES = 1033, 0x1 | 0x2 | 0x4 | 0x8  # of linux/fcntl.h


@dataclass(frozen=True, kw_only=True)
class Place:
    """One live file that carries a content, as the last scan saw it.

    Attributes:
        path: absolute, as the bytes that the kernel knows.
        inode: as the database keeps it, 64 bits signed.
    """

    path: bytes
    extension: str
    size_bytes: int
    mtime_ns: int
    inode: int


def place_of(path: Path) -> Place:
    """Return the place of a file that was made just now.

    Raises:
        ContentChangedError: it is not there any more.
    """
    try:
        status = path.lstat()
    except OSError as error:
        raise cannot_read(error) from error
    return Place(
        path=os.fsencode(path),
        extension=path.suffix[1:],
        size_bytes=status.st_size,
        mtime_ns=storable_time_ns(status.st_mtime_ns),
        inode=signed64(status.st_ino),
    )


@contextmanager
def opened(place: Place) -> Iterator[BinaryIO]:
    """Open the file for reading, unbuffered by us, and check it before and after the block.

    Raises:
        ContentChangedError: it is not the file that was scanned.
        FileUnreadableError: it cannot be read now.
    """
    try:
        descriptor = os.open(place.path, _FLAGS)
    except OSError as error:
        raise cannot_read(error) from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        _check(file, place)
        yield file
        _check(file, place)


@contextmanager
def handed_out(place: Place) -> Iterator[BinaryIO]:
    """Open the file as a worker gets it: a copy of it up to COPIED_BYTES, else itself. Errors as of `opened`."""
    if not is_copied(place):
        with opened(place) as file:
            yield file
        return
    with opened(place) as file:
        copy = _copy(file)
    with copy:
        yield copy


def is_copied(place: Place) -> bool:
    """Whether a worker gets a copy of this file."""
    return place.size_bytes <= COPIED_BYTES and sys.platform == "linux"


def _copy(file: BinaryIO) -> BinaryIO:
    copy = os.fdopen(os.memfd_create("content", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "rb")
    left = COPIED_BYTES
    try:
        while left > 0 and (sent := os.sendfile(copy.fileno(), file.fileno(), None, left)):
            left -= sent
        fcntl.fcntl(copy.fileno(), _F_ADD_SEALS, _NO_CHANGES)
    except OSError as error:
        copy.close()
        raise cannot_read(error) from error
    return copy


def cannot_read(error: OSError) -> ContentChangedError | FileUnreadableError:
    """Turn what the operating system says about a file into our words."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        return ContentChangedError(GONE, next_step="The next scan finds out where it went.")
    return FileUnreadableError(
        f"The file cannot be read: {error.strerror}", next_step="Check the NAS and its permissions."
    )


def _check(file: BinaryIO, place: Place) -> None:
    status = os.fstat(file.fileno())
    seen = status.st_size, storable_time_ns(status.st_mtime_ns), signed64(status.st_ino)
    if seen != (place.size_bytes, place.mtime_ns, place.inode):
        raise ContentChangedError(CHANGED, next_step="The next scan takes it up.")
