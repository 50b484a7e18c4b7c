"""What stands at one path of the share, asked by its name.

A name counts as being there when its directory lists it, byte for byte: a share that folds case or Unicode forms still
opens a renamed file under its old name, and would so show one file twice. No symbolic link is followed in any part of
the path. What cannot be told is an error and never an absence.
"""

from __future__ import annotations

import errno
import os
import stat as stat_module
from dataclasses import dataclass

from ibhelm_pipelines.nas.names import join
from ibhelm_pipelines.nas.walk import OPEN_DIRECTORY

_OPEN_ROOT = OPEN_DIRECTORY & ~os.O_NOFOLLOW
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""ENOTDIR or ELOOP, depending on the system: a file or a symbolic link stands where a directory should."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found at a path.

    Attributes:
        stat: of what stands there; None when nothing does, or when it cannot be told.
        error: why it cannot be told.
        blocked_at: the part of the path, from its beginning, at which the error came.
    """

    stat: os.stat_result | None = None
    error: OSError | None = None
    blocked_at: bytes = b""

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.stat is not None and stat_module.S_ISREG(self.stat.st_mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.stat is not None and stat_module.S_ISDIR(self.stat.st_mode)


class Lookup:
    """Looks at single paths; remembers what directories list, so it serves for a moment only."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._listed: dict[bytes, frozenset[str]] = {}

    def find(self, raw_path: bytes) -> Found:
        """Look at a path below the root."""
        fds: list[int] = []
        try:
            return self._find(raw_path.split(b"/"), fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _find(self, parts: list[bytes], fds: list[int]) -> Found:
        here = b""
        try:
            fds.append(os.open(self._root, _OPEN_ROOT))
            for part in parts[:-1]:
                fds.append(os.open(part, OPEN_DIRECTORY, dir_fd=fds[-1]))
                if not self._lists(fds[-2], here, part):
                    return Found()
                here = join(here, part)
            stat = os.stat(parts[-1], dir_fd=fds[-1], follow_symlinks=False)
            return Found(stat=stat) if self._lists(fds[-1], here, parts[-1]) else Found()
        except OSError as error:
            if error.errno in _NOT_THERE:
                return Found()
            return Found(error=error, blocked_at=b"/".join(parts[: len(fds)]))

    def _lists(self, fd: int, raw_path: bytes, name: bytes) -> bool:
        if raw_path not in self._listed:
            self._listed[raw_path] = frozenset(os.listdir(fd))
        return os.fsdecode(name) in self._listed[raw_path]


def may_exist(root: bytes, raw_path: bytes) -> bool:
    """Tell whether a file stands at a path below the root, or whether that cannot be told."""
    found = Lookup(root).find(raw_path)
    return found.is_file or found.error is not None
