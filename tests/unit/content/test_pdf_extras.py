"""PDF: what stands beside the pages is found too, and the preview is of a page that shows something."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
from typing import TYPE_CHECKING, Any

import pymupdf
import pytest
from PIL import Image, ImageDraw

from ibhelm_pipelines.content import image, pdf
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.pdf_extras import moment
from tests import scans

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=10_000)


def run(reader: Callable[..., Outcome], data: bytes) -> Outcome:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        file.seek(0)
        return reader(file, LIMITS)


def shown(outcome: Outcome) -> Image.Image:
    assert outcome.preview is not None
    return Image.open(io.BytesIO(outcome.preview)).convert("L")


def text_field(name: str, value: str) -> Any:
    field: Any = pymupdf.Widget()
    field.field_type, field.field_name, field.field_value = pymupdf.PDF_WIDGET_TYPE_TEXT, name, value
    field.rect = pymupdf.Rect(72, 100, 300, 120)
    return field


def test_comments_fields_and_attachments_are_found() -> None:
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 72), "Abnahmeprotokoll")
        page.add_widget(text_field("pruefer", "Frau Müller"))
        page.add_text_annot((200, 200), "Bitte die Maße prüfen")
        page.add_file_annot((300, 300), b"x" * 3, "skizze.dwg")
        document.embfile_add("a", b"x" * 2500, filename="Aufmaß.xlsx")
        outcome = run(pdf.text, document.tobytes())
    assert outcome.text is not None
    for wanted in ("Abnahmeprotokoll", "Bitte die Maße prüfen", "skizze.dwg (3 Byte)", "Anhänge: Aufmaß.xlsx (2 kB)"):
        assert wanted in outcome.text
    assert outcome.text.count("Frau Müller") == 1, "it is drawn on the page as well"


def test_a_form_of_adobes_own_kind_says_that_its_fields_are_not_read() -> None:
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 72), "Antrag")
        page.add_widget(text_field("name", "Müller"))
        document.xref_set_key(document.pdf_catalog(), "AcroForm/XFA", "[]")
        outcome = run(pdf.text, document.tobytes())
    assert (outcome.state, outcome.reason) == ("ok", pdf.XFA)


def test_a_pdf_tells_when_and_with_what_it_was_made() -> None:
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 72), "Plan")
        document.set_metadata({"creator": "AutoCAD 2024", "creationDate": "D:20240315093000+01'00'"})
        facts = run(pdf.text, document.tobytes()).facts
    assert facts.program == "AutoCAD 2024"
    assert facts.written_at == dt.datetime(2024, 3, 15, 8, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("D:2024", dt.datetime(2024, 1, 1)),  # noqa: DTZ001 - the file names no zone
        ("D:20240315093000", dt.datetime(2024, 3, 15, 9, 30)),  # noqa: DTZ001
        ("D:20240315093000Z", dt.datetime(2024, 3, 15, 9, 30, tzinfo=dt.UTC)),
        ("D:20241315093000Z", None),
        ("Freitag", None),
        ("D:20240315093000+99'99'", None),
    ],
)
def test_a_date_is_what_the_file_says_or_nothing(text: str, wanted: dt.datetime | None) -> None:
    assert moment(text) == wanted


def test_a_blank_cover_is_not_the_preview() -> None:
    with pymupdf.open() as document:
        document.new_page()
        document.new_page().draw_rect(pymupdf.Rect(0, 0, 595, 400), fill=(0, 0, 0))
        preview = shown(run(pdf.thumbnail, document.tobytes()))
    assert preview.getpixel((140, 100)) == 0
    assert preview.getpixel((140, 350)) > 250  # type: ignore[operator] # of one band


def test_a_pdf_of_blank_pages_has_a_blank_preview() -> None:
    with pymupdf.open() as document:
        document.new_page()
        assert shown(run(pdf.thumbnail, document.tobytes())).getextrema()[0] > 250  # type: ignore[operator]


def test_a_scan_that_was_recognised_before_counts_as_text() -> None:
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_image(page.rect, stream=scans.saved(scans.page()))
        for number, line in enumerate(scans.GERMAN.splitlines()):
            page.insert_text((64, 90 + number * 17), line, render_mode=3)
        outcome = run(pdf.text, document.tobytes())
    assert "Wärmetauscher" in (outcome.text or "")
    assert outcome.pictured == ()


def test_a_page_with_a_logo_and_without_text_is_no_scan() -> None:
    with pymupdf.open() as document:
        document.new_page().insert_image(pymupdf.Rect(0, 0, 200, 100), stream=scans.saved(scans.page()))
        outcome = run(pdf.text, document.tobytes())
    assert (outcome.state, outcome.reason, outcome.pictured) == ("empty", pdf.NO_TEXT, ())


def test_a_photo_tells_who_took_it_and_when() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0131], exif[0x013B] = "Heizraum", "Kamera 1.0", "M. Müller".encode()
    exif.get_ifd(0x8769)[0x9003] = "2024:03:15 09:30:00"
    picture = Image.new("RGB", (800, 600), "grey")
    ImageDraw.Draw(picture).ellipse((100, 100, 500, 500), fill="white")
    facts = run(image.text, scans.saved(picture, "JPEG", exif=exif)).facts
    assert (facts.title, facts.program, facts.author) == ("Heizraum", "Kamera 1.0", "M. Müller")
    assert facts.written_at == dt.datetime(2024, 3, 15, 9, 30)  # noqa: DTZ001 - the camera named no zone
