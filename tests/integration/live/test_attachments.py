"""What becomes of the attachments of mails: skipped, fetched, put on the NAS once, found by the scanner, linked."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import psycopg
import pytest
from mailed_attachments import (
    PROJECT,
    TOKEN,
    MailedAttachments,
    another_size,
    answering,
    cut,
    endless,
    send,
)
from nas_tree import as_nobody

from ibhelm_pipelines.content.steps import open_steps
from ibhelm_pipelines.errors import ConfigurationError, ShareUnavailableError, VendorUnavailableError
from ibhelm_pipelines.live.attachments import AttachmentReport, save_attachments
from ibhelm_pipelines.nas.locks import SCANNING, lock_folders
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive import attachment_download
from ibhelm_pipelines.vendors.missive.attachment_saving import SILENT_HOSTS

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


# Fetching


def test_an_address_that_is_too_old_is_asked_for_anew_once_for_the_whole_mail(desk: MailedAttachments) -> None:
    ids = desk.mail("m", ("a.pdf", b"a"), ("b.pdf", b"b"), ("c.pdf", b"c"))
    desk.expire()

    assert desk.save().saved == 3

    assert [path for host, path, _ in desk.requests if host == "api"] == ["/v1/messages/m"]
    assert sorted(desk.downloads()) == ["m.0", "m.0", "m.1", "m.1", "m.2", "m.2"]
    desk.assert_linked(*ids)


def test_an_address_that_is_good_costs_no_request_to_missive(desk: MailedAttachments) -> None:
    desk.mail("m", ("a.pdf", b"a"))
    desk.save()
    assert [host for host, _, _ in desk.requests] == ["host"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_address_that_is_refused_even_when_fresh_fails_and_is_tried_again(
    desk: MailedAttachments, status: int
) -> None:
    [bad, good] = desk.mail("m", ("a.pdf", b"a"), ("b.pdf", b"b"))
    desk.failing("m.0", answering(status), answering(status))

    report = desk.save()

    assert (report.saved, report.failed, report.waiting) == (1, 1, 1)
    assert str(status) in desk.reason(bad)
    desk.assert_linked(good)
    assert desk.save().failed == 0, "its pause is not over"
    desk.retry_now()
    assert desk.save().saved == 1
    desk.assert_linked(bad, good)
    assert desk.reason(bad) == ""


BAD_ANSWERS = {
    "cut": (cut, "broke off"),
    "too small": (another_size(-3), "not as large as Missive says: 4997 instead of 5000"),
    "too large": (another_size(+3), "more than 5000 instead of 5000"),
    "endless": (endless, "not as large"),
    "500": (answering(500), "500"),
    "503": (answering(503), "503"),
    "204": (answering(204), "204"),
    "elsewhere": (answering(302, Location="http://127.0.0.1:9/x"), "302"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_leaves_nothing_behind_and_stops_nobody(desk: MailedAttachments, name: str) -> None:
    play, reason = BAD_ANSWERS[name]
    [bad] = desk.mail("m", ("a.pdf", b"a" * 5000))
    [good] = desk.mail("n", ("b.pdf", b"b"), subject="Danach")
    desk.failing("m.0", play)

    report = desk.save()

    assert (report.saved, report.failed) == (1, 1)
    assert reason in desk.reason(bad)
    assert "Expires" not in desk.reason(bad), "a signed address is a secret"
    assert [path for path in desk.written() if "Danach" not in path] == []
    assert desk.nas.one("select count(*) from ops.attachment_files") == 0
    desk.retry_now()
    assert desk.save().saved == 1
    desk.assert_linked(bad, good)


def test_a_body_without_an_end_is_cut_off_where_missive_tells_no_size(
    desk: MailedAttachments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachment_download, "MAX_BYTES", 1 << 20)
    [bad] = desk.mail("m", ("a.pdf", b"a"))
    desk.nas.rows("update email_attachments set size_bytes = null")
    desk.failing("m.0", endless)
    desk.save()
    assert "larger than" in desk.reason(bad)
    assert desk.written() == {}


def test_an_attachment_whose_size_is_not_known_is_fetched(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a" * 100_000))
    desk.nas.rows("update email_attachments set size_bytes = null")
    desk.save()
    desk.assert_linked(attachment)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "//x/y", "http://[::1", "x", "http:// a/b"])
def test_an_address_that_is_no_web_address_is_never_asked(desk: MailedAttachments, url: str) -> None:
    [bad] = desk.mail("m", ("a.pdf", b"a"))
    desk.nas.rows("update ops.raw_records set body = jsonb_set(body, '{attachments,0,url}', to_jsonb(%s::text))", url)
    desk.save()
    assert "is not asked" in desk.reason(bad)
    assert desk.nas.one("select permanent from ops.attachment_attempts")


def test_where_missive_is_asked_over_tls_nothing_is_fetched_without(desk: MailedAttachments) -> None:
    [bad] = desk.mail("m", ("a.pdf", b"a"))
    settings = desk.settings.model_copy(update={"missive_url": "https://public.missiveapp.com/v1"})
    save_attachments(settings)
    assert "http scheme" in desk.reason(bad)
    assert desk.requests == []


def test_an_attachment_of_a_mail_that_missive_does_not_know_any_more_is_given_up(desk: MailedAttachments) -> None:
    [bad] = desk.mail("m", ("a.pdf", b"a"))
    desk.expire()
    del desk.mails["m"]
    assert desk.save().failed == 1
    desk.retry_now()
    assert desk.save().failed == 0
    assert "knows no such thing" in desk.reason(bad)


def test_pauses_grow_to_a_day(desk: MailedAttachments) -> None:
    desk.mail("m", ("a.pdf", b"a"))
    pauses = []
    for _ in range(8):
        desk.failing("m.0", answering(500))
        desk.retry_now()
        desk.save()
        pauses.append(
            desk.nas.one("select extract(epoch from next_try_at - tried_at)::int from ops.attachment_attempts")
        )
    assert pauses == [60, 240, 960, 3840, 15360, 61440, 86400, 86400]


def test_a_host_that_serves_nobody_ends_the_run_and_the_next_one_goes_on(desk: MailedAttachments) -> None:
    ids = desk.mail("m", *((f"{i}.pdf", str(i).encode()) for i in range(12)))
    for number in desk.files:
        desk.failing(number, answering(500))
    with pytest.raises(VendorUnavailableError, match="500"):
        desk.save()
    assert len(desk.downloads()) == SILENT_HOSTS
    for _ in range(2):
        desk.retry_now()
        with pytest.raises(VendorUnavailableError) if _ == 0 else nullcontext():
            desk.save()
    desk.retry_now()
    desk.save()
    desk.assert_linked(*ids)


# The same bytes


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


# Where it goes


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


# Safety


@pytest.mark.parametrize("where", [f"{PROJECT}/IBH-INBOX", MAIL, PROJECT])
def test_a_symbolic_link_leads_nowhere(desk: MailedAttachments, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = desk.nas.path(where)
    if link.exists():
        link.rmdir()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside, target_is_directory=True)
    [attachment] = desk.mail("m", ("a.pdf", b"a"))

    assert desk.save().failed == 1

    assert list(outside.iterdir()) == []
    assert "cannot be written" in desk.reason(attachment)
    assert desk.written() == {}


def test_a_file_that_stands_where_the_inbox_should_is_left_alone(desk: MailedAttachments) -> None:
    desk.nas.write(f"{PROJECT}/IBH-INBOX", b"not a folder")
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    assert desk.save().failed == 1
    assert desk.nas.path(f"{PROJECT}/IBH-INBOX").read_bytes() == b"not a folder"
    assert "Not a directory" in desk.reason(attachment)


def test_a_link_in_place_of_a_file_is_not_followed(desk: MailedAttachments, tmp_path: Path) -> None:
    target = tmp_path / "secret"
    target.write_bytes(b"same")
    desk.nas.path(MAIL).mkdir(parents=True)
    desk.nas.path(f"{MAIL}/a.pdf").symlink_to(target)
    [attachment] = desk.mail("m", ("a.pdf", b"same"))
    desk.save()
    assert desk.path_of(attachment) == f"{MAIL}/a (2).pdf"
    assert target.read_bytes() == b"same"


def test_nothing_is_written_where_the_share_is_not_mounted(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    marker = desk.nas.path(".ibhelm-share")
    marker.unlink()
    shutil.rmtree(desk.nas.path("projekte"))
    with pytest.raises(ShareUnavailableError, match="not mounted"):
        desk.save()
    assert list(desk.nas.root.iterdir()) == []
    assert desk.requests == []
    assert desk.reason(attachment) == "", "no attempt of the attachment"
    marker.touch()
    desk.project()
    desk.save()
    desk.assert_linked(attachment)


def test_a_share_that_vanishes_while_an_attachment_is_fetched_is_not_written(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))

    def unmount(handler: Any, data: bytes) -> None:
        desk.nas.path(".ibhelm-share").unlink()
        send(handler, 200, data)

    desk.failing("m.0", unmount)
    with pytest.raises(ShareUnavailableError):
        desk.save()
    assert desk.written() == {}
    desk.nas.path(".ibhelm-share").touch()
    assert desk.save().saved == 1
    desk.assert_linked(attachment)


def test_another_folder_that_appears_at_the_root_is_not_written(desk: MailedAttachments, tmp_path: Path) -> None:
    desk.mail("m", ("a.pdf", b"a"))
    other = tmp_path / "other"
    shutil.copytree(desk.nas.root, other)

    def swap(handler: Any, data: bytes) -> None:
        desk.nas.root.rename(tmp_path / "old")
        other.rename(desk.nas.root)
        send(handler, 200, data)

    desk.failing("m.0", swap)
    with pytest.raises(ShareUnavailableError, match="Another folder"):
        desk.save()
    assert desk.written() == {}


def test_one_folder_that_may_not_be_written_stops_nobody_else(settings: Settings, private_folder: Path) -> None:
    root = private_folder / "nas"  # one that another user can reach
    root.mkdir()
    (root / ".ibhelm-share").touch()
    with MailedAttachments(settings.model_copy(update={"nas_root": root})) as desk:
        for folder in (PROJECT, "projekte/2305-Rathaus-HS"):
            desk.project(folder)
        desk.nas.path("projekte/2305-Rathaus-HS").chmod(0o777)
        [closed] = desk.mail("m", ("a.pdf", b"a"))
        desk.conversation("d", "2305")
        [open_] = desk.mail("n", ("b.pdf", b"b"), conversation="d")
        with as_nobody():
            report = desk.save()
        assert (report.saved, report.failed) == (1, 1)
        assert "Permission denied" in desk.reason(closed)
        desk.assert_linked(open_)


def test_where_a_scan_would_see_unfinished_files_nothing_is_begun(desk: MailedAttachments) -> None:
    settings = desk.settings.model_copy(update={"ignored_files": (), "ignore_hidden": False})
    with pytest.raises(ConfigurationError, match=r"\*\.partial"):
        save_attachments(settings)


# Modes


def test_a_dry_run_fetches_and_writes_nothing_and_says_what_it_would_do(desk: MailedAttachments) -> None:
    ids = desk.mail("m", ("a.pdf", b"a"), ("b.ics", b"b"))
    desk.conversation("c2")
    ids += desk.mail("n", ("c.pdf", b"c"), conversation="c2")
    desk.settings = desk.settings.model_copy(update={"attachment_inbox": "dry-run"})

    report = desk.save()

    assert (report.mode, report.seen, report.saved, report.waiting) == ("dry-run", 3, 0, 2)
    assert report.skipped == {"Kalendereintrag": 1}
    assert report.planned == {f"{PROJECT}/IBH-INBOX": 1, "IBH-INBOX/2026": 1}
    assert desk.requests == []
    assert not desk.nas.path(f"{PROJECT}/IBH-INBOX").exists()
    planned = desk.nas.rows("select id, planned_path, skip_reason from email_attachments order by id")
    assert planned == [
        (ids[0], f"{MAIL}/a.pdf", None),
        (ids[1], None, "Kalendereintrag"),
        (ids[2], "IBH-INBOX/2026/20260306-Jürgen Müller-Angebot Lüftung/c.pdf", None),
    ]
    desk.settings = desk.settings.model_copy(update={"attachment_inbox": "on"})
    assert desk.save().saved == 2
    assert desk.nas.one("select count(planned_path) from email_attachments") == 0
    assert desk.path_of(ids[0]) == planned[0][1], "it went where it was said"


def test_dry_run_is_the_default() -> None:
    assert Settings(_env_file=None).attachment_inbox == "dry-run"


def test_switched_off_nothing_is_done_at_all(desk: MailedAttachments) -> None:
    desk.mail("m", ("b.ics", b"b"))
    desk.settings = desk.settings.model_copy(update={"attachment_inbox": "off"})
    assert desk.save() == AttachmentReport(mode="off")
    assert desk.nas.one("select skip_reason from email_attachments") is None


def test_a_month_or_some_conversations_can_be_asked_for(desk: MailedAttachments) -> None:
    desk.conversation("march", "2304", last_activity_at="2026-03-31 23:59:59+00")
    desk.conversation("april", "2304", last_activity_at="2026-04-01 00:00:00+00")
    [march] = desk.mail("m", ("a.pdf", b"a"), conversation="march")
    [april] = desk.mail("n", ("b.pdf", b"b"), conversation="april")
    assert desk.save(conversations=["nobody's"]).seen == 0
    assert desk.save(month="2026-02").seen == 0
    assert desk.save(month="2026-03-01").saved == 1
    desk.assert_linked(march)
    assert desk.save(conversations=["march", "april"]).saved == 1
    desk.assert_linked(march, april)
    with pytest.raises(ConfigurationError, match="no month"):
        desk.save(month="März")


@pytest.mark.parametrize("table", ["email_attachments", "emails", "conversations"])
def test_what_is_deleted_in_missive_is_not_fetched_until_it_is_back(desk: MailedAttachments, table: str) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    desk.nas.rows(f"update {table} set deleted_at = now()")
    assert desk.save().seen == 0
    desk.nas.rows(f"update {table} set deleted_at = null")
    desk.save()
    desk.assert_linked(attachment)


# The scanner


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


# Rules


def rule(desk: MailedAttachments, **columns: Any) -> None:
    """Only this rule."""
    desk.nas.rows("delete from attachment_skip_rules")
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    desk.nas.rows(f"insert into attachment_skip_rules (reason, {names}) values ('x', {marks})", *columns.values())


RULES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"name": "*.ics"}, {"name": "Einladung.ICS"}, True),
    ({"name": "*.ics"}, {"name": "Einladung.ics.pdf"}, False),
    ({"name": "ÜBER*"}, {"name": "übersicht.pdf"}, True),
    ({"name": "U\u0308BER*"}, {"name": "übersicht.pdf"}, True),
    ({"name": "a_b*"}, {"name": "axb.pdf"}, False),
    ({"name": "a_b*"}, {"name": "a_b.pdf"}, True),
    ({"name": "100%*"}, {"name": "1000.pdf"}, False),
    ({"name": "100%*"}, {"name": "100%.pdf"}, True),
    ({"name": "a\\*"}, {"name": "a\\b.pdf"}, True),
    ({"name": "a\\*"}, {"name": "a*"}, False),
    ({"name": "a?.pdf"}, {"name": "ab.pdf"}, False),
    ({"name": "*"}, {"name": "zeile\nzwei"}, True),
    ({"media_type": "image/*"}, {"media_type": "image/png"}, True),
    ({"media_type": "image/*"}, {"media_type": "application/image/png"}, False),
    ({"media_type": "image/*"}, {"media_type": None}, False),
    ({"media_type": "*"}, {"media_type": None}, True),
    ({"below_bytes": 10}, {"size_bytes": 9}, True),
    ({"below_bytes": 10}, {"size_bytes": 10}, False),
    ({"below_bytes": 10}, {"size_bytes": None}, False),
    ({"below_pixels": 64}, {"pixel_width": 63, "pixel_height": 20}, True),
    ({"below_pixels": 64}, {"pixel_width": 64, "pixel_height": 20}, False),
    ({"below_pixels": 64}, {"pixel_width": None, "pixel_height": None}, False),
    ({"wider_than": 4}, {"pixel_width": 401, "pixel_height": 100}, True),
    ({"wider_than": 4}, {"pixel_width": 400, "pixel_height": 100}, False),
    ({"wider_than": 4}, {"pixel_width": 400, "pixel_height": 0}, False),
    ({"is_inline": True}, {"is_inline": True}, True),
    ({"is_inline": False}, {"is_inline": True}, False),
    ({"name": "*.png", "is_inline": True}, {"name": "a.png", "is_inline": False}, False),
    ({"conversation_state": "open"}, {"size_bytes": 1}, True),
    ({"conversation_state": "junked"}, {"size_bytes": 1}, False),
]  # fmt: skip


def test_a_rule_skips_that_of_which_all_it_says_is_true(desk: MailedAttachments) -> None:
    desk.settings = desk.settings.model_copy(update={"attachment_inbox": "dry-run"})
    desk.mail("m", ("a.pdf", b"a"))
    blank = dict.fromkeys(("media_type", "pixel_width", "pixel_height"))
    wrong = []
    for says, attachment, skipped in RULES:
        rule(desk, **says)
        columns = {**blank, "name": "a.pdf", "size_bytes": 1, "is_inline": False, **attachment}
        changes = ", ".join(f"{name} = %s" for name in columns)
        desk.nas.rows(f"update email_attachments set {changes}", *columns.values())
        desk.save()
        found = desk.nas.one("select skip_reason from email_attachments")
        if found != ("x" if skipped else None):
            wrong.append((says, attachment, found))
    assert wrong == []


def image(desk: MailedAttachments, mail: str, data: bytes) -> int:
    [number] = desk.mail(mail, ("logo.png", data))
    desk.nas.rows(
        "update email_attachments set media_type = 'image/png', pixel_width = 200, pixel_height = 100 where id = %s",
        number,
    )
    return number


def test_an_image_in_many_mails_is_skipped_in_all_of_them(desk: MailedAttachments) -> None:
    rule(desk, in_mails=3)
    logos = [image(desk, f"m{i}", b"logo") for i in range(3)]
    image(desk, "other size", b"photo")
    assert desk.save().skipped == {"x": 3}
    assert desk.nas.rows("select id from email_attachments where skip_reason is not null order by id") == [
        (i,) for i in logos
    ]


def test_an_image_in_too_few_mails_is_fetched(desk: MailedAttachments) -> None:
    rule(desk, in_mails=3)
    for i in range(2):
        image(desk, f"m{i}", b"logo")
    assert desk.save().skipped == {}


def test_a_rule_that_is_switched_off_lets_everything_be_fetched_and_one_that_comes_later_leaves_what_is_fetched(
    desk: MailedAttachments,
) -> None:
    [attachment] = desk.mail("m", ("termin.ics", b"BEGIN:VCALENDAR"))
    assert desk.save().skipped == {"Kalendereintrag": 1}
    desk.nas.rows("update attachment_skip_rules set is_enabled = false")
    report = desk.save()
    assert (report.skipped, report.saved) == ({}, 1)
    desk.nas.rows("update attachment_skip_rules set is_enabled = true")
    desk.save()
    assert desk.nas.one("select skip_reason from email_attachments") is None
    desk.assert_linked(attachment)


def test_attachments_of_junk_are_skipped_until_it_is_none(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("gewinn.pdf.exe", b"!"))
    desk.nas.rows("update conversations set state = 'junked'")
    assert desk.save().skipped == {"Spam": 1}
    desk.nas.rows("update conversations set state = 'open'")
    desk.save()
    desk.assert_linked(attachment)


def test_what_failed_and_is_skipped_now_is_no_failure_any_more(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    desk.failing("m.0", answering(500))
    desk.save()
    rule(desk, name="*.pdf")
    desk.save()
    assert desk.reason(attachment) == ""
