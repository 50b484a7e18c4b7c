"""Tells which directories differ from what the tables hold.

Per directory one digest over names, sizes, times and inodes is compared with the digest that Postgres computes over
what it holds. An unchanged directory costs one comparison and no row, which is what makes a scan of 300,000 files cost
little more than walking them.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.nas.names import directory_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ibhelm_pipelines.nas.walk import Directory

Fingerprints = dict[int, str]
"""Digest by directory key, as Postgres has them."""

Differing = tuple[int, "Directory"]
"""A directory that differs, with its key."""

MOST_HELD_DIRECTORIES = 30_000

_STAT = struct.Struct(">qqq")


def directory_digest(directory: Directory) -> str:
    """Return the digest that the query `fingerprints` gives for the same directory."""
    parts = [directory.folder.encode(), b"/"]
    for name, size, mtime_ns, inode, _ in sorted(directory.files):
        parts += (_STAT.pack(size, mtime_ns, inode), name, b"/")
    return hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()


@dataclass(kw_only=True)
class Comparison:
    """What a comparison met: files per folder, and the keys of the directories that are as Postgres has them."""

    files_by_folder: Counter[str] = field(default_factory=Counter)
    unchanged: set[int] = field(default_factory=set)

    def differing(
        self,
        directories: Iterable[Directory],
        known: Future[Fingerprints],
        *,
        on_files: Callable[[int], None],
    ) -> Iterator[Differing]:
        """Yield the directories that differ.

        Args:
            directories: as they are walked; the walk goes on while Postgres computes.
            known: what Postgres has, once it is there.
            on_files: called with the number of files of each directory.
        """
        for directory in _held_until(known, self._counted(directories, on_files)):
            key = directory_key(directory.raw_path)
            if known.result().get(key) == directory_digest(directory):
                self.unchanged.add(key)
            else:
                yield key, directory

    def _counted(self, directories: Iterable[Directory], on_files: Callable[[int], None]) -> Iterator[Directory]:
        for directory in directories:
            if directory.files:
                self.files_by_folder[directory.folder] += len(directory.files)
                on_files(len(directory.files))
                yield directory

    def add(self, other: Comparison) -> None:
        """Take in what another process met."""
        self.files_by_folder += other.files_by_folder
        self.unchanged |= other.unchanged


def _held_until(known: Future[Fingerprints], directories: Iterator[Directory]) -> Iterator[Directory]:
    """Let the walk go ahead of Postgres, by a second's worth of names at most."""
    held: list[Directory] = []
    for directory in directories:
        held.append(directory)
        if known.done() or len(held) >= MOST_HELD_DIRECTORIES:
            yield from held
            held.clear()
    yield from held
