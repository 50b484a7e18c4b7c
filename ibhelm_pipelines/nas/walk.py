"""One walk over the share: every file once, one stat each, nothing followed, nothing opened.

Directories are read through their file descriptors (no path is resolved twice, and a rename above us cannot lead us
elsewhere). What cannot be read becomes a named problem, and the walk of that folder counts as incomplete: nothing
may be concluded from what was not seen in it.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.nas.ignore import SPECIAL, SYMLINK, IgnoreRules
from ibhelm_pipelines.nas.names import folder_key, folder_of, join
from ibhelm_pipelines.share import INT64_MAX, LOOSE, signed64, storable_time_ns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


FileEntry = tuple[bytes, int, int, int, int]
"""One file as its directory shows it: raw name, size in bytes, mtime in nanoseconds since 1970, inode as a signed
64-bit number, owner's uid. A bare tuple, because 300,000 of them are made on each scan and a class would double
their price.
"""


def file_entry(raw_name: bytes, stat: os.stat_result) -> FileEntry:
    """Return what a walk says of a file."""
    return raw_name, stat.st_size, storable_time_ns(stat.st_mtime_ns), signed64(stat.st_ino), stat.st_uid


@dataclass(frozen=True, kw_only=True)
class Directory:
    """One directory that was read to its end."""

    raw_path: bytes
    folder: str
    files: list[FileEntry]


class Start(NamedTuple):
    """A directory at the level of the project folders; two that differ only in Unicode form are one folder."""

    raw_path: bytes
    folder: str


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A path that the walk could not read. Nothing is known of what stands below it."""

    raw_path: bytes
    folder: str
    reason: str
    is_directory: bool
    vanished: bool
    """It was listed and then gone: not worth a report, but the walk of its folder is not whole."""


@dataclass(kw_only=True)
class WalkLog:
    """What the walk met beside files."""

    ignored: Counter[str] = field(default_factory=Counter)
    unreadable: list[Unreadable] = field(default_factory=list)
    folders: dict[str, bytes] = field(default_factory=dict)
    """The project folders that are on the disk, with the raw path of one directory of each."""

    def add(self, other: WalkLog) -> None:
        """Take in what another walk met."""
        self.ignored += other.ignored
        self.unreadable += other.unreadable


class Walker:
    """Walks the share, or some folders of it."""

    def __init__(
        self, root: bytes, rules: IgnoreRules, *, folder_depth: int, folders: Collection[str] | None = None
    ) -> None:
        self.root = root
        self.rules = rules
        self.folder_depth = folder_depth
        self._scope = None if folders is None else frozenset(folders)
        self.log = WalkLog()
        self.starts: list[Start] = []

    def walk(self) -> Iterator[Directory]:
        """Yield every directory of the scope, parents first.

        Raises:
            ShareUnavailableError: the root itself cannot be read.
        """
        yield from self.walk_top()
        for start in self.starts:
            yield from self.walk_folder(start)

    def walk_top(self) -> Iterator[Directory]:
        """Yield the directories above the project folders, and find those folders: `starts` and `log.folders`.

        Raises:
            ShareUnavailableError: the root itself cannot be read.
        """
        yield from self._walk_below(self._open_root(), b"", LOOSE, 0)

    def walk_folder(self, start: Start) -> Iterator[Directory]:
        """Yield a project folder's directories, parents first."""
        yield from self._walk_from(start.raw_path, start.folder, self.folder_depth)

    def walk_path(self, raw_path: bytes) -> Iterator[Directory]:
        """Yield a directory and those below it, parents first; with the project folders where it stands above them."""
        depth = raw_path.count(b"/") + 1
        if depth >= self.folder_depth:
            yield from self._walk_from(raw_path, folder_of(raw_path, self.folder_depth), depth)
            return
        yield from self._walk_from(raw_path, LOOSE, depth)
        starts, self.starts = self.starts, []
        for start in starts:
            yield from self.walk_folder(start)

    def read_directory(self, raw_path: bytes) -> Directory | None:
        """Read one directory without those below it; None where it cannot be read."""
        folder = folder_of(raw_path, self.folder_depth)
        fd = self._open(raw_path, folder) if raw_path else self._open_root()
        if fd is None:
            return None
        try:
            return self._read(fd, raw_path, folder)[0]
        finally:
            os.close(fd)

    def _walk_from(self, raw_path: bytes, folder: str, depth: int) -> Iterator[Directory]:
        fd = self._open(raw_path, folder)
        if fd is not None:
            yield from self._walk_below(fd, raw_path, folder, depth)

    def _open(self, raw_path: bytes, folder: str) -> int | None:
        root_fd = self._open_root()
        try:
            return self._open_child(raw_path, root_fd, raw_path, folder)
        finally:
            os.close(root_fd)

    def list_folders(self) -> dict[str, bytes]:
        """Return the project folders on the disk without entering them."""
        for _ in self.walk_top():
            pass
        return self.log.folders

    def _open_root(self) -> int:
        try:
            return os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ShareUnavailableError(
                f"The NAS root {os.fsdecode(self.root)} cannot be read ({error.strerror}).",
                next_step="Check the mount and its permissions.",
            ) from error

    def _walk_below(self, fd: int, raw_path: bytes, folder: str, depth: int) -> Iterator[Directory]:
        """Depth first with a stack of our own: office trees can be deeper than Python's."""
        stack: list[tuple[int, bytes, str, int, list[str]]] = []
        try:
            while True:
                directory, subfolders = self._read(fd, raw_path, folder)
                if directory is not None and self._wanted(folder):
                    yield directory
                stack.append((fd, raw_path, folder, depth, subfolders))
                child = self._next_child(stack)
                if child is None:
                    return
                fd, raw_path, folder, depth = child
        finally:
            for open_fd, *_ in stack:
                os.close(open_fd)

    def _next_child(self, stack: list[tuple[int, bytes, str, int, list[str]]]) -> tuple[int, bytes, str, int] | None:
        """Open the next directory to read, leaving those that are finished."""
        while stack:
            parent_fd, parent_path, parent_folder, parent_depth, subfolders = stack[-1]
            while subfolders:
                name = subfolders.pop()
                raw_path, depth = join(parent_path, os.fsencode(name)), parent_depth + 1
                if depth == self.folder_depth:
                    self._add_start(raw_path)
                    continue
                fd = self._open_child(name, parent_fd, raw_path, parent_folder)
                if fd is not None:
                    return fd, raw_path, parent_folder, depth
            os.close(stack.pop()[0])
        return None

    def _add_start(self, raw_path: bytes) -> None:
        folder = folder_key(raw_path)
        self.log.folders.setdefault(folder, raw_path)
        if self._wanted(folder):
            self.starts.append(Start(raw_path, folder))

    def _wanted(self, folder: str) -> bool:
        return self._scope is None or folder in self._scope

    def _open_child(self, name: str | bytes, parent_fd: int, raw_path: bytes, folder: str) -> int | None:
        try:
            return os.open(name, OPEN_DIRECTORY, dir_fd=parent_fd)
        except OSError as error:
            self._unreadable(raw_path, folder, error, is_directory=True)
            return None

    def _unreadable(self, raw_path: bytes, folder: str, error: OSError, *, is_directory: bool) -> None:
        self.log.unreadable.append(
            Unreadable(
                raw_path=raw_path,
                folder=folder,
                reason=error.strerror or type(error).__name__,
                is_directory=is_directory,
                vanished=isinstance(error, FileNotFoundError | NotADirectoryError),
            )
        )

    def _read(self, fd: int, raw_path: bytes, folder: str) -> tuple[Directory | None, list[str]]:
        """Read one directory; a directory that fails half way counts as not read at all."""
        files: list[FileEntry] = []
        others: list[os.DirEntry[str]] = []
        try:
            with os.scandir(fd) as entries:
                self._read_files(entries, raw_path, folder, files, others)
            subfolders = [entry.name for entry in others if self._is_entered(entry)]
        except OSError as error:
            self._unreadable(raw_path, folder, error, is_directory=True)
            return None, []
        return Directory(raw_path=raw_path, folder=folder, files=files), subfolders

    def _read_files(
        self,
        entries: Iterator[os.DirEntry[str]],
        raw_path: bytes,
        folder: str,
        files: list[FileEntry],
        others: list[os.DirEntry[str]],
    ) -> None:
        """Sort entries into files and others. The innermost loop of a scan: written out, with nothing looked up
        twice."""
        is_left_out, encode = self.rules.leaves_out_file, os.fsencode
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                others.append(entry)
                continue
            name = entry.name
            if is_left_out(name):
                self.log.ignored[self.rules.file_reason(name)] += 1
                continue
            try:
                stat = entry.stat(follow_symlinks=False)
            except OSError as error:  # also when it is gone since the directory was read: it may just have been renamed
                self._unreadable(join(raw_path, encode(name)), folder, error, is_directory=False)
                continue
            mtime_ns, inode = stat.st_mtime_ns, stat.st_ino
            if mtime_ns > INT64_MAX or inode > INT64_MAX:
                mtime_ns, inode = storable_time_ns(mtime_ns), signed64(inode)
            files.append((encode(name), stat.st_size, mtime_ns, inode, stat.st_uid))

    def _is_entered(self, entry: os.DirEntry[str]) -> bool:
        """Tell whether an entry is a folder of the office; what is left out is counted."""
        if entry.is_dir(follow_symlinks=False):
            reason = self.rules.folder_reason(entry.name)
            if reason is None:
                return True
        else:
            reason = SYMLINK if entry.is_symlink() else SPECIAL
        self.log.ignored[reason] += 1
        return False
