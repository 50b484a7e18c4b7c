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

from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError, ShareUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

CHANGED = "The file changed since the last scan"
GONE = "The file is no longer where the last scan saw it"

_FLAGS = (
    os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
)  # a pipe that took the file's place must not hang us
_SIGNED_64 = 1 << 63


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


def require_share(settings: Settings) -> None:
    """Check that the share is mounted.

    Raises:
        ShareUnavailableError: its marker is not there.
    """
    marker = os.path.join(settings.root, os.fsencode(settings.share_marker))  # noqa: PTH118 - bytes
    try:
        os.stat(marker)  # noqa: PTH116 - bytes
    except OSError as error:
        raise ShareUnavailableError(
            f"The NAS share is not there: {os.fsdecode(marker)} cannot be found ({error.strerror}).",
            next_step="Mount the share; a new one is marked once with `ibhelm init-share`.",
        ) from error


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
    inode = status.st_ino - 2 * _SIGNED_64 if status.st_ino >= _SIGNED_64 else status.st_ino
    if (status.st_size, status.st_mtime_ns, inode) != (place.size_bytes, place.mtime_ns, place.inode):
        raise ContentChangedError(CHANGED, next_step="The next scan takes it up.")
