"""Whatever happens on the share: live scans of exactly the touched paths leave the tables as the disk is, and a scan
of everything after them finds nothing to do."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nas_tree import Nas

from ibhelm_pipelines.nas.paths import scan_paths
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

BATCHES = 8
NAMES = [
    "a", "b.txt", "ü.txt", "u\u0308.txt", "Plan 1.pdf", "x\ny", "\udcff.bin", "a-b", ".hidden", "z.tmp", "@eaDir",
]  # fmt: skip


class Mutator:
    """Does random things to a tree and says which paths a watcher would name."""

    def __init__(self, nas: Nas, seed: int) -> None:
        self.root = nas.root
        self.dice = random.Random(seed)
        self.touched: list[Path] = []
        self.count = 0
        self.log: list[str] = []

    def step(self) -> None:
        actions: list[Callable[[], None]] = [
            self.write, self.write, self.edit, self.edit, self.delete, self.rename, self.rename, self.move_directory,
            self.delete_directory, self.move_in, self.replace, self.swap, self.save_by_rename, self.link, self.copy,
            self.touch,
        ]  # fmt: skip
        action = self.dice.choice(actions)
        before = len(self.touched)
        action()
        self.log.append(f"{action.__name__}: {[str(p.relative_to(self.root)) for p in self.touched[before:]]!r}")

    def content(self) -> bytes:
        self.count += 1
        return b"%d" % (self.count if self.dice.random() < 0.8 else self.dice.randrange(5))

    def files(self) -> list[Path]:
        return sorted(
            p for p in self.root.rglob("*") if p.is_file() and not p.is_symlink() and p.name != ".ibhelm-share"
        )

    def directories(self) -> list[Path]:
        return sorted(p for p in self.root.rglob("*") if p.is_dir() and not p.is_symlink())

    def place(self, *, depth: int = 4) -> Path:
        """A path that may or may not be taken, of any depth."""
        parent = self.dice.choice([self.root, *self.directories()])
        if len(parent.relative_to(self.root).parts) >= depth:
            parent = self.root / "projekte"
        return parent / self.dice.choice(NAMES)

    def free(self) -> Path:
        while True:
            path = self.place()
            if not os.path.lexists(path) and path.parent.is_dir():
                return path

    def touch_paths(self, *paths: Path) -> None:
        self.touched += paths

    def touch_links(self, path: Path) -> None:
        """An edit shows under every name of the file."""
        self.touch_paths(*(p for p in self.files() if p.samefile(path)), path)

    def write(self) -> None:
        path = self.free()
        if self.dice.random() < 0.3:
            path.mkdir()
            (path / self.dice.choice(NAMES)).write_bytes(self.content())
        else:
            path.write_bytes(self.content())
        self.touch_paths(path)

    def edit(self) -> None:
        if files := self.files():
            path = self.dice.choice(files)
            path.write_bytes(self.content())
            self.touch_links(path)

    def touch(self) -> None:
        if files := self.files():
            path = self.dice.choice(files)
            os.utime(path)
            self.touch_links(path)

    def delete(self) -> None:
        if files := self.files():
            path = self.dice.choice(files)
            path.unlink()
            self.touch_paths(path)

    def rename(self) -> None:
        if files := self.files():
            old, new = self.dice.choice(files), self.place()
            if new.is_dir() or not new.parent.is_dir():
                return
            old.rename(new)
            self.touch_paths(old, new)

    def move_directory(self) -> None:
        if directories := self.directories():
            old, new = self.dice.choice(directories), self.free()
            if new == old or old in new.parents:
                return
            old.rename(new)
            self.touch_paths(old, new)

    def delete_directory(self) -> None:
        if directories := self.directories():
            path = self.dice.choice(directories)
            shutil.rmtree(path)
            self.touch_paths(path)
            (self.root / "projekte").mkdir(exist_ok=True)

    def move_in(self) -> None:
        outside = self.root.parent / "outside"
        for name in self.dice.sample(NAMES, 3):
            target = outside / name if self.dice.random() < 0.5 else outside / "deep" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.content())
        path = self.free()
        outside.rename(path)
        self.touch_paths(path)

    def replace(self) -> None:
        """A file becomes a folder or a symbolic link; a folder becomes a file."""
        if self.dice.random() < 0.5 and (files := self.files()):
            path = self.dice.choice(files)
            path.unlink()
            if self.dice.random() < 0.5:
                path.symlink_to(self.root / "projekte")
            else:
                path.mkdir()
                (path / "inner").write_bytes(self.content())
        elif directories := [d for d in self.directories() if d.parent != self.root]:
            path = self.dice.choice(directories)
            shutil.rmtree(path)
            path.write_bytes(self.content())
        else:
            return
        self.touch_paths(path)

    def swap(self) -> None:
        if len(files := self.files()) >= 2:
            one, two = self.dice.sample(files, 2)
            aside = self.root.parent / "aside"
            one.rename(aside)
            two.rename(one)
            aside.rename(two)
            self.touch_paths(one, two)

    def save_by_rename(self) -> None:
        if files := self.files():
            path = self.dice.choice(files)
            new = path.with_name("neu.tmp")
            new.write_bytes(self.content())
            if self.dice.random() < 0.5:
                path.rename(path.with_name("alt.bak"))
                self.touch_paths(path.with_name("alt.bak"))
            new.rename(path)
            self.touch_paths(path, new)

    def link(self) -> None:
        if files := self.files():
            path = self.free()
            os.link(self.dice.choice(files), path)
            self.touch_paths(path)

    def copy(self) -> None:
        if files := self.files():
            path = self.free()
            shutil.copy2(self.dice.choice(files), path)
            self.touch_paths(path)

    def looks(self) -> list[tuple[set[bytes], set[bytes]]]:
        """How a watcher and a worker might pass on what was touched: together or apart, in any order; the file's
        directory instead of the file."""
        named = sorted({os.fsencode(path.relative_to(self.root)) for path in self.touched})
        self.dice.shuffle(named)
        self.touched = []
        count = self.dice.randint(1, 3)
        return [self._look(named[i::count]) for i in range(count)]

    def _look(self, part: list[bytes]) -> tuple[set[bytes], set[bytes]]:
        paths, directories = set(part), set()
        for raw_path in part:
            on_disk = self.root / os.fsdecode(raw_path)
            if on_disk.is_file() and not on_disk.is_symlink() and self.dice.random() < 0.3:
                directories.add(raw_path.rpartition(b"/")[0])
        return paths, directories


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 150))])
def test_live_scans_of_what_was_touched_leave_nothing_to_a_scan_of_everything(settings: Settings, seed: int) -> None:
    settings = settings.model_copy(update={"max_deletions": 10_000, "max_deletion_percent": 1e9})
    nas, mutator = Nas(settings), Mutator(Nas(settings), seed)
    for i in range(12):
        nas.write(f"projekte/{i % 3}/{'tief/' * (i % 2)}{i}.txt", f"first {i}")
    scan(settings)
    for batch in range(BATCHES):
        mutator.log = []
        for _ in range(mutator.dice.randint(1, 6)):
            mutator.step()
        looks = mutator.looks()
        reports = [scan_paths(settings, paths=paths, directories=directories) for paths, directories in looks]
        happened = f"seed {seed}, batch {batch}: {mutator.log}, looked {looks}"
        assert {r.state for r in reports} <= {"complete"}, happened
        assert nas.live() == nas.on_disk(), happened
        nas.assert_sound()
        report = scan(settings)
        total = report.total
        assert (total.new, total.changed, total.moved, total.deleted, total.restored, report.bytes_hashed) == (
            0,
        ) * 6, happened
        assert nas.rows("select folder from ops.folders where present order by 1") == nas.rows(
            "select folder from ops.folders where last_scan_id = %s and present order by 1", report.scan_id
        ), happened
