"""A hash always belongs to a state that the file really had."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from ibhelm_pipelines.nas import hash as hash_module
from ibhelm_pipelines.nas.hash import Hasher

MIB = 1024 * 1024


def test_hash_and_stat_belong_together(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * (3 * MIB + 17))
    stat = path.stat()
    with Hasher.open(2) as hasher:
        result = hasher.hash_file(os.fsencode(path))
    assert result.outcome == "hashed"
    assert result.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (result.size, result.mtime_ns, result.inode) == (stat.st_size, stat.st_mtime_ns, stat.st_ino)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["in place", "grow", "replace"])
def test_a_file_that_is_written_to_while_it_is_read_never_gives_a_torn_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(hash_module, "RETRY_SECONDS", 0.001)
    path = tmp_path / "busy"
    size = MIB // 2
    path.write_bytes(b"\0" * size)
    whole = {hashlib.sha256(b"\0" * size).hexdigest()}
    stop = threading.Event()

    def save(number: int) -> None:
        content = bytes([number % 256]) * (size + (number * 1000 if how == "grow" else 0))
        if how == "replace":
            whole.add(hashlib.sha256(content).hexdigest())
            (tmp_path / "new").write_bytes(content)
            (tmp_path / "new").rename(path)
            return
        state = bytearray(path.read_bytes())
        with path.open("r+b", buffering=0) as file:
            for start in range(0, len(content), 64 * 1024):  # each piece makes a state that the file really has
                state[start : start + 64 * 1024] = content[start : start + 64 * 1024]
                whole.add(hashlib.sha256(state).hexdigest())
                file.write(content[start : start + 64 * 1024])

    def keep_saving() -> None:
        number = 1
        while not stop.is_set():
            save(number)
            stop.wait(0.03 if number % 3 == 0 else 0)
            number += 1

    writer = threading.Thread(target=keep_saving)
    writer.start()
    try:
        with Hasher.open(1) as hasher:
            results = [hasher.hash_file(os.fsencode(path)) for _ in range(60)]
    finally:
        stop.set()
        writer.join()
    assert {r.outcome for r in results} <= {"hashed", "changing"}
    assert {r.sha256 for r in results if r.outcome == "hashed"} <= whole


@pytest.mark.timeout(60)
def test_a_file_that_never_rests_is_reported_as_changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_module, "RETRY_SECONDS", 0.001)
    path = tmp_path / "log"
    path.write_bytes(b"x" * MIB)

    def append(_: int) -> None:
        with path.open("ab") as file:
            file.write(b"x")

    with Hasher.open(1, on_bytes=append) as hasher:
        result = hasher.hash_file(os.fsencode(path))
    assert (result.outcome, result.sha256) == ("changing", None)


def test_what_is_no_file_any_more_is_gone_and_blocks_nobody(tmp_path: Path) -> None:
    pipe, folder, link = tmp_path / "pipe", tmp_path / "folder", tmp_path / "link"
    os.mkfifo(pipe)
    folder.mkdir()
    link.symlink_to(pipe)
    with Hasher.open(1) as hasher:
        outcomes = [hasher.hash_file(os.fsencode(p)).outcome for p in (pipe, folder, link, tmp_path / "missing")]
    assert outcomes == ["gone", "gone", "unreadable", "gone"]
