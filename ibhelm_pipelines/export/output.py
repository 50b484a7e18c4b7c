"""What the rooms of an export write with: it goes to the target, and into the book with its SHA-256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.objects.fetching import READ_BYTES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from ibhelm_pipelines.export.book import Book
    from ibhelm_pipelines.export.target import Target


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where an export goes.

    Args:
        target: the folder or ZIP.
        book: what is known of it.
        now: the time of the export, which stands at what it makes itself.
        tell: what is done, how much of it is done, and how much there is (0 where nobody knows).
    """

    target: Target
    book: Book
    now: dt.datetime
    tell: Callable[[str, int, int], object]

    def write(self, path: str, data: bytes) -> None:
        """Write a small file from memory."""
        spooled = self.target.spool()
        spooled.write(data)
        self.place(spooled, path, sha256=hashlib.sha256(data).hexdigest(), size=len(data))

    def place(
        self, spooled: BinaryIO, path: str, *, sha256: str, size: int, modified: dt.datetime | None = None
    ) -> None:
        """Make a spooled file a file of the export."""
        self.book.wrote(path, sha256, size)
        self.target.place(spooled, path, modified or self.now)

    def is_kept(self, path: str, *, sha256: str, size: int, modified: dt.datetime) -> bool:
        """Return whether an earlier run placed exactly this file, which then stays; for any thread."""
        found = self.target.holds(path, size, modified)
        if found is None:
            return False
        digest = hashlib.sha256()
        with found:
            while piece := found.read(READ_BYTES):
                digest.update(piece)
        return digest.hexdigest() == sha256
