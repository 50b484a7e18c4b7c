"""The kernel's word on changes of a local disk: one inotify watch per directory that a scan would enter.

Taken from the kernel by inotify_simple, which hands on what it is told. Of the well-known libraries watchfiles drops
the notice that the kernel's queue overflowed, and watchdog logs it without telling its caller: with both, changes
vanish and nobody knows (measured: shared/facts/performance.md, section 7).

Invariants: a directory is watched before it is listed, so that nothing made in it meanwhile is missed. A watch belongs
to the inode: whatever is found under a name is opened and watched, and the watch that the kernel answers with tells
whether we know the directory and it only moved. So a late event cannot bend the tree. Directories are reached through
descriptors, never through symbolic links.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from inotify_simple import INotify, flags

from ibhelm_pipelines.errors import ConfigurationError, ShareUnavailableError
from ibhelm_pipelines.live.directories import OPEN_DIRECTORY, Node, open_below, subfolders
from ibhelm_pipelines.live.pending import Change
from ibhelm_pipelines.nas.names import join

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from inotify_simple import Event

    from ibhelm_pipelines.nas.ignore import IgnoreRules

CREATE, MODIFY, CLOSE_WRITE = int(flags.CREATE), int(flags.MODIFY), int(flags.CLOSE_WRITE)
MOVED_FROM, MOVED_TO, DELETE = int(flags.MOVED_FROM), int(flags.MOVED_TO), int(flags.DELETE)
ATTRIB, ISDIR, IGNORED = int(flags.ATTRIB), int(flags.ISDIR), int(flags.IGNORED)
UNMOUNT, Q_OVERFLOW = int(flags.UNMOUNT), int(flags.Q_OVERFLOW)

MASK = CREATE | MODIFY | CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE | ATTRIB | int(flags.ONLYDIR)
APPEARED, GONE = CREATE | MOVED_TO, MOVED_FROM | DELETE

GATHER_MILLISECONDS = 10
"""After the first event: the kernel merges equal ones, and we wake up less often."""

LIMBO_SECONDS = 1.0
"""How long a directory that was moved away may take to turn up elsewhere; then it left the share."""

MAX_HALF_MOVES = 1_000
"""First halves of renames whose second half may still come."""

MAX_UNSETTLED = 1_000
"""Directories that could not be entered yet because those above them are being moved; with more we lost our way."""

_LIMITS = "/proc/sys/fs/inotify"
_OUT_OF_WATCHES = {errno.ENOSPC, errno.ENOMEM}


class Batch(NamedTuple):
    """What one reading of the kernel's queue brought.

    Attributes:
        changes: what changed, in the order of the events.
        events: how many events there were.
        overflowed: the kernel dropped events, or too much was renamed at once: nobody knows what else changed.
        unmounted: a file system went away under the watches, or the root itself did.
    """

    changes: list[Change]
    events: int
    overflowed: bool
    unmounted: bool


class InotifyTree:
    """Watches on all directories of the share, kept in line with the disk; a context manager.

    Args:
        root: the NAS root.
        rules: what a scan leaves out gets no watch and gives no change.
        on_directory: called for each directory that is met, as a sign of life.

    Raises:
        ConfigurationError: the kernel grants too few watches or instances; says what to set.
        ShareUnavailableError: the root cannot be read.
    """

    def __init__(self, root: bytes, rules: IgnoreRules, *, on_directory: Callable[[], None] = lambda: None) -> None:
        self._root_path, self._rules, self._on_directory = root, rules, on_directory
        self._nodes: dict[int, Node] = {}
        self._limbo: deque[tuple[float, Node]] = deque()
        self._half_moves: dict[int, bytes] = {}
        self._unsettled: dict[tuple[Node, bytes], None] = {}
        self._unmounted = False
        self.unreadable = 0
        self._inotify = _new_inotify()
        self._root = Node(b"", None, 0)
        with ExitStack() as on_failure:
            on_failure.enter_context(self._inotify)
            self._add_root()
            on_failure.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._inotify.close()

    def __len__(self) -> int:
        return len(self._nodes)

    def paths(self) -> set[bytes]:
        """Return the raw paths of all watched directories."""
        return {path for path, _ in self._root.below()}

    def read(self, timeout_seconds: float) -> Batch:
        """Wait for events and return what they say; what is new below the root is watched when this returns.

        Raises:
            ConfigurationError: the kernel grants no more watches.
        """
        events = self._inotify.read(timeout=int(timeout_seconds * 1000), read_delay=GATHER_MILLISECONDS)
        changes: list[Change] = []
        overflowed = False
        for event in events:
            if event.mask & Q_OVERFLOW:
                overflowed = True
            elif event.mask & (IGNORED | UNMOUNT):
                self._watch_ended(event)
            elif event.name:
                self._understand(event, changes)
        self._settle()
        self._leave_limbo()
        overflowed |= len(self._unsettled) > MAX_UNSETTLED
        return Batch(changes, len(events), overflowed, self._unmounted)

    def _understand(self, event: Event, changes: list[Change]) -> None:
        """One event about a name in a directory that we know."""
        is_directory = event.mask & ISDIR
        if self._rules.folder_reason(event.name) if is_directory else self._rules.leaves_out_file(event.name):
            return
        parent = self._nodes.get(event.wd)
        if parent is None:
            return
        directory = parent.path(self._root)
        if directory is None:
            if is_directory:  # what was moved away no longer holds what we know; should it come back, it is read anew
                self._forget_below(parent.lineage()[-1])
            return
        path = join(directory, os.fsencode(event.name))
        if not is_directory:
            changes.append(self._file_change(event, path))
        elif self._directory_changed(event, parent):
            changes.append(Change(path, is_directory=True, moved_from=self._moved_from(event, path)))

    def _file_change(self, event: Event, path: bytes) -> Change:
        if event.mask & (CREATE | MODIFY):
            return Change(path, writing=True)
        if event.mask & ATTRIB:
            return Change(path, writing=None)
        return Change(path, moved_from=self._moved_from(event, path))

    def _moved_from(self, event: Event, path: bytes) -> bytes | None:
        """Keep the first half of a rename; for the second one, return the first."""
        if event.mask & MOVED_TO:
            return self._half_moves.pop(event.cookie, None)
        if event.mask & MOVED_FROM:
            if len(self._half_moves) >= MAX_HALF_MOVES:
                self._half_moves.clear()
            self._half_moves[event.cookie] = path
        return None

    def _directory_changed(self, event: Event, parent: Node) -> bool:
        """Bring the tree in line with an event about a directory; return whether it changes anything in the tables."""
        name = os.fsencode(event.name)
        known = parent.child(name)
        if event.mask & GONE:
            self._to_limbo(known)
            return True
        if event.mask & ATTRIB and known is not None:
            return False  # its times or rights; nothing of it is recorded
        self._enter(parent, name)
        return True

    def _enter(self, parent: Node, name: bytes) -> None:
        """Watch what stands under a name in a directory, and all below it.

        Events are older than the disk: a directory above may have been renamed since, and its old path may even lead
        to another directory by now. So we look whether we came to the directory that we know; if not, the events
        that are still to be read will say where it is, and then we come again.
        """
        parent_fd = self._open(parent)
        if parent_fd is None:
            self._unsettled[(parent, name)] = None
            return
        try:
            fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent_fd)
        except OSError as error:
            self._not_entered(error)
            return
        finally:
            os.close(parent_fd)
        self._add(fd, parent, name)

    def _open(self, node: Node) -> int | None:
        """Open a directory that we know; None where another one, or none, stands at its path."""
        path = node.path(self._root)
        if path is None:
            return None
        try:
            fd = open_below(self._root_path, path)
        except OSError:
            return None
        if self._watch_of(fd) == node.mark:
            return fd
        os.close(fd)
        return None

    def _watch_of(self, fd: int) -> int | None:
        """Return the watch that a directory has; the kernel gives one to a directory without, which is taken back."""
        try:
            watch = int(self._inotify.add_watch(f"/proc/self/fd/{fd}", MASK))
        except OSError:
            return None
        if watch not in self._nodes:
            self._inotify.rm_watch(watch)
        return watch

    def _settle(self) -> None:
        """Enter what could not be entered before; what left the share is not looked for any more."""
        waiting, self._unsettled = self._unsettled, {}
        for parent, name in waiting:
            if self._nodes.get(parent.mark) is parent:
                self._enter(parent, name)

    def _not_entered(self, error: OSError) -> None:
        """A directory is gone again, or not ours to read; the scan of its path tells people."""
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            self.unreadable += 1

    def _add_root(self) -> None:
        try:
            fd = os.open(self._root_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ShareUnavailableError(
                f"The NAS root {os.fsdecode(self._root_path)} cannot be read ({error.strerror}).",
                next_step="Check the mount and its permissions.",
            ) from error
        self._add(fd, None, b"")
        if not self._nodes:
            raise ShareUnavailableError(
                f"The NAS root {os.fsdecode(self._root_path)} cannot be watched.", next_step="Check its permissions."
            )

    def _add(self, fd: int, parent: Node | None, name: bytes) -> None:
        """Watch a directory and everything below it, depth first; takes over the descriptor."""
        stack: list[tuple[int, Node, list[str]]] = []
        try:
            while True:
                node, names = self._watch(fd, parent, name)
                if node is None:
                    os.close(fd)
                else:
                    stack.append((fd, node, names))
                following = self._next(stack)
                if following is None:
                    return
                fd, parent, name = following
        finally:
            for open_fd, *_ in stack:
                os.close(open_fd)

    def _next(self, stack: list[tuple[int, Node, list[str]]]) -> tuple[int, Node, bytes] | None:
        """Open the next directory to watch, leaving those that are finished."""
        while stack:
            parent_fd, parent, names = stack[-1]
            while names:
                name = names.pop()
                try:
                    return os.open(name, OPEN_DIRECTORY, dir_fd=parent_fd), parent, os.fsencode(name)
                except OSError as error:
                    self._not_entered(error)
            os.close(stack.pop()[0])
        return None

    def _watch(self, fd: int, parent: Node | None, name: bytes) -> tuple[Node | None, list[str]]:
        """Watch one directory, then list it. No node: there is nothing to do below it."""
        self._on_directory()
        try:
            watch = self._inotify.add_watch(f"/proc/self/fd/{fd}", MASK)
        except OSError as error:
            if error.errno in _OUT_OF_WATCHES:
                os.close(fd)
                raise _too_few_watches(len(self._nodes)) from error
            self._not_entered(error)
            return None, []
        known = self._nodes.get(watch)
        if known is not None:
            self._moved(known, parent, name)
            return None, []
        node = self._root if parent is None else self._new_node(parent, name)
        node.mark = watch
        self._nodes[watch] = node
        try:
            return node, subfolders(fd, self._rules)
        except OSError as error:
            self._not_entered(error)
            return node, []

    def _new_node(self, parent: Node, name: bytes) -> Node:
        self._to_limbo(parent.child(name))
        return Node(name, parent, 0)

    def _moved(self, known: Node, parent: Node | None, name: bytes) -> None:
        """What stands here is a directory that we watch already, with all below it: it came from elsewhere."""
        if parent is None or known in parent.lineage():
            return  # a bind mount shows a directory within itself
        if parent.child(name) is not known:
            self._to_limbo(parent.child(name))
            known.attach(parent, name)

    def _to_limbo(self, node: Node | None) -> None:
        """A directory no longer stands where it stood; it may turn up elsewhere in a moment."""
        if node is not None:
            node.detach()
            self._limbo.append((time.monotonic() + LIMBO_SECONDS, node))

    def _watch_ended(self, event: Event) -> None:
        """The kernel gave up a watch: its directory is deleted, or its file system unmounted, or we said so."""
        node = self._nodes.get(event.wd)
        if event.mask & UNMOUNT or node is self._root:
            self._unmounted = True
        if event.mask & IGNORED and node is not None:
            del self._nodes[event.wd]
            node.detach()

    def _leave_limbo(self) -> None:
        """Stop watching what was moved out of the share."""
        now = time.monotonic()
        while self._limbo and self._limbo[0][0] <= now:
            _, lost = self._limbo.popleft()
            if lost.parent is None:  # else it turned up, be it in something that has left itself and has its own term
                self._forget_below(lost)

    def _forget_below(self, lost: Node) -> None:
        for _, node in lost.below():
            self._forget(node)

    def _forget(self, node: Node) -> None:
        if self._nodes.pop(node.mark, None) is not None:
            try:
                self._inotify.rm_watch(node.mark)
            except OSError as error:
                if error.errno != errno.EINVAL:  # EINVAL: the kernel has just given it up by itself
                    raise


def _new_inotify() -> INotify:
    try:
        return INotify()
    except OSError as error:
        limit = _limit("max_user_instances")
        raise ConfigurationError(
            f"The kernel grants no further inotify instance ({error.strerror}; fs.inotify.max_user_instances={limit}).",
            next_step=f"Set it higher: `sysctl -w fs.inotify.max_user_instances={max(512, 2 * limit)}`, and write the"
            " same line into /etc/sysctl.d/90-ibhelm.conf.",
        ) from error


def _too_few_watches(watched: int) -> ConfigurationError:
    limit = _limit("max_user_watches")
    return ConfigurationError(
        f"The kernel grants too few inotify watches: {watched:,} directories of the share could be watched, not all"
        f" (fs.inotify.max_user_watches={limit}, shared by all programs of this user).",
        next_step=f"Set it higher: `sysctl -w fs.inotify.max_user_watches={max(524_288, 2 * limit)}`, and write the"
        " same line into /etc/sysctl.d/90-ibhelm.conf.",
    )


def _limit(name: str) -> int:
    return int(Path(_LIMITS, name).read_text(encoding="ascii"))
