"""Looking again and again finds what was made, renamed and deleted, also where nothing tells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from disturbed_tree import DEPTH, Disturber, rules, snapshot, uncovered

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.live.pending import Change, Pending
from ibhelm_pipelines.live.polling import PollTree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "nas" / "A" / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return tmp_path / "nas"


def tree_of(root: Path, threads: int = 3) -> PollTree:
    return PollTree(os.fsencode(root), rules(), threads=threads)


def directory(path: bytes) -> Change:
    return Change(path, kind="directory", is_directory=True)


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(s, marks=pytest.mark.soak) for s in range(12, 400))])
def test_after_any_operations_but_edits_in_place_every_difference_was_told(root: Path, seed: int) -> None:
    disturber = Disturber(root, root.with_name("outside"), seed, in_place=False)
    disturber.grow(25)
    pending = Pending(folder_depth=DEPTH, quiet_seconds=0.5, hold_seconds=5, size_of=lambda _: 0)
    with tree_of(root) as tree:
        before, _ = snapshot(root)
        for _ in range(120):
            disturber.step()
            if disturber.random.random() < 0.1:
                pending.note(tree.look(), 0)
        pending.note(tree.look(), 0)
        after, directories = snapshot(root)
        assert tree.paths() == directories
        assert len(tree) == len(directories)
        items = {(item.kind, item.key) for item in pending.take(0, everything=True)}
        assert uncovered(before, after, items) == set()
        tree.look()
        assert tree.look() == [], "what was looked at twice since it changed is not told again"


def test_nothing_changed_is_nothing_told(root: Path) -> None:
    with tree_of(root) as tree:
        assert tree.look() == []
        assert tree.look() == []


def test_a_directory_that_changed_is_looked_at_once_more(root: Path) -> None:
    with tree_of(root) as tree:
        (root / "A" / "x").write_text("x")
        assert tree.look() == [directory(b"A")]
        assert tree.look() == [directory(b"A")], "another file may have come within the grain of its times"
        assert tree.look() == []


def test_a_new_folder_is_one_path_and_known_to_its_bottom(root: Path) -> None:
    with tree_of(root) as tree:
        (root / "A" / "new" / "deeper").mkdir(parents=True)
        assert tree.look() == [directory(b"A"), Change(b"A/new", is_directory=True)]
        (root / "A" / "new" / "deeper" / "x").write_text("x")
        assert directory(b"A/new/deeper") in tree.look()


def test_a_folder_put_in_the_place_of_another_with_the_same_times_is_told(root: Path) -> None:
    for name in ("one", "other"):
        (root / "A" / name).mkdir()
        os.utime(root / "A" / name, (1, 1))
    with tree_of(root) as tree:
        (root / "A" / "one").rename(root.with_name("outside") / "one")
        (root / "A" / "other").rename(root / "A" / "one")
        told = tree.look()
    assert directory(b"A/one") in told
    assert Change(b"A/other", is_directory=True) in told


def test_a_symbolic_link_in_the_place_of_a_folder_is_not_entered(root: Path) -> None:
    with tree_of(root) as tree:
        (root / "A" / "deep" / "deeper").mkdir()
        tree.look()
        (root / "A" / "deep").rename(root.with_name("outside") / "deep")
        (root / "A" / "deep").symlink_to("/proc/self/fdinfo")
        assert Change(b"A/deep", is_directory=True) in tree.look()
        assert tree.paths() == {b"", b"A"}


def test_a_root_that_is_not_there_is_a_share_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(ShareUnavailableError, match="cannot be read"):
        tree_of(tmp_path / "missing")
