"""The disk's half of a live scan: looks at the paths of its scope, and keeps what may be concluded from that.

The ignore rules hold for every part of a path, as they do in a walk that never enters an ignored folder. What cannot
be looked at is noted in the walker's log, and its path is not among those that were looked at.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ibhelm_pipelines.nas.ignore import SPECIAL
from ibhelm_pipelines.nas.lookup import Found, Lookup
from ibhelm_pipelines.nas.names import folder_key, folder_of, join, split
from ibhelm_pipelines.nas.walk import Directory, Unreadable, Walker, file_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.nas.scope import Scope


class Look:
    """One look at a scope.

    Attributes:
        found: what stands at each path that was looked at.
        read: the directories whose files were read, with the raw paths of these files.
    """

    def __init__(self, walker: Walker, scope: Scope) -> None:
        self._walker = walker
        self._scope = scope
        self._lookup = Lookup(walker.root)
        self.found: dict[bytes, Found] = {}
        self.read: dict[bytes, list[bytes]] = {}

    def directories(self) -> Iterator[Directory]:
        """Yield what is on the disk; no file twice."""
        for raw_path in sorted(self._scope.directories):
            yield from self._look_into(raw_path)
        for raw_path in sorted(self._scope.paths):
            yield from self._look_below(raw_path)

    def miss(self, raw_path: bytes, reason: str) -> None:
        """Note that something came or went while we looked: it must be looked at again."""
        self._note_unreadable(raw_path, reason, vanished=True)

    def _look_into(self, raw_path: bytes) -> Iterator[Directory]:
        """The files directly in a directory."""
        if raw_path and not self._is_entered(raw_path):
            return
        directory = self._walker.read_directory(raw_path)
        if directory is not None:
            self.read[raw_path] = [join(raw_path, name) for name, *_ in directory.files]
            self._note_folder(raw_path)
            yield directory

    def _is_entered(self, raw_path: bytes) -> bool:
        rules = self._walker.rules
        if rules.leaves_out_below(raw_path) or self._folder_reason(raw_path) is not None:
            return False
        found = self._lookup.find(raw_path)
        if found.error is not None:
            self._note_blocked(found, found.error)
        elif not found.is_directory:
            self.miss(raw_path, "it is gone since the scan began")
        return found.is_directory

    def _look_below(self, raw_path: bytes) -> Iterator[Directory]:
        """What stands at a path, and below it."""
        if self._walker.rules.leaves_out_below(raw_path):
            return
        found = self._lookup.find(raw_path)
        if found.error is not None:
            self._note_blocked(found, found.error)
            return
        self.found[raw_path] = found
        if found.is_directory:
            yield from self._walk(raw_path)
        elif found.stat is not None:
            yield from self._look_at_file(raw_path, found.stat, is_file=found.is_file)

    def _walk(self, raw_path: bytes) -> Iterator[Directory]:
        reason = self._folder_reason(raw_path)
        if reason is not None:
            self._walker.log.ignored[reason] += 1
            return
        self._note_folder(raw_path)
        yield from self._walker.walk_path(raw_path)

    def _look_at_file(self, raw_path: bytes, stat: os.stat_result, *, is_file: bool) -> Iterator[Directory]:
        raw_directory, raw_name = split(raw_path)
        rules, name = self._walker.rules, os.fsdecode(raw_name)
        self._note_folder(raw_directory)
        if not is_file or rules.leaves_out_file(name):
            self._walker.log.ignored[rules.file_reason(name) if is_file else SPECIAL] += 1
        elif raw_directory not in self._scope.directories:  # else it was seen with the other files of its directory
            folder = folder_of(raw_directory, self._walker.folder_depth)
            yield Directory(raw_path=raw_directory, folder=folder, files=[file_entry(raw_name, stat)])

    def _folder_reason(self, raw_path: bytes) -> str | None:
        return self._walker.rules.folder_reason(os.fsdecode(split(raw_path)[1]))

    def _note_folder(self, raw_directory: bytes) -> None:
        """A project folder that something was found in is there."""
        parts = raw_directory.split(b"/")
        if len(parts) >= self._walker.folder_depth:
            raw_folder = b"/".join(parts[: self._walker.folder_depth])
            self._walker.log.folders.setdefault(folder_key(raw_folder), raw_folder)

    def _note_blocked(self, found: Found, error: OSError) -> None:
        self._note_unreadable(found.blocked_at, error.strerror or type(error).__name__, vanished=False)

    def _note_unreadable(self, raw_path: bytes, reason: str, *, vanished: bool) -> None:
        folder = folder_of(raw_path, self._walker.folder_depth)
        self._walker.log.unreadable.append(
            Unreadable(raw_path=raw_path, folder=folder, reason=reason, is_directory=True, vanished=vanished)
        )
