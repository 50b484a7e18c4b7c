"""Attachments are fetched whole from a host of somebody else, or not at all; what fails stops nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from mailed_attachments import (
    MailedAttachments,
    another_size,
    answering,
    cut,
    endless,
)

from ibhelm_pipelines.errors import VendorUnavailableError
from ibhelm_pipelines.live.attachments import save_attachments
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive import attachment_download
from ibhelm_pipelines.vendors.missive.attachment_saving import SILENT_HOSTS


@pytest.fixture
def desk(settings: Settings) -> Iterator[MailedAttachments]:
    with MailedAttachments(settings) as desk:
        desk.project()
        yield desk


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
