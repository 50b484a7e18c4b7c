"""Mails in files: read as a mail program shows them, and as harmless as text, whatever is in them."""

from __future__ import annotations

import base64
import datetime as dt
import email.policy
import io
import random
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from ibhelm_pipelines.content import letter, mail, mime
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=100_000)
HEAD = "From: Max <max@example.org>\r\nTo: bau@example.org\r\nSubject: Plan\r\nMIME-Version: 1.0\r\n"
BODY = "Guten Tag,\n\nanbei die Pläne für die Lüftung im Erdgeschoß.\n\nGrüße\nMax Müller\n"


def read(data: bytes | str) -> Outcome:
    return mail.text(io.BytesIO(data.encode() if isinstance(data, str) else data), LIMITS)


def words(data: bytes | str) -> str:
    outcome = read(data)
    assert outcome.state == "ok"
    assert outcome.text is not None
    return outcome.text


def german_mail(charset: str = "utf-8", transfer: str = "quoted-printable") -> EmailMessage:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"] = "Max Müller <max@example.org>"
    made["To"] = "Jörg Weiß <bau@example.org>, info@example.org"
    made["Cc"] = "Büro <buero@example.org>"
    made["Subject"] = "Änderung der Pläne für das Erdgeschoß, Übergabe der Lüftungsanlage an den Bauherrn"
    made["Date"] = "Tue, 12 Mar 2024 14:05:00 +0100"
    made["X-Mailer"] = "Apple Mail (2.3774)"
    made.set_content(BODY, charset=charset, cte=transfer)
    return made


@pytest.mark.parametrize("charset", ["utf-8", "cp1252", "iso-8859-1", "iso-8859-15"])
@pytest.mark.parametrize("transfer", ["quoted-printable", "base64"])
def test_a_german_mail_is_read_as_it_was_written(charset: str, transfer: str) -> None:
    made = german_mail(charset, transfer)
    made.add_attachment(bytes(1_200_000), maintype="application", subtype="pdf", filename="Grundriß Übersicht.pdf")
    outcome = read(made.as_bytes())
    assert outcome.text == (
        "Von: Max Müller <max@example.org>\n"
        "An: Jörg Weiß <bau@example.org>, info@example.org\n"
        "Kopie: Büro <buero@example.org>\n"
        "Betreff: Änderung der Pläne für das Erdgeschoß, Übergabe der Lüftungsanlage an den Bauherrn\n"
        "Datum: 12.03.2024, 14:05\n"
        "Anhänge: Grundriß Übersicht.pdf (1,2 MB)\n\n" + BODY.strip()
    )
    assert outcome.facts.author == "Max Müller <max@example.org>"
    assert outcome.facts.title is not None
    assert outcome.facts.title.startswith("Änderung der Pläne")
    assert outcome.facts.program == "Apple Mail (2.3774)"
    assert outcome.facts.written_at == dt.datetime(2024, 3, 12, 13, 5, tzinfo=dt.UTC)


def test_a_text_in_utf_16_is_read() -> None:
    raw = base64.b64encode(BODY.encode("utf-16")).decode()
    kind = "Content-Type: text/plain; charset=UTF-16\r\nContent-Transfer-Encoding: base64"
    assert words(f"{HEAD}{kind}\r\n\r\n{raw}").endswith(BODY.strip())


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "zip", "rot13", "nie-gehört", "x" * 5_000])
def test_an_encoding_that_is_none_of_text_is_not_used(charset: str) -> None:
    assert words(f"{HEAD}Content-Type: text/plain; charset={charset}\r\n\r\nMnchen-3ya \\u00fc").endswith(
        "Mnchen-3ya \\u00fc"
    )


def test_the_words_of_html_are_read_and_the_pictures_in_it_are_no_attachments() -> None:
    made = german_mail()
    all_of_it = "nur hier steht alles " * 5
    made.add_alternative(f"<p>Guten Tag,</p><p>{all_of_it}<img src='cid:bild1'></p>", subtype="html")
    html = made.get_payload()[1]  # type: ignore[index]
    html.add_related(b"x" * 99, maintype="image", subtype="png", cid="<bild1>", filename="image001.png")  # type: ignore[union-attr]
    assert "image001.png" not in words(made.as_bytes())
    assert "anbei die Pläne" in words(made.as_bytes())
    made.get_payload()[0].set_content("Bitte HTML")  # type: ignore[index, union-attr]
    assert "nur hier steht alles" in words(made.as_bytes())


def test_a_mail_in_a_mail_is_read_below_it() -> None:
    outer = german_mail()
    inner = german_mail()
    inner.replace_header("Subject", "Innere Mail")
    inner.set_content("Ganz innen")
    outer.add_attachment(inner)
    above, _, below = words(outer.as_bytes()).partition(letter.SEPARATOR)
    assert "Anhänge: Innere Mail.eml" in above
    assert below.startswith("Von: Max Müller")
    assert below.endswith("Ganz innen")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('Content-Type: application/pdf; name="=?iso-8859-1?Q?Gr=F6=DFe.pdf?="', "Größe.pdf"),
        ("Content-Disposition: attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe.pdf", "Größe.pdf"),
        ("Content-Disposition: attachment; filename*0*=cp1252''Gr%F6; filename*1*=%DFe; filename*2=.pdf", "Größe.pdf"),
        ("Content-Disposition: attachment; filename=Plan EG.pdf", "Plan EG.pdf"),
        ('Content-Disposition: attachment; filename="a\\"b.pdf"', 'a"b.pdf'),
        ('Content-Disposition: attachment; filename="Größe.pdf"', "Größe.pdf"),
        ("Content-Disposition: attachment; filename*=quatsch'Gr.pdf", "quatsch'Gr.pdf"),
        (
            'Content-Disposition: attachment; filename="../../x\r\n\tBetreff: y\u202e.exe"',
            "../../x Betreff: y⟨U+202E⟩.exe",
        ),
    ],
)
def test_names_of_attachments_are_read_in_every_way_of_writing_them(header: str, name: str) -> None:
    kind = "" if "Content-Type" in header else "Content-Type: application/pdf\r\n"
    parts = f"--b\r\n\r\nHallo\r\n--b\r\n{kind}{header}\r\n\r\nxyz\r\n--b--\r\n"
    text = words(f"{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}")
    assert f"\nAnhänge: {name} (3 Byte)\n\nHallo" in text


def test_letters_that_are_cut_between_encoded_words_are_whole() -> None:
    halves = [base64.b64encode(half).decode() for half in ("Größe".encode()[:3], "Größe".encode()[3:])]
    subject = f"=?utf-8?B?{halves[0]}?=\r\n =?utf-8?B?{halves[1]}?= =?x-nie?Q?und_mehr?="
    assert "Betreff: Größeund mehr\n" in words(f"Subject: {subject}\r\nMIME-Version: 1.0\r\n\r\nText")


def test_a_folder_of_mails_is_read_mail_by_mail() -> None:
    folder = b"".join(
        b"From max@example.org Tue Mar 12 14:05:00 2024\n" + HEAD.encode().replace(b"Plan", b"Plan %d" % number)
        + b"\n\nText\n>From hier aus\n\n" for number in range(3)
    )  # fmt: skip
    assert sniff(folder[:HEAD_BYTES], "mbox").family == "mail"
    mails = words(folder).split(letter.SEPARATOR)
    assert ["Plan 0" in mails[0], "Plan 1" in mails[1], "Plan 2" in mails[2]] == [True] * 3
    assert all(each.endswith("Text\nFrom hier aus") for each in mails)


def test_an_encrypted_mail_says_so() -> None:
    outcome = read(f"{HEAD}Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n\r\nMIAG")
    assert outcome.reason == mime.LOCKED
    assert "Betreff: Plan" in (outcome.text or "")


def test_nobody_can_make_up_a_header() -> None:
    subject = base64.b64encode(b"harmlos\r\nVon: chef@example.org\r\n\r\nBitte zahlen").decode()
    text = words(f"From: x@example.org\r\nSubject: =?utf-8?B?{subject}?=\r\nMIME-Version: 1.0\r\n\r\nText")
    assert text == "Von: x@example.org\nBetreff: harmlos Von: chef@example.org Bitte zahlen\n\nText"


def test_a_mail_without_any_word_says_so() -> None:
    assert read("MIME-Version: 1.0\r\n\r\n").reason == letter.BLANK
    assert mail.thumbnail(io.BytesIO(b"MIME-Version: 1.0\r\n\r\n"), LIMITS).state == "empty"


def nested(depth: int) -> str:
    start = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth))
    return HEAD + start + "\r\nganz innen\r\n" + "".join(f"--b{n}--\r\n" for n in reversed(range(depth)))


HOSTILE = {
    "10,000 nested parts": nested(10_000),
    "10,000 nested mails": HEAD + "Content-Type: message/rfc822\r\n\r\n" * 10_000 + "\r\nText",
    "100,000 parts": HEAD + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + "--b\r\n\r\nx\r\n" * 100_000,
    "one boundary for all": HEAD + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 5_000,
    "a header of a megabyte": f"{HEAD}To: {'max@example.org, ' * 60_000}\r\n\r\nText",
    "100,000 headers": HEAD + "".join(f"To: a{n}@example.org\r\n" for n in range(100_000)) + "\r\nText",
    "folded 100,000 times": HEAD + "Cc: a" + "\r\n b" * 100_000 + "\r\n\r\nText",
    "encoded words": HEAD + "Cc: " + "=?utf-8?B?YQ==?= " * 50_000 + "\r\n\r\nText",
    "broken encoded words": HEAD + "Cc: " + "=?utf-8?B?" * 50_000 + "\r\n\r\nText",
    "quotes without end": HEAD + 'Content-Type: text/plain; a="' * 20_000 + "\r\n\r\nText",
    "slow codec": f"{HEAD}Content-Type: text/plain; charset=punycode\r\n\r\n{'a-' * 200_000}",
    "base64 of 8 MB": f"{HEAD}Content-Transfer-Encoding: base64\r\n\r\n" + "QUJD" * 2_000_000,
    "begin without end": HEAD + "\r\n" + "begin 644 x\nM1TE&.#EA\n" * 50_000,
    "html without end": f"{HEAD}Content-Type: text/html\r\n\r\n" + "<div a='" * 100_000,
    "delimiters that are none": HEAD + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + "--b-" * 200_000,
}


@pytest.mark.timeout(60)  # quadratic time would take hours
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_is_read_within_its_bounds(name: str) -> None:
    data = HOSTILE[name].encode()
    outcome = read(data)
    assert outcome.text is not None
    assert len(outcome.text) <= LIMITS.text_chars
    assert outcome.text.startswith("Von: Max <max@example.org>")
    assert outcome.truncated or "nested" not in name
    assert mail.thumbnail(io.BytesIO(data), LIMITS).preview


def test_no_change_of_a_few_bytes_breaks_the_reading() -> None:
    made = german_mail()
    made.add_attachment(german_mail())
    made.add_attachment(bytes(300), maintype="image", subtype="png", filename="Übersicht.png")
    good = made.as_bytes()
    dice = random.Random(3)
    for _ in range(200):
        data = bytearray(good)
        for _ in range(dice.randint(1, 12)):
            data[dice.randrange(len(data))] = dice.choice((0, 10, 13, 32, 34, 45, 58, 61, 255, dice.randrange(256)))
        assert read(bytes(data[: dice.choice((len(data), dice.randrange(len(data))))])).state in ("ok", "empty")


def test_the_picture_of_a_mail_shows_its_head_and_how_it_begins() -> None:
    preview = mail.thumbnail(io.BytesIO(german_mail().as_bytes()), LIMITS).preview
    assert preview is not None
    picture = Image.open(io.BytesIO(preview)).convert("L")
    assert picture.size == (283, 400)
    assert picture.getextrema()[0] < 100 < picture.getextrema()[1]


def test_every_mail_of_the_corpus_is_read(shared_corpus: Path) -> None:
    mails = [path for path in sorted((shared_corpus / "mail").iterdir()) if _family(path) == "mail"]
    assert len(mails) > 100
    for path in mails:
        with path.open("rb") as file:
            assert mail.text(file, LIMITS).state == "ok", path.name


def _family(path: Path) -> str:
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES), path.suffix[1:].lower()).family
