"""Folders for the files of one reader or program: empty at first, for this process tree only, gone afterwards.

They lie in one folder of the pipeline's process, which holds a lock on it as long as it lives. So those that a killed
process left behind are told from those in use, and thrown away by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX = "ibhelm-scratch-"

SCRATCH_BYTES = 256 << 20
"""What the files of one content may have together, and so also the longest one."""

LOOK_SECONDS = 0.3
BLOCK = 512
"""Of st_blocks, whatever the file system's own blocks are."""


class Scratch:
    """A folder, and whether its files became too many.

    Attributes:
        folder: 0700, empty at first.
        overflowed: whether there was more than SCRATCH_BYTES in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.overflowed = False

    @contextmanager
    def bounded(self, stop: Callable[[], None]) -> Iterator[None]:
        """Look at the folder now and then during the block; call `stop`, from another thread, when it overflows.

        The kernel bounds each file (RLIMIT_FSIZE), but not their number.
        """
        done = Event()
        watcher = Thread(target=self._watch, args=(done, stop), name="scratch")
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _watch(self, done: Event, stop: Callable[[], None]) -> None:
        while not done.wait(LOOK_SECONDS):
            if size_of(self.folder) > SCRATCH_BYTES:
                self.overflowed = True
                stop()
                return


@contextmanager
def open_scratch() -> Iterator[Scratch]:
    """Provide an empty folder for the length of the block."""
    folder = Path(tempfile.mkdtemp(dir=_folder_of_process(os.getpid())))
    try:
        yield Scratch(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what a program locked away is thrown away with the rest, next time


def size_of(folder: Path) -> int:
    """Return how many bytes the files below take on the disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it is being worked in
                total += Path(place, name).lstat().st_blocks * BLOCK
    return total


@cache
def _folder_of_process(_: int) -> Path:
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    fcntl.flock(os.open(folder, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder


def _sweep() -> None:
    """Throw away what processes left that were killed; nobody holds a lock on that."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is in use, or another one's
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
