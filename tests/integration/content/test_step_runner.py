"""The step runner: what is missing is done, once, by whoever is there, and never under a wrong hash."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import multiprocessing
import os
import socket
import threading
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pymupdf
import pytest
from conftest import WEB_SECRET
from PIL import Image
from pydantic import SecretStr

from ibhelm_pipelines.content import families, ledger
from ibhelm_pipelines.content.source import CHANGED, GONE
from ibhelm_pipelines.content.steps import StepCounts, run_step
from ibhelm_pipelines.errors import ObjectStoreUnavailableError, ShareUnavailableError
from ibhelm_pipelines.objects.store import ObjectStore, original_key, thumbnail_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.content.outcome import Step

    Office = Any

STEPS: tuple[Step, ...] = ("store", "thumbnail", "text")
SECRET_2 = "another secret of 32 characters!"
SCHOOL, BATH = "2024/100 Schule", "2024/200 Bad"


@cache  # MuPDF gives every file an id of its own
def pdf(text: str = "Lüftungsplan Erdgeschoss", *, pages: int = 1) -> bytes:
    document = pymupdf.open()
    for number in range(pages):
        document.new_page().insert_text((72, 72), f"{text} Blatt {number + 1}")
    document.set_metadata({"author": "M. Müller", "title": "Grundriss"})
    return bytes(document.tobytes())


def png(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (600, 300), colour).save(out, "PNG")
    return out.getvalue()


def signed_by(secret: str, kind: str, content_hash: str) -> str:
    """What docs/web.md says, written down a second time."""
    digest = hmac.new(secret.encode(), f"{kind}/{content_hash}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def links(office: Office) -> list[str | None]:
    return [row["download_url"] for row in office.query("select download_url from public.files order by id")]


def test_every_step_gives_a_row_with_its_product(office: Office) -> None:
    content_hash = office.add("plan.pdf", pdf(pages=2))

    for step in STEPS:
        report = run_step(step, office.settings)
        assert report.total == StepCounts(done=1, ok=1, bytes=office.content(content_hash)["size_bytes"])

    content = office.content(content_hash)
    assert (content["family"], content["media_type"], content["page_count"]) == ("pdf", "application/pdf", 2)
    assert (content["author"], content["title"]) == ("M. Müller", "Grundriss")
    text = office.text(content_hash)
    assert text.count("\f") == 1
    assert "Blatt 2" in text.split("\f")[1]
    assert content["text_chars"] == len(text)
    with ObjectStore(office.settings) as objects:
        stored, preview = objects.head(original_key(content_hash)), objects.head(thumbnail_key(content_hash))
    assert stored is not None
    assert (stored.sha256, stored.media_type) == (content_hash, "application/pdf")
    assert preview is not None
    assert preview.media_type == "image/webp"
    rows = office.query("select key, kind, sha256, size_bytes from ops.stored_objects order by kind")
    assert [(row["key"], row["kind"]) for row in rows] == [
        (original_key(content_hash), "original"),
        (thumbnail_key(content_hash), "thumbnail"),
    ]
    assert [row["size_bytes"] for row in rows] == [stored.size, preview.size]


def test_a_second_run_does_nothing(office: Office) -> None:
    office.add("plan.pdf", pdf())
    office.add("leer.txt", b"")
    office.add("brief.docx", b"PK\x03\x04 word/document.xml")
    for step in STEPS:
        assert run_step(step, office.settings).total.done == 3
        assert run_step(step, office.settings).total == StepCounts()


def test_what_has_no_preview_says_why(office: Office) -> None:
    empty, program = office.add("leer.txt", b""), office.add("setup.exe", b"MZ\x90\0")
    report = run_step("thumbnail", office.settings)
    assert (office.result(empty, "thumbnail")["state"], office.result(empty, "thumbnail")["reason"]) == (
        "empty",
        "The file has no bytes",
    )
    assert office.result(program, "thumbnail")["reason"] == "File of another kind (Windows program): no preview yet"
    assert report.reasons == {"File of another kind (Windows program): no preview yet": 1}
    assert (report.total.empty, report.total.unsupported) == (1, 1)


def test_an_empty_file_is_stored_too_so_that_it_can_be_restored(office: Office) -> None:
    content_hash = office.add("leer.txt", b"")
    run_step("store", office.settings)
    assert office.result(content_hash, "store")["state"] == "empty"
    with ObjectStore(office.settings) as objects:
        assert objects.head(original_key(content_hash)) is not None


def test_a_content_in_two_folders_counts_in_each_and_once_in_total(office: Office) -> None:
    office.add("a.png", png(), folder=SCHOOL)
    office.add("b.png", png(), folder=BATH)
    report = run_step("thumbnail", office.settings)
    assert {folder: counts.ok for folder, counts in report.folders.items()} == {SCHOOL: 1, BATH: 1}
    assert report.total.ok == 1


def test_only_the_asked_folders_are_done(office: Office) -> None:
    office.add("a.png", png("red"), folder=SCHOOL)
    other = office.add("b.png", png("blue"), folder=BATH)
    report = run_step("thumbnail", office.settings, folders=[SCHOOL])
    assert set(report.folders) == {SCHOOL}
    assert not office.query("select 1 from ops.step_results where content_hash = %s", other)
    assert run_step("thumbnail", office.settings, folders=[]).total == StepCounts()


def test_all_copies_show_the_preview_also_those_that_came_later(office: Office) -> None:
    content_hash = office.add('Größe "1".png', png())
    office.add("kopie.png", png(), folder=BATH)
    run_step("thumbnail", office.settings)
    office.add("später.png", png(), folder=BATH)
    assert run_step("thumbnail", office.settings).total == StepCounts()

    rows = office.query("select name, thumbnail from public.files order by id")
    shown = [json.loads(row["thumbnail"]) for row in rows]
    with ObjectStore(office.settings) as objects:
        preview = objects.head(thumbnail_key(content_hash))
    assert preview is not None
    signature = signed_by(WEB_SECRET, "thumbnail", content_hash)
    assert shown == [
        [
            {
                "url": f"http://127.0.0.1:8020/thumbnails/{content_hash}/{signature}",
                "title": f"{row['name']}.webp",
                "mimetype": "image/webp",
                "size": preview.size,
            }
        ]
        for row in rows
    ]


def test_a_file_whose_new_content_has_no_preview_stops_showing_the_old_one(office: Office) -> None:
    office.add("a.png", png())
    run_step("thumbnail", office.settings)
    office.add("b.docx", b"PK\x03\x04 word/document.xml")
    office.query(
        "update public.files set content_hash = (select content_hash from public.files where name = 'b.docx') "
        "where name = 'a.png'"
    )
    office.query("update ops.disk_entries set mtime_ns = null where raw_name = 'a.png'")
    run_step("thumbnail", office.settings)
    assert [row["thumbnail"] for row in office.query("select thumbnail from public.files")] == [None, None]


def test_every_file_links_to_its_stored_original_under_its_own_name(office: Office) -> None:
    name = 'Lüftungsplan 2.OG (M 1_50) #3 100% "neu"\\?&+.pdf'
    content_hash = office.add(name, pdf())
    office.query("update public.files set deleted_at = now()")
    office.add("kopie.pdf", pdf(), folder=BATH)
    signature = signed_by(WEB_SECRET, "original", content_hash)
    assert links(office) == [None, None]
    run_step("store", office.settings)
    base = f"http://127.0.0.1:8020/files/{content_hash}/{signature}"
    assert links(office) == [f"{base}/{quote(name, safe='')}", f"{base}/kopie.pdf"]
    renamed = "図面\U0001f3d7;\n~'.dwg"
    office.query("update public.files set name = %s", renamed)
    run_step("store", office.settings)
    assert links(office) == [f"{base}/{quote(renamed, safe='')}"] * 2


def test_links_follow_the_address_and_the_secret_of_the_gateway_and_stay_where_none_is_known(office: Office) -> None:
    content_hash = office.add("a.png", png())
    moved = {"web_url": "https://bilder.example/ibhelm/", "web_secret": SecretStr(SECRET_2)}
    shown = []
    for settings in (office.settings, office.settings.model_copy(update=moved)):
        run_step("thumbnail", settings)
        run_step("store", settings)
        [row] = office.query("select thumbnail, download_url from public.files")
        shown.append((json.loads(row["thumbnail"])[0]["url"], row["download_url"]))
    assert shown[1] == (
        f"https://bilder.example/ibhelm/thumbnails/{content_hash}/{signed_by(SECRET_2, 'thumbnail', content_hash)}",
        f"https://bilder.example/ibhelm/files/{content_hash}/{signed_by(SECRET_2, 'original', content_hash)}/a.png",
    )
    assert shown[0][0] == (
        f"http://127.0.0.1:8020/thumbnails/{content_hash}/{signed_by(WEB_SECRET, 'thumbnail', content_hash)}"
    )
    run_step("thumbnail", office.settings.model_copy(update={"web_secret": None}))
    [row] = office.query("select thumbnail from public.files")
    assert json.loads(row["thumbnail"])[0]["url"] == shown[1][0]


def test_a_file_with_an_undecodable_name_is_read(office: Office) -> None:
    hashes = [office.add(b"plan\xff\xfe.pdf", pdf()), office.add(b"bild\n\xe4.png", png())]
    run_step("thumbnail", office.settings)
    assert [office.result(content_hash, "thumbnail")["state"] for content_hash in hashes] == ["ok", "ok"]


@pytest.mark.parametrize("step", STEPS)
def test_a_file_that_changed_since_the_scan_gives_no_result(office: Office, step: Step) -> None:
    content_hash = office.add("plan.pdf", pdf("alt"))
    (office.root / SCHOOL / "plan.pdf").write_bytes(pdf("neu und anders"))

    report = run_step(step, office.settings)

    row = office.result(content_hash, step)
    assert (row["state"], row["reason"], row["permanent"]) == ("failed", CHANGED, False)
    assert row["next_try_at"] is not None
    assert report.total.failed == 1
    assert not office.query("select 1 from ops.stored_objects")
    assert not office.query("select 1 from public.content_texts")


@pytest.mark.parametrize("step", STEPS)
def test_another_file_with_the_same_content_serves_when_one_changed(office: Office, step: Step) -> None:
    content_hash = office.add("plan.pdf", pdf(), folder=SCHOOL)
    office.add("kopie.pdf", pdf(), folder=BATH)
    (office.root / SCHOOL / "plan.pdf").unlink()
    run_step(step, office.settings)
    assert office.result(content_hash, step)["state"] == "ok"


def test_bytes_that_changed_behind_an_unchanged_stat_are_not_stored_under_the_old_hash(office: Office) -> None:
    content_hash = office.add("plan.txt", b"aaaa")
    path = office.root / SCHOOL / "plan.txt"
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"bbbb")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    run_step("store", office.settings)
    assert office.result(content_hash, "store")["state"] == "failed"
    with ObjectStore(office.settings) as objects:
        assert objects.head(original_key(content_hash)) is None


def test_a_transient_failure_is_due_again_and_counts_its_attempts_up_to_the_fifth(office: Office) -> None:
    content_hash = office.add("plan.txt", b"Text")
    office.age()
    path = office.root / SCHOOL / "plan.txt"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as unreadable:
        unreadable.bind(str(path))
        for attempt in range(1, ledger.MAX_ATTEMPTS + 1):
            run_step("text", office.settings)
            row = office.result(content_hash, "text")
            assert (row["attempts"], row["permanent"]) == (attempt, attempt == ledger.MAX_ATTEMPTS)
            assert run_step("text", office.settings).total.done == 0  # not due yet
            make_due(office)
    assert run_step("text", office.settings).total.done == 0


def test_a_content_whose_file_was_elsewhere_ever_so_often_is_never_given_up(office: Office) -> None:
    content_hash = office.add("plan.txt", b"Text")
    office.age()
    path = office.root / SCHOOL / "plan.txt"
    path.rename(path.with_name("weg"))
    for _ in range(ledger.MAX_ATTEMPTS + 2):
        run_step("text", office.settings)
        assert run_step("text", office.settings).total.done == 0  # not due yet
        make_due(office)
    assert office.result(content_hash, "text")["reason"] == GONE
    path.with_name("weg").rename(path)
    run_step("text", office.settings)
    assert office.result(content_hash, "text")["state"] == "ok"


def make_due(office: Office) -> None:
    office.query("update ops.step_results set next_try_at = now() where next_try_at is not null")


def test_a_transient_failure_ends_when_the_file_is_there_again(office: Office) -> None:
    content_hash = office.add("plan.txt", b"Text")
    path = office.root / SCHOOL / "plan.txt"
    path.rename(path.with_name("weg"))
    run_step("text", office.settings)
    path.with_name("weg").rename(path)
    office.query("update ops.step_results set next_try_at = now()")
    run_step("text", office.settings)
    row = office.result(content_hash, "text")
    assert (row["state"], row["reason"], row["next_try_at"]) == ("ok", None, None)
    assert not office.query("select 1 from ops.step_results where state = 'failed'")


@pytest.mark.parametrize("step", STEPS)
def test_a_missing_share_raises_and_blames_no_file(office: Office, step: Step) -> None:
    office.add("plan.txt", b"Text")
    office.root.rename(office.root.with_name("weg"))
    office.root.mkdir()
    with pytest.raises(ShareUnavailableError):
        run_step(step, office.settings)
    assert not office.query("select 1 from ops.step_results")


@pytest.mark.parametrize("step", ["store", "thumbnail"])
def test_a_store_that_is_down_raises_and_blames_no_file(office: Office, step: Step) -> None:
    office.add("bild.png", png())
    settings = office.settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(ObjectStoreUnavailableError):
        run_step(step, settings)
    assert not office.query("select 1 from ops.step_results")
    assert run_step(step, office.settings).total.ok == 1


def test_a_new_version_of_one_familys_tool_redoes_that_family_only(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, note = office.add("plan.pdf", pdf()), office.add("notiz.txt", b"Notiz")
    run_step("text", office.settings)
    newer = replace(families.FAMILIES["pdf"], text=families.Tool(reader="pdf:text", revision=99))
    monkeypatch.setitem(families.FAMILIES, "pdf", newer)
    families.tool_version.cache_clear()
    try:
        report = run_step("text", office.settings)
    finally:
        monkeypatch.undo()
        families.tool_version.cache_clear()
    assert report.total == StepCounts(done=1, ok=1, bytes=office.content(plan)["size_bytes"])
    assert office.result(plan, "text")["tool_version"] == "pdf/99"  # and the row of the old version is gone
    assert office.result(note, "text")["tool_version"] == "text/2"


def test_a_good_text_outlives_a_newer_version_that_fails(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = office.add("plan.pdf", pdf())
    run_step("text", office.settings)
    good = office.text(plan)
    newer = replace(families.FAMILIES["pdf"], text=families.Tool(reader="image:thumbnail", revision=99))
    monkeypatch.setitem(families.FAMILIES, "pdf", newer)
    families.tool_version.cache_clear()
    try:
        run_step("text", office.settings)
    finally:
        monkeypatch.undo()
        families.tool_version.cache_clear()
    assert office.text(plan) == good
    rows = office.query("select tool_version, state from ops.step_results order by tool_version")
    assert [row["state"] for row in rows] == ["ok", "failed"]


def test_an_object_whose_row_was_lost_is_not_sent_again(office: Office) -> None:
    office.add("a.txt", b"Text")
    run_step("store", office.settings)
    modified = _modified(office)
    office.query("delete from ops.stored_objects")
    office.query("delete from ops.step_results")
    assert run_step("store", office.settings).total.ok == 1
    assert _modified(office) == modified
    assert len(office.query("select 1 from ops.stored_objects")) == 1


def _modified(office: Office) -> list[object]:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=office.settings.s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    try:
        found = client.list_objects_v2(Bucket=office.settings.s3_bucket)["Contents"]
        return [(entry["Key"], entry["LastModified"]) for entry in found]
    finally:
        client.close()


def test_several_runs_at_once_share_the_work_and_do_nothing_twice(office: Office) -> None:
    for number in range(120):
        office.add(f"{number}.txt", b"Protokoll %d" % number)
    reports = _at_once([lambda: run_step("text", office.settings) for _ in range(3)])
    assert sum(report.total.done for report in reports) == 120
    (row,) = office.query("select count(*) as results, max(attempts) as attempts from ops.step_results")
    assert (row["results"], row["attempts"]) == (120, 1)


def test_a_content_that_another_run_holds_is_left_to_it(office: Office) -> None:
    mine, theirs = office.add("a.txt", b"a"), office.add("b.txt", b"b")
    with office.connect() as other:
        other.execute("select pg_advisory_lock(hashtextextended('text ' || %s, 0))", [theirs])
        assert run_step("text", office.settings).total.done == 1
    assert office.result(mine, "text")["state"] == "ok"
    assert run_step("text", office.settings).total.done == 1


def test_no_lock_is_left_after_a_run(office: Office) -> None:
    for number in range(40):
        office.add(f"{number}.txt", b"%d" % number)
    run_step("text", office.settings)
    assert not office.query("select 1 from pg_locks where locktype = 'advisory'")


def test_a_scan_can_add_a_file_with_a_content_that_is_being_read(office: Office) -> None:
    content_hash = office.add("a.txt", b"a")
    with ledger.open_session(office.settings) as session:
        held = ledger.Ledger(session, office.settings, "text", ledger.Scope())
        assert [work.hash for work in held.missing()] == [content_hash]
        office.add("b.txt", b"a", folder=BATH)  # refers to the row of the content: must not wait


def _at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda call=call: results.append(call())) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_killed_run_leaves_nothing_behind_and_the_next_one_finishes(office: Office) -> None:
    for number in range(200):
        office.add(f"{number}.txt", b"Protokoll %d\n" % number * 50)
    context = multiprocessing.get_context("spawn")
    victim = context.Process(target=run_step, args=("thumbnail", office.settings))
    victim.start()
    while not office.query("select 1 from ops.step_results"):
        assert victim.is_alive()
    victim.kill()
    victim.join()
    (before,) = office.query("select count(*) as done from ops.step_results")
    assert before["done"] < 200

    report = run_step("thumbnail", office.settings)

    assert report.total.done == 200 - before["done"]
    (after,) = office.query("select count(*) as results, max(attempts) as attempts from ops.step_results")
    assert (after["results"], after["attempts"]) == (200, 1)
