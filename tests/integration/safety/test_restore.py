"""A restore gives back names, bytes and times of any moment, and harms nothing that stands in its way."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from nas_tree import as_nobody
from restored_office import Stored, reasons, states, tree

from ibhelm_pipelines.errors import BusyError, ConfigurationError, PermanentError
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.safety.purge import purge
from ibhelm_pipelines.safety.restoring import Done
from ibhelm_pipelines.safety.target import Target
from ibhelm_pipelines.settings import Settings

FOLDER = "projekte/2301-Kita"
NANO = 1_700_000_000_123_456_789


@pytest.fixture
def stored(settings: Settings, s3_client: Any) -> Stored:
    return Stored(settings.model_copy(update={"max_deletion_percent": 100.0}), s3_client)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "restored"


def odd_names(stored: Stored) -> None:
    names = (
        f"{FOLDER}/Plan.pdf".encode(),
        f"{FOLDER}/".encode() + unicodedata.normalize("NFD", "Lüftung.txt").encode(),
        f"{FOLDER}/".encode() + unicodedata.normalize("NFC", "Lüftung.txt").encode(),
        f"{FOLDER}/Rechnung\udcfc.pdf".encode("utf-8", "surrogateescape"),
        f"{FOLDER}/zwei\nZeilen ' ; --.txt".encode(),
        f"{FOLDER}/".encode() + b"x" * 255,
        f"{FOLDER}/".encode() + b"/".join([b"tief " + b"y" * 200] * 15) + b"/unten.txt",
        b"lose.txt",
        b"projekte/nebenan.txt",
        f"{FOLDER} Nord/anders.txt".encode(),
    )
    for number, name in enumerate(names):
        path = stored.nas.write(name, b"content %d" % number) if len(name) < 3000 else _write_deep(stored, name)
        os.utime(path, ns=(NANO + number, NANO + number))
    stored.nas.write(f"{FOLDER}/leer.txt", b"")
    os.utime(stored.nas.path(f"{FOLDER}/leer.txt"), ns=(-5, -5))


def rewrite(stored: Stored, statement: str, *values: Any) -> None:
    """What nobody may do but those who forget and purge."""
    stored.nas.rows("select set_config('ibhelm.rewriting', 'on', false), set_config('ibhelm.forgetting', 'on', false)")
    stored.nas.rows(statement, *values)


def _write_deep(stored: Stored, name: bytes) -> Path:
    return stored.nas.write(name, b"deep")


def test_a_folder_comes_back_with_the_very_bytes_of_its_names_and_contents_and_its_times(
    stored: Stored, target: Path
) -> None:
    odd_names(stored)
    stored.keep()

    report = stored.restore(FOLDER, target)

    expected = tree(stored.nas.root, FOLDER)
    assert len(expected) == 8
    assert tree(target) == expected
    assert (report.complete, report.total, dict(report.files)) == (True, 8, {"restored": 8})
    assert set(states(report).values()) == {"restored"}
    assert sorted(os.listdir(target)) == ["ibhelm-restore-summary.json", "ibhelm-restore.jsonl", "projekte"]
    assert json.loads((target / "ibhelm-restore-summary.json").read_text())["files"] == {"restored": 8}


def test_each_moment_has_its_own_truth(stored: Stored, tmp_path: Path) -> None:
    truths: list[tuple[dt.datetime, Any]] = []

    def keep() -> None:
        truths.append((stored.keep(), tree(stored.nas.root)))

    nas = stored.nas
    for name in ("a", "b", "c", "d"):
        nas.write(f"{FOLDER}/{name}.txt", f"first {name}", mtime=1_700_000_000)
    keep()
    nas.write(f"{FOLDER}/a.txt", "second a", mtime=1_700_000_100)
    os.utime(nas.path(f"{FOLDER}/b.txt"), ns=(NANO, NANO))
    nas.move(f"{FOLDER}/c.txt", "projekte/2302/c.txt")
    nas.path(f"{FOLDER}/d.txt").unlink()
    keep()
    nas.write(f"{FOLDER}/d.txt", "first d", mtime=1_700_000_000)
    nas.move("projekte/2302/c.txt", f"{FOLDER}/a.txt")
    keep()

    for number, (moment, truth) in enumerate(truths):
        report = stored.restore("", tmp_path / str(number), at=moment)
        assert report.complete
        assert tree(tmp_path / str(number)) == truth
    assert tree(tmp_path / "0") != tree(tmp_path / "1") != tree(tmp_path / "2")


@pytest.mark.parametrize(
    "asked",
    [f"{FOLDER}/Lüftung.txt", f"/{FOLDER}//./Lüftung.txt/", unicodedata.normalize("NFD", f"{FOLDER}/Lüftung.txt")],
)
def test_a_path_is_found_however_it_is_typed(stored: Stored, target: Path, asked: str) -> None:
    odd_names(stored)
    stored.keep()
    if asked.startswith("/"):
        asked = f"{stored.nas.root}{asked}"

    assert len(tree(target)) == 0
    stored.restore(asked, target)

    assert sorted(content for content, _ in tree(target).values()) == [b"content 1", b"content 2"]


def test_a_killed_restore_goes_on_and_what_is_there_is_not_fetched_again(stored: Stored, target: Path) -> None:
    for number in range(20):
        stored.nas.write(f"{FOLDER}/{number}.txt", f"text {number}", mtime=1_700_000_000)
    stored.keep()
    stored.restore(FOLDER, target)
    (target / FOLDER / "3.txt").unlink()
    os.utime(target / FOLDER / "4.txt")  # killed between its name and its time, or somebody touched it
    left = target / ".ibhelm-restore"
    left.mkdir()
    (left / "17").write_bytes(b"half a fi")

    report = stored.restore(FOLDER, target)

    assert dict(report.files) == {"restored": 1, "present": 19}
    assert report.fetched == len("text 3")
    assert tree(target) == tree(stored.nas.root)
    assert not left.exists()


def test_a_file_that_differs_is_never_overwritten_unasked(stored: Stored, target: Path) -> None:
    for name in ("same size", "other size", "folder", "link", "fine"):
        stored.nas.write(f"{FOLDER}/{name}", "as it was", mtime=1_700_000_000)
    stored.keep()
    there = target / FOLDER
    there.mkdir(parents=True)
    (there / "same size").write_text("as it is ")
    (there / "other size").write_text("people's work")
    (there / "folder").mkdir()
    (target / "elsewhere").write_text("as it was")
    (there / "link").symlink_to(target / "elsewhere")

    report = stored.restore(FOLDER, target)

    assert not report.complete
    assert dict(report.files) == {"differs": 4, "restored": 1}
    assert (there / "same size").read_text() == "as it is "
    assert "something that is no file" in reasons(report)[f"{FOLDER}/link"]
    replaced = stored.restore(FOLDER, target, overwrite=True)
    assert dict(replaced.files) == {"differs": 2, "replaced": 2, "present": 1}
    assert (there / "other size").read_text() == "as it was"
    assert (there / "link").is_symlink()
    assert (target / "elsewhere").read_text() == "as it was"


def test_nothing_is_written_into_the_nas(stored: Stored, tmp_path: Path) -> None:
    stored.nas.write("nas/projekte/a.txt", "a")
    stored.keep()
    before = tree(stored.nas.root)
    inside = tmp_path / "inside"
    inside.symlink_to(stored.nas.root / "nas")

    for place in (stored.nas.root, stored.nas.root / "neu", inside, inside / "x", tmp_path / "y" / ".." / "nas" / "z"):
        with pytest.raises(ConfigurationError, match="never written to"):
            stored.restore("", place)
    report = stored.restore("", tmp_path)  # in which the NAS stands as `nas`

    assert dict(report.files) == {"refused": 1}
    assert tree(stored.nas.root) == before
    assert sorted(os.listdir(stored.nas.root)) == [".ibhelm-share", "nas"]


def test_a_link_in_the_target_leads_nowhere(stored: Stored, target: Path, tmp_path: Path) -> None:
    stored.nas.write(f"{FOLDER}/a.txt", "a")
    stored.keep()
    (tmp_path / "outside").mkdir()
    target.mkdir()
    (target / "projekte").symlink_to(tmp_path / "outside")

    report = stored.restore("", target)

    assert dict(report.files) == {"failed": 1}
    assert list((tmp_path / "outside").iterdir()) == []


def test_rows_that_lead_elsewhere_are_refused_and_the_rest_is_restored(
    stored: Stored, owner_database_url: str, target: Path, tmp_path: Path
) -> None:
    evil = ("../evil.txt", "/evil.txt", "projekte/../../evil.txt", "projekte//evil.txt", "ibhelm-restore.jsonl")
    for number in range(len(evil) + 1):
        stored.nas.write(f"{FOLDER}/{number}.txt", f"{number}")
    stored.keep()
    for number, raw_path in enumerate(evil):
        named = "update file_versions set raw_path = %s where path = %s"
        rewrite(stored, named, raw_path.encode(), f"{FOLDER}/{number}.txt")

    report = stored.restore("", target)

    assert dict(report.files) == {"refused": len(evil), "restored": 1}
    assert set(tree(target)) == {f"{FOLDER}/{len(evil)}.txt".encode()}
    assert not list(tmp_path.rglob("evil.txt"))


def test_what_the_bucket_lacks_or_holds_damaged_is_named_and_stops_nobody(stored: Stored, target: Path) -> None:
    for name in ("gone", "flipped", "short", "long", "fine", "later"):
        stored.nas.write(f"{FOLDER}/{name}", f"content of {name}", mtime=1_700_000_000)
    stored.keep()
    stored.break_object(b"content of gone", None)
    stored.break_object(b"content of flipped", b"content oF flipped")
    stored.break_object(b"content of short", b"content of")
    stored.break_object(b"content of long", b"content of long, and more")
    never = stored.break_object(b"content of later", None)
    stored.nas.rows("delete from ops.stored_objects where content_hash = %s", never)
    failed = (
        "update ops.step_results set state = 'failed', permanent = true, reason = 'Too big' where content_hash = %s"
    )
    stored.nas.rows(failed, never)

    report = stored.restore(FOLDER, target)

    assert {path.rpartition("/")[2]: state for path, state in states(report).items()} == {
        "gone": "missing", "flipped": "rotten", "short": "rotten", "long": "rotten", "fine": "restored",
        "later": "not_stored",
    }  # fmt: skip
    assert "Too big" in reasons(report)[f"{FOLDER}/later"]
    assert not report.complete
    assert set(tree(target)) == {f"{FOLDER}/fine".encode()}


def test_a_file_that_could_not_be_read_then_is_named(
    stored: Stored, s3_client: Any, private_folder: Path, target: Path
) -> None:
    root = private_folder / "nas"  # that another user can reach
    root.mkdir()
    (root / ".ibhelm-share").touch()
    stored = Stored(stored.settings.model_copy(update={"nas_root": root}), s3_client)
    stored.nas.write(f"{FOLDER}/secret", "x").chmod(0)
    stored.nas.write(f"{FOLDER}/open", "y")
    with as_nobody():
        scan(stored.settings)
    moment = stored.keep_objects()
    stored.nas.path(f"{FOLDER}/secret").chmod(0o644)
    stored.keep()

    assert states(stored.restore(FOLDER, target, at=moment)) == {
        f"{FOLDER}/open": "restored", f"{FOLDER}/secret": "unread"
    }  # fmt: skip
    assert stored.restore(FOLDER, target).complete


def test_a_time_that_was_not_kept_is_said(stored: Stored, target: Path) -> None:
    stored.nas.write(f"{FOLDER}/a", "a")
    stored.keep()
    rewrite(stored, "update file_versions set mtime_ns = null")

    report = stored.restore(FOLDER, target)

    assert (report.complete, report.imprecise) == (True, 1)
    assert "not kept" in reasons(report)[f"{FOLDER}/a"]


def test_where_nothing_stood_similar_paths_are_named(stored: Stored, target: Path) -> None:
    stored.nas.write(f"{FOLDER}/Protokoll.txt", "a")
    before = stored.now()
    stored.keep()

    with pytest.raises(PermanentError, match=f"Similar: .*{FOLDER}"):
        stored.restore("projekte/2301-Kitta", target)
    with pytest.raises(PermanentError, match=r"Something stood there from \d{4}-.*CES?T on"):
        stored.restore(FOLDER, target, at=before)
    stored.nas.path(f"{FOLDER}/Protokoll.txt").unlink()
    stored.keep()
    with pytest.raises(PermanentError, match=r"Something stood there between .* and .*CES?T"):
        stored.restore(f"{FOLDER}/Protokoll.txt", target)


def test_a_moment_of_which_the_retention_took_files_is_not_called_whole(stored: Stored, target: Path) -> None:
    stored.nas.write(f"{FOLDER}/stays", "a")
    gone = stored.nas.write(f"{FOLDER}/goes", "b")
    stored.keep()
    gone.unlink()
    stored.keep()
    stored.nas.rows("update files set deleted_at = deleted_at - interval '2 days' where deleted_at is not null")
    settings = stored.settings.model_copy(update={"retention_days": 1})
    assert purge(settings, now=stored.now(), dry_run=False, confirmed=True).files == 1

    now, then = stored.now(), stored.now() - dt.timedelta(days=2)
    whole, not_whole = stored.restore(FOLDER, target, at=now), stored.restore("", target, at=then)

    assert (whole.complete, whole.warnings) == (True, [])
    assert not not_whole.complete
    assert "Retention has removed files for good" in not_whole.warnings[0]
    with pytest.raises(PermanentError, match="Retention has removed files"):
        stored.restore(FOLDER, target, at=then)


@pytest.mark.parametrize("path", ["../x", "projekte/../..", "/etc/passwd", "a\0b"])
def test_a_path_outside_the_nas_is_refused(stored: Stored, target: Path, path: str) -> None:
    with pytest.raises(ConfigurationError, match="below the NAS root"):
        stored.restore(path, target)
    assert not target.exists()


def test_two_restores_into_one_folder_do_not_mix(stored: Stored, target: Path) -> None:
    with Target(stored.settings, target), pytest.raises(BusyError, match="Another restore"):
        stored.restore("", target)


def test_on_a_target_that_takes_two_names_for_one_the_second_is_named(
    stored: Stored, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Plan/a.txt", "plan/b.txt", "x.txt", "X.TXT", "Büro.txt", unicodedata.normalize("NFD", "Büro.txt")):
        stored.nas.write(f"{FOLDER}/{name}", name)
    stored.keep()
    # No such file system can be made here without a kernel that has one; how one is recognised is tried below.
    monkeypatch.setattr("ibhelm_pipelines.safety.target._takes_two_names_for_one", lambda _fd: True)

    report = stored.restore(FOLDER, target)

    assert dict(report.files) == {"restored": 3, "refused": 3}
    assert len(tree(target)) == 3
    assert all("spelt differently" in reason for reason in reasons(report).values())


def test_progress_ends_at_the_whole(stored: Stored, target: Path) -> None:
    for number in range(30):
        stored.nas.write(f"{FOLDER}/{number}", bytes(100_000 + number))
    stored.keep()
    stored.break_object(bytes(100_007), b"x" * 100_007)
    told: list[Done] = []
    threads = set()

    def tell(done: Done) -> None:
        threads.add(threading.current_thread().name)
        told.append(done)

    stored.restore(FOLDER, target, on_progress=tell)

    assert (told[-1].files, told[-1].of_files) == (30, 30)
    assert told[-1].size == told[-1].of_size - 100_007
    assert len(threads) > 1
