"""Files that the platform itself put onto the NAS for a mail: looked at, and removed. Nothing else deletes there.

A file goes only if it is still where it was put and still holds the bytes that were put there; whatever people did to
it makes it theirs. No link is followed on the way to it, so that nothing outside of its folder can be meant.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError
from ibhelm_pipelines.nas.names import display, split

if TYPE_CHECKING:
    from collections.abc import Iterator

Fate = Literal["ours", "absent", "changed"]

_DIRECTORY = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_ABSENT = (errno.ENOENT,)
_REPLACED = (errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What stands at a path now.

    Attributes:
        fate: `ours`: what was put there; `absent`: nothing; `changed`: something else, which is left alone.
        identity: of the file that was read.
    """

    fate: Fate
    identity: tuple[int, int, int] | None = None


def look(root: bytes, raw_path: bytes, content_hash: str | None) -> Seen:
    """Read what stands at a path below the root.

    Args:
        content_hash: of what was put there; without one nothing can be proven to be ours.

    Raises:
        FileUnreadableError: it cannot be read.
    """
    try:
        with _folder(root, split(raw_path)[0]) as folder:
            return _look_at(folder, split(raw_path)[1], content_hash)
    except OSError as error:
        if error.errno in _ABSENT:
            return Seen(fate="absent")
        if error.errno in _REPLACED:
            return Seen(fate="changed")
        raise _cannot("read", raw_path, error) from error


def remove(root: bytes, raw_path: bytes, seen: Seen) -> bool:
    """Remove a file that is ours, and its mail's folder when nothing else is in it; return whether that is gone.

    Raises:
        ContentChangedError: it changed since it was looked at.
        FileUnreadableError: it cannot be removed.
    """
    raw_folder, name = split(raw_path)
    try:
        if seen.fate == "ours":
            with _folder(root, raw_folder) as folder:
                _unlink(folder, name, seen)
        return _remove_folder(root, raw_folder)
    except OSError as error:
        raise _cannot("removed", raw_path, error) from error


def _look_at(folder: int, name: bytes, content_hash: str | None) -> Seen:
    descriptor = os.open(name, _FILE, dir_fd=folder)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return Seen(fate="changed")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        same = _identity(before) == _identity(os.fstat(descriptor)) and digest == content_hash
    return Seen(fate="ours", identity=_identity(before)) if same else Seen(fate="changed")


def _unlink(folder: int, name: bytes, seen: Seen) -> None:
    if _identity(os.stat(name, dir_fd=folder, follow_symlinks=False)) != seen.identity:
        raise ContentChangedError(
            "A file changed just when it was to be removed.", next_step="Run the same command again; it goes on."
        )
    os.unlink(name, dir_fd=folder)


def _remove_folder(root: bytes, raw_folder: bytes) -> bool:
    above, name = split(raw_folder)
    try:
        with _folder(root, above) as folder:
            os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        if error.errno not in (*_ABSENT, *_REPLACED):
            raise
    return True


@contextmanager
def _folder(root: bytes, raw_folder: bytes) -> Iterator[int]:
    """Open a folder below the root, level by level: a link on the way is ELOOP or ENOTDIR."""
    levels = raw_folder.split(b"/") if raw_folder else []
    if any(level in (b"", b".", b"..") for level in levels):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    descriptor = os.open(root, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        for level in levels:
            below = os.open(level, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _cannot(what: str, raw_path: bytes, error: OSError) -> FileUnreadableError:
    return FileUnreadableError(
        f"The file {display(raw_path)} cannot be {what}: {error.strerror}.",
        next_step="Give this user the right to do it, and run the same command again; it goes on where it stopped.",
    )
