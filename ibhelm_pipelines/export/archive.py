"""An export as one ZIP: NAME.zip.partial until it is whole, in a fixed order and without anything that changes from one
run to the next. Large files and many files make it ZIP64, which every system opens since 2010.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.export.target import COPY_BYTES, UNFINISHED, Spools, lock
from ibhelm_pipelines.wording import OFFICE_TIME

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

SPOOLED_IN_MEMORY = 1024 * 1024
"""Bytes of one file; a larger one waits on the disk of the ZIP."""

COMPRESSED = frozenset({".html", ".css", ".csv", ".txt", ".eml", ""})
"""What the export makes itself. Files of the project are stored as they are: plans and photos are compressed."""

_FIRST_YEAR, _LAST_YEAR = 1980, 2107
_REGULAR_FILE = 0o100644 << 16
_UNIX = 3


class ArchiveTarget:
    """A ZIP that is not there yet.

    Args:
        final: its name when it is whole.
    """

    def __init__(self, final: Path) -> None:
        self._final = final
        self._partial = final.with_name(final.name + UNFINISHED)
        self._file: BinaryIO | None = None
        self._zip: zipfile.ZipFile | None = None
        self._spools = Spools()

    def begin(self, identity: str) -> None:  # noqa: ARG002 - a ZIP is never gone on with
        """Begin the ZIP; what a run that was broken off left of it is overwritten.

        Raises:
            BusyError: another export is writing it.
        """
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b")
        lock(self._file, self._final)
        self._file.truncate(0)
        self._zip = zipfile.ZipFile(self._file, "w", allowZip64=True)

    def spool(self) -> BinaryIO:
        """Return an empty file, in memory while it is small."""
        folder = self._partial.parent
        return self._spools.add(tempfile.SpooledTemporaryFile(max_size=SPOOLED_IN_MEMORY, dir=str(folder)))

    def drop(self, spooled: BinaryIO) -> None:
        """Close a spooled file that is not wanted."""
        self._spools.drop(spooled)

    def place(self, spooled: BinaryIO, path: str, modified: dt.datetime) -> None:
        """Put a spooled file into the ZIP, and close it."""
        assert self._zip is not None, "begun"
        size = spooled.seek(0, os.SEEK_END)
        spooled.seek(0)
        entry = zipfile.ZipInfo(path, _dos_time(modified))
        entry.create_system, entry.external_attr, entry.file_size = _UNIX, _REGULAR_FILE, size
        is_ours = not path.startswith(("dateien", "geloeschte-dateien", "anhaenge")) and Path(path).suffix in COMPRESSED
        entry.compress_type = zipfile.ZIP_DEFLATED if is_ours else zipfile.ZIP_STORED
        with self._zip.open(entry, "w") as placed:
            shutil.copyfileobj(spooled, placed, COPY_BYTES)
        self.drop(spooled)

    def holds(self, path: str, size: int, modified: dt.datetime) -> BinaryIO | None:  # noqa: ARG002 - as FolderTarget
        """Return None: a ZIP begins anew."""
        return None

    def finish(self, is_exported: Callable[[str], bool]) -> None:  # noqa: ARG002 - nothing is left of an earlier run
        """End the ZIP, wait for the disk, and give it its name."""
        assert self._zip is not None, "begun"
        assert self._file is not None, "begun"
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.replace(self._final)
        self._file.close()
        self._file = None

    def close(self) -> None:
        """Let go of it; an unfinished one is removed, because it cannot be gone on with."""
        self._spools.close()
        if self._file is None:
            return
        if self._zip is not None:
            with suppress(OSError, ValueError):  # it ends in the middle of an entry, or on a full disk
                self._zip.close()
        with suppress(OSError):
            self._file.close()
        self._partial.unlink(missing_ok=True)


def _dos_time(moment: dt.datetime) -> tuple[int, int, int, int, int, int]:
    """Return a time as ZIP has it: local, to two seconds, between 1980 and 2107."""
    local = moment.astimezone(OFFICE_TIME)
    year = min(max(local.year, _FIRST_YEAR), _LAST_YEAR)
    return (year, local.month, local.day, local.hour, local.minute, local.second - local.second % 2)
