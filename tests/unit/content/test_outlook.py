"""Outlook's mails: read as Outlook shows them, in Unicode and in old code pages, whatever the body is kept in."""

from __future__ import annotations

import datetime as dt
import io
import random
import struct
from typing import TYPE_CHECKING

import pytest
from outlook_files import Message, ole_tree

from ibhelm_pipelines.content import letter, mime, outlook
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.packed_rtf import unpacked_rtf
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=100_000)
BODY = "Guten Tag,\n\nanbei die Pläne für das Erdgeschoß.\n\nGrüße\nMax Müller"
RTF = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 {\*\htmltag64 <p>}Gr\'fc\'dfe aus dem B\'fcro{\*\htmltag72 </p>}"
    rb"\htmlrtf {\b nur f\'fcr RTF}\htmlrtf0\par {\*\htmltag64 <p>}Zweite Zeile}"
)


def read(message: Message) -> Outcome:
    return outlook.text(io.BytesIO(message.saved()), LIMITS)


def german_mail(encoding: str = "") -> Message:
    return Message(
        texts={
            "001A": "IPM.Note", "0037": "Änderung der Pläne", "1000": BODY.replace("\n", "\r\n"),
            "0C1A": "Müller, Max", "0C1E": "EX", "0C1F": "/O=X/CN=MM", "5D01": "max@example.org",
            "007D": "Received: x\r\nX-Mailer: Microsoft Outlook 16.0\r\nSubject: y\r\n\r\n",
        },
        numbers={"3FFD": 1252},
        moments={"0039": 1_710_248_700},
        recipients=[
            {"3001": "Weiß, Jörg", "39FE": "bau@example.org", "0C15": 1},
            {"3001": "'info@example.org'", "3003": "info@example.org", "0C15": 1},
            {"3001": "Büro", "39FE": "buero@example.org", "0C15": 2},
        ],
        attachments=[
            {"3707": "Grundriß Übersicht.pdf", "3704": "GRUNDR~1.PDF", "3701": bytes(1_200)},
            {"3707": "image001.png", "3701": b"x", "7FFE": 1},
        ],
        encoding=encoding,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["", "cp1252"], ids=["unicode", "code page"])
def test_a_mail_is_read_as_outlook_shows_it(encoding: str) -> None:
    data = german_mail(encoding).saved()
    assert sniff(data[:HEAD_BYTES], "msg").family == "outlook"
    outcome = outlook.text(io.BytesIO(data), LIMITS)
    assert outcome.text == (
        "Von: Müller, Max <max@example.org>\n"
        "An: Weiß, Jörg <bau@example.org>, info@example.org\n"
        "Kopie: Büro <buero@example.org>\n"
        "Betreff: Änderung der Pläne\n"
        "Datum: 12.03.2024, 14:05\n"
        "Anhänge: Grundriß Übersicht.pdf (1 kB)\n\n" + BODY
    )
    assert outcome.facts.author == "Müller, Max <max@example.org>"
    assert outcome.facts.title == "Änderung der Pläne"
    assert outcome.facts.program == "Microsoft Outlook 16.0"
    assert outcome.facts.written_at == dt.datetime(2024, 3, 12, 13, 5, tzinfo=dt.UTC)
    assert outlook.thumbnail(io.BytesIO(data), LIMITS).preview


@pytest.mark.parametrize("kept_in", ["html", "html in utf-8", "rtf", "packed rtf"])
def test_the_body_is_read_whatever_it_is_kept_in(kept_in: str) -> None:
    made = german_mail()
    del made.texts["1000"]
    html = "<p>Grüße aus dem Büro</p><p>Zweite Zeile</p><img src='cid:a@b'>"
    if kept_in == "html":
        made.texts["1013"] = html
    elif kept_in == "html in utf-8":
        made.numbers["3FDE"], made.binaries["1013"] = 65001, html.encode()
    else:
        made.binaries["1009"] = plain_rtf(RTF) if kept_in == "rtf" else literally_packed_rtf(RTF)
    head, _, body = (read(made).text or "").partition("\n\n")
    assert "Betreff: Änderung der Pläne" in head
    assert body == "Grüße aus dem Büro\nZweite Zeile"


def plain_rtf(source: bytes) -> bytes:
    return struct.pack("<2L4sL", len(source) + 12, len(source), b"MELA", 0) + source


def literally_packed_rtf(source: bytes) -> bytes:
    packed = b"".join(b"\0" + source[at : at + 8] for at in range(0, len(source), 8))
    return struct.pack("<2L4sL", len(packed) + 12, len(source), b"LZFu", 0) + packed


def test_packed_rtf_is_unpacked_as_the_specification_has_it() -> None:
    # The two examples of [MS-OXRTFCP], sections 3.1.1 and 3.2.1; the second one copies what it is just writing.
    simple = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert unpacked_rtf(simple) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    crossing = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert unpacked_rtf(crossing) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


def test_a_mail_in_a_mail_is_read_below_it_but_not_without_end() -> None:
    made = german_mail()
    for depth in range(40):
        made = Message(texts={"0037": f"Ebene {depth}"}, attachments=[{"3001": f"Ebene {depth - 1}", "3701": made}])
    outcome = read(made)
    parts = (outcome.text or "").split(letter.SEPARATOR)
    assert parts[0] == "Betreff: Ebene 39\nAnhänge: Ebene 38.msg"
    assert len(parts) == mime.MAX_DEPTH + 1
    assert outcome.truncated


def test_a_contact_and_an_appointment_show_what_they_are_about() -> None:
    contact = Message(texts={"001A": "IPM.Contact", "0037": "Jörg Weiß", "3A16": "Bau GmbH", "3A08": "0731 123"})
    assert read(contact).text == "Betreff: Jörg Weiß\nFirma: Bau GmbH\nTelefon: 0731 123"
    meeting = Message(texts={"001A": "IPM.Appointment", "0037": "Jour fixe"}, moments={"0060": 1_710_248_700})
    assert read(meeting).text == "Betreff: Jour fixe\nBeginn: 12.03.2024, 14:05"


def test_a_signed_mail_is_read_and_an_encrypted_one_says_so() -> None:
    signed = b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nUnterschrieben\r\n--b--\r\n"
    kind = {"001A": "IPM.Note.SMIME.MultipartSigned", "0037": "Plan"}
    opened = read(Message(texts=kind, attachments=[{"3707": "smime.p7m", "3701": signed}]))
    assert opened.text == "Betreff: Plan\n\nUnterschrieben"
    locked = read(Message(texts={**kind, "001A": "IPM.Note.SMIME"}, attachments=[{"3707": "smime.p7m", "3701": b"0"}]))
    assert locked.reason == mime.LOCKED
    assert "Betreff: Plan" in (locked.text or "")


def test_what_is_no_mail_or_broken_says_so() -> None:
    with pytest.raises(SuspectFileError, match="no mail in it"):
        outlook.text(io.BytesIO(ole_tree({"x": b"y"})), LIMITS)
    with pytest.raises(SuspectFileError, match="damaged"):
        outlook.text(io.BytesIO(german_mail().saved()[:700]), LIMITS)
    endless = Message(texts={"0037": "Plan"}, recipients=[{"3001": "x"}] * 5_000)
    with pytest.raises(SuspectFileError, match="damaged"):  # a tree as deep as it is long
        read(endless)


def test_no_change_of_a_few_bytes_breaks_the_reading() -> None:
    good = german_mail().saved()
    dice = random.Random(4)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(dice.randint(1, 12)):
            data[dice.randrange(8, len(data))] = dice.choice((0, 1, 0x7F, 0xFE, 0xFF, dice.randrange(256)))
        try:
            outcome = outlook.text(io.BytesIO(bytes(data)), LIMITS)
        except SuspectFileError:
            continue
        assert outcome.state in ("ok", "empty")


def test_every_outlook_mail_of_the_corpus_is_read_and_shown(shared_corpus: Path) -> None:
    mails = [path for path in (shared_corpus / "mail").glob("*.msg") if path.read_bytes()[:4] == b"\xd0\xcf\x11\xe0"]
    assert len(mails) == 4
    for path in mails:
        with path.open("rb") as file:
            text = outlook.text(file, LIMITS).text or ""
            assert "Betreff: " in text
            assert len(text.split()) > 10
            file.seek(0)
            assert outlook.thumbnail(file, LIMITS).preview
