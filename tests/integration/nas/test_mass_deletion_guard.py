"""Nothing is marked deleted because a share was unmounted, unreadable, or half gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psycopg
import pytest
from nas_tree import Nas, as_nobody

from ibhelm_pipelines.errors import PermanentError, ScanBusyError, ShareUnavailableError
from ibhelm_pipelines.nas.folders import list_folders
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings


@pytest.fixture
def nas(settings: Settings) -> Nas:
    return Nas(settings)


def fill(nas: Nas, files: int) -> None:
    for i in range(files):
        nas.write(f"projekte/{i % 4}/{i}.txt", f"text {i}")


def delete(nas: Nas, count: int, *, start: int = 0) -> None:
    for i in range(start, start + count):
        nas.path(f"projekte/{i % 4}/{i}.txt").unlink()


def unmounted(nas: Nas) -> None:
    shutil.rmtree(nas.root)
    nas.root.mkdir()


def marker_missing(nas: Nas) -> None:
    (nas.root / ".ibhelm-share").unlink()


def root_missing(nas: Nas) -> None:
    shutil.rmtree(nas.root)


def root_is_a_file(nas: Nas) -> None:
    shutil.rmtree(nas.root)
    nas.root.write_text("not a folder")


@pytest.mark.parametrize("disaster", [unmounted, marker_missing, root_missing, root_is_a_file])
def test_a_share_that_is_not_there_deletes_nothing(settings: Settings, nas: Nas, disaster: object) -> None:
    fill(nas, 20)
    scan(settings)
    before = nas.live()
    disaster(nas)  # type: ignore[operator]
    for folders in (None, ["projekte/1"]):
        with pytest.raises(ShareUnavailableError, match=r"(Mount|Check) the"):
            scan(settings, folders=folders)
    with pytest.raises(ShareUnavailableError):
        list_folders(settings)
    assert nas.live() == before


@pytest.mark.parametrize(
    ("files", "deleted", "allowed"),
    [
        (1000, 49, True),  # 4.9 %
        (1000, 50, True),  # 5.0 %
        (1000, 51, False),  # 5.1 %
        (20, 1, True),
        (20, 20, False),  # all of it, although the share and its marker are there
    ],
)
def test_the_limit_in_percent_is_exact(settings: Settings, nas: Nas, files: int, deleted: int, allowed: bool) -> None:
    fill(nas, files)
    scan(settings)
    delete(nas, deleted)
    report = scan(settings)
    assert (report.total.deleted, report.deletions_refused) == ((deleted, 0) if allowed else (0, deleted))
    assert report.state == ("complete" if allowed else "incomplete")
    assert len(nas.live()) == files - report.total.deleted
    nas.assert_sound()


@pytest.mark.parametrize(("deleted", "allowed"), [(9, True), (10, True), (11, False)])
def test_the_limit_in_files_is_exact(settings: Settings, nas: Nas, deleted: int, allowed: bool) -> None:
    settings = settings.model_copy(update={"max_deletions": 10})
    fill(nas, 400)
    scan(settings)
    delete(nas, deleted)
    assert scan(settings).deletions_refused == (0 if allowed else deleted)


def test_half_the_tree_gone_refuses_all_and_still_takes_what_is_new(settings: Settings, nas: Nas) -> None:
    fill(nas, 40)
    scan(settings)
    shutil.rmtree(nas.path("projekte/1"))
    shutil.rmtree(nas.path("projekte/2"))
    nas.write("projekte/3/neu.txt", "new")
    report = scan(settings)
    assert (report.total.deleted, report.deletions_refused, report.total.new) == (0, 20, 1)
    assert len(nas.live()) == 41


def test_many_small_scans_cannot_delete_what_one_scan_would_refuse(settings: Settings, nas: Nas) -> None:
    fill(nas, 400)
    scan(settings)
    delete(nas, 60)
    deleted = [scan(settings, folders=[f"projekte/{i}"]).total.deleted for i in range(4)]
    assert sum(deleted) <= 20
    assert len(nas.live()) >= 380


def test_an_operator_may_allow_exactly_these_deletions_once(settings: Settings, nas: Nas) -> None:
    fill(nas, 40)
    scan(settings)
    delete(nas, 10)
    refused = scan(settings)
    delete(nas, 10, start=10)  # vanished after the operator looked

    report = scan(settings, confirm_deletions=refused.scan_id)

    assert (report.total.deleted, report.deletions_refused) == (10, 10)
    assert len(nas.live()) == 30
    with pytest.raises(PermanentError, match="confirmed before"):
        scan(settings, confirm_deletions=refused.scan_id)
    assert len(nas.live()) == 30


def test_confirming_a_scan_that_refused_nothing_is_an_error(settings: Settings, nas: Nas) -> None:
    fill(nas, 4)
    report = scan(settings)
    with pytest.raises(PermanentError, match="no refused deletions"):
        scan(settings, confirm_deletions=report.scan_id)


def test_a_confirmed_file_that_is_back_is_not_deleted(settings: Settings, nas: Nas) -> None:
    fill(nas, 40)
    scan(settings)
    delete(nas, 10)
    refused = scan(settings)
    nas.write("projekte/0/0.txt", "text 0")
    report = scan(settings, confirm_deletions=refused.scan_id)
    assert report.total.deleted == 9
    nas.assert_equals_disk()


def test_a_vanished_project_folder_within_the_limits_is_deleted(settings: Settings, nas: Nas) -> None:
    fill(nas, 400)
    nas.write("projekte/9/a.txt", "a")
    scan(settings)
    shutil.rmtree(nas.path("projekte/9"))
    assert scan(settings, folders=["projekte/9"]).total.deleted == 1
    nas.assert_equals_disk()


@pytest.fixture
def open_nas(settings: Settings, private_folder: Path) -> Nas:
    """A NAS that another user can reach (pytest's tmp_path is for its owner only)."""
    root = private_folder / "nas"
    root.mkdir()
    (root / ".ibhelm-share").touch()
    return Nas(settings.model_copy(update={"nas_root": root}))


def scan_as_nobody(settings: Settings, nas: Nas, **options: object) -> object:
    with as_nobody():
        return scan(settings.model_copy(update={"nas_root": nas.root}), **options)  # type: ignore[arg-type]


def test_unreadable_files_and_folders_are_problems_and_never_deletions(settings: Settings, open_nas: Nas) -> None:
    fill(open_nas, 40)
    scan_as_nobody(settings, open_nas)
    before = open_nas.live()
    open_nas.path("projekte/1").chmod(0o000)
    open_nas.write("projekte/2/2.txt", "changed and locked").chmod(0o000)
    open_nas.write("projekte/2/neu.txt", "new and locked").chmod(0o000)
    open_nas.path("projekte/2/6.txt").unlink()

    report = scan_as_nobody(settings, open_nas)

    kinds = "select path, kind, reason from ops.path_problems order by 1"
    assert open_nas.rows(kinds) == [
        ("projekte/1", "unreadable_directory", "Permission denied"),
        ("projekte/2/2.txt", "unreadable_file", "Permission denied"),
        ("projekte/2/neu.txt", "unreadable_file", "Permission denied"),
    ]
    assert report.state == "incomplete"  # type: ignore[attr-defined]
    assert open_nas.one("select content_hash from files where name = 'neu.txt'") is None
    open_nas.assert_sound()
    live = open_nas.live()
    assert {k for k in before if k.startswith(b"projekte/1/")} <= set(live), (
        "nothing below an unreadable folder is gone"
    )
    assert live[b"projekte/2/2.txt"] == before[b"projekte/2/2.txt"], "the last good content stays"

    for path in ("projekte/1", "projekte/2/2.txt", "projekte/2/neu.txt"):
        open_nas.path(path).chmod(0o755)
    report = scan_as_nobody(settings, open_nas)
    open_nas.assert_equals_disk()
    assert report.state == "complete"  # type: ignore[attr-defined]
    assert open_nas.rows(kinds) == []


@pytest.mark.parametrize("locked", ["", "projekte"])
def test_a_locked_level_above_the_project_folders_deletes_nothing(
    settings: Settings, open_nas: Nas, locked: str
) -> None:
    fill(open_nas, 20)
    scan_as_nobody(settings, open_nas)
    before = open_nas.live()
    open_nas.path(locked).chmod(0o311 if not locked else 0o000)
    if locked:
        report = scan_as_nobody(settings, open_nas)
        assert report.total.deleted == 0  # type: ignore[attr-defined]
        assert report.state == "incomplete"  # type: ignore[attr-defined]
        assert open_nas.one("select bool_and(present) from ops.folders")
    else:
        with pytest.raises(ShareUnavailableError, match="cannot be read"):
            scan_as_nobody(settings, open_nas)
    open_nas.path(locked).chmod(0o755)
    assert open_nas.live() == before


def test_a_second_scan_of_the_same_folder_waits_and_then_gives_up(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(nas, 4)
    monkeypatch.setattr("ibhelm_pipelines.nas.scan.LOCK_WAIT", "300ms")
    with psycopg.connect(nas.url, autocommit=True) as other:
        other.execute("select pg_advisory_lock_shared(727001, 0), pg_advisory_lock(727002, hashtext('projekte/1'))")
        with pytest.raises(ScanBusyError, match="Another scan"):
            scan(settings, folders=["projekte/1"])
        with pytest.raises(ScanBusyError):
            scan(settings)
        scan(settings, folders=["projekte/2"])
    scan(settings)
    nas.assert_equals_disk()


def test_a_deep_scan_finds_bytes_that_changed_although_nothing_says_so(settings: Settings, nas: Nas) -> None:
    path = nas.write("plan.txt", "right bytes", mtime=1_700_000_000)
    nas.write("other.txt", "other")
    scan(settings)
    good = nas.one("select content_hash from files where name = 'plan.txt'")
    with path.open("r+b") as file:
        file.write(b"wrong")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert scan(settings, deep=True).bit_rot == 0, "what was read within the last 20 hours is not due"
    with psycopg.connect(nas.url) as connection:
        connection.execute("update ops.disk_entries set verified_at = now() - interval '1 day'")

    reports = [scan(settings, deep=True) for _ in range(2)]

    assert sum(r.bit_rot for r in reports) >= 1
    assert "incomplete" in {r.state for r in reports}
    assert nas.rows("select path, expected_hash = %s, healed_at from ops.bit_rot", good) == [("plan.txt", True, None)]
    assert nas.one("select content_hash from files where name = 'plan.txt'") == good
    os.utime(path)
    scan(settings)
    nas.assert_equals_disk()
    assert nas.one("select healed_at is not null from ops.bit_rot")
