"""What becomes of the attachments of mails: put on the NAS once, found by the scanner, linked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import psycopg
import pytest
from mailed_attachments import (
    PROJECT,
    TOKEN,
    MailedAttachments,
    send,
)

from ibhelm_pipelines.content.steps import open_steps
from ibhelm_pipelines.live.attachments import settle_attachments
from ibhelm_pipelines.nas.locks import SCANNING, lock_folders
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.months import count_waiting

MAIL = f"{PROJECT}/IBH-INBOX/20260306-Jürgen Müller-Angebot Lüftung"


@pytest.fixture
def desk(settings: Settings) -> Iterator[MailedAttachments]:
    with MailedAttachments(settings) as desk:
        desk.project()
        yield desk


def test_an_attachment_stands_in_its_project_folder_with_its_own_name(desk: MailedAttachments) -> None:
    [first, second] = desk.mail("m", ("Übersicht Lüftung.pdf", b"plan"), ("leer.txt", b""))

    report = desk.save()

    assert (report.mode, report.seen, report.saved, report.bytes, report.failed) == ("on", 2, 2, 4, 0)
    assert desk.written() == {f"{MAIL}/Übersicht Lüftung.pdf": b"plan", f"{MAIL}/leer.txt": b""}
    desk.assert_linked(first, second)
    assert desk.path_of(first) == f"{MAIL}/Übersicht Lüftung.pdf"


def test_a_scan_right_after_adds_no_row(desk: MailedAttachments) -> None:
    desk.mail("m", ("a.pdf", b"a"), ("b.pdf", b"b"))
    desk.save()
    before = desk.nas.rows("select id, raw_path, content_hash from files order by id")
    versions = desk.nas.rows("select id, valid_to from file_versions order by id")

    total = scan(desk.settings).total

    assert (total.new, total.changed, total.moved, total.deleted, total.restored) == (0,) * 5
    assert desk.nas.rows("select id, raw_path, content_hash from files order by id") == before
    assert desk.nas.rows("select id, valid_to from file_versions order by id") == versions
    desk.nas.assert_equals_disk()


def test_the_token_never_goes_to_the_host_of_the_attachments(desk: MailedAttachments) -> None:
    desk.mail("m", ("a.pdf", b"a"))
    desk.expire()

    desk.save()

    asked = {host: headers for host, _, headers in desk.requests}
    assert f"Bearer {TOKEN}" in asked["api"]["Authorization"], "the fresh address was asked for with it"
    to_host = [headers for host, _, headers in desk.requests if host == "host"]
    assert len(to_host) == 2
    assert all("Authorization" not in headers and TOKEN not in str(headers) for headers in to_host)


def test_the_same_bytes_in_fifty_mails_are_one_file_and_one_content(desk: MailedAttachments) -> None:
    ids = [desk.mail(f"m{i}", (f"Plan {i}.pdf", b"the plan"), subject=f"Mail {i}")[0] for i in range(50)]

    report = desk.save()

    assert (report.saved, report.linked) == (1, 49)
    assert len(desk.written()) == 1
    assert desk.nas.rows("select hash, size_bytes from contents") == [(hashlib.sha256(b"the plan").hexdigest(), 8)]
    assert desk.nas.one("select count(*) from files") == 1
    desk.assert_linked(*ids)
    assert desk.nas.one("select count(inbox_path) from email_attachments") == 1
    assert desk.save().seen == 0, "nothing is left to do"
    assert len(desk.downloads()) == 50


def test_one_content_of_many_mails_is_one_stored_object(desk: MailedAttachments) -> None:
    for i in range(5):
        desk.mail(f"m{i}", (f"Plan {i}.txt", b"the plan"), subject=f"Mail {i}")
    desk.save()
    with open_steps(desk.settings) as steps:
        steps.run("store", folders=[PROJECT])
    assert desk.nas.one("select count(*) from ops.stored_objects") == 1


def test_bytes_that_are_on_the_nas_already_are_linked_and_not_written(desk: MailedAttachments) -> None:
    desk.nas.write(f"{PROJECT}/03_Planung/Plan.pdf", b"the plan")
    scan(desk.settings)
    [attachment] = desk.mail("m", ("Plan Kopie.pdf", b"the plan"))

    report = desk.save()

    assert (report.saved, report.linked) == (0, 1)
    assert desk.written() == {}
    assert not desk.nas.path(MAIL).exists(), "no empty folder either"
    desk.assert_linked(attachment)
    assert desk.path_of(attachment) is None


@pytest.mark.parametrize("how", ["gone", "edited"])
def test_a_file_that_only_the_tables_know_is_no_reason_not_to_write(desk: MailedAttachments, how: str) -> None:
    plan = desk.nas.write(f"{PROJECT}/Plan.pdf", b"the plan")
    scan(desk.settings)
    plan.unlink() if how == "gone" else plan.write_bytes(b"the past")
    [attachment] = desk.mail("m", ("Plan.pdf", b"the plan"))
    desk.save()
    scan(desk.settings)
    assert desk.written() == {f"{MAIL}/Plan.pdf": b"the plan"}
    assert (
        desk.nas.one("select count(*) from files where content_hash = (select content_hash from email_attachments)")
        >= 1
    )
    assert desk.nas.one("select content_hash from email_attachments where id = %s", attachment) is not None


def test_two_contents_of_one_name_stand_side_by_side(desk: MailedAttachments) -> None:
    ids = desk.mail(
        "m", ("Plan.pdf", b"1"), ("Plan.pdf", b"2"), ("PLAN.pdf", b"3"), ("pla\u0308n.pdf", b"4"), ("plän.PDF", b"5")
    )
    desk.save()
    assert desk.written() == {
        f"{MAIL}/Plan.pdf": b"1",
        f"{MAIL}/Plan (2).pdf": b"2",
        f"{MAIL}/PLAN (3).pdf": b"3",
        f"{MAIL}/plän.pdf": b"4",
        f"{MAIL}/plän (2).PDF": b"5",
    }
    desk.assert_linked(*ids)


def test_what_stands_there_is_never_touched(desk: MailedAttachments) -> None:
    mine = desk.nas.write(f"{MAIL}/Plan.pdf", b"a colleague's")
    inode = mine.stat().st_ino
    [attachment] = desk.mail("m", ("Plan.pdf", b"the mail's"))
    desk.save()
    assert (mine.stat().st_ino, mine.read_bytes()) == (inode, b"a colleague's")
    assert desk.path_of(attachment) == f"{MAIL}/Plan (2).pdf"


def test_a_file_with_the_same_name_and_bytes_that_no_scan_has_seen_is_taken_for_what_it_is(
    desk: MailedAttachments,
) -> None:
    mine = desk.nas.write(f"{MAIL}/Plan.pdf", b"the plan")
    inode = mine.stat().st_ino
    [attachment] = desk.mail("m", ("Plan.pdf", b"the plan"))
    assert desk.save().linked == 1
    assert mine.stat().st_ino == inode
    assert len(desk.written()) == 1
    desk.assert_linked(attachment)


def test_folders_that_stand_there_in_other_capitals_are_used(desk: MailedAttachments) -> None:
    desk.nas.path(f"{PROJECT}/ibh-inbox").mkdir()
    [attachment] = desk.mail("m", ("Plan.pdf", b"the plan"))
    desk.save()
    assert desk.path_of(attachment) == MAIL.replace("IBH-INBOX", "ibh-inbox") + "/Plan.pdf"
    desk.assert_linked(attachment)


ODD_NAMES = ["../../../x.pdf", "/etc/passwd", "..", ".", "", " ", "CON", "aux.pdf", "a\\b.pdf", "x" * 5000 + ".pdf"]
ODD_NAMES += ["~$a.docx", "Thumbs.db", ".hidden", "a.tmp", "b.partial", "\u202egpj.exe", "tab\there", "Größe.pdf."]
ODD_NAMES += ["a" + "\u0301" * 300, "😀.pdf"]


def test_odd_names_are_stored_and_harm_nothing(desk: MailedAttachments) -> None:
    ids = desk.mail("m", *((name, f"content of {i}".encode()) for i, name in enumerate(ODD_NAMES)))
    report = desk.save()
    assert (report.saved, report.failed) == (len(ODD_NAMES), 0)
    desk.assert_linked(*ids)
    assert all(path.startswith(f"{MAIL}/") for path in desk.written())
    scan(desk.settings)
    desk.nas.assert_equals_disk()


def test_a_mail_of_unknown_day_sender_and_subject_has_a_place(desk: MailedAttachments) -> None:
    odd = {"delivered_at": None, "from_name": None, "from_address": None, "subject": None}
    [first] = desk.mail("m", ("a.pdf", b"a"), **odd)
    [second] = desk.mail("n", ("b.pdf", b"b"), **{**odd, "delivered_at": "infinity"})
    [third] = desk.mail("o", ("c.pdf", b"c"), **{**odd, "subject": "S" * 1_000_000})
    desk.save()
    desk.assert_linked(first, second, third)
    assert desk.path_of(first) == f"{PROJECT}/IBH-INBOX/00000000-unbekannt-Unterhaltung c/a.pdf"


def test_attachments_of_comments_come_too(desk: MailedAttachments) -> None:
    attachment = desk.comment("k", "Foto.jpg", b"of a comment", author_name="Özlem")
    desk.expire()
    assert desk.save().saved == 1
    assert list(desk.written()) == [f"{PROJECT}/IBH-INBOX/20260306-Özlem-Unterhaltung c/Foto.jpg"]
    desk.assert_linked(attachment)


def test_a_mail_of_no_known_project_goes_into_the_general_inbox(desk: MailedAttachments) -> None:
    desk.conversation("c2")
    [attachment] = desk.mail("m", ("a.pdf", b"a"), conversation="c2")
    desk.save()
    assert desk.path_of(attachment) == "IBH-INBOX/2026/20260306-Jürgen Müller-Angebot Lüftung/a.pdf"
    desk.assert_linked(attachment)
    assert desk.nas.one("select folder from files") == "IBH-INBOX/2026"


def test_a_project_folder_that_is_gone_is_not_made_again(desk: MailedAttachments) -> None:
    desk.nas.path(PROJECT).rmdir()
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    assert desk.save().failed == 1
    assert "No such file" in desk.reason(attachment)
    assert not desk.nas.path(PROJECT).exists()
    scan(desk.settings)
    desk.retry_now()
    desk.save()
    assert str(desk.path_of(attachment)).startswith("IBH-INBOX/2026/")


def test_where_a_scan_is_at_work_the_file_waits_in_the_inbox_and_is_linked_later(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    with psycopg.connect(desk.settings.require_database_url(), autocommit=True) as other:
        lock_folders(other, SCANNING, [PROJECT], wait="1s")
        report = desk.save()
    assert (report.saved, report.waiting) == (1, 1)
    waiting = desk.nas.rows(
        "select kind, convert_from(key, 'UTF8'), folder, weight from ops.inbox where source = 'nas'"
    )
    assert waiting == [("path", f"{MAIL}/a.pdf", PROJECT, 1)]
    scan(desk.settings)  # whoever does what waits in the inbox
    report = desk.save()
    assert (report.saved, report.waiting) == (0, 0)
    desk.assert_linked(attachment)
    assert len(desk.downloads()) == 1


def test_a_run_that_settles_links_the_file_as_soon_as_the_other_scan_lets_go(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    with psycopg.connect(desk.settings.require_database_url(), autocommit=True) as other:
        lock_folders(other, SCANNING, [PROJECT], wait="1s")
        assert desk.save().waiting == 1
        settle_attachments(desk.settings, seconds=0.1)
        assert count_waiting(desk.settings) == 1, "it was said to be seen while the other scan went on"
        letting_go = threading.Timer(1, other.close)
        letting_go.start()
        settle_attachments(desk.settings, seconds=60)
        letting_go.join()
    assert count_waiting(desk.settings) == 0
    desk.assert_linked(attachment)
    assert len(desk.downloads()) == 1


def test_other_mails_with_the_same_bytes_wait_for_the_same_scan(desk: MailedAttachments) -> None:
    ids = [desk.mail(f"m{i}", ("a.pdf", b"a"))[0] for i in range(3)]
    with psycopg.connect(desk.settings.require_database_url(), autocommit=True) as other:
        lock_folders(other, SCANNING, None, wait="1s")
        assert desk.save().waiting == 3
    assert len(desk.written()) == 1
    desk.save()
    desk.assert_linked(*ids)


@pytest.mark.parametrize("what", ["moved", "deleted", "edited"])
def test_what_somebody_does_with_a_file_before_its_scan_loses_nothing(desk: MailedAttachments, what: str) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    with psycopg.connect(desk.settings.require_database_url(), autocommit=True) as other:
        lock_folders(other, SCANNING, [PROJECT], wait="1s")
        desk.save()
    file = desk.nas.path(f"{MAIL}/a.pdf")
    if what == "moved":
        file.rename(desk.nas.path(f"{PROJECT}/Abgelegt.pdf"))
        scan(desk.settings)
    elif what == "deleted":
        file.unlink()
    else:
        file.write_bytes(b"b")
    desk.save()
    desk.save()
    desk.assert_linked(attachment)
    assert len([p for p in desk.nas.root.rglob("*.pdf") if p.read_bytes() == b"a"]) == 1


@pytest.mark.parametrize("what", ["moved", "deleted"])
def test_what_somebody_does_with_a_file_afterwards_is_not_undone(desk: MailedAttachments, what: str) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    desk.save()
    file_id = desk.nas.one("select file_id from email_attachments")
    file = desk.nas.path(f"{MAIL}/a.pdf")
    file.rename(desk.nas.path(f"{PROJECT}/Abgelegt.pdf")) if what == "moved" else file.unlink()
    scan(desk.settings)
    assert desk.save().seen == 0
    assert desk.written() == {}
    assert desk.nas.rows("select file_id, content_hash is not null from email_attachments") == [(file_id, True)]
    if what == "moved":
        desk.assert_linked(attachment)


def test_previews_and_text_are_asked_for_as_of_any_new_file(desk: MailedAttachments) -> None:
    desk.mail("m", ("a.pdf", b"a"))
    desk.save()
    digest = hashlib.sha256(b"a").hexdigest()
    assert desk.nas.rows("select convert_from(key, 'UTF8') from ops.inbox where source = 'content'") == [(digest,)]


def test_two_runs_at_once_write_nothing_twice(desk: MailedAttachments) -> None:
    meeting = Barrier(2)  # two downloads would meet here; one alone goes on after a while

    def meet(handler: Any, data: bytes) -> None:
        with suppress(BrokenBarrierError):
            meeting.wait(timeout=2)
        send(handler, 200, data)

    ids = []
    for name in ("c1", "c2"):
        desk.conversation(name, "2304")
        ids += desk.mail(f"m-{name}", ("a.pdf", b"the same"), conversation=name, subject=name)
        desk.failing(f"m-{name}.0", meet)
    with ThreadPoolExecutor(2) as threads:
        for run in [threads.submit(desk.save, conversations=[name]) for name in ("c1", "c2")]:
            run.result()
    desk.assert_linked(*ids)
    assert len(desk.written()) == 1
