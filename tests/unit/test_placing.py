"""A restored file gets a free name, or that of the very file that was to be replaced, or none."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibhelm_pipelines.safety import placing
from ibhelm_pipelines.safety.placing import look, place, replace, set_time
from ibhelm_pipelines.safety.target import _folded, _takes_two_names_for_one

NANO = 1_700_000_000_123_456_789


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "new").write_text("new")
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_a_free_name_is_taken_and_a_taken_one_left_alone(folder: int, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("old")
    assert not place(folder, b"new", folder, b"taken")
    assert (tmp_path / "taken").read_text() == "old"
    assert place(folder, b"new", folder, b"free")
    assert (tmp_path / "free").read_text() == "new"
    assert not (tmp_path / "new").exists()


def test_what_was_looked_at_is_replaced(folder: int, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    standing = look(folder, b"old", size=3)
    assert standing is not None
    assert standing.sha256 == hashlib.sha256(b"old").hexdigest()
    assert replace(folder, b"new", folder, b"old", standing=standing)
    assert (tmp_path / "old").read_text() == "new"


def test_what_somebody_changed_meanwhile_is_not_replaced(folder: int, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    standing = look(folder, b"old", size=4711)
    assert standing is not None
    assert standing.sha256 is None  # its size says enough
    (tmp_path / "old").write_text("people's work")
    assert not replace(folder, b"new", folder, b"old", standing=standing)
    assert (tmp_path / "old").read_text() == "people's work"
    assert (tmp_path / "new").exists()


def test_a_name_that_became_free_is_taken(folder: int, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    standing = look(folder, b"old", size=3)
    assert standing is not None
    (tmp_path / "old").unlink()
    assert replace(folder, b"new", folder, b"old", standing=standing)
    assert (tmp_path / "old").read_text() == "new"


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_file_is_not_replaced(folder: int, tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other"
    {"folder": other.mkdir, "link": lambda: other.symlink_to("new"), "pipe": lambda: os.mkfifo(other)}[kind]()
    standing = look(folder, b"other", size=3)
    assert standing is not None
    assert (standing.is_file, standing.sha256) == (False, None)
    assert not replace(folder, b"new", folder, b"other", standing=standing)
    assert (tmp_path / "new").read_text() == "new"


def test_nothing_stands_at_a_free_name(folder: int) -> None:
    assert look(folder, b"free", size=3) is None


def test_a_time_is_set_to_the_nanosecond_or_it_is_said_why_not(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set_time(folder, b"new", NANO) == ""
    assert (tmp_path / "new").stat().st_mtime_ns == NANO
    assert set_time(folder, b"new", NANO) == ""
    assert "not kept" in set_time(folder, b"new", None)
    assert "cannot be set" in set_time(folder, b"new", 1 << 100)
    with monkeypatch.context() as patched:
        patched.setattr(placing.os, "utime", lambda *_args, **_how: None)
        assert f"{NANO} instead of {NANO + 1}" in set_time(folder, b"new", NANO + 1)


@pytest.mark.parametrize(
    ("number", "is_everybodys"), [(errno.EPERM, False), (errno.ENOSPC, True), (errno.EDQUOT, True)]
)
def test_a_full_disk_is_not_one_files_trouble(
    folder: int, monkeypatch: pytest.MonkeyPatch, number: int, is_everybodys: bool
) -> None:
    def refuse(*_args: object, **_how: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(placing.os, "utime", refuse)
    if is_everybodys:
        with pytest.raises(OSError, match=os.strerror(number)):
            set_time(folder, b"new", NANO)
    else:
        assert "cannot be set" in set_time(folder, b"new", NANO)


def test_this_disk_takes_two_names_for_two(folder: int, tmp_path: Path) -> None:
    assert not _takes_two_names_for_one(folder)
    assert [each.name for each in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("other", ["PROBE-Ä", "probe-a\u0308"])
def test_a_disk_that_takes_two_names_for_one_is_recognised(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    stat = os.stat
    monkeypatch.setattr(
        "ibhelm_pipelines.safety.target.os.stat", lambda name, **how: stat("probe-ä" if name == other else name, **how)
    )
    assert _takes_two_names_for_one(folder)


def test_names_that_such_a_disk_cannot_tell_apart_are_folded_to_one() -> None:
    assert _folded("Büro/PLAN.pdf".encode()) == _folded("bu\u0308ro/plan.PDF".encode())
    assert _folded(b"a\xfc") != _folded(b"a\xfd")
