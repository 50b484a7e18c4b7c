"""What becomes of the attachments of mails: skipped, fetched, put on the NAS once, found by the scanner, linked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mailed_attachments import PROJECT, TOKEN, MailedAttachments

from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

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
