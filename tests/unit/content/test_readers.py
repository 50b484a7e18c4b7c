"""Readers: pictures come out upright and true, text comes out readable, broken files come out with a reason."""

from __future__ import annotations

import io
import re
import tempfile
from typing import TYPE_CHECKING, Any

import pillow_heif
import pymupdf
import pytest
from PIL import Image, ImageDraw

from ibhelm_pipelines.content import image, markup, pdf, text
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=1000)
WHITE, BLACK, RED, BLUE = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)


def run(reader: Callable[..., Outcome], data: bytes, limits: Limits = LIMITS) -> Outcome:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        file.seek(0)
        return reader(file, limits)


def preview(outcome: Outcome) -> Image.Image:
    assert outcome.preview is not None
    shown = Image.open(io.BytesIO(outcome.preview))
    assert shown.format == "WEBP"
    return shown.convert("RGB")


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def corner_marked(size: tuple[int, int] = (800, 400)) -> Image.Image:
    """White, with a red top left quarter and a blue bottom right one."""
    picture = Image.new("RGB", size, "white")
    width, height = size
    picture.paste(RED, (0, 0, width // 2, height // 2))
    picture.paste(BLUE, (width // 2, height // 2, width, height))
    return picture


def assert_near(found: object, wanted: tuple[int, int, int]) -> None:
    assert isinstance(found, tuple)
    assert all(abs(a - b) < 30 for a, b in zip(found, wanted, strict=True)), (found, wanted)


def assert_corners(shown: Image.Image) -> None:
    width, height = shown.size
    assert_near(shown.getpixel((width // 8, height // 8)), RED)
    assert_near(shown.getpixel((width * 7 // 8, height * 7 // 8)), BLUE)
    assert_near(shown.getpixel((width * 7 // 8, height // 8)), WHITE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_shown_upright_whichever_way_the_camera_was_held(orientation: int) -> None:
    # What the camera stores is the scene turned by the inverse of what the tag asks a viewer to do.
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose values
    scene = corner_marked()
    stored = scene.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else scene
    exif = Image.Exif()
    exif[0x0112] = orientation
    outcome = run(image.thumbnail, saved(stored, "JPEG", exif=exif, quality=95))
    shown = preview(outcome)
    assert shown.size == (400, 200)
    assert_corners(shown)
    assert (outcome.facts.pixel_width, outcome.facts.pixel_height) == (800, 400)


@pytest.mark.parametrize(
    "data",
    [
        saved(corner_marked(), "PNG"),
        saved(corner_marked(), "GIF"),
        saved(corner_marked(), "BMP"),
        saved(corner_marked(), "WEBP", lossless=True),
        saved(corner_marked(), "AVIF", quality=95),
        saved(corner_marked(), "TIFF", compression="tiff_lzw"),
        saved(corner_marked().quantize(16), "PNG"),
        saved(corner_marked().convert("CMYK"), "JPEG", quality=95),
        saved(corner_marked().convert("CMYK"), "TIFF"),
        saved(corner_marked().convert("YCbCr"), "JPEG", progressive=True, quality=95),
    ],
    ids=["png", "gif", "bmp", "webp", "avif", "tiff", "palette", "cmyk jpeg", "cmyk tiff", "progressive"],
)
def test_every_kind_of_picture_keeps_its_colours(data: bytes) -> None:
    shown = preview(run(image.thumbnail, data))
    assert shown.size == (400, 200)
    assert_corners(shown)


def test_a_heic_photo_is_shown() -> None:
    out = io.BytesIO()
    pillow_heif.from_pillow(corner_marked()).save(out, quality=90)
    outcome = run(image.thumbnail, out.getvalue())
    assert_corners(preview(outcome))
    assert outcome.facts.pixel_width == 800


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_shown_on_white(mode: str) -> None:
    drawing = Image.new("RGBA", (100, 100), (0, 0, 0, 0))  # black where nobody sees it
    ImageDraw.Draw(drawing).rectangle((0, 0, 49, 99), fill=(0, 0, 0, 255))
    data = saved(drawing.convert(mode) if mode != "P" else drawing.quantize(4), "PNG")
    shown = preview(run(image.thumbnail, data))
    assert_near(shown.getpixel((20, 50)), BLACK)
    assert_near(shown.getpixel((80, 50)), WHITE)


@pytest.mark.parametrize("white", [4095, 65535], ids=["12 bits", "16 bits"])
def test_a_16_bit_picture_keeps_its_greys(white: int) -> None:
    steps = Image.new("I", (300, 100))
    for number in range(3):
        steps.paste(white * number // 2, (number * 100, 0, number * 100 + 100, 100))
    data = saved(steps.convert("I;16"), "PNG")
    assert Image.open(io.BytesIO(data)).mode == "I;16"
    shown = preview(run(image.thumbnail, data))
    for number, grey in enumerate((0, 127, 255)):
        assert_near(shown.getpixel((number * 100 + 50, 50)), (grey, grey, grey))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-40.0, 120.0)], ids=["unit", "temperatures"])
def test_a_float_picture_keeps_its_greys(low: float, high: float) -> None:
    picture = Image.new("F", (300, 100))
    for number in range(3):
        picture.paste(low + (high - low) * number / 2, (number * 100, 0, number * 100 + 100, 100))
    shown = preview(run(image.thumbnail, saved(picture, "TIFF")))
    for number, grey in enumerate((0, 127, 255)):
        assert_near(shown.getpixel((number * 100 + 50, 50)), (grey, grey, grey))


def test_the_first_page_of_a_multi_page_tiff_is_shown_and_all_are_counted() -> None:
    pages = [corner_marked(), Image.new("RGB", (800, 400), "black"), Image.new("RGB", (800, 400), "black")]
    outcome = run(image.thumbnail, saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert_corners(preview(outcome))
    assert outcome.facts.page_count == 3


def test_a_small_picture_is_not_blown_up() -> None:
    assert preview(run(image.thumbnail, saved(corner_marked((80, 40)), "PNG"))).size == (80, 40)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved(corner_marked(), "JPEG")[:-1000], image.DAMAGED),
        (saved(corner_marked((2000, 2000)), "PNG", compress_level=0)[:50_000], image.DAMAGED),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), image.UNKNOWN),
        (saved(Image.new("1", (30_000, 30_000)), "PNG"), image.TOO_BIG),
    ],
    ids=["cut jpeg", "cut png", "no png", "bomb"],
)
def test_a_broken_picture_says_so(data: bytes, reason: str) -> None:
    with pytest.raises(SuspectFileError, match="picture") as caught:
        run(image.thumbnail, data)
    assert caught.value.problem == reason


def document(*pages: str, **options: Any) -> bytes:
    made = pymupdf.open()
    for page in pages:
        made.new_page().insert_text((72, 72), page)
    made.set_metadata({"author": "M.  Müller\n", "title": "Grundriss"})
    return bytes(made.tobytes(**options))


def test_the_pages_of_a_pdf_are_divided_by_form_feeds() -> None:
    outcome = run(pdf.text, document("Erdgeschoss Lüftung", "Obergeschoss"))
    assert outcome.text is not None
    assert [page.strip() for page in outcome.text.split("\f")] == ["Erdgeschoss Lüftung", "Obergeschoss"]
    assert (outcome.facts.page_count, outcome.facts.author, outcome.facts.title) == (2, "M. Müller", "Grundriss")
    assert not outcome.truncated


def test_text_beyond_the_limit_is_cut_and_marked() -> None:
    outcome = run(pdf.text, document(*["Text " * 10] * 100))
    assert outcome.text is not None
    assert len(outcome.text) == LIMITS.text_chars
    assert outcome.truncated


def test_the_first_page_of_a_pdf_is_drawn_at_preview_size() -> None:
    shown = preview(run(pdf.thumbnail, document("Plan", "Zweite Seite")))
    assert shown.size == (283, 400)
    assert shown.convert("L").getextrema()[0] < 128 < shown.convert("L").getextrema()[1]


def test_a_locked_pdf_says_that_it_is_locked() -> None:
    locked = document("geheim", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="x", owner_pw="y")
    for reader in (pdf.thumbnail, pdf.text):
        outcome = run(reader, locked)
        assert (outcome.state, outcome.reason) == ("unsupported", pdf.LOCKED)


def test_a_pdf_that_only_its_owner_may_change_is_read() -> None:
    guarded = document("offen", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="", owner_pw="y")
    assert run(pdf.text, guarded).state == "ok"


def test_a_pdf_without_its_end_is_repaired() -> None:
    whole = document("Plan", deflate=False)
    assert run(pdf.text, whole[: whole.rindex(b"xref")]).text == run(pdf.text, whole).text


@pytest.mark.parametrize(
    ("healthy", "broken"),
    [
        (rb"/Count 2", rb"/Cxxxx 2"),
        (rb"/Count 2", rb"/Count 0"),
        (rb"/Pages \d+ 0 R", b"/Pages 9 9 R"),
        (rb"/Kids", b"/Kxxx"),
    ],
    ids=["counts nothing", "counts none", "lies elsewhere", "lists nothing"],
)
def test_pages_whose_list_is_damaged_are_found_and_the_result_says_so(healthy: bytes, broken: bytes) -> None:
    damaged = re.sub(healthy, broken, document("Erdgeschoss", "Obergeschoss"), count=1)
    outcome = run(pdf.text, damaged)
    assert (outcome.text or "").split() == ["Erdgeschoss", "Obergeschoss"]
    assert outcome.reason == pdf.PAGES_FOUND
    assert preview(run(pdf.thumbnail, damaged)).convert("L").getextrema()[0] < 128


@pytest.mark.parametrize(
    ("reader", "data"),
    [
        (markup.html_text, b"<html><body>" + b"<p>" * 100_000 + b"Text"),
        (markup.xml_text, b"<a>" + b"<b/>" * 100_000 + b"Text</a>"),
        (text.text, b" " * 2000 + b"Text"),
    ],
    ids=["html", "xml", "text"],
)
def test_nobody_says_of_what_was_read_in_part_that_it_has_no_text(reader: Callable[..., Outcome], data: bytes) -> None:
    outcome = run(reader, data, Limits(seconds=0, memory_mb=1024, text_chars=100))
    assert (outcome.state, outcome.truncated) == ("empty", True)
    assert (outcome.reason or "").endswith(", as far as it was read")


def test_a_page_that_was_taken_out_of_a_healthy_pdf_stays_out() -> None:
    """Its object still lies in the file, for whoever only appends to it."""
    changed = pymupdf.open(stream=document("Honorar", "Plan"))
    changed.delete_page(0)
    left = bytes(changed.tobytes(garbage=0))
    assert len(re.findall(rb"/Type ?/Page\b", left)) == 2
    assert (run(pdf.text, left).text or "").split() == ["Plan"]


def test_what_is_encrypted_in_an_unknown_way_is_not_shown_as_a_blank_page() -> None:
    locked = document("geheim", encryption=pymupdf.PDF_ENCRYPT_RC4_40, user_pw="", owner_pw="y")
    outcome = run(pdf.thumbnail, re.sub(rb"/Count \d", b"/Cxxxx 1", locked, count=1))
    assert (outcome.state, outcome.reason) == ("unsupported", pdf.ENCRYPTED)


@pytest.mark.parametrize("data", [b"%PDF-1.7\n" + b"garbage " * 100, b"%PDF-1.4\n"], ids=["garbage", "header only"])
def test_a_pdf_that_cannot_be_repaired_says_so(data: bytes) -> None:
    with pytest.raises(SuspectFileError, match="The PDF is damaged"):
        run(pdf.thumbnail, data)


def test_a_scan_has_no_text_and_says_so() -> None:
    scan = pymupdf.open()
    scan.new_page().insert_image(pymupdf.Rect(0, 0, 200, 100), stream=saved(corner_marked(), "PNG"))
    outcome = run(pdf.text, bytes(scan.tobytes()))
    assert outcome.state == "empty"
    assert outcome.facts.page_count == 1


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("Maß € ü".encode(), "Maß € ü"),
        (b"\xef\xbb\xbf" + "Maß".encode(), "Maß"),
        ("Maß".encode("utf-16"), "Maß"),
        ("Maß € ü".encode("cp1252"), "Maß € ü"),
        (b"a" * 9000 + "Maß\n".encode() + "Maß".encode("cp1252"), None),
        (b"a\x00b", "ab"),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16", "cp1252", "both", "nul"],
)
def test_text_is_decoded_as_what_it_is(data: bytes, wanted: str | None) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        found, truncated = text.read_text(file, 100_000)
    assert not truncated
    assert found == wanted if wanted is not None else found.endswith("Maß\nMaß")


@pytest.mark.parametrize(
    ("reader", "data"),
    [
        (text.thumbnail, b"Protokoll der Baubesprechung\n" * 20),
        (text.thumbnail_csv, b"Pos;Menge;Preis\n1;2;3\n" * 20),
        (text.thumbnail_csv, b"keine Tabelle"),
        (markup.html_thumbnail, b"<html><title>T</title><body><p>Text</p></body>"),
        (markup.xml_thumbnail, b"<?xml version='1.0'?><a><b>Text</b></a>"),
    ],
    ids=["text", "csv", "no csv", "html", "xml"],
)
def test_text_files_show_a_sheet_with_dark_type_on_white(reader: Callable[..., Outcome], data: bytes) -> None:
    shown = preview(run(reader, data)).convert("L")
    assert shown.size == (283, 400)
    darkest, lightest = shown.getextrema()
    assert isinstance(darkest, int)
    assert isinstance(lightest, int)
    assert darkest < 100
    assert lightest > 250


def test_html_text_is_what_a_reader_sees() -> None:
    page = (
        "<html><head><title>Angebot &amp; Preis</title><meta name=author content='M. Müller'><style>p{}</style>"
        "</head><body><script>var x = '<p>nein</p>'</script><p>Erste&nbsp;Zeile<br>zweite</p><!-- nein -->"
        f"<img src='data:image/png;base64,{'QUJD' * 200}'><table><tr><td>1</td><td>m²</td></tr></table>"
        f"<p>{'QUJD' * 200}</p></body></html>"
    )
    outcome = run(markup.html_text, page.encode())
    assert outcome.text == "Erste Zeile\nzweite\n1 m²"
    assert (outcome.facts.title, outcome.facts.author) == ("Angebot & Preis", "M. Müller")


def test_xml_text_leaves_out_encoded_bytes() -> None:
    lines = "\n".join(["QUJDREVGR0g" * 7] * 50)
    source = f"<?xml version='1.0'?><a><b>Größe &lt; 5</b><c>{lines}</c><d>Ende</d></a>"
    outcome = run(markup.xml_text, source.encode())
    assert outcome.text == "Größe < 5\nEnde"


def test_xml_entities_are_not_expanded() -> None:
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "lol">{lol}]><a>vorher &l9; nachher</a>'
    outcome = run(markup.xml_text, bomb.encode())
    assert outcome.text == "vorher nachher"


def test_xml_entities_do_not_fetch_files() -> None:
    spy = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>vorher &x; nachher</a>'
    assert run(markup.xml_text, spy.encode()).text == "vorher nachher"


def test_xml_that_breaks_keeps_what_came_before() -> None:
    outcome = run(markup.xml_text, b"<?xml version='1.0'?><a><b>Anfang</b><c>")
    assert (outcome.text, outcome.truncated) == ("Anfang", True)
    assert outcome.reason is not None
