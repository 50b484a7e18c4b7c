"""Where an export goes: a folder or a ZIP, each made under another name and renamed when it is whole.

Invariants: under the final name there is a whole export, or nothing of ours. Nothing that somebody else put there is
overwritten or removed. Nothing is ever written below the NAS root.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from ibhelm_pipelines.errors import BusyError, ConfigurationError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.settings import Settings

UNFINISHED = ".partial"
COPY_BYTES = 1024 * 1024
SPARE_BYTES = 64 * 1024 * 1024
"""For pages, tables and the directory of a ZIP, beside the files themselves."""


class Target(Protocol):
    """What an export is written to, in order, by one thread."""

    def begin(self, identity: str) -> None:
        """Make ready; `identity` says which export it is, so that only the same one goes on with what is there."""

    def spool(self) -> BinaryIO:
        """Return an empty file, for any thread, which goes to `place` or to `drop`."""

    def drop(self, spooled: BinaryIO) -> None:
        """Close a spooled file that is not wanted; for any thread."""

    def place(self, spooled: BinaryIO, path: str, modified: dt.datetime) -> None:
        """Make a spooled file a file of the export, and close it."""

    def holds(self, path: str, size: int, modified: dt.datetime) -> BinaryIO | None:
        """Return an open file if an earlier run may have placed this one; its bytes must be looked at."""

    def finish(self, is_exported: Callable[[str], bool]) -> None:
        """Give the export its name. What an earlier run left, and is not of this one, goes."""

    def close(self) -> None:
        """Let go of it, finished or not."""


class Spools:
    """The spooled files that nobody has placed or dropped yet: closed by who ends the export, however it ends."""

    def __init__(self) -> None:
        self._lock, self._files = Lock(), set[BinaryIO]()

    def add(self, file: Any) -> BinaryIO:
        """Know of a file; for any thread."""
        with self._lock:
            self._files.add(file)
        return cast("BinaryIO", file)

    def drop(self, file: BinaryIO) -> None:
        """Close a file and forget it; for any thread."""
        with self._lock:
            self._files.discard(file)
        file.close()

    def close(self) -> None:
        """Close all of them. On a full disk even that is refused, and then it is done nevertheless."""
        while self._files:
            with suppress(OSError):
                self._files.pop().close()


def require_usable(settings: Settings, final: Path) -> None:
    """Make sure that an export may be written there.

    Raises:
        ConfigurationError: something is there already, or it is on the share, or its folder cannot be had.
    """
    if _is_below(final, settings.nas_root):
        raise ConfigurationError(
            f"{final} lies on the NAS share, to which nothing is written.",
            next_step="Export to another disk, and copy it from there.",
        )
    if os.path.lexists(final) and not (final.is_dir() and not final.is_symlink() and not any(final.iterdir())):
        raise ConfigurationError(
            f"There is something at {final} already, and an export overwrites nothing.",
            next_step="Give a name that is free, or an empty folder.",
        )
    if final.is_mount():
        raise ConfigurationError(
            f"{final} is where a disk is mounted; an export gets a folder of its own.",
            next_step=f"Give {final / 'NAME'} instead.",
        )


def _is_below(folder: Path, root: Path | None) -> bool:
    """Return whether a folder, or what will be one, is the root or below it, however either is spelled or mounted."""
    if root is None:
        return False
    folder = folder.resolve()
    above = [each for each in (folder, *folder.parents) if each.exists()]
    return root.resolve() in (folder, *folder.parents) or any(root.exists() and each.samefile(root) for each in above)


def require_room(final: Path, needed: int) -> None:
    """Refuse at once what cannot fit.

    Raises:
        ConfigurationError: the disk has too little room.
    """
    free = shutil.disk_usage(next(each for each in final.parents if each.exists())).free
    if needed + SPARE_BYTES > free:
        raise ConfigurationError(
            f"The export needs about {needed / 1e9:,.2f} GB more, and the disk of {final} has {free / 1e9:,.2f} GB.",
            next_step="Make room, or export to another disk.",
        )


@contextmanager
def disk_errors(final: Path) -> Iterator[None]:
    """Turn what the disk of the export says into a sentence.

    Raises:
        ConfigurationError: it is full, cannot be written, or cannot hold such files.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"The export to {final} ended: {error.strerror or error}"
            + (f" ({error.filename})." if error.filename else "."),
            next_step="Nothing stands under that name yet. Correct the cause and run the same command again: a folder"
            " goes on where it ended, a ZIP begins anew.",
        ) from error


def lock(file: BinaryIO, final: Path) -> None:
    """Keep a second export from writing the same.

    Raises:
        BusyError: there is one.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BusyError(f"Another export to {final} is running.", next_step="Wait for it to end.") from error
