"""Looking again and again, where the kernel does not tell: which directories of the share changed since last time.

A directory's times change when something in it is made, deleted or renamed, and so when a program saves by writing a
new file and renaming it, as office programs do. An edit in place changes no directory: it is not seen here, and the
quick scan finds it within a quarter of an hour.

Invariant: a directory's times are read before its names, so that what happens in between is seen the next time. File
times have a grain; a directory that changed is therefore looked at once more the next time, whatever its times say
(not only when they are recent: the server's clock is not ours).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Self

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.live.directories import Node, subfolders
from ibhelm_pipelines.live.pending import Change
from ibhelm_pipelines.nas.names import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from ibhelm_pipelines.nas.ignore import IgnoreRules

CHUNK = 256
"""Directories that a thread looks at before it reports: handing each over by itself costs more than the look."""

_Place = tuple[bytes, Node]


class _Seen(NamedTuple):
    """A directory as it was read: its mark, and the names of the folders in it."""

    mark: int
    names: tuple[bytes, ...]


class PollTree:
    """All directories of the share and when each last changed; a context manager.

    A node's mark is a digest of its times; below zero (`-mark - 1`) when it must be looked at once more.

    Args:
        root: the NAS root.
        rules: what a scan leaves out is not looked at.
        threads: how many look at the same time.
        on_directory: called for each chunk of directories, as a sign of life.

    Raises:
        ShareUnavailableError: the root cannot be read.
    """

    def __init__(
        self, root: bytes, rules: IgnoreRules, *, threads: int, on_directory: Callable[[], None] = lambda: None
    ) -> None:
        self._root_path, self._rules, self._on_directory = root, rules, on_directory
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="look")
        self._root = Node(b"", None, 0)
        self._count = 0
        self.unreadable = 0
        self._learn([(b"", self._root)])
        if self._root.mark == 0:
            self._threads.shutdown()
            raise ShareUnavailableError(
                f"The NAS root {os.fsdecode(root)} cannot be read.", next_step="Check the mount and its permissions."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def __len__(self) -> int:
        return self._count

    def paths(self) -> set[bytes]:
        """Return the raw paths of all known directories."""
        return {path for path, _ in self._root.below()}

    def look(self) -> list[Change]:
        """Look at every known directory; return what changed since the last look, and know what is new."""
        changed = self._changed()
        changes: list[Change] = []
        new: list[_Place] = []
        for (path, node), seen in self._read(changed):
            if seen is not None and node.lineage()[-1] is self._root:
                self._apply(path, node, seen, changes, new)
        self._learn(new)
        self._count = sum(1 for _ in self._root.below())
        return changes

    def _changed(self) -> list[_Place]:
        found: list[_Place] = []
        for different in self._threads.map(self._differing, _chunks(list(self._root.below()))):
            self._on_directory()
            found += different
        return found

    def _differing(self, chunk: list[_Place]) -> list[_Place]:
        """Those whose times are not as they were; what cannot be looked at is left to the look at its parent."""
        different = []
        for path, node in chunk:
            mark = self._mark(path)
            if mark is not None and mark != node.mark:
                different.append((path, node))
        return different

    def _apply(self, path: bytes, node: Node, seen: _Seen, changes: list[Change], new: list[_Place]) -> None:
        """Take over how a changed directory looks now."""
        again = node.mark == -seen.mark - 1
        node.mark = seen.mark if again else -seen.mark - 1
        changes.append(Change(path, kind="directory", is_directory=True))
        known = node.children or {}
        for name in sorted(known.keys() - set(seen.names)):
            known[name].detach()
            changes.append(Change(join(path, name), is_directory=True))
        for name in sorted(set(seen.names) - known.keys()):
            new.append((join(path, name), Node(name, node, 0)))
            changes.append(Change(join(path, name), is_directory=True))

    def _learn(self, places: list[_Place]) -> None:
        """Read directories and all below them, level by level."""
        while places:
            below: list[_Place] = []
            for (path, node), seen in self._read(places):
                if seen is None:
                    self.unreadable += 1
                    continue
                node.mark = seen.mark
                below += [(join(path, name), Node(name, node, 0)) for name in seen.names]
            self._count += len(places)
            places = below

    def _read(self, places: list[_Place]) -> Iterator[tuple[_Place, _Seen | None]]:
        """Read directories; nothing where one is gone or not ours to read."""
        chunks = _chunks(places)
        for chunk, all_seen in zip(chunks, self._threads.map(self._read_chunk, chunks), strict=True):
            self._on_directory()
            yield from zip(chunk, all_seen, strict=True)

    def _read_chunk(self, chunk: list[_Place]) -> list[_Seen | None]:
        return [self._read_one(path) for path, _ in chunk]

    def _read_one(self, path: bytes) -> _Seen | None:
        """Read a directory, its times first."""
        mark = self._mark(path)
        if mark is None:
            return None
        try:
            names = subfolders(self._full(path), self._rules)
        except OSError:
            return None
        return _Seen(mark, tuple(map(os.fsencode, names)))

    def _mark(self, path: bytes) -> int | None:
        """Return a digest of a directory's times. The second one, of its inode, changes when it is renamed."""
        try:
            stat = os.stat(self._full(path), follow_symlinks=not path)  # noqa: PTH116  # names are bytes
        except OSError:
            return None
        return (hash((stat.st_mtime_ns, stat.st_ctime_ns)) & ((1 << 60) - 1)) | 1

    def _full(self, path: bytes) -> bytes:
        return join(self._root_path, path) if path else self._root_path


def _chunks(places: list[_Place]) -> list[list[_Place]]:
    return [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
