"""What a live scan makes of single paths: the same as a scan of everything would, and nothing beyond them."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections import Counter
from typing import Any

import psycopg
import pytest
from nas_tree import Nas

from ibhelm_pipelines.errors import PermanentError, ScanBusyError
from ibhelm_pipelines.nas.paths import scan_paths
from ibhelm_pipelines.nas.report import ScanReport
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

A, B = "projekte/2301-Kita", "projekte/2302-Rathaus"


@pytest.fixture
def nas(settings: Settings) -> Nas:
    """A share that was scanned, and the right to delete a few of its few files."""
    nas = Nas(settings)
    for i in range(45):
        nas.write(f"{A}/bestand/{i}.txt", f"old {i}", mtime=1_700_000_000 + i)
    nas.write(f"{B}/bestand.txt", "old")
    scan(settings)
    return nas


def look(settings: Settings, *paths: str | bytes, directories: tuple[str, ...] = ()) -> ScanReport:
    raw = [p if isinstance(p, bytes) else os.fsencode(p) for p in paths]
    return scan_paths(settings, paths=raw, directories=[os.fsencode(d) for d in directories])


def numbers(report: ScanReport) -> dict[str, int]:
    """What happened, without what was merely seen."""
    total = report.total
    kinds = ("new", "changed", "moved", "deleted", "restored", "failed")
    return {kind: getattr(total, kind) for kind in kinds if getattr(total, kind)}


def told(nas: Nas) -> Counter[str]:
    """The sum of all that the outbox says of the files."""
    total: Counter[str] = Counter()
    for (counts,) in nas.rows("select counts from ops.outbox where asset = 'nas_files'"):
        total.update(counts if isinstance(counts, dict) else json.loads(counts))
    return +total


def waiting(nas: Nas) -> list[tuple[Any, ...]]:
    return nas.rows(
        "select kind, convert_from(key, 'UTF8'), folder, weight from ops.inbox where source = 'content' order by 1, 2"
    )


def ids_by_inode(nas: Nas) -> dict[int, int]:
    """Which file on the disk is which row."""
    rows = nas.rows("select raw_path, id from files where deleted_at is null")
    return {nas.path(raw).stat().st_ino: file_id for raw, file_id in rows}


def assert_nothing_is_left(settings: Settings, nas: Nas) -> None:
    """The tables equal the disk, and a scan of everything finds nothing to do."""
    nas.assert_equals_disk()
    assert numbers(scan(settings)) == {}


def test_a_new_an_edited_and_a_deleted_file(settings: Settings, nas: Nas) -> None:
    nas.write(f"{A}/neu.txt", "new")
    nas.write(f"{A}/bestand/1.txt", "edited")
    nas.path(f"{A}/bestand/2.txt").unlink()
    edited = nas.file_id(f"{A}/bestand/1.txt")

    report = look(settings, f"{A}/neu.txt", f"{A}/bestand/1.txt", f"{A}/bestand/2.txt")

    assert (report.state, numbers(report)) == ("complete", {"new": 1, "changed": 1, "deleted": 1})
    assert report.total.seen == 2
    assert nas.file_id(f"{A}/bestand/1.txt") == edited
    assert_nothing_is_left(settings, nas)


def test_only_the_named_paths_are_looked_at(settings: Settings, nas: Nas) -> None:
    for name in ("1", "2", "3"):
        nas.write(f"{A}/bestand/{name}.txt", "edited")
    nas.path(f"{A}/bestand/4.txt").unlink()
    nas.write(f"{A}/bestand/neu.txt", "new")
    assert numbers(look(settings, f"{A}/bestand/2.txt")) == {"changed": 1}
    assert numbers(look(settings, f"{A}/bestand/20.txt", f"{A}/bestand/not there")) == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"{A}/bestand/1.txt", f"{A}/bestand/1 neu.txt"),  # in its directory
        (f"{A}/bestand/1.txt", f"{A}/neu/1.txt"),  # in its project folder
        (f"{A}/bestand/1.txt", f"{B}/1.txt"),  # to another project folder
        (f"{A}/bestand/1.txt", "1.txt"),  # out of all projects
        (f"{A}/bestand", f"{A}/archiv"),  # a folder
        (f"{A}/bestand", f"{B}/bestand"),
        (A, "projekte/umbenannt"),  # a project folder
        (A, f"{B}/tief/darin"),
        ("projekte", "Projekte"),  # the level above
    ],
)
@pytest.mark.parametrize("order", ["together", "old first", "new first"])
def test_what_moves_keeps_its_ids_and_is_not_read(settings: Settings, nas: Nas, old: str, new: str, order: str) -> None:
    settings = settings.model_copy(update={"max_deletion_percent": 100})
    before = ids_by_inode(nas)
    nas.move(old, new)

    steps = {"together": [[old, new]], "old first": [[old], [new]], "new first": [[new], [old]]}[order]
    reports = [look(settings, *step) for step in steps]

    assert [r.bytes_hashed for r in reports] == [0] * len(steps)
    assert {r.state for r in reports} == {"complete"}
    assert ids_by_inode(nas) == before
    assert_nothing_is_left(settings, nas)


def test_files_that_swap_names_swap_their_rows(settings: Settings, nas: Nas) -> None:
    one, two = f"{A}/bestand/1.txt", f"{A}/bestand/2.txt"
    ids = nas.file_id(one), nas.file_id(two)
    nas.move(one, "x")
    nas.move(two, one)
    nas.move("x", two)
    report = look(settings, one, two)
    assert (report.bytes_hashed, numbers(report)) == (0, {"moved": 2})
    assert (nas.file_id(two), nas.file_id(one)) == ids
    assert_nothing_is_left(settings, nas)


def test_a_deleted_file_that_comes_back_is_the_same_file(settings: Settings, nas: Nas) -> None:
    path = f"{A}/bestand/1.txt"
    before = nas.file_id(path)
    nas.path(path).unlink()
    assert numbers(look(settings, path)) == {"deleted": 1}
    nas.write(path, "old 1")
    assert numbers(look(settings, path)) == {"restored": 1}
    assert nas.file_id(path) == before
    assert_nothing_is_left(settings, nas)


def test_a_folder_that_is_moved_in_is_a_row_for_each_file_in_it(settings: Settings, nas: Nas) -> None:
    outside = nas.root.parent / "outside" / "deep"
    outside.mkdir(parents=True)
    for i in range(10):
        (outside / f"{i}.txt").write_text(f"from outside {i}")
    outside.parent.rename(nas.path(f"{B}/eingang"))
    assert numbers(look(settings, f"{B}/eingang")) == {"new": 10}
    assert_nothing_is_left(settings, nas)


def test_a_folder_that_is_gone_takes_all_that_was_below_it_and_nothing_beside_it(settings: Settings, nas: Nas) -> None:
    for name in ("x/1", "x/tief/er/2", "x-y/3", "x.txt", "xy"):
        nas.write(f"{B}/{name}", name)
    scan(settings)
    shutil.rmtree(nas.path(f"{B}/x"))
    assert numbers(look(settings.model_copy(update={"max_deletion_percent": 50}), f"{B}/x")) == {"deleted": 2}
    assert_nothing_is_left(settings, nas)


@pytest.mark.parametrize("to", ["file", "folder", "symbolic link"])
def test_what_becomes_something_else_is_what_it_is_now(settings: Settings, nas: Nas, to: str) -> None:
    path = nas.path(f"{B}/was")
    if to == "folder":
        nas.write(f"{B}/was", "a file")
    else:
        nas.write(f"{B}/was/tief/1.txt", "1")
        nas.write(f"{B}/was/2.txt", "2")
    scan(settings)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if to == "file":
        nas.write(f"{B}/was", "now a file")
    elif to == "folder":
        nas.write(f"{B}/was/tief/1.txt", "now a folder")
    else:
        path.symlink_to(nas.path(f"{A}/bestand"))
    look(settings.model_copy(update={"max_deletion_percent": 50}), f"{B}/was")
    assert_nothing_is_left(settings, nas)


def test_a_directory_is_its_own_files_and_not_those_below(settings: Settings, nas: Nas) -> None:
    nas.write(f"{A}/bestand/tief/1.txt", "1")
    nas.write(f"{A}/bestand/tief/2.txt", "2")
    scan(settings)
    nas.write(f"{A}/bestand/neu.txt", "new")
    nas.write(f"{A}/bestand/1.txt", "edited")
    nas.path(f"{A}/bestand/2.txt").unlink()
    nas.write(f"{A}/bestand/tief/1.txt", "edited below")
    nas.path(f"{A}/bestand/tief/2.txt").unlink()
    nas.write(f"{A}/bestand/noch tiefer/3.txt", "new below")

    report = look(settings, directories=(f"{A}/bestand",))

    assert numbers(report) == {"new": 1, "changed": 1, "deleted": 1}
    assert numbers(look(settings, f"{A}/bestand/noch tiefer", directories=(f"{A}/bestand/tief",))) == {
        "new": 1, "changed": 1, "deleted": 1,
    }  # fmt: skip
    assert_nothing_is_left(settings, nas)


def test_a_directory_that_is_gone_is_gone_with_all_that_was_below_it(settings: Settings, nas: Nas) -> None:
    nas.write(f"{B}/x/1.txt", "1")
    nas.write(f"{B}/x/tief/2.txt", "2")
    scan(settings)
    shutil.rmtree(nas.path(f"{B}/x"))
    assert numbers(look(settings.model_copy(update={"max_deletion_percent": 50}), directories=(f"{B}/x",))) == {
        "deleted": 2
    }
    assert_nothing_is_left(settings, nas)


def test_the_root_is_a_directory_too(settings: Settings, nas: Nas) -> None:
    nas.write("lose.txt", "loose")
    nas.write("projekte/auch lose.txt", "loose")
    assert numbers(look(settings, directories=("",))) == {"new": 1}
    assert numbers(look(settings, directories=("", "projekte"))) == {"new": 1}
    assert nas.rows("select distinct folder from files where name like '%%lose.txt'") == [("_loose",)]
    assert_nothing_is_left(settings, nas)


def test_a_path_and_the_directories_around_and_below_it_are_one_look(settings: Settings, nas: Nas) -> None:
    nas.write(f"{A}/neu/1.txt", "1")
    nas.write(f"{A}/neu/tief/2.txt", "2")
    report = look(
        settings, f"{A}/neu", f"{A}/neu/1.txt", f"{A}/bestand/1.txt",
        directories=(f"{A}/neu/tief", f"{A}/bestand", A, f"{A}/neu"),
    )  # fmt: skip
    assert (numbers(report), report.total.seen) == ({"new": 2}, 47)
    assert_nothing_is_left(settings, nas)


def test_ignored_names_are_ignored_in_every_part_of_a_path(settings: Settings, nas: Nas) -> None:
    junk = (
        f"{A}/@eaDir/x/thumb.jpg", f"{A}/.versteckt/tief/x.txt", f"{A}/~$Plan.docx", f"{A}/a.tmp",
        "#recycle/x/y.txt", "projekte/.x/y.txt", ".ibhelm-share", f"{A}/.neu",
    )  # fmt: skip
    for name in junk:
        nas.write(name, "junk")
    nas.path(f"{A}/link").symlink_to(nas.path(f"{A}/bestand"))
    os.mkfifo(nas.path(f"{A}/pipe"))
    report = look(
        settings, *junk, f"{A}/@eaDir", f"{A}/@eaDir/x", f"{A}/.versteckt", f"{A}/link", f"{A}/link/1.txt", f"{A}/pipe",
        "#recycle", directories=(f"{A}/@eaDir", f"{A}/.versteckt/tief", "#recycle"),
    )  # fmt: skip
    assert (report.state, numbers(report), report.total.seen) == ("complete", {}, 0)
    assert nas.one("select count(*) from ops.folders") == 3
    assert_nothing_is_left(settings, nas)


NAUGHTY = [
    b"latin1-\xfcbung.txt", b"new\nline.txt", b"tab\t and 'quote\" \\ back.txt", b"x" * 255, b"%s %d {x} $1.txt",
    b"-rf", b"trailing ", "\u202egnp.exe".encode(), b"a...b",
]  # fmt: skip


def test_names_are_bytes_and_twins_are_two(settings: Settings, nas: Nas) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Größe").encode() for form in ("NFC", "NFD"))
    folder = B.encode() + b"/"
    names = [folder + name for name in (*NAUGHTY, composed, decomposed)]
    names += [b"projekte/" + twin + b"/1.txt" for twin in (composed, decomposed)]
    names += [b"projekte/" + decomposed + b"...x/2.txt", b"projekte/\xff/1.txt"]
    for name in names:
        nas.write(name, name)
    assert numbers(scan_paths(settings, paths=names)) == {"new": len(names)}
    nas.path(folder + composed).rename(nas.path(folder + b"weg"))
    scan_paths(settings, paths=[folder + composed, folder + b"weg"])
    shutil.rmtree(nas.path(b"projekte/" + composed))
    scan_paths(settings, paths=[b"projekte/" + composed])
    assert nas.one("select present from ops.folders where folder = 'projekte/Größe'"), "its twin is still there"
    assert_nothing_is_left(settings, nas)


@pytest.mark.parametrize("path", [b"", b"/etc/passwd", b"../x", b"a//b", b"a/./b", b"a/", b"a\0b"])
def test_what_is_no_path_below_the_root_is_refused(settings: Settings, nas: Nas, path: bytes) -> None:
    with pytest.raises(PermanentError, match="no path below the NAS root"):
        scan_paths(settings, paths=[path])


def test_project_folders_come_and_go_and_count_as_never_scanned(settings: Settings, nas: Nas) -> None:
    folders = """select folder, present, last_complete_scan_at is not null, last_scan_id is not null
                 from ops.folders where folder <> '_loose' order by 1"""
    before = nas.rows("select folder, last_scan_at, last_complete_scan_at, last_scan_id from ops.folders order by 1")
    nas.write("projekte/neu/1.txt", "1")
    nas.path("projekte/leer").mkdir()
    nas.write("kunden/a/1.txt", "1")
    look(settings, "projekte/neu", "projekte/leer", "kunden")
    assert nas.rows(folders) == [
        ("kunden/a", True, False, False), (A, True, True, True), (B, True, True, True),
        ("projekte/leer", True, False, False), ("projekte/neu", True, False, False),
    ]  # fmt: skip
    shutil.rmtree(nas.path("projekte/leer"))
    shutil.rmtree(nas.path("kunden"))
    nas.write("projekte/neu/2.txt", "2")
    look(settings.model_copy(update={"max_deletion_percent": 50}), "projekte/leer", "kunden", "projekte/neu/2.txt")
    assert [(folder, present) for folder, present, *_ in nas.rows(folders)] == [
        ("kunden/a", False), (A, True), (B, True), ("projekte/leer", False), ("projekte/neu", True),
    ]  # fmt: skip
    now = nas.rows("select folder, last_scan_at, last_complete_scan_at, last_scan_id from ops.folders order by 1")
    assert [row for row in now if row[0] in (A, B, "_loose")] == before
    assert_nothing_is_left(settings, nas)


def test_what_was_done_is_told_once_and_its_contents_wait_for_the_next_step(settings: Settings, nas: Nas) -> None:
    nas.write(f"{A}/neu.txt", "twins")
    nas.write(f"{A}/noch eins.txt", "twins")
    nas.write(f"{A}/bestand/1.txt", "edited!")
    os.utime(nas.path(f"{A}/bestand/3.txt"))
    nas.path(f"{A}/bestand/2.txt").unlink()
    nas.move(f"{A}/bestand/4.txt", f"{B}/4.txt")

    look(settings, A, B)

    assert told(nas) == {"new": 2, "changed": 1, "deleted": 1, "moved": 1, "bytes": 5 + 5 + 7 + 5}
    hashes = dict(nas.rows("select content_hash, path from files where name in ('neu.txt', '1.txt', '4.txt')"))
    assert [(kind, key, weight) for kind, key, _, weight in waiting(nas)] == [
        ("hash", content, nas.path(path).stat().st_size) for content, path in sorted(hashes.items())
    ]
    look(settings, A, B)
    assert sum(told(nas).values()) == 27


def test_nothing_is_told_where_nobody_asked_for_it(settings: Settings, nas: Nas) -> None:
    nas.write(f"{A}/neu.txt", "new")
    scan_paths(settings, paths=[os.fsencode(f"{A}/neu.txt")], tell=False)
    nas.write(f"{A}/neu.txt", "newer")
    scan(settings)
    assert (told(nas), waiting(nas)) == ({}, [])


def test_a_scan_of_folders_tells_what_it_did_and_asks_for_the_folders(settings: Settings, nas: Nas) -> None:
    nas.write(f"{A}/1.txt", "1234567")
    nas.write(f"{A}/2.txt", "1234567890")
    nas.path(f"{A}/bestand/2.txt").unlink()
    nas.path(f"{B}/bestand.txt").touch()
    scan(settings, folders=[A, B], tell=True)
    assert told(nas) == {"new": 2, "deleted": 1, "bytes": 17 + 3}
    assert waiting(nas) == [("folder", A, A, 17)]


def test_a_live_scan_gives_way_to_a_scan_of_the_folder_and_not_to_others(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibhelm_pipelines.nas.paths.LOCK_WAIT", "100ms")
    with psycopg.connect(nas.url, autocommit=True) as other:
        other.execute("select pg_advisory_lock_shared(727001, 0), pg_advisory_lock(727002, hashtext(%s))", [A])
        for path in (f"{A}/1.txt", A, "projekte"):
            with pytest.raises(ScanBusyError):
                look(settings, path)
        look(settings, f"{B}/1.txt", B, "lose.txt", directories=("", "projekte"))
    look(settings, A)


def test_a_live_scan_is_a_row_of_its_own_kind_and_closes_only_dead_ones(settings: Settings, nas: Nas) -> None:
    rows = [
        ("running", None, None, "walk"),
        ("running", [B], 3, "walk"),
        ("running", [A], 3, "walk"),
        ("running", [A], None, "hash"),
    ]
    with psycopg.connect(nas.url) as connection:
        for row in rows:
            connection.execute(
                "insert into ops.scans (state, folders, paths, phase, deep) values (%s, %s, %s, %s, false)", row
            )
    look(settings, f"{A}/bestand/1.txt", f"{A}/bestand/2.txt", directories=(f"{A}/bestand/3",))
    assert nas.rows("select state, folders, paths from ops.scans order by id desc limit 5") == [
        ("complete", [A], 3), ("failed", [A], None), ("failed", [A], 3), ("running", [B], 3), ("running", None, None),
    ]  # fmt: skip
