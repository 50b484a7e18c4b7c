"""The watches stay in line with the disk, and what they tell covers what changed, in whatever order it is heard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from disturbed_tree import DEPTH, Disturber, rules, snapshot, uncovered
from watch_desk import eventually

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.live import inotify_tree
from ibhelm_pipelines.live.inotify_tree import InotifyTree
from ibhelm_pipelines.live.pending import Change, Pending


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "nas").mkdir()
    (tmp_path / "outside").mkdir()
    return tmp_path / "nas"


@pytest.fixture
def tree(root: Path) -> Iterator[InotifyTree]:
    with InotifyTree(os.fsencode(root), rules()) as tree:
        yield tree


def read_all(tree: InotifyTree) -> list[Change]:
    """Read until the kernel has nothing more to say."""
    changes: list[Change] = []
    while (batch := tree.read(0)).events:
        assert not batch.overflowed
        changes += batch.changes
    return changes


def calm(tree: InotifyTree) -> None:
    """Wait until what was moved away is given up."""

    def settled() -> bool:
        tree.read(0)
        return not tree._limbo

    eventually(settled, "what was moved out is given up")
    tree.read(0)


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(s, marks=pytest.mark.soak) for s in range(12, 400))])
def test_after_any_operations_all_is_watched_and_every_difference_was_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(inotify_tree, "LIMBO_SECONDS", 0.01 * (seed % 3))
    disturber = Disturber(root, root.with_name("outside"), seed)
    disturber.grow(25)
    pending = Pending(folder_depth=DEPTH, quiet_seconds=0.5, hold_seconds=5, size_of=lambda _: 0)
    before, _ = snapshot(root)
    with InotifyTree(os.fsencode(root), rules()) as tree:
        for _ in range(120):
            disturber.step()
            if disturber.random.random() < 0.3:  # now the watcher is quick, now it is far behind
                pending.note(tree.read(0).changes, 0)
        pending.note(read_all(tree), 0)
        calm(tree)
        after, directories = snapshot(root)
        assert tree.paths() == directories
        assert len(tree) == len(directories), "and nothing else is watched"
        items = {(item.kind, item.key) for item in pending.take(0, everything=True)}
        assert uncovered(before, after, items) == set()
        assert not read_all(tree), "a walk over the tree is no change"
        for directory in sorted(directories):
            Path(os.fsdecode(os.fsencode(root) + b"/" + directory), "probe.txt").write_text("x")
        told = {change.path for change in read_all(tree)}
    assert told == {directory + b"/probe.txt" if directory else b"probe.txt" for directory in directories}


def test_both_halves_of_a_rename_belong_together(root: Path, tree: InotifyTree) -> None:
    (root / "a").write_text("x")
    (root / "a").rename(root / "b")
    assert read_all(tree)[-1] == Change(b"b", moved_from=b"a")


def test_the_halves_of_many_renames_at_once_are_not_mixed_up(root: Path, tree: InotifyTree) -> None:
    for number in range(2_000):
        (root / str(number)).write_text("x")
    read_all(tree)
    for number in range(2_000):
        (root / str(number)).rename(root / f"{number} new")
    pairs = {(change.moved_from, change.path) for change in read_all(tree) if change.moved_from}
    assert pairs == {(b"%d" % number, b"%d new" % number) for number in range(2_000)}


def test_a_folder_that_was_gone_for_a_while_is_known_with_what_was_made_in_it_meanwhile(
    root: Path, tree: InotifyTree
) -> None:
    (root / "a" / "old").mkdir(parents=True)
    read_all(tree)
    away = root.with_name("outside") / "a"
    (root / "a").rename(away)
    read_all(tree)
    (away / "new").mkdir()
    (away / "old").rmdir()
    away.rename(root / "b")
    read_all(tree)
    assert tree.paths() == {b"", b"b", b"b/new"}


def test_a_name_taken_by_another_folder_before_the_first_was_looked_at(root: Path, tree: InotifyTree) -> None:
    (root / "a").mkdir()
    (root / "a").rename(root / "b")
    (root / "a").mkdir()
    read_all(tree)
    (root / "a" / "x").write_text("x")
    (root / "b" / "y").write_text("y")
    assert {change.path for change in read_all(tree)} == {b"a/x", b"b/y"}


def test_a_folder_made_in_one_whose_place_another_took_meanwhile_is_watched_where_it_is(
    root: Path, tree: InotifyTree
) -> None:
    (root / "A" / "B").mkdir(parents=True)
    read_all(tree)
    (root / "A" / "B" / "x").mkdir()
    (root / "A" / "B").rename(root / "moved")
    (root / "A" / "B" / "x").mkdir(parents=True)
    read_all(tree)
    assert tree.paths() == {b"", b"A", b"A/B", b"A/B/x", b"moved", b"moved/x"}
    (root / "moved" / "x" / "probe").mkdir()
    assert [change.path for change in read_all(tree)] == [b"moved/x/probe"]


def test_a_symbolic_link_to_a_folder_is_not_entered(root: Path, tree: InotifyTree) -> None:
    (root.with_name("outside") / "deep").mkdir()
    (root / "link").symlink_to(root.with_name("outside"))
    (root / "loop").symlink_to(root)
    read_all(tree)
    assert tree.paths() == {b""}


def test_paths_longer_than_a_system_call_takes_are_watched(root: Path, tree: InotifyTree) -> None:
    here = os.open(root, os.O_RDONLY)
    names = [f"{number:03d}" + "x" * 200 for number in range(30)]
    for name in names:
        os.mkdir(name, dir_fd=here)
        following = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = following
    read_all(tree)
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.mkdir("folder", dir_fd=here)
    os.close(here)
    deep = "/".join(names).encode()
    assert len(deep) > 4096
    assert {change.path for change in read_all(tree)} == {deep + b"/file", deep + b"/folder"}
    assert deep + b"/folder" in tree.paths()


def test_half_renames_are_not_kept_for_ever(root: Path, tree: InotifyTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify_tree, "MAX_HALF_MOVES", 10)
    for number in range(100):
        (root / str(number)).write_text("x")
        (root / str(number)).rename(root.with_name("outside") / str(number))
    read_all(tree)
    assert len(tree._half_moves) <= 10


def test_a_full_queue_of_the_kernel_is_told(root: Path, tree: InotifyTree) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(limit // 2 + 10):
        (root / str(number)).touch()
    overflowed = False
    while (batch := tree.read(0)).events:
        overflowed |= batch.overflowed
    assert overflowed


def test_a_root_that_is_not_there_is_a_share_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(ShareUnavailableError, match="cannot be read"):
        InotifyTree(os.fsencode(tmp_path / "missing"), rules())
