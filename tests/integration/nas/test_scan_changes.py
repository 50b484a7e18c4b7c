"""What a scan makes of each kind of change on the share."""

from __future__ import annotations

import os
import shutil
import unicodedata

import psycopg
import pytest
from nas_tree import Nas

from ibhelm_pipelines.local.process import wait_until
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

FOLDER = "projekte/2301-Kita"


@pytest.fixture
def nas(settings: Settings) -> Nas:
    return Nas(settings)


def test_every_file_becomes_a_row_and_no_junk_does(settings: Settings, nas: Nas) -> None:
    nas.write(f"{FOLDER}/Plan.pdf", "plan")
    nas.write(f"{FOLDER}/leer.txt", "")
    nas.write("lose.txt", "loose")
    for junk in (
        "@eaDir/Plan.pdf/SYNO.jpg",
        "#recycle/alt.pdf",
        ".DS_Store",
        "Thumbs.db",
        "~$Plan.docx",
        "a.TMP",
        "b.dwl2",
        ".versteckt/x",
    ):
        nas.write(f"{FOLDER}/{junk}", "junk")
    nas.path(f"{FOLDER}/link.pdf").symlink_to(nas.path(f"{FOLDER}/Plan.pdf"))
    os.mkfifo(nas.path(f"{FOLDER}/pipe"))

    report = scan(settings)

    nas.assert_equals_disk()
    assert {k: (v.seen, v.new) for k, v in report.folders.items()} == {"_loose": (1, 1), FOLDER: (2, 2)}
    assert report.state == "complete"
    assert report.ignored == {
        "@eaDir": 1,
        "#recycle": 1,
        "hidden": 3,
        "Thumbs.db": 1,
        "~$*": 1,
        "*.tmp": 1,
        "*.dwl2": 1,
        "symbolic link": 1,
        "device, socket or pipe": 1,
    }
    assert nas.rows("select name, extension, folder, nas_url from files where path like '%%Plan.pdf'") == [
        ("Plan.pdf", "pdf", FOLDER, f"file://{nas.root}/{FOLDER}/Plan.pdf")
    ]


def test_a_second_scan_writes_nothing_and_reads_no_file(settings: Settings, nas: Nas) -> None:
    for i in range(30):
        nas.write(f"{FOLDER}/{i % 3}/{i}.txt", f"text {i}")
    scan(settings)
    writes = "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables where schemaname = 'public'"
    before = nas.rows("select xmin, * from files order by id"), _settled(nas, writes)
    assert before[1] >= 90, "files, versions and contents"

    report = scan(settings)

    assert (nas.rows("select xmin, * from files order by id"), _settled(nas, writes)) == before
    assert report.bytes_hashed == 0
    assert nas.one("select files_to_hash from ops.scans order by id desc limit 1") == 0


def _settled(nas: Nas, query: str) -> int:
    """Ask when every session of the scan has gone: on its way out each says what it has written."""
    others = """
        select from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"""
    assert wait_until(lambda: nas.rows(others) == [], seconds=60)
    return int(nas.one(query))


def test_an_edit_is_a_version_and_so_is_a_touch(settings: Settings, nas: Nas) -> None:
    nas.write(f"{FOLDER}/edit.txt", "one", mtime=1_700_000_000)
    nas.write(f"{FOLDER}/touch.txt", "same", mtime=1_700_000_000)
    scan(settings)
    nas.write(f"{FOLDER}/edit.txt", "two", mtime=1_700_000_001)
    os.utime(nas.path(f"{FOLDER}/touch.txt"))

    report = scan(settings)

    nas.assert_equals_disk()
    assert (report.total.changed, report.total.new) == (1, 0)
    versions = """select count(*), count(valid_to), count(distinct mtime_ns), count(distinct v.content_hash)
                  from file_versions v join files on files.id = file_id where name = %s"""
    assert nas.rows(versions, "edit.txt") == [(2, 1, 2, 2)]
    assert nas.rows(versions, "touch.txt") == [(2, 1, 2, 1)]


def test_same_size_and_time_but_another_inode_is_read_again(settings: Settings, nas: Nas) -> None:
    nas.write(f"{FOLDER}/a.txt", "eins", mtime=1_700_000_000)
    scan(settings)
    nas.write(f"{FOLDER}/b.txt", "zwei", mtime=1_700_000_000).rename(nas.path(f"{FOLDER}/a.txt"))
    assert scan(settings).total.changed == 1
    nas.assert_equals_disk()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"{FOLDER}/a.txt", f"{FOLDER}/b.txt"),  # rename
        (f"{FOLDER}/a.txt", "projekte/2302-Rathaus/a.txt"),  # to another project
        (f"{FOLDER}/a.txt", "a.txt"),  # out of all projects
        (f"{FOLDER}/plan.txt", f"{FOLDER}/PLAN.txt"),  # only the case
        (f"{FOLDER}/ende.txt", f"{FOLDER}/ende.txt "),  # a trailing space
        (f"{FOLDER}/ü.txt", f"{FOLDER}/{unicodedata.normalize('NFD', 'ü')}.txt"),  # only the Unicode form
    ],
)
def test_a_moved_file_keeps_its_id_and_is_not_read(settings: Settings, nas: Nas, old: str, new: str) -> None:
    nas.write(old, "moved content")
    nas.write(f"{FOLDER}/stays.txt", "other")
    scan(settings)
    before = nas.one("select id from files where raw_path = %s", os.fsencode(old))
    nas.move(old, new)

    report = scan(settings)

    nas.assert_equals_disk()
    assert (report.total.moved, report.total.new, report.total.deleted, report.bytes_hashed) == (1, 0, 0, 0)
    assert nas.one("select id from files where raw_path = %s and deleted_at is null", os.fsencode(new)) == before
    assert nas.one("select count(*) from file_versions where file_id = %s", before) == 2


def test_a_renamed_project_folder_keeps_all_ids_without_reading(settings: Settings, nas: Nas) -> None:
    for i in range(50):
        nas.write(f"{FOLDER}/sub {i % 5}/{i}.txt", f"text {i}", mtime=1_700_000_000)
    scan(settings)
    ids = dict(nas.rows("select name, id from files"))
    nas.move(FOLDER, "projekte/2301-Kita Lindenhof")

    report = scan(settings)

    nas.assert_equals_disk()
    assert dict(nas.rows("select name, id from files")) == ids
    assert (report.total.moved, report.bytes_hashed, report.deletions_refused) == (50, 0, 0)
    assert nas.rows("select folder, present from ops.folders where folder <> '_loose' order by 1") == [
        (FOLDER, False), ("projekte/2301-Kita Lindenhof", True),
    ]  # fmt: skip


def test_files_that_swap_names_swap_their_rows(settings: Settings, nas: Nas) -> None:
    nas.write("a.txt", "content of a", mtime=1_700_000_000)
    nas.write("b.txt", "content of b!", mtime=1_700_000_001)
    scan(settings)
    a, b = nas.file_id("a.txt"), nas.file_id("b.txt")
    nas.move("a.txt", "x.txt")
    nas.move("b.txt", "a.txt")
    nas.move("x.txt", "b.txt")

    report = scan(settings)

    nas.assert_equals_disk()
    assert (nas.file_id("a.txt"), nas.file_id("b.txt")) == (b, a)
    assert (report.total.moved, report.bytes_hashed) == (2, 0)


def test_files_that_move_up_a_chain_of_names_keep_their_rows(settings: Settings, nas: Nas) -> None:
    for name in ("1", "2", "3"):
        nas.write(f"{name}.txt", f"content {name}")
    scan(settings)
    ids = [nas.file_id(f"{name}.txt") for name in ("1", "2", "3")]
    for old, new in (("3", "4"), ("2", "3"), ("1", "2")):
        nas.move(f"{old}.txt", f"{new}.txt")
    scan(settings)
    nas.assert_equals_disk()
    assert [nas.file_id(f"{name}.txt") for name in ("2", "3", "4")] == ids


def test_a_program_that_renames_to_bak_and_writes_anew_keeps_the_file_under_its_name(
    settings: Settings, nas: Nas
) -> None:
    nas.write("plan.dwg", "version 1")
    nas.write("plan.bak", "version 0")
    scan(settings)
    plan, bak = nas.file_id("plan.dwg"), nas.file_id("plan.bak")
    nas.move("plan.dwg", "plan.bak")
    nas.write("plan.dwg", "version 2")
    scan(settings)
    nas.assert_equals_disk()
    assert (nas.file_id("plan.dwg"), nas.file_id("plan.bak")) == (plan, bak)


def test_a_renamed_and_edited_file_keeps_its_id(settings: Settings, nas: Nas) -> None:
    nas.write("entwurf.txt", "first")
    scan(settings)
    before = nas.file_id("entwurf.txt")
    nas.move("entwurf.txt", "final.txt")
    with nas.path("final.txt").open("a") as file:
        file.write(" and more")
    scan(settings)
    nas.assert_equals_disk()
    assert nas.file_id("final.txt") == before


def test_a_new_file_on_a_reused_inode_number_is_a_new_file(settings: Settings, nas: Nas) -> None:
    """Inode numbers come back at once on ext4; only the birth time tells the two apart."""
    for i in range(30):
        nas.write(f"keep/x/{i}", f"{i}")
    nas.write("alt.txt", "old")
    scan(settings)
    before = nas.file_id("alt.txt")
    nas.path("alt.txt").unlink()
    reused = nas.write("neu.txt", "brand new").stat().st_ino
    with psycopg.connect(nas.url) as connection:  # file systems reuse numbers when they like; here it is certain
        connection.execute("update ops.disk_entries set inode = %s where file_id = %s", [reused, before])
    scan(settings)
    nas.assert_equals_disk()
    assert nas.file_id("neu.txt") != before


def test_a_file_moved_by_copying_and_deleting_is_found_by_its_content(settings: Settings, nas: Nas) -> None:
    nas.write(f"{FOLDER}/plan.pdf", "unique content")
    for i in range(30):
        nas.write(f"{FOLDER}/{i}", f"{i}")
    scan(settings)
    before = nas.file_id(f"{FOLDER}/plan.pdf")
    nas.path("projekte/2302-B").mkdir()
    shutil.copyfile(nas.path(f"{FOLDER}/plan.pdf"), nas.path("projekte/2302-B/plan neu.pdf"))
    nas.path(f"{FOLDER}/plan.pdf").unlink()
    report = scan(settings)
    nas.assert_equals_disk()
    assert nas.file_id("projekte/2302-B/plan neu.pdf") == before
    assert (report.total.moved, report.total.new, report.total.deleted) == (1, 0, 0)


def test_an_ambiguous_content_is_no_move(settings: Settings, nas: Nas) -> None:
    nas.write("a.txt", "same bytes")
    for i in range(40):
        nas.write(f"{i}", f"{i}")
    scan(settings)
    before = nas.file_id("a.txt")
    for copy in ("b.txt", "c.txt"):
        shutil.copyfile(nas.path("a.txt"), nas.path(copy))
    nas.path("a.txt").unlink()
    report = scan(settings)
    nas.assert_equals_disk()
    assert (report.total.moved, report.total.new, report.total.deleted) == (0, 2, 1)
    assert before not in {nas.file_id("b.txt"), nas.file_id("c.txt")}


def test_a_copy_is_a_new_file_with_the_old_content(settings: Settings, nas: Nas) -> None:
    nas.write("a.txt", "same bytes")
    scan(settings)
    shutil.copy2(nas.path("a.txt"), nas.path("Kopie.txt"))
    os.link(nas.path("a.txt"), nas.path("hard.txt"))
    scan(settings)
    nas.assert_equals_disk()
    assert nas.one("select count(*) from files where deleted_at is null") == 3
    assert nas.one("select count(*) from contents") == 1


def test_a_deleted_file_that_comes_back_is_the_same_file(settings: Settings, nas: Nas) -> None:
    for i in range(40):
        nas.write(f"{i}", f"{i}")
    nas.write("a.txt", "content")
    scan(settings)
    before = nas.file_id("a.txt")
    nas.path("a.txt").unlink()
    assert scan(settings).total.deleted == 1
    nas.assert_equals_disk()
    nas.write("a.txt", "content")
    report = scan(settings)
    nas.assert_equals_disk()
    assert report.total.restored == 1
    assert nas.file_id("a.txt") == before
    assert nas.one("select count(*) from file_versions where file_id = %s", before) == 2


def test_a_folder_scan_follows_a_file_in_from_another_folder_and_leaves_links_alone(
    settings: Settings, nas: Nas
) -> None:
    nas.write("projekte/A/moved.txt", "moved")
    nas.write("projekte/A/linked.txt", "linked")
    nas.write("projekte/B/own.txt", "own")
    scan(settings)
    moved, linked = nas.file_id("projekte/A/moved.txt"), nas.file_id("projekte/A/linked.txt")
    nas.move("projekte/A/moved.txt", "projekte/B/moved.txt")
    os.link(nas.path("projekte/A/linked.txt"), nas.path("projekte/B/linked.txt"))

    scan(settings, folders=["projekte/B"])

    nas.assert_equals_disk()
    assert nas.file_id("projekte/B/moved.txt") == moved
    assert nas.file_id("projekte/A/linked.txt") == linked


def test_a_file_that_left_a_scanned_folder_is_found_again_by_the_scan_of_its_new_one(
    settings: Settings, nas: Nas
) -> None:
    for i in range(40):
        nas.write(f"projekte/A/{i}", f"{i}")
    nas.write("projekte/A/moved.txt", "moved")
    nas.path("projekte/B").mkdir()
    scan(settings)
    moved = nas.file_id("projekte/A/moved.txt")
    nas.move("projekte/A/moved.txt", "projekte/B/umbenannt.txt")
    assert scan(settings, folders=["projekte/A"]).total.deleted == 1
    report = scan(settings, folders=["projekte/B"])
    nas.assert_equals_disk()
    assert nas.file_id("projekte/B/umbenannt.txt") == moved
    assert (report.total.restored, report.bytes_hashed) == (1, 0)


NAUGHTY = [
    b"latin1-\xfcbung.txt",
    b"new\nline.txt",
    b"tab\t and 'quote\" \\ back.txt",
    ("ü" * 120 + ".txt").encode(),
    b"x" * 255,
    "Ω≈ç√ 🏗️.txt".encode(),
    b"%s %d {x} $1.txt",
    b"-rf",
    b"con.txt ",
    "\u202egnp.exe".encode(),
]


def test_names_are_bytes_and_each_gets_its_row(settings: Settings, nas: Nas) -> None:
    for name in NAUGHTY:
        nas.write(FOLDER.encode() + b"/" + name, name)
    composed, decomposed = (unicodedata.normalize(form, "Größe.txt") for form in ("NFC", "NFD"))
    nas.write(f"{FOLDER}/{composed}", "composed")
    nas.write(f"{FOLDER}/{decomposed}", "decomposed")
    scan(settings)
    nas.assert_equals_disk()
    assert nas.one("select count(distinct raw_path) from files where path = %s", f"{FOLDER}/Größe.txt") == 2


def test_a_path_longer_than_an_index_entry_gets_its_row(settings: Settings, nas: Nas) -> None:
    deep = "/".join(os.urandom(100).hex() for _ in range(15))
    nas.write(f"{deep}/plan.txt", "deep")
    nas.write(f"{deep}/plan2.txt", "deep 2")
    scan(settings)
    nas.assert_equals_disk()
    nas.move(f"{deep}/plan.txt", f"{deep}/plan3.txt")
    assert scan(settings).total.moved == 1
    nas.assert_equals_disk()


def test_versions_cannot_be_rewritten(settings: Settings, nas: Nas) -> None:
    nas.write("a.txt", "one")
    scan(settings)
    with psycopg.connect(nas.url) as connection, pytest.raises(psycopg.errors.CheckViolation, match="is history"):
        connection.execute("update file_versions set path = 'other', raw_path = 'other'")
    with psycopg.connect(nas.url) as connection, pytest.raises(psycopg.errors.CheckViolation, match="is history"):
        connection.execute("update file_versions set mtime_ns = mtime_ns + 1")
    with psycopg.connect(nas.url) as connection, pytest.raises(psycopg.errors.CheckViolation, match="is history"):
        connection.execute("delete from file_versions")


def test_another_folder_depth_moves_files_to_their_new_partitions_without_reading(settings: Settings, nas: Nas) -> None:
    nas.write("projekte/A/x.txt", "x")
    scan(settings)
    report = scan(settings.model_copy(update={"folder_depth": 1}))
    assert nas.rows("select folder from files") == [("projekte",)]
    assert (report.bytes_hashed, report.total.moved) == (0, 0)
    assert nas.one("select count(*) from file_versions") == 1
