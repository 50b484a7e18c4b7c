"""The only hand of the platform that writes on the share: attachments, into inbox folders, and nothing else.

- Every folder is opened name by name from the root down, and no symbolic link is followed: one that is called IBH-INBOX
  leads nowhere.
- Nothing is ever overwritten, changed or removed, but files of our own that are not finished.
- A file has its name only when all its bytes are on the disk. Until then it has a name that scanners leave out.
- The share's marker is seen before each file: an empty mount point is never filled.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat as stat_module
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import FileUnreadableError, ShareUnavailableError
from ibhelm_pipelines.portable_names import folded, free_name
from ibhelm_pipelines.renaming import rename_to_free_name
from ibhelm_pipelines.vendors.missive.attachment_names import room_for_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from ibhelm_pipelines.share import Share
    from ibhelm_pipelines.vendors.missive.attachment_places import Place

TEMPORARY_SUFFIX = ".partial"

_OPEN_ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FOLDER = _OPEN_ROOT | os.O_NOFOLLOW
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe must not hang us
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_BYTES = 1 << 20

_OF_ONE_FILE = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.ENAMETOOLONG, errno.EFBIG,
                errno.EINVAL, errno.EISDIR, errno.EEXIST, errno.EILSEQ}  # fmt: skip
"""What is wrong with one folder or name; whatever else the system says (no space, read-only, stale) is wrong with the
share."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a file gets its name.

    Attributes:
        raw_path: below the root.
        is_there: whether a file with these very bytes stands there already.
    """

    raw_path: bytes
    is_there: bool


@contextmanager
def translated_disk_errors(what: str) -> Iterator[None]:
    """Turn what the system says of the share into our errors: one file's trouble, or everybody's."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in _OF_ONE_FILE:
            raise FileUnreadableError(
                f"{what} cannot be written: {reason}.", next_step="Mend the folder; it is tried again."
            ) from error
        raise ShareUnavailableError(
            f"The share cannot be written ({what}): {reason}.",
            next_step="Free space there, or mount it so that it can be written; nothing is lost, the next run goes on.",
        ) from error


def temporary_name(number: int) -> str:
    """Return a name for a file that is not finished, one that no other run uses."""
    return f".ibhelm-{number}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"


class Disk:
    """The root of the share, open; a context manager.

    Args:
        share: whose marker was seen.

    Raises:
        ShareUnavailableError: it is not there any more.
    """

    def __init__(self, share: Share) -> None:
        self._share = share

    def __enter__(self) -> Disk:
        with translated_disk_errors("its root"):
            self._root = os.open(self._share.root, _OPEN_ROOT)
        self.check()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def check(self) -> None:
        """Make sure that what is open is the share, and that it is mounted.

        Raises:
            ShareUnavailableError: it is not.
        """
        self._share.check()
        stat = os.fstat(self._root)
        if (stat.st_dev, stat.st_ino) != (self._share.device, self._share.inode):
            raise ShareUnavailableError(
                "Another folder appeared at the NAS root.", next_step="Nothing was written; check the mount."
            )

    @contextmanager
    def folder(self, place: Place, *, levels: int) -> Iterator[Folder]:
        """Open the first levels of a place below its base; what is missing of them is made.

        Raises:
            FileUnreadableError: something else stands there, or it may not be made.
            ShareUnavailableError: the share is full, read-only or gone.
        """
        self.check()
        with ExitStack() as stack, translated_disk_errors(_shown(place.raw_path)):
            names = place.raw_base.split(b"/") if place.raw_base else []
            fd = self._open(names, stack)
            for name in place.below[:levels]:
                names.append(_made(fd, name))
                fd = _step(fd, names[-1], stack)
            stack_of_block = stack.pop_all()
        with stack_of_block:
            yield Folder(fd, b"/".join(names))

    def _open(self, raw_names: Sequence[bytes], stack: ExitStack) -> int:
        fd = self._root
        for raw_name in raw_names:
            fd = _step(fd, raw_name, stack)
        return fd

    def holds(self, raw_path: bytes, size: int, sha256: str | None = None) -> bool:
        """Tell whether a file of this size, and of this content if it is given, stands at a path below the root.

        Raises:
            ShareUnavailableError: the share is gone.
        """
        self.check()
        *above, raw_name = raw_path.split(b"/")
        with suppress(OSError), ExitStack() as stack:
            return _holds(self._open(above, stack), raw_name, size, sha256)
        return False

    def remove_temporary(self, raw_path: bytes) -> None:
        """Remove what a killed run left.

        Raises:
            ShareUnavailableError: the share is gone.
        """
        self.check()
        *above, raw_name = raw_path.split(b"/")
        if not raw_name.startswith(b".ibhelm-") or not raw_name.endswith(TEMPORARY_SUFFIX.encode()):
            raise ValueError("this is no temporary file of ours")
        with suppress(FileNotFoundError, NotADirectoryError), ExitStack() as stack:
            os.unlink(raw_name, dir_fd=self._open(above, stack))


class Folder:
    """One open folder below the root."""

    def __init__(self, fd: int, raw_path: bytes) -> None:
        self._fd, self.raw_path = fd, raw_path

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Make a file that is on the disk, whole, when the block ends; removed when it ends by an error."""
        what = _shown(_join(self.raw_path, name.encode()))
        with translated_disk_errors(what):
            file = os.fdopen(os.open(name, _CREATE, 0o666, dir_fd=self._fd), "wb")
        with ExitStack() as unfinished:
            unfinished.callback(self.discard, name)
            with translated_disk_errors(what), file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.pop_all()

    def discard(self, name: str) -> None:
        """Remove a file of our own that is not finished."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    def target(self, name: str, *, size: int, sha256: str) -> Target:
        """Choose the name: the first that is free, or that holds these bytes already."""
        max_bytes = room_for_name(self.raw_path)
        with translated_disk_errors(_shown(self.raw_path)):
            listed = {folded(each): os.fsencode(each) for each in _names(self._fd)}
        refused: set[str] = set()
        while True:
            candidate = free_name(name, refused, max_bytes=max_bytes)
            raw_name = listed.get(folded(candidate))
            if raw_name is None:
                return Target(raw_path=_join(self.raw_path, candidate.encode()), is_there=False)
            if _holds(self._fd, raw_name, size, sha256):
                return Target(raw_path=_join(self.raw_path, raw_name), is_there=True)
            refused.add(folded(candidate))

    def adopt(self, source: Folder, temporary: str, target: Target) -> bytes | None:
        """Give a finished file its name, unless something has that name by now.

        Returns:
            The path below the root, as the folder lists it; None where the name is taken.
        """
        name = target.raw_path.rpartition(b"/")[2]
        with translated_disk_errors(_shown(target.raw_path)):
            if not rename_to_free_name(source._fd, os.fsencode(temporary), self._fd, name):
                return None
            os.fsync(self._fd)
            os.fsync(source._fd)
        return _join(self.raw_path, _as_listed(self._fd, name.decode()) or name)


def _step(fd: int, raw_name: bytes, stack: ExitStack) -> int:
    """Open a folder in an open one, until the stack ends."""
    below = os.open(raw_name, _OPEN_FOLDER, dir_fd=fd)
    stack.callback(os.close, below)
    return below


def _made(fd: int, name: str) -> bytes:
    """Return a folder's name as it is on the disk, where it may differ in case; it is made when there is none."""
    listed = _as_listed(fd, name)
    if listed is not None:
        return listed
    with suppress(FileExistsError):
        os.mkdir(name, 0o777, dir_fd=fd)
        os.fsync(fd)
    return _as_listed(fd, name) or name.encode()


def _names(fd: int) -> list[str]:
    return os.listdir(fd)


def _as_listed(fd: int, name: str) -> bytes | None:
    """Return how a folder lists a name: exactly so, or as what a Windows client takes for the same."""
    names = _names(fd)
    if name in names:
        return os.fsencode(name)
    return min((os.fsencode(each) for each in names if folded(each) == folded(name)), default=None)


def _holds(fd: int, raw_name: bytes, size: int, sha256: str | None) -> bool:
    try:
        file = os.fdopen(os.open(raw_name, _OPEN_FILE, dir_fd=fd), "rb")
    except OSError:
        return False  # no file, or none that can be read: not these bytes
    with file:
        stat = os.fstat(file.fileno())
        if not stat_module.S_ISREG(stat.st_mode) or stat.st_size != size:
            return False
        return sha256 is None or hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _join(raw_path: bytes, raw_name: bytes) -> bytes:
    return raw_path + b"/" + raw_name if raw_path else raw_name


def _shown(raw_path: bytes) -> str:
    return raw_path.decode("utf-8", "backslashreplace")
