"""Reads the bytes of a content from the NAS, and never from a file that is no longer the one that the scan hashed.

Size, modification time and inode are compared with what the scan wrote down, before and after reading: a file that
was edited meanwhile gives no result at all, because it would be stored under the wrong hash. Nothing here ever
writes.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError
from ibhelm_pipelines.share import signed64, storable_time_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGED = "The file changed since the last scan"
GONE = "The file is no longer where the last scan saw it"

_FLAGS = (
    os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
)  # a pipe that took the file's place must not hang us


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
