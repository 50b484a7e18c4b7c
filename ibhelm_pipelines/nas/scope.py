"""What a live scan looks at: paths with all that is below them, and directories with the files directly in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.nas.names import display, folder_key, folder_of
from ibhelm_pipelines.share import LOOSE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Paths and directories that do not overlap: no path stands below another one, no directory at or below a path.

    Attributes:
        paths: raw paths below the root.
        directories: raw paths of directories; empty bytes are the root itself.
    """

    paths: frozenset[bytes]
    directories: frozenset[bytes]

    @classmethod
    def of(cls, paths: Collection[bytes], directories: Collection[bytes]) -> Scope:
        """Leave out what is covered by something else.

        Raises:
            PermanentError: something in it is no path below the root.
        """
        wanted = frozenset(paths)
        for raw_path in wanted.union(d for d in directories if d):
            _require_below_root(raw_path)
        outermost = frozenset(p for p in wanted if not any(a in wanted for a in ancestors(p)))
        apart = (d for d in directories if d not in outermost and not any(a in outermost for a in ancestors(d)))
        return cls(paths=outermost, directories=frozenset(apart))

    def folders(self, folder_depth: int) -> set[str]:
        """Return the project folders in which something may be found; not those below an upper level, see
        `upper_levels`.

        What stands at the level of the project folders may be one, or a loose file.
        """
        found = {folder_of(directory, folder_depth) for directory in self.directories}
        for raw_path in self.paths:
            depth = raw_path.count(b"/") + 1
            found |= {folder_of(raw_path, folder_depth)} | ({LOOSE} if depth <= folder_depth else set())
        return found

    def upper_levels(self, folder_depth: int) -> list[str]:
        """Return what the keys of the project folders begin with that stand below one of the paths."""
        return [f"{folder_key(p)}/" for p in self.paths if p.count(b"/") + 1 < folder_depth]


def ancestors(raw_path: bytes) -> Iterator[bytes]:
    """Yield the directories above a path, the nearest first, without the root."""
    while b"/" in raw_path:
        raw_path = raw_path.rpartition(b"/")[0]
        yield raw_path


def _require_below_root(raw_path: bytes) -> None:
    if b"\0" in raw_path or any(part in {b"", b".", b".."} for part in raw_path.split(b"/")):
        raise PermanentError(
            f"{display(raw_path)!r} is no path below the NAS root.",
            next_step="Scan the whole share instead: `ibhelm scan`.",
        )
