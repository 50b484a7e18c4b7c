"""Gives a file that is whole its name in the target. The one place of a restore that can put something in the stead of
a file that stands there.

Nothing is replaced unless that was asked for, and then only a plain file, only by one whose bytes are verified and on
the disk, and only if it is still the one that was looked at. What a person did meanwhile stays.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat as stat_module
from dataclasses import dataclass

from ibhelm_pipelines.renaming import rename_to_free_name

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe must not hang us


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands at a name.

    Attributes:
        stat: what the file system said of it when it was looked at.
        sha256: of its bytes; None for what is no plain file, and where its size says enough.
    """

    stat: os.stat_result
    sha256: str | None

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file: no folder, link, pipe or device."""
        return stat_module.S_ISREG(self.stat.st_mode)

    def same_as(self, other: os.stat_result) -> bool:
        """Tell whether it is untouched since."""
        names = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "st_mode")
        return all(getattr(self.stat, name) == getattr(other, name) for name in names)


def look(fd: int, raw_name: bytes, *, size: int) -> Standing | None:
    """Look at a name in an open folder; None where it is free. A file of another size is not read.

    Raises:
        OSError: it cannot be read.
    """
    try:
        found = os.stat(raw_name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat_module.S_ISREG(found.st_mode) or found.st_size != size:
        return Standing(stat=found, sha256=None)
    with os.fdopen(os.open(raw_name, _OPEN_FILE, dir_fd=fd), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Standing(stat=os.fstat(file.fileno()), sha256=digest)


def place(working_fd: int, temporary: bytes, fd: int, raw_name: bytes) -> bool:
    """Give a finished file a free name; return False, and leave everything alone, where it is taken.

    Raises:
        OSError: the file system refuses.
    """
    return rename_to_free_name(working_fd, temporary, fd, raw_name)


def replace(working_fd: int, temporary: bytes, fd: int, raw_name: bytes, *, standing: Standing) -> bool:
    """Put a finished file in the stead of another; return False, and leave everything alone, where that is no plain
    file or no longer the one that was looked at.

    Raises:
        OSError: the file system refuses; the old file stands.
    """
    if not standing.is_file:
        return False
    try:
        now = os.stat(raw_name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return place(working_fd, temporary, fd, raw_name)
    if not standing.same_as(now):
        return False
    os.rename(temporary, raw_name, src_dir_fd=working_fd, dst_dir_fd=fd)
    return True


def set_time(fd: int, raw_name: bytes, mtime_ns: int | None) -> str:
    """Give a file its modification time; return what is amiss with it, empty where it has it to the nanosecond."""
    if mtime_ns is None:
        return "its time was not kept: it has that of the restore"
    file = os.open(raw_name, _OPEN_FILE, dir_fd=fd)
    try:
        if os.fstat(file).st_mtime_ns != mtime_ns:
            os.utime(file, ns=(mtime_ns, mtime_ns))
        kept = os.fstat(file).st_mtime_ns
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return f"its time cannot be set ({error})"
    finally:
        os.close(file)
    return "" if kept == mtime_ns else f"the target keeps times only roughly: {kept} instead of {mtime_ns} ns"
