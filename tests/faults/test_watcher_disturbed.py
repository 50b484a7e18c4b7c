"""The world breaks while the watcher runs: it is killed, halted and flooded; database, share and kernel let it down."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from disturbed_tree import Disturber, snapshot, uncovered
from watch_desk import SCANNED, WatchDesk, eventually, start_process, watching, watching_process

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.live import delivery
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings

SHARE = ("share", b"share")
QUEUE = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


@pytest.fixture
def desk(settings: Settings) -> WatchDesk:
    desk = WatchDesk(settings)
    (desk.root / "projekte" / "A").mkdir(parents=True)
    return desk


@pytest.fixture
def private_desk(settings: Settings, private_postgres: EmbeddedPostgres) -> WatchDesk:
    """With a database that may be stopped."""
    migrate(private_postgres.url())
    desk = WatchDesk(Settings.model_validate({**settings.model_dump(), "database_url": private_postgres.url()}))
    (desk.root / "projekte" / "A").mkdir(parents=True)
    return desk


def save(desk: WatchDesk, name: str) -> None:
    (desk.root / "projekte" / "A" / name).write_text(name)


def test_kill_9_loses_nothing_because_the_next_start_asks_for_a_scan(desk: WatchDesk) -> None:
    desk.rows(SCANNED)
    with watching_process(desk.settings) as process:
        desk.wait_for(SHARE)
        desk.empty()
        save(desk, "seen and not yet told")
        process.kill()
    save(desk, "made while nobody watched")
    with watching_process(desk.settings):
        desk.wait_for(SHARE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order_with_all_told(desk: WatchDesk, number: signal.Signals) -> None:
    with watching_process(desk.settings) as process, (desk.root / "projekte/A/open").open("w") as file:
        file.write("being written")
        file.flush()
        process.send_signal(number)
        assert process.wait() == 0
    desk.wait_for_paths("projekte/A/open")
    assert desk.rows("select stopped_at is not null from ops.heartbeats") == [(True,)]


def test_an_overflow_of_the_kernels_queue_becomes_a_scan_and_new_watches(desk: WatchDesk) -> None:
    with watching_process(desk.settings) as process:
        process.send_signal(signal.SIGSTOP)
        for number in range(QUEUE // 2 + 100):
            save(desk, str(number))
        (desk.root / "projekte/A/made unseen").mkdir()
        process.send_signal(signal.SIGCONT)
        desk.wait_for(SHARE)
        eventually(lambda: desk.state()["overflows"] == 1 and desk.watches(), "the overflow is counted")
        desk.empty()
        save(desk, "made unseen/after")
        desk.wait_for_paths("projekte/A/made unseen/after")


def test_with_the_database_away_changes_wait_on_disk_and_come_in_when_it_is_back(
    private_desk: WatchDesk, private_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RETRY_SECONDS", 0.2)
    spool = private_desk.settings.state_dir / "watch" / "spool"
    names = [f"{number} Lüftung" for number in range(30)]
    with watching(private_desk.settings):
        save(private_desk, "before")
        private_desk.wait_for_paths("projekte/A/before")
        private_postgres.stop()
        for name in names:
            save(private_desk, name)
        last = os.fsencode(f"projekte/A/{names[-1]}").hex()
        eventually(lambda: spool.exists() and last in spool.read_text(), "the spool holds what waits")
        private_postgres.start()
        private_desk.wait_for_paths(*(f"projekte/A/{name}" for name in names))
        eventually(lambda: not spool.exists(), "the spool is gone when all is told")
    assert private_desk.paths() == {os.fsencode(f"projekte/A/{name}") for name in ["before", *names]}


def test_what_waits_on_disk_when_the_watcher_ends_is_told_by_the_next_one(
    private_desk: WatchDesk, private_postgres: EmbeddedPostgres
) -> None:
    with watching_process(private_desk.settings) as process:
        private_postgres.stop()
        save(private_desk, "saved without a database")
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    private_postgres.start()
    with watching_process(private_desk.settings):
        private_desk.wait_for_paths("projekte/A/saved without a database")


def test_it_starts_without_a_database_and_asks_for_its_scan_when_there_is_one(
    private_desk: WatchDesk, private_postgres: EmbeddedPostgres
) -> None:
    private_desk.rows(SCANNED)
    private_postgres.stop()
    process = start_process(private_desk.settings)
    try:
        (private_desk.root / "projekte/B").mkdir()
        private_postgres.start()
        private_desk.wait_for(SHARE)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def limited(name: str, number: int) -> list[str]:
    """Words before a command: it runs in a user namespace of its own, whose share of the kernel's means is limited."""
    script = f'echo {number} > /proc/sys/user/{name} && exec "$@"'
    words = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no user namespaces")
    return words


@pytest.mark.parametrize(
    ("name", "number", "sysctl"),
    [
        ("max_inotify_watches", 20, "fs.inotify.max_user_watches="),
        ("max_inotify_instances", 0, "fs.inotify.max_user_instances="),
    ],
)
def test_with_too_few_watches_it_says_what_to_set_and_polls(
    desk: WatchDesk, name: str, number: int, sysctl: str
) -> None:
    words = limited(name, number)
    for folder in range(30):
        (desk.root / "projekte" / str(folder)).mkdir()
    settings = desk.settings.model_copy(update={"watch_poll_seconds": 0.5})
    with watching_process(settings, *words, mode="poll"):
        desk.wait_for_problem(f"sysctl -w {sysctl}")
        (desk.root / "projekte/17/new.txt").write_text("x")
        desk.wait_for(("directory", b"projekte/17"))


def test_watches_that_run_out_later_are_a_problem_too(desk: WatchDesk) -> None:
    settings = desk.settings.model_copy(update={"watch_poll_seconds": 0.5})
    with watching_process(settings, *limited("max_inotify_watches", 20)):
        for number in range(30):
            (desk.root / "projekte" / str(number) / "deep").mkdir(parents=True)
        desk.wait_for_problem("fs.inotify.max_user_watches=")
        desk.wait_until_watching("poll")
        desk.wait_for(SHARE)
        desk.empty()
        (desk.root / "projekte/29/deep/new.txt").write_text("x")
        desk.wait_for(("directory", b"projekte/29/deep"))


def mount(*words: Any) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")


def unmount(point: Path) -> bool:
    """Take away the uppermost mount; return whether there was one. (os.path.ismount does not see bind mounts.)"""
    return subprocess.run(["umount", "--lazy", point], capture_output=True, check=False).returncode == 0


@contextmanager
def mounted(point: Path, *words: Any) -> Iterator[None]:
    mount(*words, point)
    try:
        yield
    finally:
        while unmount(point):
            pass


def bound(settings: Settings, tmp_path: Path) -> Callable[[], None]:
    """The share is another folder; returns what mounts it at the root."""
    disk = tmp_path / "disk"
    shutil.copytree(settings.nas_root, disk)
    shutil.rmtree(settings.nas_root)
    settings.nas_root.mkdir()
    return lambda: mount("--bind", disk, settings.nas_root)


def test_an_unmounted_share_is_a_problem_and_its_return_new_watches_and_a_scan(desk: WatchDesk, tmp_path: Path) -> None:
    bring = bound(desk.settings, tmp_path)
    bring()
    try:
        with watching(desk.settings):
            save(desk, "seen")
            desk.wait_for_paths("projekte/A/seen")
            desk.empty()
            assert unmount(desk.root)
            desk.wait_for_problem("Mount the share")
            assert desk.items() == set(), "nothing was concluded from an empty mount point"
            bring()
            desk.wait_for(SHARE)
            desk.wait_for_no_problem()
            desk.empty()
            save(desk, "seen again")
            desk.wait_for_paths("projekte/A/seen again")
    finally:
        while unmount(desk.root):
            pass


def test_a_file_system_that_goes_and_comes_at_once_is_watched_anew(desk: WatchDesk, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with mounted(desk.root, "-o", "loop", image):
        (desk.root / desk.settings.share_marker).touch()
        (desk.root / "projekte/A").mkdir(parents=True)
        with watching(desk.settings):
            subprocess.run(["umount", desk.root], check=True)
            mount("-o", "loop", image, desk.root)
            desk.wait_for(SHARE)
            desk.empty()
            save(desk, "after")
            desk.wait_for_paths("projekte/A/after")


def test_a_mount_that_comes_or_goes_below_the_root_is_watched_anew(desk: WatchDesk) -> None:
    below = desk.root / "projekte/A/mounted"
    below.mkdir()
    with watching(desk.settings):
        with mounted(below, "-t", "tmpfs", "none"):
            desk.wait_for(SHARE)
            desk.empty()
            save(desk, "mounted/on it")
            desk.wait_for_paths("projekte/A/mounted/on it")
            desk.empty()
        desk.wait_for(SHARE)
        desk.empty()
        save(desk, "mounted/under it")
        desk.wait_for_paths("projekte/A/mounted/under it")


@pytest.mark.parametrize("files", [20_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_a_flood_of_events_costs_little_memory_and_nothing_is_lost(desk: WatchDesk, files: int) -> None:
    folders = [desk.root / "projekte" / f"{number:03d}" for number in range(50)]
    for folder in folders:
        folder.mkdir()
    before, _ = snapshot(desk.root)
    with watching_process(desk.settings) as process:
        memory = psutil.Process(process.pid).memory_info().rss
        for number in range(files):
            (folders[number * 50 // files] / f"{number}.txt").write_bytes(b"x")
        save(desk, "after the flood")
        eventually(lambda: {SHARE, ("path", b"projekte/A/after the flood")} & desk.items(), "the last one is told")
        wait_until_covered(desk, before)
        assert psutil.Process(process.pid).memory_info().rss < memory + (40 << 20)
    assert len(desk.items()) < files / 10


@pytest.mark.parametrize("mode", ["inotify", pytest.param("poll", marks=pytest.mark.soak)])
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))])
def test_after_any_operations_under_kills_the_inbox_covers_every_difference(
    desk: WatchDesk, tmp_path: Path, mode: str, seed: int
) -> None:
    (tmp_path / "outside").mkdir()
    disturber = Disturber(desk.root, tmp_path / "outside", seed, in_place=mode == "inotify")
    disturber.grow(20)
    desk.rows(SCANNED)
    settings = desk.settings.model_copy(update={"watch_mode": mode, "watch_poll_seconds": 0.3})
    for portion in range(2):
        with watching_process(settings, mode=mode) as process:
            desk.wait_for(SHARE)
            desk.empty()
            before, _ = snapshot(desk.root)
            for _ in range(80):
                disturber.step()
            if portion == 1:
                process.kill()
            else:
                wait_until_covered(desk, before)
        if portion == 1:
            with watching_process(settings, mode=mode):
                wait_until_covered(desk, before)


def wait_until_covered(desk: WatchDesk, before: dict[bytes, tuple[int, int, int]]) -> None:
    after, _ = snapshot(desk.root)
    eventually(lambda: not uncovered(before, after, desk.items()), "everything is told")
