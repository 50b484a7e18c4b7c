"""The marker on the NAS share, by which a mounted share is told from the empty folder that an unmounted one leaves."""

from __future__ import annotations

import datetime as dt
import errno
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = """\
This file proves to IBHelm that the share is mounted. Please leave it where it is.
Made by `ibhelm init-share` on {date}.
"""


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
