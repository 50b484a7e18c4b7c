"""The folder into which files are restored.

- Every folder is opened name by name from the target down and no symbolic link is followed, so that nothing is written
  outside it, whatever stands there and whatever the rows say.
- The NAS is never written to: neither the target nor any folder below it may be its root or lie in it.
- One restore at a time; what a killed one left unfinished lies in a folder of its own and is cleared by the next.
- Where the file system takes two names for one, the second is refused instead of being lost in the first.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import unicodedata
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import BusyError, ConfigurationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from ibhelm_pipelines.settings import Settings

WORKING = ".ibhelm-restore"
"""The folder for what is not finished."""
MANIFEST = "ibhelm-restore.jsonl"
SUMMARY = "ibhelm-restore-summary.json"

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIGEST_BYTES = 8

OF_THE_WHOLE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
"""What is wrong with more than one name; whatever else the system says is one file's trouble."""
_FULL = {errno.ENOSPC, errno.EDQUOT}


class RefusedPathError(Exception):
    """Nothing may be written at one path; says why. Never leaves this room."""


class Target:
    """A folder that is ours while the block lasts; it is made when there is none.

    Args:
        settings: name the NAS root, if one is known.
        folder: where to.

    Raises:
        ConfigurationError: it lies in the NAS, or cannot be made or written.
        BusyError: another restore is writing into it.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._nas = _identity(Path(os.fsdecode(settings.root))) if settings.nas_root is not None else None
        self.folder = folder.absolute()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._refuse_the_nas()
            with _refusing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self.fd = _opened(stack, self.folder.resolve(strict=True))
                self._refuse_the_nas()  # now that all of it is there
                self.working = self.folder / WORKING
                with suppress(FileExistsError):
                    os.mkdir(WORKING, 0o700, dir_fd=self.fd)
                self.working_fd = _opened(stack, WORKING, self.fd)
            self._lock()
            self._clear()
            self._folds = _takes_two_names_for_one(self.working_fd)
            self._spelt: dict[bytes, bytes] = {}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self._clear()
            with suppress(OSError):
                os.rmdir(WORKING, dir_fd=self.fd)

    @contextmanager
    def folder_of(self, raw_path: bytes) -> Iterator[tuple[int, bytes]]:
        """Open the folder in which a file is to stand; missing ones are made. Gives it and the file's name.

        Raises:
            RefusedPathError: nothing may be written there.
            OSError: it cannot be made.
        """
        *above, raw_name = raw_path.split(b"/")
        if not above and raw_name in (MANIFEST.encode(), SUMMARY.encode(), WORKING.encode()):
            raise RefusedPathError("a restore keeps its own notes under this name")
        with ExitStack() as stack:
            fd = self.fd
            for raw_folder in above:
                with suppress(FileExistsError):
                    os.mkdir(raw_folder, 0o777, dir_fd=fd)
                fd = _opened(stack, raw_folder, fd)
                self._refuse_if_nas(fd)
            yield fd, raw_name

    def sync(self, raw_folders: Iterable[bytes]) -> None:
        """Have the names of the files in these folders on the disk, too.

        Raises:
            OSError: a folder is gone, or the disk fails.
        """
        for raw_folder in raw_folders:
            with ExitStack() as stack:
                fd = self.fd
                for raw_name in filter(None, raw_folder.split(b"/")):
                    fd = _opened(stack, raw_name, fd)
                os.fsync(fd)

    def claim(self, raw_path: bytes) -> str:
        """Note the spelling of a path and of the folders above it, before anything is written there.

        Returns:
            why it cannot be written: the target takes its name for another one that is restored, too; else empty.
        """
        parts = raw_path.split(b"/")
        for depth in range(1, len(parts) + 1) if self._folds else ():
            path = b"/".join(parts[:depth])
            spelling = _digest(path)
            if self._spelt.setdefault(_digest(_folded(path)), spelling) != spelling:
                return "the target takes its name, or that of its folder, for another one that is spelt differently"
        return ""

    def _refuse_the_nas(self) -> None:
        """By where it lies, and by what its folders are: a share may be mounted in two places."""
        if self._nas is None:
            return
        resolved = self.folder.resolve()
        if any(_identity(each) == self._nas for each in (resolved, *resolved.parents)):
            raise ConfigurationError(
                f"{self.folder} lies in the NAS, which is never written to.",
                next_step="Restore to another folder, look at the files, and copy them yourself.",
            )

    def _refuse_if_nas(self, fd: int) -> None:
        stat = os.fstat(fd)
        if (stat.st_dev, stat.st_ino) == self._nas:
            raise RefusedPathError("the NAS stands there, which is never written to")

    def _lock(self) -> None:
        try:
            fcntl.flock(self.working_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"Another restore is writing into {self.folder}.", next_step="Wait until it has ended."
            ) from error

    def _clear(self) -> None:
        with os.scandir(self.working_fd) as left:
            for each in left:
                os.unlink(each.name, dir_fd=self.working_fd)


@contextmanager
def disk_troubles(folder: Path, how_far: Callable[[], str] = str) -> Iterator[None]:
    """Turn what the system says of the disk of a folder into a sentence.

    Args:
        how_far: tells what is done and what is missing.

    Raises:
        TransientError: it is full, or does not take anything.
    """
    try:
        yield
    except OSError as error:
        what = "is full" if error.errno in _FULL else f"does not take anything ({error.strerror})"
        raise TransientError(
            f"The disk of {folder} {what}.{how_far()}",
            next_step="Make room, or give a folder on another disk; the same command goes on where this one ended.",
        ) from error


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can be restored into {folder}: {error.strerror}.", next_step="Give a folder that can be written."
        ) from error


def _opened(stack: ExitStack, name: str | bytes | Path, above: int | None = None) -> int:
    fd = os.open(name, _OPEN_FOLDER, dir_fd=above)
    stack.callback(os.close, fd)
    return fd


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None  # what is not there holds nothing
    return stat.st_dev, stat.st_ino


def _takes_two_names_for_one(fd: int) -> bool:
    """Find out by trying: names that differ in case or in how an umlaut is written."""
    os.close(os.open("probe-ä", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=fd))
    try:
        return any(_is_there(fd, other) for other in ("PROBE-Ä", unicodedata.normalize("NFD", "probe-ä")))
    finally:
        os.unlink("probe-ä", dir_fd=fd)


def _is_there(fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _folded(raw_path: bytes) -> bytes:
    text = raw_path.decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFC", text.casefold()).encode("utf-8", "surrogateescape")


def _digest(path: bytes) -> bytes:
    return hashlib.blake2b(path, digest_size=_DIGEST_BYTES).digest()
