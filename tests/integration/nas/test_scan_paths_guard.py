"""A live scan concludes nothing from what it could not look at, and deletes no more than any other scan may."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from nas_tree import NOBODY, Nas, as_nobody

from ibhelm_pipelines.db.checks import QUESTIONS
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.nas.deletions import delete_vanished
from ibhelm_pipelines.nas.hash import Hasher
from ibhelm_pipelines.nas.lookup import Lookup
from ibhelm_pipelines.nas.paths import scan_paths
from ibhelm_pipelines.nas.problems import Problems
from ibhelm_pipelines.nas.reconcile import Reconciler
from ibhelm_pipelines.nas.report import ScanReport
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings


def fill(nas: Nas, files: int) -> None:
    for i in range(files):
        nas.write(f"projekte/{i % 4}/{i}.txt", f"text {i}")


def raw(*paths: str) -> list[bytes]:
    return [os.fsencode(path) for path in paths]


@pytest.fixture
def nas(settings: Settings) -> Nas:
    nas = Nas(settings)
    fill(nas, 40)
    scan(settings)
    return nas


@pytest.fixture
def open_nas(settings: Settings, private_folder: Path) -> Nas:
    """A scanned NAS that another user can reach (pytest's tmp_path is for its owner only)."""
    root = private_folder / "nas"
    root.mkdir()
    (root / ".ibhelm-share").touch()
    nas = Nas(settings.model_copy(update={"nas_root": root}))
    fill(nas, 40)
    scan(settings.model_copy(update={"nas_root": root}))
    return nas


@pytest.mark.parametrize("disaster", ["unmounted", "marker missing", "root missing"])
def test_a_share_that_is_not_there_deletes_nothing(settings: Settings, nas: Nas, disaster: str) -> None:
    before = nas.live()
    if disaster == "marker missing":
        (nas.root / ".ibhelm-share").unlink()
        nas.path("projekte/1/1.txt").unlink()
    else:
        shutil.rmtree(nas.root)
    if disaster == "unmounted":
        nas.root.mkdir()
    for paths, directories in (
        (raw("projekte/1/1.txt"), []),
        (raw("projekte"), []),
        ([], [b""]),
        ([], raw("projekte/1")),
    ):
        with pytest.raises(ShareUnavailableError):
            scan_paths(settings, paths=paths, directories=directories)
    assert nas.live() == before
    assert nas.one("select bool_and(present) from ops.folders")


@pytest.mark.parametrize("moment", ["while it is looked at", "before it is deleted"])
def test_a_share_that_goes_away_in_the_middle_deletes_nothing(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before = nas.live()
    nas.path("projekte/1/1.txt").unlink()
    away = nas.root.with_name("away")

    def after(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if nas.root.joinpath("projekte").exists():
                nas.root.rename(away)
                nas.root.mkdir()
            return method(*args, **kwargs)

        return call

    if moment == "while it is looked at":
        monkeypatch.setattr(Lookup, "find", after(Lookup.find))
    else:
        monkeypatch.setattr("ibhelm_pipelines.nas.run.delete_vanished", after(delete_vanished))
    with pytest.raises(ShareUnavailableError):
        scan_paths(settings, paths=raw("projekte/1/1.txt", "projekte/2", "projekte/3/3.txt"))
    assert nas.live() == before
    assert nas.rows("select distinct present from ops.folders") == [(True,)]
    assert nas.one("select state from ops.scans order by id desc limit 1") == "failed"


def test_a_share_that_goes_away_at_the_very_end_takes_no_project_folder_with_it(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(nas.path("projekte/1"))
    original = Problems.store

    def store(*args: Any, **kwargs: Any) -> None:
        nas.root.rename(nas.root.with_name("away"))
        nas.root.mkdir()
        original(*args, **kwargs)

    monkeypatch.setattr(Problems, "store", store)
    with pytest.raises(ShareUnavailableError):
        scan_paths(settings, paths=raw("projekte/1"))
    assert nas.one("select bool_and(present) from ops.folders")


@pytest.mark.parametrize("locked", ["projekte/1", "projekte"])
def test_below_what_cannot_be_read_nothing_is_concluded(settings: Settings, open_nas: Nas, locked: str) -> None:
    settings = settings.model_copy(update={"nas_root": open_nas.root, "max_deletion_percent": 100})
    before = open_nas.live()
    shutil.rmtree(open_nas.path("projekte/1"))
    fill(open_nas, 4)
    open_nas.path(locked).chmod(0o000)
    with as_nobody():
        reports = [
            scan_paths(settings, paths=raw("projekte/1/5.txt", "projekte/1/tief", "projekte/1")),
            scan_paths(settings, paths=[], directories=raw("projekte/1")),
        ]
    open_nas.path(locked).chmod(0o755)
    assert [(r.state, r.total.deleted) for r in reports] == [("incomplete", 0)] * 2
    assert open_nas.live() == before
    assert open_nas.rows("select path, kind from ops.path_problems") == [(locked, "unreadable_directory")]
    scan(settings)
    open_nas.assert_equals_disk()
    assert open_nas.rows("select path from ops.path_problems") == []


def test_problems_are_solved_where_it_was_looked_and_nowhere_else(settings: Settings, open_nas: Nas) -> None:
    settings = settings.model_copy(update={"nas_root": open_nas.root})
    names = ["projekte/1/1.txt", "projekte/1/5.txt", "projekte/1/tief/x.txt", "projekte/2/2.txt"]
    for name in names:
        open_nas.write(name, "locked").chmod(0o000)

    def problems() -> list[str]:
        return [path for (path,) in open_nas.rows("select path from ops.path_problems order by 1")]

    with as_nobody():
        assert scan_paths(settings, paths=raw(*names)).state == "incomplete"
        assert problems() == names
        for name in names:
            os.seteuid(0)
            open_nas.path(name).chmod(0o644)
            os.seteuid(NOBODY)
        assert scan_paths(settings, paths=raw("projekte/1/1.txt")).state == "complete"
        assert problems() == names[1:]
        scan_paths(settings, paths=[], directories=raw("projekte/1", "projekte"))
        assert problems() == names[2:]
        scan_paths(settings, paths=raw("projekte/1/tief", "projekte/2/2.txt"))
    assert problems() == []
    open_nas.assert_equals_disk()


def test_many_small_live_scans_cannot_delete_what_one_scan_would_refuse(settings: Settings, nas: Nas) -> None:
    settings = settings.model_copy(update={"max_deletion_percent": 10})
    reports = []
    for i in range(10):
        nas.path(f"projekte/{i % 4}/{i}.txt").unlink()
        reports.append(scan_paths(settings, paths=raw(f"projekte/{i % 4}/{i}.txt")))
    # 10 % of those that live at that moment: 4 of 40, but not 4 of 36.
    assert [r.total.deleted for r in reports] == [1, 1, 1, *[0] * 7]
    assert [(r.deletions_refused, r.state) for r in reports[3:]] == [(1, "incomplete")] * 7
    nas.assert_sound()


def test_live_scans_at_the_same_moment_do_not_each_fill_the_limit(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings.model_copy(update={"max_deletion_percent": 25, "max_deletions": 10})
    meeting, original = threading.Barrier(4), Reconciler.delete

    def held(self: Reconciler, file_ids: list[int]) -> None:
        """Keep the deletions uncommitted until all have decided; they never meet, because one decides at a time."""
        original(self, file_ids)
        with suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=1)

    def together(folder: int) -> ScanReport:
        paths = [f"projekte/{folder}/{i}.txt" for i in range(folder, 40, 4)]
        for path in paths:
            nas.path(path).unlink()
        return scan_paths(settings, paths=raw(*paths))

    monkeypatch.setattr(Reconciler, "delete", held)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(together, range(4)))
    assert (
        sum(r.total.deleted for r in reports) == len(nas.rows("select from files where deleted_at is not null")) == 10
    )


def test_a_refused_deletion_shows_after_the_scan_of_its_folder_and_not_before(settings: Settings, nas: Nas) -> None:
    question = next(q for q in QUESTIONS if q.name == "mass_deletion_refused")

    def passed() -> bool:
        with psycopg.connect(nas.url) as connection:
            return ask(connection, question).passed

    shutil.rmtree(nas.path("projekte/1"))
    live = scan_paths(settings, paths=raw("projekte/1"))
    assert (live.deletions_refused, live.state, passed()) == (10, "incomplete", True)
    report = scan(settings, folders=["projekte/1"])
    assert (report.deletions_refused, passed()) == (10, False)
    nas.write("projekte/1/neu.txt", "new")
    scan_paths(settings, paths=raw("projekte/1/neu.txt", "projekte/1"))
    assert not passed(), "a live scan does not hide it"
    assert scan(settings, confirm_deletions=report.scan_id).total.deleted == 10
    nas.assert_equals_disk()
    assert passed()


def test_a_file_that_is_still_being_written_is_left_open(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibhelm_pipelines.nas.hash.RETRY_SECONDS", 0.001)
    path, original = nas.write("projekte/1/wächst.txt", "x"), os.readv

    def readv(fd: int, buffers: Any) -> int:
        with path.open("a") as file:
            file.write("more")
        return original(fd, buffers)

    monkeypatch.setattr(os, "readv", readv)
    assert scan_paths(settings, paths=raw("projekte/1/wächst.txt")).state == "incomplete"
    assert nas.rows("select kind from ops.path_problems") == [("changing_file",)]
    monkeypatch.undo()
    assert scan_paths(settings, paths=raw("projekte/1/wächst.txt")).state == "complete"
    nas.assert_equals_disk()
    assert nas.rows("select kind from ops.path_problems") == []


def at_deletion(monkeypatch: pytest.MonkeyPatch, event: Callable[[], Any]) -> None:
    """Let something happen once, between the last look at the disk and the deletion."""
    original, done = Reconciler.delete, []

    def delete(self: Reconciler, file_ids: list[int]) -> None:
        if not done:
            done.append(True)
            event()
        original(self, file_ids)

    monkeypatch.setattr(Reconciler, "delete", delete)


def test_a_file_that_another_live_scan_found_elsewhere_is_not_deleted_with_its_old_path(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = nas.file_id("projekte/1/1.txt")
    nas.move("projekte/1/1.txt", "projekte/2/moved.txt")
    at_deletion(monkeypatch, lambda: scan_paths(settings, paths=raw("projekte/2/moved.txt")))

    report = scan_paths(settings, paths=raw("projekte/1/1.txt"))

    assert report.total.deleted == 0
    assert nas.file_id("projekte/2/moved.txt") == before
    nas.assert_equals_disk()


def test_a_file_that_moved_on_before_it_was_placed_stays_where_it_was_found_last(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, original, done = nas.file_id("projekte/1/1.txt"), Reconciler._place, []
    nas.move("projekte/1/1.txt", "projekte/2/first.txt")

    def place(self: Reconciler, source: str, **values: Any) -> None:
        if not done:
            done.append(True)
            nas.move("projekte/2/first.txt", "projekte/3/last.txt")
            scan_paths(settings, paths=raw("projekte/3/last.txt"))
        original(self, source, **values)

    monkeypatch.setattr(Reconciler, "_place", place)
    report = scan_paths(settings, paths=raw("projekte/2/first.txt"))

    assert report.state == "incomplete", "somebody must look again"
    assert nas.file_id("projekte/3/last.txt") == before
    assert scan_paths(settings, paths=raw("projekte/2/first.txt", "projekte/1/1.txt")).state == "complete"
    nas.assert_equals_disk()


def during_verification(monkeypatch: pytest.MonkeyPatch, event: Callable[[], Any]) -> None:
    """Let something happen when old files are read again, after the first was read."""
    original, done = Hasher.hash_all, []

    def hash_all(self: Hasher, paths: Any) -> Any:
        results = original(self, paths)
        if not done:
            done.append(True)
            event()
        return results

    monkeypatch.setattr(Hasher, "hash_all", hash_all)


@pytest.fixture
def due(settings: Settings, nas: Nas) -> Nas:
    """All files were read long ago, and those of the first folder longest ago."""
    with psycopg.connect(nas.url) as connection:
        connection.execute("update ops.disk_entries set verified_at = now() - interval '1 day'")
        oldest = "update ops.disk_entries set verified_at = now() - interval '2 days' where raw_name = any(%s::bytea[])"
        connection.execute(oldest, [raw("1.txt", "5.txt")])
    return nas


def test_other_scans_go_on_while_old_files_are_read_again(
    settings: Settings, due: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[ScanReport] = []

    def live_and_quick() -> None:
        due.write("projekte/1/neu.txt", "new")
        reports.append(scan_paths(settings, paths=raw("projekte/1/neu.txt")))
        reports.append(scan(settings))
        reports.append(scan(settings, folders=["projekte/1"]))
        assert due.rows("select state, phase from ops.scans where deep") == [("running", "verify")], (
            "nobody calls it dead"
        )

    during_verification(monkeypatch, live_and_quick)
    assert scan(settings, deep=True).state == "complete"
    assert [r.total.new for r in reports] == [1, 0, 0]
    assert due.one("select state from ops.scans where deep") == "complete"


def test_one_reads_old_files_again_at_a_time(settings: Settings, due: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    from ibhelm_pipelines.errors import ScanBusyError

    refused = []

    def another() -> None:
        for folders in (None, ["projekte/1"]):
            with pytest.raises(ScanBusyError):
                scan(settings, deep=True, folders=folders)
            refused.append(folders)

    monkeypatch.setattr("ibhelm_pipelines.nas.scan.LOCK_WAIT", "100ms")
    during_verification(monkeypatch, another)
    scan(settings, deep=True)
    assert len(refused) == 2


def test_an_edit_that_a_live_scan_stored_meanwhile_is_no_bit_rot(
    settings: Settings, due: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst order: the file is read again with new bytes and its old time; the tables know of the edit before the
    word on it is said."""
    path = due.path("projekte/1/1.txt")
    stat, original, done = path.stat(), Hasher.hash_all, []

    def hash_all(self: Hasher, paths: Any) -> Any:
        if done:
            return original(self, paths)
        done.append(True)
        path.write_text("text X")  # as long as before
        scan_paths(settings, paths=raw("projekte/1/1.txt"))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        results = original(self, paths)
        scan_paths(settings, paths=raw("projekte/1/1.txt"))
        return results

    monkeypatch.setattr(Hasher, "hash_all", hash_all)
    report = scan(settings, deep=True)
    assert (report.bit_rot, report.state) == (0, "complete")
    assert due.rows("select from ops.bit_rot") == []
    monkeypatch.undo()
    due.assert_equals_disk()


def test_a_verification_that_was_killed_is_closed_by_the_next_scan(settings: Settings, nas: Nas) -> None:
    with psycopg.connect(nas.url) as connection:
        connection.execute("insert into ops.scans (deep, phase) values (true, 'verify')")
    scan(settings)
    assert nas.rows("select state from ops.scans where deep") == [("failed",)]
