"""What changed and has not been passed on yet: debounced, merged, and bounded whatever happens.

A saved file gives a dozen events within milliseconds, and a copied folder 100,000. A path is passed on when it is
quiet; while somebody writes it, it waits for the end of the writing. Too many paths of one project folder become that
folder, too many altogether become the whole share: what is said gets coarser, never less.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Literal, NamedTuple

from ibhelm_pipelines.db.live import InboxItem
from ibhelm_pipelines.nas.names import display, folder_of, split
from ibhelm_pipelines.share import LOOSE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_PATHS_OF_A_FOLDER = 200
"""More changed paths of one project folder are cheaper compared by a scan of the folder."""

MAX_PATHS = 20_000
"""More changed paths altogether are cheaper compared by a scan of the share; also the bound of our memory."""

WRITING_QUIET_SECONDS = 2.0
"""A file that was not closed counts as written when it was not modified for so long: some programs never close."""

WRITING_HOLD_SECONDS = 60.0
"""Somebody who writes without end: the file is passed on anyway."""


UNKNOWN_WEIGHT = 1 << 30
"""Bytes that a changed directory counts as: nobody knows what is below it, and small things must not wait for it."""


class Change(NamedTuple):
    """One thing that may have changed.

    Attributes:
        path: raw path below the NAS root.
        kind: `path`: at and below it; `directory`: the files directly in it.
        is_directory: whether it is a directory, or was one.
        writing: True: somebody is writing the file; False: nobody is; None: the event says nothing about that.
        moved_from: where it stood before; both are passed on together, so that a move is seen as one.
    """

    path: bytes
    kind: Literal["path", "directory"] = "path"
    is_directory: bool = False
    writing: bool | None = False
    moved_from: bytes | None = None


_Key = tuple[str, bytes]


class _Entry:
    """How long something waits and for what. Times are of the monotonic clock."""

    __slots__ = ("events", "first", "folder", "is_directory", "last", "partner", "writing")

    def __init__(self, now: float, folder: str | None = None) -> None:
        self.first = self.last = now
        self.events = 0
        self.folder = folder
        self.partner: bytes | None = None
        self.is_directory = self.writing = False

    def again(self, now: float) -> None:
        self.last = now
        self.events += 1


def whole_share(events: int = 1) -> InboxItem:
    """Return the item that asks for a scan of everything."""
    label = "the whole share"
    return InboxItem(source="nas", kind="share", key=b"share", label=label, weight=UNKNOWN_WEIGHT, events=events)


class Pending:
    """Collects changes from the watching thread; the delivering thread takes what is due.

    Args:
        folder_depth: levels below the root at which project folders stand.
        quiet_seconds: a path is due when nothing happened to it for so long.
        hold_seconds: a path that is never quiet is due after so long.
        size_of: tells how large the file at a path is; 0 for what is gone.
    """

    def __init__(
        self, *, folder_depth: int, quiet_seconds: float, hold_seconds: float, size_of: Callable[[bytes], int]
    ) -> None:
        self._depth, self._quiet, self._hold, self._size_of = folder_depth, quiet_seconds, hold_seconds, size_of
        self._lock = Lock()
        self._paths: dict[_Key, _Entry] = {}
        self._by_folder: dict[str | None, set[_Key]] = {}
        self._folders: dict[str, _Entry] = {}
        self._share: _Entry | None = None

    def __len__(self) -> int:
        return len(self._paths) + len(self._folders) + (self._share is not None)

    def note(self, changes: Iterable[Change], now: float) -> None:
        """Take in what changed."""
        with self._lock:
            for change in changes:
                self._note(change, now)

    def note_everything(self, now: float) -> None:
        """The whole share must be compared; what else waits is part of that."""
        with self._lock:
            self._everything(now)

    def clear(self) -> None:
        """Forget what waits; whoever calls has something coarser to say."""
        with self._lock:
            self._forget()

    def take(self, now: float, *, everything: bool = False) -> list[InboxItem]:
        """Hand over what is due, or all there is."""
        with self._lock:
            paths = [(key, self._drop(key)) for key in self._due_paths(now, everything=everything)]
            coarse = self._due_folders(now, everything=everything)
            if self._share is not None and (everything or self._is_due(self._share, now)):
                coarse.append(whole_share(self._share.events))
                self._share = None
        return [self._path_item(key, entry) for key, entry in paths] + coarse

    def _due_folders(self, now: float, *, everything: bool) -> list[InboxItem]:
        due = [folder for folder, entry in self._folders.items() if everything or self._is_due(entry, now)]
        return [_folder_item(folder, self._folders.pop(folder).events) for folder in due]

    def _note(self, change: Change, now: float) -> None:
        if self._share is not None:
            self._share.again(now)
            return
        folder = self._folder_of(change)
        if folder is not None and folder in self._folders:
            self._folders[folder].again(now)
            return
        key = (change.kind, change.path)
        entry = self._paths.get(key)
        if entry is None:
            entry = self._add(key, _Entry(now, folder))
        elif entry.folder != folder:  # a file became a folder or the other way round: no scan of one folder sees both
            entry = self._drop(key)
            entry.folder = None
            self._add(key, entry)
        entry.again(now)
        entry.is_directory = change.is_directory
        if change.writing is not None:
            entry.writing = change.writing
        if change.moved_from is not None:
            self._pair(entry, change.path, change.moved_from)
        self._keep_bounds(entry.folder, now)

    def _add(self, key: _Key, entry: _Entry) -> _Entry:
        self._paths[key] = entry
        self._by_folder.setdefault(entry.folder, set()).add(key)
        return entry

    def _pair(self, entry: _Entry, path: bytes, moved_from: bytes) -> None:
        former = self._paths.get(("path", moved_from))
        if former is not None:
            entry.partner, former.partner = moved_from, path

    def _keep_bounds(self, folder: str | None, now: float) -> None:
        if len(self._by_folder[folder]) > MAX_PATHS_OF_A_FOLDER:
            if folder is None:  # no scan of a folder covers directories that stand above the project folders
                self._everything(now)
            else:
                self._whole_folder(folder)
        if len(self._paths) + len(self._folders) > MAX_PATHS:
            self._everything(now)

    def _whole_folder(self, folder: str) -> None:
        entries = [self._drop(key) for key in list(self._by_folder[folder])]
        self._folders[folder] = _sum(entries)

    def _everything(self, now: float) -> None:
        entries = [*self._paths.values(), *self._folders.values()]
        share = self._share or _Entry(now)
        share.again(now)
        self._forget()
        self._share = _sum([share, *entries])

    def _forget(self) -> None:
        self._paths, self._by_folder, self._folders, self._share = {}, {}, {}, None

    def _drop(self, key: _Key) -> _Entry:
        entry = self._paths.pop(key)
        keys = self._by_folder[entry.folder]
        keys.discard(key)
        if not keys:
            del self._by_folder[entry.folder]
        return entry

    def _is_due(self, entry: _Entry, now: float) -> bool:
        quiet = max(self._quiet, WRITING_QUIET_SECONDS) if entry.writing else self._quiet
        hold = max(self._hold, WRITING_HOLD_SECONDS) if entry.writing else self._hold
        return now - entry.last >= quiet or now - entry.first >= hold

    def _due_paths(self, now: float, *, everything: bool) -> list[_Key]:
        if everything:
            return list(self._paths)
        due = {key: None for key, entry in self._paths.items() if self._is_due(entry, now)}
        for key in list(due):
            due.update(dict.fromkeys(self._partners(key)))
        return list(due)

    def _partners(self, key: _Key) -> Iterator[_Key]:
        """Yield the other ends of the renames that something was part of."""
        seen = {key}
        entry: _Entry | None = self._paths[key]
        while entry is not None and entry.partner is not None:
            key = ("path", entry.partner)
            if key in seen or key not in self._paths:
                return
            seen.add(key)
            yield key
            entry = self._paths.get(key)

    def _folder_of(self, change: Change) -> str | None:
        """Return the project folder whose scan would see the change; None for directories above those folders."""
        directory = change.path if change.is_directory else split(change.path)[0]
        folder = _folder_of(directory, self._depth)
        return None if folder == LOOSE and change.is_directory and change.kind == "path" else folder

    def _path_item(self, key: _Key, entry: _Entry) -> InboxItem:
        kind, path = key
        label = display(path) or "/"
        weight = UNKNOWN_WEIGHT if entry.is_directory else self._size_of(path)
        return InboxItem(
            source="nas", kind=kind, key=path, label=label, folder=entry.folder, weight=weight, events=entry.events
        )


def _sum(entries: list[_Entry]) -> _Entry:
    """Many things become one, as old as the oldest of them."""
    whole = _Entry(max(entry.last for entry in entries))
    whole.first = min(entry.first for entry in entries)
    whole.events = sum(entry.events for entry in entries)
    return whole


def _folder_item(folder: str, events: int) -> InboxItem:
    return InboxItem(
        source="nas",
        kind="folder",
        key=folder.encode(),
        label=folder,
        folder=folder,
        weight=UNKNOWN_WEIGHT,
        events=events,
    )


# The same few directories are asked for again and again, and putting a name into NFC costs more than all else here.
_folder_of = lru_cache(maxsize=1024)(folder_of)
