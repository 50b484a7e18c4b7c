"""A restore that is killed, loses its store or fills its disk: whole files only, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from restored_office import Stored, states, tree

from ibhelm_pipelines.errors import ConfigurationError, ObjectStoreUnavailableError, TransientError
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.safety import bringing
from ibhelm_pipelines.safety.restore import restore
from ibhelm_pipelines.safety.restoring import Done
from ibhelm_pipelines.settings import Settings

FOLDER = "projekte/2301-Kita"
FILES = 40
QUICKLY = (0.1,) * 300
"""Pauses of half a minute in all."""


@pytest.fixture
def stored(settings: Settings, s3_client: Any) -> Stored:
    return filled(Stored(settings, s3_client))


def filled(stored: Stored) -> Stored:
    for number in range(FILES):
        stored.nas.write(f"{FOLDER}/{number % 4}/{number}.txt", f"text {number} " * 5000, mtime=1_700_000_000 + number)
    stored.keep()
    return stored


def whole_files_only(stored: Stored, target: Path) -> int:
    """Everything that has its name is as it was; return how many that are."""
    truth, found = tree(stored.nas.root), tree(target)
    named = {path: held for path, held in found.items() if not path.startswith(b".ibhelm-restore/")}
    assert named.items() <= truth.items()
    return len(named)


def killed(action: Callable[[], Any]) -> None:
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_kill_9_at_any_step_loses_nothing_and_the_next_run_goes_on(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "restored"
    done = 0
    for step, after in (("fetch", 1), ("set_time", 3), ("place", 5), ("place", 9), ("fetch", 12)):
        calls, real = [0], getattr(bringing, step)

        def dying(*args: Any, real: Any = real, calls: list[int] = calls, after: int = after, **how: Any) -> Any:
            calls[0] += 1
            if calls[0] >= after:
                if real.__name__ == "fetch":
                    args[2].write(b"half a file")
                    args[2].flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **how)

        with monkeypatch.context() as patched:
            patched.setattr(bringing, step, dying)
            killed(lambda: stored.restore(FOLDER, target))
        assert not (target / "ibhelm-restore.jsonl").exists()
        before, done = done, whole_files_only(stored, target)
        assert done >= before

    report = stored.restore(FOLDER, target)

    assert 0 < done < FILES
    assert dict(report.files) == {"present": done, "restored": FILES - done}
    assert tree(target) == tree(stored.nas.root)
    assert sorted(os.listdir(target)) == ["ibhelm-restore-summary.json", "ibhelm-restore.jsonl", "projekte"]


def kill_server(server: EmbeddedS3) -> None:
    port = int(server.endpoint.rsplit(":", 1)[1])
    pids = {c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port}
    for pid in pids - {None}:
        os.kill(pid, signal.SIGKILL)
    assert pids, "the server must have been running"


def test_a_store_that_goes_away_is_waited_for(
    settings: Settings, private_s3: EmbeddedS3, s3_client: Any, tmp_path: Path
) -> None:
    where = {"s3_endpoint": private_s3.endpoint, "s3_bucket": private_s3.bucket}
    stored = filled(Stored(settings.model_copy(update=where), s3_client))
    target, once = tmp_path / "restored", threading.Lock()

    def kill_in_the_middle(done: Done) -> None:
        if done.files >= 5 and once.acquire(blocking=False):
            kill_server(private_s3)

    with pytest.raises(ObjectStoreUnavailableError):
        stored.restore(FOLDER, target, on_progress=kill_in_the_middle)
    assert 0 < whole_files_only(stored, target) < FILES

    back = threading.Thread(target=private_s3.start)
    back.start()  # it comes back while we are already trying again
    report = restore(stored.settings, FOLDER, at=stored.now(), target=target, pauses=QUICKLY)
    back.join()

    assert report.complete
    assert report.files["present"] > 0
    assert tree(target) == tree(stored.nas.root)


@pytest.fixture
def small_disk(private_folder: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    disk = private_folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs", disk]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=False)


def test_a_full_disk_is_said_and_with_more_room_it_goes_on(stored: Stored, small_disk: Path) -> None:
    with pytest.raises(TransientError, match=r"is full\. \d+ of 40 files are done, up to [\d,]+ bytes are missing"):
        stored.restore(FOLDER, small_disk)
    done = whole_files_only(stored, small_disk)
    assert 0 < done < FILES
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)

    report = stored.restore(FOLDER, small_disk)

    assert report.files["present"] == done
    assert tree(small_disk) == tree(stored.nas.root)


def test_a_disk_that_may_not_be_written_is_said(stored: Stored, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(ConfigurationError, match="Read-only file system"):
        stored.restore(FOLDER, small_disk)


def test_a_flipped_bit_is_found_in_a_large_object_and_the_others_come(stored: Stored, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    stored.nas.write(f"{FOLDER}/large.bin", content)
    stored.keep()
    flipped = bytearray(content)
    flipped[3_000_000] ^= 1
    stored.break_object(content, bytes(flipped))

    report = stored.restore(FOLDER, tmp_path / "restored")

    assert dict(report.files) == {"restored": FILES, "rotten": 1}
    assert states(report)[f"{FOLDER}/large.bin"] == "rotten"
    assert not (tmp_path / "restored" / FOLDER / "large.bin").exists()
