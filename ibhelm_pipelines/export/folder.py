"""An export as a folder: NAME.partial until it is whole. A run that was broken off is gone on with: what it placed is
looked at byte by byte, and kept where it is right.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.export.target import UNFINISHED, Spools, lock

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

MARK = ".ibhelm-export.json"
SPOOLED = ".spooled-"


class FolderTarget:
    """A folder that is not there yet, or empty.

    Args:
        final: its name when it is whole.
    """

    def __init__(self, final: Path) -> None:
        self._final = final
        self._folder = final.with_name(final.name + UNFINISHED)
        self._mark: BinaryIO | None = None
        self._spools = Spools()

    def begin(self, identity: str) -> None:
        """Make the folder, or take over one that an earlier run of the same export left.

        Raises:
            ConfigurationError: it is there, and is not ours.
            BusyError: another export is writing it.
        """
        mark = self._folder / MARK
        if not self._folder.exists():
            self._folder.mkdir(parents=True)
        elif any(self._folder.iterdir()) and not (mark.is_file() and _identity(mark) in ("", identity)):
            raise ConfigurationError(
                f"{self._folder} is in the way, and is not of this export.",
                next_step="Remove it, or give another name.",
            )
        self._mark = mark.open("ab")
        lock(self._mark, self._final)
        self._mark.truncate(0)
        self._mark.write(json.dumps({"export": identity}).encode())
        self._mark.flush()
        for left in self._folder.glob(f"{SPOOLED}*"):
            left.unlink()

    def spool(self) -> BinaryIO:
        """Return an empty file beside the others."""
        return self._spools.add(tempfile.NamedTemporaryFile(prefix=SPOOLED, dir=self._folder, delete=False))

    def drop(self, spooled: BinaryIO) -> None:
        """Close a spooled file that is not wanted."""
        self._spools.drop(spooled)
        Path(spooled.name).unlink()

    def place(self, spooled: BinaryIO, path: str, modified: dt.datetime) -> None:
        """Give a spooled file its name and time, and close it."""
        self._spools.drop(spooled)
        name, place = Path(spooled.name), self._folder / path
        name.chmod(0o644)
        os.utime(name, (modified.timestamp(), modified.timestamp()))
        place.parent.mkdir(parents=True, exist_ok=True)
        name.replace(place)

    def holds(self, path: str, size: int, modified: dt.datetime) -> BinaryIO | None:
        """Return an open file of this size and time; None where there is none."""
        place = self._folder / path
        if not place.is_file() or place.is_symlink():
            return None
        stat = place.stat()
        if stat.st_size != size or int(stat.st_mtime) != int(modified.timestamp()):
            return None
        return place.open("rb")

    def finish(self, is_exported: Callable[[str], bool]) -> None:
        """Remove what belongs to no file of this export, wait for the disk, and give the folder its name."""
        for folder, _, names in os.walk(self._folder, topdown=False):
            for name in names:
                left = Path(folder) / name
                if not is_exported(left.relative_to(self._folder).as_posix()):
                    left.unlink()
            if not any(Path(folder).iterdir()) and Path(folder) != self._folder:
                Path(folder).rmdir()
        os.sync()
        self._folder.replace(self._final)

    def close(self) -> None:
        """Let go of the lock; an unfinished folder stays, to be gone on with."""
        self._spools.close()
        if self._mark is not None:
            self._mark.close()


def _identity(mark: Path) -> str:
    """Return of which export a mark is; empty for one that was broken off while it was written."""
    try:
        return str(json.loads(mark.read_text(encoding="utf-8"))["export"])
    except (ValueError, KeyError, TypeError):
        return ""
