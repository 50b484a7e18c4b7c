"""Paths within an export, made of paths on the NAS: as they were wherever Windows takes them, else renamed and noted.

Invariants: no path leads out of its folder; no two differ only by case or Unicode form; none is longer than
MAX_PATH_CHARACTERS, so that a person can put the export somewhere below `C:\\Users`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.portable_names import safe_name

if TYPE_CHECKING:
    from ibhelm_pipelines.export.book import Book

MAX_PATH_CHARACTERS = 200
"""Windows takes 260 in all, of which the place where the export lies takes some."""

MAX_NAME_BYTES = 140
SHORT_NAME_BYTES = 80
"""Of a file whose path is too long: it goes into a folder of its own kind."""


class Tree:
    """One folder of the export that mirrors folders of the NAS.

    Args:
        book: knows which names are taken.
        top: the folder in the export.
    """

    def __init__(self, book: Book, top: str) -> None:
        self._book, self._top = book, top
        self._folders: dict[str, str] = {"": top}

    def path_for(self, original: str) -> tuple[str, str]:
        """Return the folder and the path in the export for a path below the NAS root; a renamed one is noted.

        Folders are kept in memory: an office has thousands where it has hundreds of thousands of files.
        """
        parent, _, name = original.rpartition("/")
        folder = self._folder(parent)
        safe = safe_name(name, otherwise="Datei", max_bytes=MAX_NAME_BYTES)
        if len(f"{folder}/{safe}") + len(" (99)") > MAX_PATH_CHARACTERS:
            folder = f"{self._top}-lange-Pfade"
            safe = safe_name(name, otherwise="Datei", max_bytes=SHORT_NAME_BYTES)
        path = self._book.take_name(folder, safe)
        if path != f"{self._top}/{original}":
            self._book.note("renamed", original, path)
        return folder, path

    def _folder(self, original: str) -> str:
        if original not in self._folders:
            parent, _, name = original.rpartition("/")
            safe = safe_name(name, otherwise="Ordner", max_bytes=MAX_NAME_BYTES)
            self._folders[original] = self._book.take_name(self._folder(parent), safe)
        return self._folders[original]
