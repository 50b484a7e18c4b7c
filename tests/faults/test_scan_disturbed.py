"""The world breaks while a scan runs: Postgres restarts, the share goes away, files change under its hands."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from nas_tree import Nas

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.errors import DatabaseUnavailableError, ShareUnavailableError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.nas import reading
from ibhelm_pipelines.nas.hash import Hasher
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.nas.walk import Walker
from ibhelm_pipelines.settings import Settings


def fill(nas: Nas, files: int) -> None:
    for i in range(files):
        nas.write(f"projekte/{i % 4}/{i}.txt", f"text {i}")


def during_hash(monkeypatch: pytest.MonkeyPatch, number: int, event: Callable[[], Any]) -> None:
    """Let something happen just before the `number`-th file is read."""
    original, count, lock = Hasher.hash_file, [0], threading.Lock()

    def hash_file(self: Hasher, path: bytes) -> Any:
        with lock:
            count[0] += 1
            happens = count[0] == number
        if happens:
            event()
        return original(self, path)

    monkeypatch.setattr(Hasher, "hash_file", hash_file)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_FILES", 20)


@pytest.mark.usefixtures("small_chunks")
def test_postgres_restarted_in_the_middle_of_a_scan(
    settings: Settings, private_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(private_postgres.url())
    settings = Settings.model_validate({**settings.model_dump(), "database_url": private_postgres.url()})
    nas = Nas(settings)
    fill(nas, 200)

    def restart() -> None:
        private_postgres.stop()
        private_postgres.start()

    during_hash(monkeypatch, 120, restart)
    with pytest.raises(DatabaseUnavailableError, match="Postgres"):
        scan(settings)
    nas.assert_sound()
    stored = nas.one("select count(*) from files")
    assert 0 < stored < 200

    report = scan(settings)

    nas.assert_equals_disk()
    assert report.total.new == 200 - stored
    assert nas.rows("select state from ops.scans order by id") == [("failed",), ("complete",)]


@pytest.mark.usefixtures("small_chunks")
def test_a_share_that_goes_away_while_files_are_read_deletes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nas = Nas(settings)
    fill(nas, 100)
    scan(settings)
    for i in range(60):
        nas.write(f"projekte/{i % 4}/{i}.txt", f"changed text {i}")
    before = nas.live()
    away = nas.root.with_name("away")

    def unmount() -> None:
        nas.root.rename(away)
        nas.root.mkdir()

    during_hash(monkeypatch, 30, unmount)
    with pytest.raises(ShareUnavailableError):
        scan(settings)
    nas.assert_sound()
    assert nas.live().keys() == before.keys()
    assert nas.one(
        "select error like '%%share%%' or error like '%%Another folder%%' from ops.scans order by id desc limit 1"
    )

    nas.root.rmdir()
    away.rename(nas.root)
    scan(settings)
    nas.assert_equals_disk()


@pytest.mark.usefixtures("small_chunks")
def test_files_that_vanish_move_or_turn_into_folders_while_they_are_read_are_settled_by_the_next_scan(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nas = Nas(settings)
    fill(nas, 100)

    def stir() -> None:
        nas.path("projekte/0/96.txt").unlink()
        nas.move("projekte/1/97.txt", "projekte/0/moved.txt")
        nas.path("projekte/2/98.txt").unlink()
        nas.path("projekte/2/98.txt").mkdir()
        shutil.rmtree(nas.path("projekte/3"))

    during_hash(monkeypatch, 10, stir)
    scan(settings)
    nas.assert_sound()
    monkeypatch.undo()
    scan(settings.model_copy(update={"max_deletion_percent": 100}))
    nas.assert_equals_disk()


# In whatever order the folders are read, in one of these cases the new place is read before the old one.
@pytest.mark.parametrize(("source", "target"), [("0", "1"), ("1", "2"), ("2", "3"), ("3", "0")])
def test_a_folder_that_moves_while_the_share_is_walked_makes_the_scan_incomplete_and_deletes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, source: str, target: str
) -> None:
    nas = Nas(settings)
    fill(nas, 100)
    nas.write(f"projekte/{source}/tief/plan.txt", "deep")
    scan(settings)
    plan = nas.file_id(f"projekte/{source}/tief/plan.txt")
    original = Walker._open_child

    def move_first(self: Walker, name: str, parent_fd: int, raw_path: bytes, folder: str) -> int | None:
        if name == "tief" and nas.path(f"projekte/{source}/tief").exists():
            nas.move(f"projekte/{source}/tief", f"projekte/{target}/tief")
        return original(self, name, parent_fd, raw_path, folder)

    monkeypatch.setattr(Walker, "_open_child", move_first)
    report = scan(settings)
    assert (report.state, report.total.deleted) == ("incomplete", 0)
    monkeypatch.undo()
    assert scan(settings).state == "complete"
    nas.assert_equals_disk()
    assert nas.file_id(f"projekte/{target}/tief/plan.txt") == plan


def test_a_file_that_is_back_before_it_would_be_deleted_stays(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nas = Nas(settings)
    fill(nas, 100)
    scan(settings)
    nas.path("projekte/1/1.txt").unlink()
    nas.write("projekte/2/new.txt", "new")
    during_hash(monkeypatch, 1, lambda: nas.write("projekte/1/1.txt", "text 1"))
    assert scan(settings).total.deleted == 0
    monkeypatch.undo()
    scan(settings)
    nas.assert_equals_disk()


def test_scans_of_the_share_and_of_its_folders_at_once_invent_and_lose_nothing(settings: Settings) -> None:
    nas = Nas(settings)
    fill(nas, 200)
    scopes = [None, ["projekte/0"], ["projekte/1", "projekte/0"], None, ["projekte/1"], ["projekte/2", "projekte/3"]]
    with ThreadPoolExecutor(len(scopes)) as pool:
        reports = list(pool.map(lambda folders: scan(settings, folders=folders), scopes))
    nas.assert_equals_disk()
    assert sum(r.total.new for r in reports) == 200
    assert nas.one("select count(*) from file_versions") == 200
