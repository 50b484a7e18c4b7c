"""The journal on disk: each access is a line of a file before anything is given to whoever asked.

Invariants: a line that was written outlives a killed process and a Postgres that is away; when no line can be written
any more, that is an error and nothing is given. A file is locked by the process that writes it; whoever gets the lock
may store its lines and remove it.
"""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import AccessNotLoggedError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from ibhelm_pipelines.access_log.entries import Access

MOST_BYTES = 64 * 1024 * 1024
"""Of all files together, while Postgres is away: 250,000 files opened, or 120,000 searches with 20 hits."""

SUFFIX, BROKEN_SUFFIX = ".jsonl", ".unreadable"


class Journal:
    """Writes lines; safe for several threads.

    Args:
        folder: of all processes of this machine.

    Raises:
        ConfigurationError: the folder cannot be made.
    """

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self._most_bytes = folder, most_bytes
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._size = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(
                f"The journal of accesses cannot be kept in {folder}: {error.strerror}.",
                next_step="Give this user the right to write there, or set IBHELM_STATE_DIR to another folder.",
            ) from error
        self._elsewhere = self._bytes_in_folder()

    def append(self, access: Access) -> None:
        """Write an access down.

        Raises:
            AccessNotLoggedError: it cannot be: what was asked for must not be given.
        """
        line = access.line()
        with self._lock:
            if self._elsewhere + self._size + len(line) > self._most_bytes:
                raise _not_logged("the journal is full, because Postgres has been away for long")
            try:
                self._write(line)
            except OSError as error:
                raise _not_logged(str(error.strerror)) from error

    def hand_over(self) -> None:
        """End the file of this process, so that it can be stored; the next line begins another one."""
        with self._lock:
            if self._descriptor is not None:
                with suppress(OSError):  # a disk that fails here has failed, or will fail, where a line is written
                    os.fsync(self._descriptor)
                os.close(self._descriptor)
            self._descriptor, self._size = None, 0
            self._elsewhere = self._bytes_in_folder()

    def note_stored(self) -> None:
        """Count anew what lies in the folder."""
        with self._lock:
            self._elsewhere = max(self._bytes_in_folder() - self._size, 0)

    def _write(self, line: bytes) -> None:
        if self._descriptor is None:
            self._descriptor = _new_file(self.folder)
        written = os.write(self._descriptor, line)
        if written < len(line):  # the disk is full: half a line must not stand before the next one
            os.ftruncate(self._descriptor, self._size)
            raise OSError(28, "No space left on device")
        self._size += len(line)

    def _bytes_in_folder(self) -> int:
        total = 0
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another process has stored it meanwhile
                total += path.stat().st_size
        return total


def waiting_files(folder: Path) -> list[Path]:
    """Return the files whose lines are not stored yet."""
    return sorted(folder.glob(f"*{SUFFIX}"))


@contextmanager
def taken(path: Path) -> Iterator[BinaryIO | None]:
    """Open a file of the journal alone; None where its process still writes it, or another one has it in hand."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file if os.fstat(file.fileno()).st_nlink else None


def set_aside(path: Path, lines: list[bytes]) -> None:
    """Keep lines that cannot be read where a person finds them."""
    with path.with_suffix(BROKEN_SUFFIX).open("ab") as file:
        file.writelines(lines)


def _new_file(folder: Path) -> int:
    """Make a file that is this process's: whoever stores files may have removed it before it was locked."""
    while True:
        path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _not_logged(reason: str) -> AccessNotLoggedError:
    return AccessNotLoggedError(
        f"An access cannot be written down: {reason}.",
        next_step="What cannot be logged is not given; `ibhelm status` says what is away, or the disk is full.",
    )
