"""Random operations on a tree, and the question whether what a watcher reported covers every difference they made."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.nas.names import folder_of
from ibhelm_pipelines.settings import Settings

NAMES = ["A", "B", "Pläne", "a.txt", "b.dwg", "L\udcfcftung", "@eaDir", ".hidden", "~$a.docx", "x.tmp", "neu\n"]
DEPTH = 2

File = tuple[int, int, int]


def rules() -> IgnoreRules:
    return IgnoreRules.from_settings(Settings(_env_file=None))


def snapshot(root: Path) -> tuple[dict[bytes, File], set[bytes]]:
    """The files and the directories that a scan would see, found in a plain way of our own."""
    allowed, top = rules(), os.fsencode(root)
    files, directories = {}, {b""}
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [n for n in subfolders if not allowed.folder_reason(n)]
        links = [n for n in subfolders if os.path.islink(os.path.join(folder, n))]
        subfolders[:] = [n for n in subfolders if n not in links]
        directories |= {os.path.relpath(os.fsencode(os.path.join(folder, n)), top) for n in subfolders}
        for name in names:
            path = os.path.join(folder, name)
            if not allowed.leaves_out_file(name) and os.path.isfile(path) and not os.path.islink(path):
                stat = os.stat(path)
                files[os.path.relpath(os.fsencode(path), top)] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return files, directories


def uncovered(before: dict[bytes, File], after: dict[bytes, File], items: Iterable[tuple[str, bytes]]) -> set[bytes]:
    """The changed files that no item would make anybody look at."""
    items = set(items)
    if ("share", b"share") in items:
        return set()
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {path for path in changed if not _is_covered(path, items)}


def _is_covered(path: bytes, items: set[tuple[str, bytes]]) -> bool:
    parts = path.split(b"/")
    above = {("path", b"/".join(parts[:n])) for n in range(1, len(parts) + 1)}
    directory = b"/".join(parts[:-1])
    folder = ("folder", folder_of(directory, DEPTH).encode())
    return bool(items & (above | {("directory", directory), folder}))


class Disturber:
    """Seeded operations on the tree at `root`; `outside` is another folder of the same disk."""

    def __init__(self, root: Path, outside: Path, seed: int, *, in_place: bool = True) -> None:
        self.root, self.outside, self.random = root, outside, random.Random(seed)
        self.operations = [self.create, self.rename, self.rename, self.delete, self.make_folders, self.link]
        self.operations += [self.move_out, self.move_in, self.swap] + ([self.edit, self.touch] if in_place else [])

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.step(self.create, self.make_folders)

    def step(self, *operations: Callable[[], None]) -> None:
        try:
            self.random.choice(operations or self.operations)()
        except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, shutil.Error):
            pass  # two things that do not go together, such as a folder moved into itself
        except OSError as error:
            if error.errno not in (22, 39):  # EINVAL: into itself; ENOTEMPTY
                raise

    def everything(self) -> list[Path]:
        found = []
        for folder, folders, names in os.walk(self.root):
            found += [Path(folder, name) for name in sorted(folders) + sorted(names) if name != ".ibhelm-share"]
        return sorted(found)

    def some(self, kind: str = "any") -> Path:
        fitting = [p for p in self.everything() if kind == "any" or (p.is_dir() if kind == "folder" else p.is_file())]
        return self.random.choice(fitting) if fitting else self.root / "missing"

    def place(self) -> Path:
        folders = [path for path in self.everything() if path.is_dir() and not path.is_symlink()]
        return self.random.choice([self.root, *folders]) / self.random.choice(NAMES)

    def create(self) -> None:
        self.place().write_bytes(self.random.randbytes(self.random.randrange(20)))

    def edit(self) -> None:
        with self.some("file").open("ab") as file:
            file.write(b"more")

    def touch(self) -> None:
        os.utime(self.some("file"), (self.random.randrange(10**9), 0))

    def rename(self) -> None:
        self.some().rename(self.place())

    def delete(self) -> None:
        path = self.some()
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def make_folders(self) -> None:
        folder = self.place() / self.random.choice(NAMES[:6]) / self.random.choice(NAMES[:6])
        folder.mkdir(parents=True)
        if self.random.random() < 0.5:
            (folder / "in new folder.txt").write_text("x")

    def link(self) -> None:
        self.place().symlink_to(self.random.choice([self.root, self.outside]))

    def move_out(self) -> None:
        self.some("folder").rename(self.outside / str(self.random.randrange(5)))

    def move_in(self) -> None:
        """What was moved out comes back, with or without what changed in it meanwhile."""
        folder = self.outside / str(self.random.randrange(5))
        if self.random.random() < 0.5:
            (folder / "made outside").mkdir()
            (folder / "made outside" / "file").write_text("x")
        folder.rename(self.place())

    def swap(self) -> None:
        one, other, aside = self.some("folder"), self.some("folder"), self.outside / "aside"
        if one in (other, *other.parents) or other in one.parents:
            return
        one.rename(aside)
        other.rename(one)
        aside.rename(other)
