"""The share: is it really mounted, is it still the same one, and how what its kernel says of a file is kept.

An unmounted share looks like an empty folder. Concluding "everything was deleted" from that is the worst thing that
this platform could do (lesson 8), so nothing is concluded from an absence unless the marker was there before the
walk and is there after it, on the same root.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import ConfigurationError, ShareUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings

INT64_MAX = (1 << 63) - 1

LOOSE = "_loose"
"""The partition of files that stand above the project folders."""

_TEXT = """\
This file proves to IBHelm that the share is mounted. Please leave it where it is.
Made by `ibhelm init-share` on {date}.
"""


def signed64(number: int) -> int:
    """Return an unsigned 64-bit number, such as an inode, as Postgres' bigint holds it."""
    return number - (1 << 64) if number > INT64_MAX else number


def storable_time_ns(nanoseconds: int) -> int:
    """Return a file time as 64 bits can hold it; times beyond the year 2262 are kept as that year."""
    return max(-INT64_MAX, min(nanoseconds, INT64_MAX))


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


def init_share(root: Path, *, marker: str) -> bool:
    """Put the marker on a share; return whether it was made now, False when it was there.

    Args:
        root: where the share is mounted.
        marker: the marker's path below it.

    Raises:
        ConfigurationError: there is no such folder, or it cannot be written.
    """
    path = root / marker
    if not root.is_dir():
        raise ConfigurationError(f"There is no folder {root}.", next_step="Mount the share there, or correct the path.")
    text = _TEXT.format(date=dt.datetime.now(dt.UTC).date().isoformat())
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise _cannot_write(root, error) from error
    return True


def _cannot_write(root: Path, error: OSError) -> ConfigurationError:
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return ConfigurationError(
            f"The share at {root} cannot be written ({error.strerror}), so it gets no marker.",
            next_step="That is fine: set IBHELM_SHARE_MARKER to the path, below the share's root, of a file or folder "
            "that it certainly holds, such as the oldest project folder. Or run this once where it can be written.",
        )
    return ConfigurationError(
        f"The marker cannot be made on {root}: {error.strerror}.", next_step="Correct the cause and try again."
    )
