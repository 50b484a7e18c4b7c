"""Gives a finished file its name without ever replacing what has that name already, even if it appears that moment."""

from __future__ import annotations

import ctypes
import errno
import os

_RENAME_NOREPLACE = 1
_NOT_SUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def rename_to_free_name(from_fd: int, old: bytes, to_fd: int, new: bytes) -> bool:
    """Rename from one open folder into another; return whether the name was free, False when nothing was done.

    Raises:
        OSError: the file system cannot do it.
    """
    if _renameat2 is None:
        return _link(from_fd, old, to_fd, new)
    if _renameat2(from_fd, old, to_fd, new, _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        return False
    if number in _NOT_SUPPORTED:
        return _link(from_fd, old, to_fd, new)  # NFS cannot rename so, but it can link
    raise OSError(number, os.strerror(number))


def _link(from_fd: int, old: bytes, to_fd: int, new: bytes) -> bool:
    try:
        os.link(old, new, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except FileExistsError:
        return False
    os.unlink(old, dir_fd=from_fd)
    return True
