"""The views say what the steps wrote: which files have gaps and why, how much of each folder is covered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ibhelm_pipelines.content import families
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.search.finding import open_finder

if TYPE_CHECKING:
    Office = Any

SCHOOL, BATH = "2024/100 Schule", "2024/200 Bad"
WORDS = b"Die Pumpe im Keller ist ausgefallen und muss ersetzt werden."


@pytest.fixture
def worked(office: Office) -> Office:
    """Two folders: notes that are all right, one of them twice, a broken PDF, a program, a text that is too long."""
    small = office.settings.model_copy(update={"text_max_chars": 1000})
    office.settings = small
    office.add("notiz.txt", WORDS, folder=SCHOOL)
    office.add("notiz Kopie.txt", WORDS, folder=SCHOOL)
    office.add("notiz.txt", WORDS, folder=BATH)
    office.add("lang.txt", WORDS * 100, folder=SCHOOL)
    office.add("kaputt.pdf", b"%PDF-1.4\nnot a PDF at all", folder=BATH)
    office.add("setup.exe", b"MZ\x90\x00" + b"\x00\x01" * 400, folder=BATH)
    for step in ("thumbnail", "text"):
        run_step(step, office.settings)
    return office


def test_every_gap_is_listed_with_a_path_and_a_reason(worked: Office) -> None:
    rows = worked.query("select path, step, state, permanent, truncated, reason, files from ops.content_problems")
    found = {(row["path"].rpartition("/")[2], row["step"]): row for row in rows}
    assert set(found) == {
        ("lang.txt", "text"),
        ("kaputt.pdf", "thumbnail"),
        ("kaputt.pdf", "text"),
        ("setup.exe", "thumbnail"),
        ("setup.exe", "text"),
    }
    assert all(row["reason"] for row in rows)
    assert (found["lang.txt", "text"]["state"], found["lang.txt", "text"]["truncated"]) == ("ok", True)
    assert (found["kaputt.pdf", "text"]["state"], found["kaputt.pdf", "text"]["permanent"]) == ("failed", True)
    assert found["setup.exe", "text"]["state"] == "unsupported"


def test_the_office_reads_it_in_german(worked: Office) -> None:
    rows = worked.query("select name, step, problem from public.content_problems")
    said = {(row["name"], row["step"]): row["problem"] for row in rows}
    assert said["lang.txt", "Text"] == "Nur zum Teil gelesen"
    assert said["kaputt.pdf", "Vorschau"] == "Nicht lesbar"
    assert said["setup.exe", "Vorschau"] == "Kein Programm dafür"


def test_what_has_no_file_any_more_is_no_gap_and_a_copy_is_counted(worked: Office) -> None:
    worked.query("update public.files set deleted_at = now() where name = 'setup.exe'")
    worked.add("kaputt noch einmal.pdf", b"%PDF-1.4\nnot a PDF at all", folder=SCHOOL)
    rows = worked.query("select path, files from ops.content_problems where step = 'text' and state <> 'ok'")
    assert [(row["path"], row["files"]) for row in rows] == [(f"{BATH}/kaputt.pdf", 2)]


def test_coverage_counts_each_content_once_in_each_folder(worked: Office) -> None:
    rows = worked.query("select * from ops.content_coverage")
    found = {(row["folder"], row["family"]): row for row in rows}
    school, bath = found[SCHOOL, "text"], found[BATH, "pdf"]
    assert (school["contents"], school["files"], school["texts_ok"], school["truncated"]) == (2, 3, 2, 1)
    assert (school["preview_percent"], school["text_percent"]) == (100, 100)
    assert (bath["contents"], bath["previews_failed"], bath["texts_failed"], bath["text_percent"]) == (1, 1, 1, 0)
    assert found[BATH, "other"]["texts_unsupported"] == 1
    assert sum(row["contents"] for row in rows) == 5


def test_coverage_tells_what_nobody_tried_yet_from_what_failed(worked: Office) -> None:
    worked.add("neu.csv", b"a;b\n1;2\n", folder="2024/300 Neu")
    (row,) = worked.query("select * from public.content_coverage where folder = '2024/300 Neu'")
    assert (row["family"], row["contents"], row["missing"], row["failed"]) == ("unopened", 1, 2, 0)


def test_a_good_result_of_an_older_tool_counts_and_the_newer_failure_is_listed(worked: Office) -> None:
    worked.query(
        "insert into ops.step_results (content_hash, step, tool_version, state, reason, permanent, took_ms)"
        " select content_hash, step, 'text/0', 'failed', 'It broke', true, 1 from ops.step_results"
        " where tool_version like 'text/%%' and step = 'text' and not truncated"
    )
    (row,) = worked.query("select texts_ok, texts_failed from ops.content_coverage where folder = %s", SCHOOL)
    assert (row["texts_ok"], row["texts_failed"]) == (2, 0)
    rows = worked.query("select has_older_result from ops.content_problems where reason = 'It broke'")
    assert [row["has_older_result"] for row in rows] == [True]


def test_bumping_one_family_makes_its_contents_outdated_and_no_others(
    worked: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = worked.query("select * from ops.health where subject = 'older tools'")
    assert (line["number"], line["state"], line["detail"]) == (0, "ok", "nothing is outdated")
    kind = families.FAMILIES["text"]
    newer = kind.text.__class__(reader=kind.text.reader, revision=kind.text.revision + 1)
    bumped = kind.__class__(name=kind.name, extensions=(), thumbnail=kind.thumbnail, text=newer)
    monkeypatch.setitem(families.FAMILIES, "text", bumped)
    families.tool_version.cache_clear()
    try:
        # A run elsewhere makes the new version known before it comes to these.
        run_step("text", worked.settings, folders=["2024/999 Leer"])
        outdated = worked.query("select step, family, contents from ops.outdated_contents")
        assert outdated == [{"step": "text", "family": "text", "contents": 2}]
        (line,) = worked.query("select * from ops.health where subject = 'older tools'")
        assert (line["number"], line["detail"]) == (2, "text of text: 2")
        report = run_step("text", worked.settings)
        assert (report.total.done, report.total.ok) == (2, 2)
    finally:
        families.tool_version.cache_clear()
    assert worked.query("select * from ops.outdated_contents") == []


def test_pictures_that_look_the_same_are_listed_as_pairs(office: Office) -> None:
    """Of six pictures two pairs are alike, one of them by exactly as many bits as are allowed."""
    for number, likeness in enumerate([1 << 62, (1 << 62) + 15, -1, -1, 0x5555555555555555, (1 << 62) + 31]):
        content_hash = office.add(f"bild {number}.jpg", b"\xff\xd8\xff" + bytes([number]))
        office.query("update public.contents set likeness = %s where hash = %s", likeness, content_hash)
    gone = office.add("geloescht.jpg", b"\xff\xd8\xff gone")
    office.query("update public.contents set likeness = -1 where hash = %s", gone)
    office.query("update public.files set deleted_at = now() where content_hash = %s", gone)
    rows = office.query("select name, other_name, distance from public.near_duplicates")
    pairs = {(frozenset({row["name"], row["other_name"]}), row["distance"]) for row in rows}
    assert pairs == {
        (frozenset({"bild 0.jpg", "bild 1.jpg"}), 4),
        (frozenset({"bild 1.jpg", "bild 5.jpg"}), 1),
        (frozenset({"bild 2.jpg", "bild 3.jpg"}), 0),
    }


def test_the_language_of_a_text_is_told_with_it(office: Office) -> None:
    german = office.add("notiz.txt", WORDS)
    english = office.add("note.txt", b"The pump in the basement has failed and has to be replaced soon.")
    numbers = office.add("zahlen.csv", b"1;2;3\n4;5;6\n" * 20)
    late = office.add("liste.txt", b"4711 0815 12,5\n" * 300 + WORDS * 100)
    run_step("text", office.settings)
    told = [office.content(content_hash)["language"] for content_hash in (german, english, numbers, late)]
    assert told == ["de", "en", None, "de"]


def test_files_are_found_by_the_language_that_they_are_in(office: Office) -> None:
    for name, words in (("notiz.txt", WORDS), ("note.txt", b"The Pumpe in the basement has failed and is replaced.")):
        office.add(name, words)
    run_step("text", office.settings)
    index_documents(office.settings)
    with open_finder(office.settings) as finder:
        found = {
            query: [hit.title for hit in finder.search(query).hits] for query in ("Pumpe", "Pumpe sprache:englisch")
        }
    assert set(found["Pumpe"]) == {"notiz.txt", "note.txt"}
    assert found["Pumpe sprache:englisch"] == ["note.txt"]
