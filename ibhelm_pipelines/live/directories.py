"""The directories of the share as both kinds of watching keep them: a tree, because a rename is then one step.

A map from watch to path would have to be rewritten for everything below a renamed folder. Names are kept once, paths
are put together when they are needed. One node costs about 200 bytes; a share has 40,000 of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ibhelm_pipelines.nas.names import join

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.nas.ignore import IgnoreRules

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Node:
    """One directory.

    Attributes:
        name: raw name; empty for the root.
        parent: the directory that holds it; None for the root and for what was taken out of the tree.
        children: the directories in it by raw name; None instead of an empty dict, because most have none.
        mark: by what it is known again: the kernel's watch, or its times when it was last looked at.
    """

    __slots__ = ("children", "mark", "name", "parent")

    def __init__(self, name: bytes, parent: Node | None, mark: int) -> None:
        self.name = name
        self.parent: Node | None = None
        self.children: dict[bytes, Node] | None = None
        self.mark = mark
        if parent is not None:
            self.attach(parent, name)

    def attach(self, parent: Node, name: bytes) -> None:
        """Put it under another directory, or another name."""
        self.detach()
        self.parent, self.name = parent, name
        if parent.children is None:
            parent.children = {}
        parent.children[name] = self

    def detach(self) -> None:
        """Take it, and all below it, out of the tree."""
        if self.parent is not None and self.parent.children is not None:
            if self.parent.children.get(self.name) is self:
                del self.parent.children[self.name]
            self.parent.children = self.parent.children or None
        self.parent = None

    def child(self, name: bytes) -> Node | None:
        return self.children.get(name) if self.children is not None else None

    def lineage(self) -> list[Node]:
        """It and the directories above it, up to the root or to where it was taken out."""
        node: Node | None = self
        found: list[Node] = []
        while node is not None:
            found.append(node)
            node = node.parent
        return found

    def path(self, root: Node) -> bytes | None:
        """Return the raw path below the root; None for what is not in the root's tree any more."""
        names: list[bytes] = []
        node: Node = self
        while node.parent is not None:
            names.append(node.name)
            node = node.parent
        return b"/".join(reversed(names)) if node is root else None

    def below(self, path: bytes = b"") -> Iterator[tuple[bytes, Node]]:
        """Yield it and everything below it, with paths that begin with its own."""
        stack: list[tuple[bytes, Node]] = [(path, self)]
        while stack:
            path, node = stack.pop()
            yield path, node
            if node.children is not None:
                stack.extend((join(path, name), child) for name, child in node.children.items())


def subfolders(directory: int | bytes, rules: IgnoreRules) -> list[str]:
    """Return the names of the folders in a directory that a scan would enter.

    Args:
        directory: its open descriptor, or its path.

    Raises:
        OSError: it cannot be read to its end.
    """
    with os.scandir(directory) as entries:
        found = [os.fsdecode(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return [name for name in found if rules.folder_reason(name) is None]


def open_below(root: bytes, path: bytes) -> int:
    """Open a directory name by name: however long the path is, and never through a symbolic link.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in path.split(b"/") if path else ():
        try:
            following = os.open(name, OPEN_DIRECTORY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = following
    return fd
