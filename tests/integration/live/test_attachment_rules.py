"""Which attachments are fetched at all: by the setting, by month, and by rules that people edit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mailed_attachments import (
    PROJECT,
    MailedAttachments,
    answering,
)

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.live.attachments import AttachmentReport
from ibhelm_pipelines.settings import Settings

MAIL = f"{PROJECT}/IBH-INBOX/20260306-Jürgen Müller-Angebot Lüftung"


@pytest.fixture
def desk(settings: Settings) -> Iterator[MailedAttachments]:
    with MailedAttachments(settings) as desk:
        desk.project()
        yield desk


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
