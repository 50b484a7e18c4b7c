"""The mount guard: is this really the share, and is it still the same one?

An unmounted share looks like an empty folder. Concluding "everything was deleted" from that is the worst thing that
this platform could do (lesson 8), so nothing is concluded from an absence unless the marker was there before the
walk and is there after it, on the same root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import ShareUnavailableError

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share whose marker was seen."""

    root: bytes
    marker: bytes
    device: int
    inode: int

    @classmethod
    def open(cls, settings: Settings) -> Share:
        """Find the share.

        Raises:
            ShareUnavailableError: the root cannot be read or the marker is not on it.
            ConfigurationError: no NAS root is set.
        """
        root = settings.root
        marker = os.path.join(root, os.fsencode(settings.share_marker))  # noqa: PTH118  # names are bytes; pathlib cannot
        stat = _stat(root)
        share = cls(root=root, marker=marker, device=stat.st_dev, inode=stat.st_ino)
        share.check()
        return share

    def check(self) -> None:
        """Make sure that the share is still mounted and still the same.

        Raises:
            ShareUnavailableError: it is not.
        """
        stat = _stat(self.root)
        if (stat.st_dev, stat.st_ino) != (self.device, self.inode):
            raise ShareUnavailableError(
                f"Another folder appeared at {os.fsdecode(self.root)} while it was being read.",
                next_step="Nothing was concluded from it; check the mount and scan again.",
            )
        try:
            os.lstat(self.marker)
        except OSError as error:
            raise ShareUnavailableError(
                f"The share is not mounted at {os.fsdecode(self.root)}: its marker"
                f" {os.fsdecode(self.marker)} cannot be seen ({error.strerror}).",
                next_step="Mount the share; for a new share run `ibhelm init-share PATH`,"
                " or set IBHELM_SHARE_MARKER to a path that it certainly holds.",
            ) from error


def _stat(root: bytes) -> os.stat_result:
    try:
        return os.stat(root)  # noqa: PTH116  # names are bytes; pathlib cannot
    except OSError as error:
        raise ShareUnavailableError(
            f"The NAS root {os.fsdecode(root)} cannot be read ({error.strerror}).",
            next_step="Mount the share there, or correct IBHELM_NAS_ROOT.",
        ) from error
