"""Office readers: nothing that people see is lost, what breaks says why, and bombs end at the limits."""

from __future__ import annotations

import datetime as dt
import io
import struct
import tempfile
import zipfile
from typing import TYPE_CHECKING

import office_samples as samples
import ole_files
import pytest
from PIL import Image

from ibhelm_pipelines.content import office, old_office
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.ole import DAMAGED as OLE_DAMAGED
from ibhelm_pipelines.content.rich_text import rtf_to_text
from ibhelm_pipelines.content.zip_package import DAMAGED, ENTITIES, LOCKED, TOO_DEEP, TOO_LONG
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=100_000)


def run(reader: Callable[..., Outcome], data: bytes, limits: Limits = LIMITS) -> Outcome:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return reader(file, limits)


def text(data: bytes) -> str:
    outcome = run(old_office.text if data.startswith(b"\xd0\xcf") else office.text, data)
    assert outcome.state == "ok", outcome.reason
    assert not outcome.truncated
    assert outcome.text is not None
    return outcome.text


def test_a_word_document_is_read_from_header_to_comment() -> None:
    first, second = text(samples.letter()).split("\f")
    assert first.splitlines() == [
        "Kopfzeile IBHelm",
        "Sehr geehrte Frau Größe,",
        "vorher",
        "Im Textfeld",
        "Raum\tm³/h",
        "Küche innen",
        "1.200",
        "Seite eins",
    ]
    assert second.splitlines() == ["Seite zwei", "Fußzeile", "Eine Fußnote", "Özil: bitte prüfen"]


def test_office_files_say_who_made_them_when_and_with_what() -> None:
    for data, program, pages in (
        (samples.letter(), "Microsoft Office Word 16.0000", 2),
        (samples.open_document("text", "<text:p>Text</text:p>"), "LibreOffice 7.4", 3),
        (samples.RTF, "Word 16", 2),
    ):
        facts = run(office.text, data).facts
        assert (facts.author, facts.program, facts.page_count) == ("Jörg Müller", program, pages)
        assert facts.title is not None
        assert facts.title.startswith("Lüftung")
        assert facts.written_at is not None
        assert facts.written_at.replace(tzinfo=None) == dt.datetime(2024, 3, 5, 8, 30)  # noqa: DTZ001 - of some files the zone is unknown


ROWS = (
    '<sheetData><row><c r="A1" t="s"><v>0</v></c><c r="C1" s="2"><v>1234.5</v></c></row><row/>'
    '<row><c r="A3" t="inlineStr"><is><t>Küche</t></is></c><c r="B3" s="1"><v>45356</v></c><c t="b"><v>1</v></c></row>'
    '<row><c r="A4" t="str"><f>A1&amp;"x"</f><v>Summe</v></c><c r="B4"><f>SUM(B1:B3)</f></c><c t="e"><v>#DIV/0!</v></c>'
    '</row></sheetData><mergeCells><mergeCell ref="A1:B1"/></mergeCells>'
    '<headerFooter><oddHeader>&amp;L&amp;"Arial,Fett"&amp;12Aufmaß &amp;P</oddHeader></headerFooter>'
)
STRINGS = '<si><r><t>Rau</t></r><r><t>m</t></r><rPh sb="0"><t>nicht</t></rPh></si>'


def test_a_workbook_shows_its_cells_as_people_see_them() -> None:
    comments = f'<comments {samples.S}><comment ref="A1"><text><r><t>geprüft</t></r></text></comment></comments>'
    drawing = (
        f"<xdr:wsDr xmlns:xdr='x' {samples.A}><xdr:sp><a:p><a:r><a:t>Im Kasten</a:t></a:r></a:p></xdr:sp></xdr:wsDr>"
    )
    hidden = "<sheetData><row><c><v>7</v></c></row></sheetData>"
    data = samples.xlsx(
        {"Räume & Preise": ROWS, "Intern": hidden},
        hidden="Intern",
        strings=STRINGS,
        beside={"comments": comments, "drawing": drawing},
    )
    first, second = text(data).split("\f")
    assert first.splitlines() == [
        "Räume & Preise",
        "Raum\t1.234,50 €",
        "Küche\t05.03.2024\tWAHR",
        "Summe\t=SUM(B1:B3)\t#DIV/0!",
        "Aufmaß",
        "Im Kasten",
        "geprüft",
    ]
    assert second.splitlines() == ["Intern", "7"]
    assert run(office.text, data).facts.page_count == 2


def test_two_hundred_sheets_are_two_hundred_pages() -> None:
    rows = "<sheetData><row><c><v>{}</v></c></row></sheetData>"
    outcome = run(office.text, samples.xlsx({f"Blatt {n}": rows.format(n) for n in range(200)}))
    assert outcome.text is not None
    assert outcome.text.split("\f")[199] == "Blatt 199\n199"
    assert (outcome.pages_read, outcome.facts.page_count) == (200, 200)


def test_slides_come_in_the_order_of_the_show_with_notes_and_what_the_master_says() -> None:
    table = "<a:tbl><a:tr><a:tc><a:p><a:r><a:t>Raum</a:t></a:r></a:p></a:tc><a:tc><a:p/></a:tc></a:tr></a:tbl>"
    data = samples.pptx(
        [samples.shape("Heizung") + table, samples.shape("Lüftung", "title")],
        notes=samples.shape("Bitte langsam", "body") + samples.shape("7", "sldNum"),
        master=samples.shape("Titel durch Klicken bearbeiten", "title") + samples.shape("IBHelm GmbH"),
    )
    assert text(data) == "Heizung\nRaum\nBitte langsam\nIBHelm GmbH\fLüftung"


def test_an_open_document_text_is_read_with_its_notes() -> None:
    body = (
        "<text:tracked-changes><text:p>gelöscht</text:p></text:tracked-changes><text:h>Größe</text:h>"
        "<text:p>vor<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Fußnote</text:p>"
        '</text:note-body></text:note>her<text:s text:c="2"/>mit<text:tab/>Tab</text:p>'
        "<text:p><office:annotation><dc:creator>Özil</dc:creator><dc:date>2024</dc:date><text:p>prüfen</text:p>"
        "</office:annotation><draw:frame><draw:text-box><text:p>Im Rahmen</text:p></draw:text-box></draw:frame>"
        "</text:p>"
        '<table:table table:name="T"><table:table-row><table:table-cell><text:p>a</text:p><text:p>b</text:p>'
        "</table:table-cell><table:table-cell><text:p>c</text:p></table:table-cell></table:table-row></table:table>"
        "<text:p>eins</text:p><text:p><text:soft-page-break/>zwei</text:p>"
    )
    styles = "<style:master-page><style:header><text:p>Kopf</text:p></style:header></style:master-page>"
    first, second = text(samples.open_document("text", body, styles=styles)).split("\f")
    assert first.splitlines() == ["Größe", "vorher mit\tTab", "Fußnote", "Özil: prüfen", "Im Rahmen", "a b\tc", "eins"]
    assert second.splitlines() == ["zwei", "Kopf"]


def test_open_document_sheets_and_slides_are_pages() -> None:
    cell = '<table:table-cell table:number-columns-repeated="{}"><text:p>{}</text:p></table:table-cell>'
    row = f"<table:table-row>{cell.format(1, '1.234,50 €')}{cell.format(1, 'Größe')}</table:table-row>"
    empty = '<table:table-cell table:number-columns-repeated="16000"/>'
    sheets = "".join(f'<table:table table:name="{name}">{row}{empty}</table:table>' for name in ("Räume", "Intern"))
    assert text(samples.open_document("spreadsheet", sheets)) == "Räume\n1.234,50 €\tGröße\fIntern\n1.234,50 €\tGröße"
    notes = "<presentation:notes><draw:text-box><text:p>Notiz</text:p></draw:text-box></presentation:notes>"
    slide = '<draw:page draw:name="x"><draw:text-box><text:p>{}</text:p></draw:text-box>{}</draw:page>'
    show = slide.format("Heizung", notes) + slide.format("Lüftung", "")
    assert text(samples.open_document("presentation", show)) == "Heizung\nNotiz\fLüftung"


def test_rich_text_is_decoded_by_the_font_and_its_notes_come_after_the_paragraph() -> None:
    first, second = text(samples.RTF).split("\f")
    assert first.splitlines() == ["Kopfzeile", "Größe € und Пр Verweis", "Eine Fußnote", "Raum\tKüche", "😀"]
    assert second.splitlines() == ["Seite zwei", "bitte prüfen"]


def test_rich_text_of_a_mail_leaves_out_what_only_stands_for_html() -> None:
    source = rb"{\rtf1\ansi\ansicpg1252{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Gr\'fc\'dfe\htmlrtf\par }\htmlrtf0}"
    assert rtf_to_text(source, 100) == "Grüße"
    assert rtf_to_text(rb"{\rtf1 " + b"a" * 500 + b"}", 100) == "a" * 100


@pytest.mark.parametrize("wide", [False, True], ids=["8 bits", "16 bits"])
def test_an_old_word_document_is_put_together_from_its_pieces(wide: bool) -> None:
    body = "Größe\rsiehe \x13 HYPERLINK x \x14Verweis\x15\rRaum\x07Küche\x07\x07\x0cSeite zwei\r"
    assert text(samples.doc(body, wide=wide)) == "Größe\nsiehe Verweis\nRaum\tKüche\fSeite zwei"


def test_an_old_presentation_shows_the_slides_as_they_were_saved_last() -> None:
    assert text(samples.ppt(["Heizung", "Lüftung"], extra="größer")) == "Heizung\ngrößer\fLüftung\ngrößer"


def test_an_old_workbook_shows_its_cells_as_people_see_them() -> None:
    data = samples.xls({"Räume": [("Küche", 1234.5), ("Bad", -2.0)], "Intern": [("Größe", 3.0)]})
    assert text(data) == "Räume\nKüche\t1.234,50 €\nBad\t-2,00 €\fIntern\nGröße\t3,00 €"
    assert run(old_office.text, data).facts.page_count == 2


@pytest.mark.parametrize(
    "data",
    [
        ole_files.ole({"EncryptedPackage": b"x", "EncryptionInfo": b"x"}),
        samples.doc("geheim", flags=0x0300),
        samples.ppt(["geheim"], extra="", locked=True),
        ole_files.ole({"Workbook": samples.locked_workbook()}),
        samples.open_document("text", "x", manifest="<file-entry><encryption-data/></file-entry>"),
    ],
    ids=["docx", "doc", "ppt", "xls", "odt"],
)
def test_what_is_protected_by_a_password_says_so(data: bytes) -> None:
    for step in ("text", "thumbnail"):
        module = old_office if data.startswith(b"\xd0\xcf") else office
        outcome = run(getattr(module, step), data)
        assert (outcome.state, outcome.reason) == ("unsupported", LOCKED)


def test_a_mail_that_looks_like_old_office_is_not_one() -> None:
    outcome = run(old_office.text, ole_files.ole({"Contents": b"x"}))
    assert (outcome.state, outcome.reason) == ("unsupported", old_office.UNKNOWN)


LAUGHING = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHING}]>'
"""A few hundred bytes that would swell to gigabytes."""


def replaced(data: bytes, name: str, part: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        return samples.packed({each: package.read(each) for each in package.namelist()} | {name: part})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (samples.letter()[:-200], DAMAGED),
        (replaced(samples.docx(""), "word/document.xml", b"<w:document><w:body"), DAMAGED),
        (replaced(samples.docx(""), "word/document.xml", f"{BOMB}<a>&l9;</a>".encode()), ENTITIES),
        (replaced(samples.docx(""), "word/document.xml", b'<?xml version="1.0" encoding="UTFT8"?><a/>'), DAMAGED),
        (samples.docx("<w:p>" * 3000), TOO_DEEP),
        (samples.docx(f'<w:p a="{"x" * (20 << 20)}"/>'), TOO_LONG),
        (samples.packed({"word/brief.txt": "Text"}), office.NO_DOCUMENT),
    ],
    ids=["cut off", "half a part", "entities", "no encoding", "deep", "one long tag", "another zip"],
)
def test_a_broken_or_hostile_office_file_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(SuspectFileError) as caught:
        run(office.text, data)
    assert caught.value.problem == reason


@pytest.mark.parametrize("length", [65_000, 200_000, 3 << 20, 15 << 20])
def test_a_long_tag_that_is_allowed_costs_nothing_around_it(length: int) -> None:
    tag = f'<w:p a="{"x" * length}"/>'
    body = f"{samples.paragraph('Vorher')}{tag}{samples.paragraph('Dazwischen')}{tag}{samples.paragraph('Nachher')}"
    assert text(samples.docx(body)).split() == ["Vorher", "Dazwischen", "Nachher"]


@pytest.mark.parametrize("length", [600, 1500, 6632])
def test_an_old_document_that_is_cut_off_before_its_text_says_so(length: int) -> None:
    with pytest.raises(SuspectFileError) as caught:
        run(old_office.text, samples.doc("Text")[:length])
    assert caught.value.problem == OLE_DAMAGED


def test_a_summary_whose_counts_lie_costs_the_summary_only() -> None:
    lie = bytes(44) + (48).to_bytes(4, "little") + struct.pack("<IIII", 99, 0xFFFFFFFF, 4, 24)
    vector = struct.pack("<II", 0x101E, 0xFFFFFFFF)  # four billion strings to follow
    streams = {
        "Workbook": samples.workbook({"Räume": [("Küche", 1.0)]}),
        "\x05SummaryInformation": lie + bytes(8) + vector,
    }
    outcome = run(old_office.text, ole_files.ole(streams))
    assert outcome.text == "Räume\nKüche\t1,00 €"
    assert outcome.facts.author is None


def test_a_document_that_breaks_keeps_what_came_before() -> None:
    broken = f"<w:document {samples.W}><w:body>{samples.paragraph('Anfang')}<w:p>".encode()
    outcome = run(office.text, replaced(samples.docx(""), "word/document.xml", broken))
    assert (outcome.text, outcome.truncated) == ("Anfang", True)
    assert outcome.reason is not None
    assert outcome.reason.startswith(DAMAGED)


@pytest.mark.parametrize("filler", ["x", " ", "<w:p/>"], ids=["text", "blanks", "empty paragraphs"])
def test_a_zip_bomb_ends_at_the_limits(filler: str) -> None:
    body = samples.paragraph("Anfang") + (f"<w:p><w:r><w:t>{filler * 1000}</w:t></w:r></w:p>" * 100_000)
    outcome = run(office.text, samples.docx(body), Limits(seconds=2, memory_mb=1024, text_chars=100_000))
    assert outcome.text is not None
    assert outcome.text.startswith("Anfang")
    assert len(outcome.text) <= LIMITS.text_chars
    assert outcome.truncated or outcome.text == "Anfang"  # a hundred million blanks may be read in time


def preview(data: bytes) -> Image.Image:
    outcome = run(old_office.thumbnail if data.startswith(b"\xd0\xcf") else office.thumbnail, data)
    assert outcome.preview is not None, outcome.reason
    return Image.open(io.BytesIO(outcome.preview)).convert("RGB")


@pytest.mark.parametrize(
    "data",
    [
        samples.letter(),
        samples.xlsx({"Leer": "", "Räume": ROWS}, strings=STRINGS),
        samples.pptx([samples.shape("Heizung")]),
        samples.open_document("text", "<text:p>Text</text:p>"),
        samples.RTF,
        samples.doc("Größe\r" * 9),
        samples.ppt(["Heizung"], extra="Text"),
        samples.xls({"Räume": [("Küche", 1.0)]}),
    ],
    ids=["docx", "xlsx", "pptx", "odt", "rtf", "doc", "ppt", "xls"],
)
def test_office_files_show_a_sheet_with_dark_type_on_white(data: bytes) -> None:
    shown = preview(data).convert("L")
    assert shown.size == (283, 400)
    darkest, lightest = shown.getextrema()
    assert isinstance(darkest, int)
    assert isinstance(lightest, int)
    assert darkest < 100
    assert lightest > 250


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    made = Image.new("RGB", (256, 180), "white")
    made.paste(colour, (0, 0, 128, 180))
    made.save(out, "PNG")
    return out.getvalue()


def thumbnailed(data: bytes) -> bytes:
    return replaced(samples.open_document("text", "<text:p>Text</text:p>"), "Thumbnails/thumbnail.png", data)


def test_the_picture_that_the_program_made_is_shown_unless_it_is_blank() -> None:
    assert preview(thumbnailed(picture("red"))).size == (256, 180)
    assert preview(thumbnailed(picture("white"))).size == (283, 400)
    assert preview(thumbnailed(b"no picture")).size == (283, 400)


def test_a_document_of_pictures_only_shows_the_largest() -> None:
    data = replaced(samples.docx("<w:p/>"), "word/media/image1.png", picture("blue"))
    assert preview(data).size == (256, 180)
    outcome = run(office.text, data)
    assert (outcome.state, outcome.reason) == ("empty", office.NOTHING)
