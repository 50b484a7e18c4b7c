"""Mails, archives and texts from everywhere, through the sandbox: every one is shown and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ibhelm_pipelines.content.trying import Tried, try_folder
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SPANNED = "0fefa4cd-test-documents-spanned.zip"
"""The second half of a ZIP archive: bytes without a beginning that anybody could tell."""

WORDS = {
    "0f30840b-ks_c_5601-1987.eml": "스티해",
    "1bb0d03e-intl.msg": "Kopie: André Pirard",
    "7323010b-japanese_attachment_long_name.eml": "かきくけこ.txt (18 Byte)",
    "13662648-russian.msg": "Anhänge: Список.doc",
    "24dd27cd-mp-msg-rfc822.msg": "Von: deuschle@mnh.telekom.de (Guenter Deuschle)",
    "4f5ab34d-testMSG_att_doc.msg": "test-unicode.doc (24 kB), pj1.txt (89 Byte)",
    "439a1fb1-testMSG_att_msg.msg": "Blah blah blah",
    "466e4703-test-documents.rar": "test-documents/testEXCEL.xls",
    "74d8c672-quine.gz": "quine.gz",
}
"""What some of them say, in a place that readers tend to lose."""


def tried(folder: Path) -> dict[str, Tried]:
    settings = Settings(_env_file=None, content_workers=2, content_seconds=60)
    return {each.name: each for each in try_folder(folder, settings)}


@pytest.mark.timeout(600)
def test_every_mail_is_shown_and_read(shared_corpus: Path) -> None:
    mails = tried(shared_corpus / "mail")
    assert {each.kind.family for each in mails.values()} == {"mail", "outlook"}
    missing = {
        name: (each.thumbnail.reason, each.text.reason)
        for name, each in mails.items()
        if not each.thumbnail.preview or not each.text.text
    }
    assert (len(mails), missing) == (109, {})
    assert_words(mails)


@pytest.mark.timeout(600)
def test_every_archive_is_listed(shared_corpus: Path) -> None:
    archives = tried(shared_corpus / "archive")
    assert {name for name, each in archives.items() if not each.thumbnail.preview or not each.text.text} == {SPANNED}
    assert_words(archives)


def assert_words(found: dict[str, Tried]) -> None:
    wanted = {name: words for name, words in WORDS.items() if name in found}
    assert wanted
    assert {name for name, words in wanted.items() if words not in (found[name].text.text or "")} == set()
