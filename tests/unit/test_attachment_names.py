"""Names that strangers write into mails, made names on the share: safe on every client, and still recognisable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.portable_names import MAX_BYTES, folded, free_name, safe_name
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.attachment_names import (
    MAX_PATH_CHARACTERS,
    MIN_BYTES,
    mail_folder,
    room_for_name,
)

RULES = IgnoreRules.from_settings(Settings(_env_file=None))
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{p}{n}" for p in ("COM", "LPT") for n in "0123456789¹²³"
}
SIGNS = [*'<>:"/\\|?*.~$ \t\n\r\0', "\u202e", "\u200b", "\ufeff", "\ud800", "😀", "\U0001f468\u200d\U0001f469"]
WORDS = ["..", "CON", "nul.", "COM1", "LPT¹", "e\u0301", "ß", "Ä", "A\u0308", "Thumbs.db", "~$", ".tmp", ".partial"]
NASTY = st.sampled_from([*SIGNS, *WORDS])
NAMES = st.lists(st.one_of(NASTY, st.text(max_size=5)), max_size=60).map("".join)


def safe(name: str, **options: int) -> str:
    return safe_name(name, otherwise="Anhang", is_left_out=RULES.leaves_out_file, **options)


def assert_safe(name: str, max_bytes: int = MAX_BYTES) -> None:
    assert name
    assert len(name.encode("utf-8")) <= max_bytes
    assert name == unicodedata.normalize("NFC", name)
    assert not set(name) & set('<>:"/\\|?*')
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in name)
    assert name[-1] not in ". "
    assert name[0] not in ". "
    assert name.partition(".")[0].rstrip().upper() not in RESERVED


@given(NAMES)
def test_whatever_a_stranger_writes_becomes_a_safe_name(name: str) -> None:
    made = safe(name)
    assert_safe(made)
    assert not RULES.leaves_out_file(made), "the scanner would never find it"


@given(NAMES, st.integers(MIN_BYTES, MAX_BYTES))
def test_a_name_keeps_to_the_room_that_there_is(name: str, max_bytes: int) -> None:
    assert_safe(safe(name, max_bytes=max_bytes), max_bytes)


@given(NAMES)
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    made = safe(name, max_bytes=MAX_BYTES - 2)
    assert safe(made) == made


@given(NAMES, st.lists(NAMES, max_size=5), st.integers(MIN_BYTES, MAX_BYTES))
def test_a_free_name_is_safe_and_differs_from_all_that_are_taken(name: str, others: list[str], max_bytes: int) -> None:
    first = safe(name, max_bytes=max_bytes)
    taken = {folded(first), *map(folded, map(safe, others))}
    for _ in range(12):
        made = free_name(first, taken, max_bytes=max_bytes)
        assert folded(made) not in taken
        assert_safe(made, max_bytes)
        taken.add(folded(made))


@given(NAMES, NAMES)
def test_the_folder_of_a_mail_is_safe_and_short(sender: str, subject: str) -> None:
    made = mail_folder(day="20260306", sender=sender, subject=subject, is_left_out=RULES.folder_reason)
    assert_safe(made, 120)
    assert made.startswith("20260306-")


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("Übersicht Lüftung.pdf", "Übersicht Lüftung.pdf"),
        ("U\u0308bersicht.pdf", "Übersicht.pdf"),
        ("../../etc/passwd", "_.._.._etc_passwd"),
        ("C:\\Windows\\system32\\x.dll", "C__Windows_system32_x.dll"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("COM1 .pdf", "_COM1 .pdf"),
        ("CONTI.pdf", "CONTI.pdf"),
        ("Plan.pdf. . ", "Plan.pdf"),
        ("rechnung\u202efdp.exe", "rechnung fdp.exe"),
        ("a\r\nb.txt", "a b.txt"),
        ("", "Anhang"),
        ("...", "Anhang"),
        ("Thumbs.db", "_Thumbs.db"),
        ("~$Angebot.docx", "_~$Angebot.docx"),
        (".htaccess", "_.htaccess"),
        ("backup.TMP", "backup.TMP_"),
        ("plan.dwl", "plan.dwl_"),
    ],
)
def test_a_name_is_changed_only_where_it_must_be(written: str, made: str) -> None:
    assert safe(written) == made


def test_a_long_name_loses_its_middle_and_keeps_what_opens_it() -> None:
    made = safe("ü" * 500 + ".pdf")
    assert made.startswith("üüü")
    assert made.endswith("ü.pdf")


def test_what_is_too_long_for_an_extension_is_none() -> None:
    assert_safe(safe("a." + "b" * 500))


def test_numbers_stand_before_the_extension() -> None:
    assert free_name("Plan.pdf", {"plan.pdf", "plan (2).pdf"}) == "Plan (3).pdf"
    assert free_name("Plan.pdf", {"plan (2).pdf"}) == "Plan.pdf"


@given(st.binary(max_size=400))
def test_the_room_for_a_name_ends_where_windows_ends(raw_folder: bytes) -> None:
    room = room_for_name(raw_folder)
    assert MIN_BYTES <= room <= MAX_BYTES
    shown = len(raw_folder.decode("utf-8", "surrogateescape"))
    assert room == MIN_BYTES or shown + 1 + room <= MAX_PATH_CHARACTERS


def test_a_folder_without_sender_and_subject_says_so() -> None:
    assert mail_folder(day="20260306", sender="", subject=" ") == "20260306-unbekannt-ohne Betreff"


def test_a_folder_that_the_scanner_would_not_enter_gets_a_plain_name() -> None:
    rules = IgnoreRules.from_settings(Settings(_env_file=None, ignored_folders=("*Betreff*",)))
    made = mail_folder(day="20260306", sender="x", subject="Betreff", is_left_out=rules.folder_reason)
    assert made == "20260306-Mail"
