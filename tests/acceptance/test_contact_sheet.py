"""The contact sheet in a browser: the previews of a folder, what came of each file, and nothing that a file says is
obeyed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pymupdf
import pytest
from browser import CHROMIUM, Page, open_page
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine")

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan, a photo, a note, a table, a broken PDF, a program, and a file whose name and text are HTML."""
    folder = tmp_path_factory.mktemp("projekt")
    (folder / "Pläne").mkdir()
    document = pymupdf.open()
    document.new_page(width=842, height=595).insert_text((72, 72), "Lüftungsplan Erdgeschoss", fontsize=24)
    (folder / "Pläne" / "Lüftung.pdf").write_bytes(document.tobytes())
    picture = Image.new("RGB", (640, 480), "steelblue")
    ImageDraw.Draw(picture).ellipse((100, 100, 500, 400), fill="gold")
    out = io.BytesIO()
    picture.save(out, "JPEG")
    (folder / "Foto.jpg").write_bytes(out.getvalue())
    (folder / "Notiz.txt").write_text(
        "Die Pumpe im Keller ist ausgefallen und muss ersetzt werden.\n", encoding="utf-8"
    )
    (folder / "Liste.csv").write_text("Pumpe;3\nVentil;4\n", encoding="utf-8")
    (folder / "kaputt.pdf").write_bytes(b"%PDF-1.4\nnot a PDF at all")
    (folder / "setup.exe").write_bytes(b"MZ\x90\x00" + b"\x00\x01" * 400)
    (folder / "<script>document.title=3<!script>\u202e.txt").write_text(HOSTILE, encoding="utf-8")
    (folder / "Verweis.txt").symlink_to("/etc/passwd")
    return folder


@pytest.fixture(scope="module")
def sheet(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as the command makes it."""
    page = tmp_path_factory.mktemp("sheet") / "übersicht.html"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IBHELM_")}
    done = subprocess.run(
        [sys.executable, "-m", "ibhelm_pipelines.cli", "contact-sheet", str(folder), "--output", str(page)],
        cwd=page.parent,
        env=environment | {"IBHELM_CONTENT_WORKERS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"7 files: {page.as_uri()}" in done.stdout
    return page


@pytest.fixture(scope="module")
def page(sheet: Path) -> Iterator[Page]:
    with open_page() as page:
        page.open(sheet.as_uri())
        page.wait_for("document.readyState === 'complete'")
        yield page


def test_every_file_is_there_in_its_family_with_its_picture_or_its_reason(page: Page) -> None:
    headings = page.ask("[...document.querySelectorAll('h2')].map(h => h.firstChild.textContent.trim())")
    assert headings == ["PDF", "Pictures and scans", "Plain text", "Tables as text", "Other files"]
    assert page.ask("document.querySelectorAll('li').length") == 7
    page.ask("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.wait_for("[...document.images].every(image => image.complete)")
    assert (
        page.ask("[...document.images].map(image => image.naturalWidth > 0 && image.naturalWidth <= 400)") == [True] * 5
    )
    said = page.ask("document.body.innerText")
    assert "Preview: failed. The PDF is damaged" in said
    assert "Preview: unsupported. File of another kind (Windows program): no preview" in said
    assert "Pläne/Lüftung.pdf" in said


def test_the_first_words_show_when_somebody_points_at_a_file_or_goes_to_it_by_keyboard(page: Page) -> None:
    note = "[...document.querySelectorAll('li')].find(li => li.innerText.includes('Notiz.txt'))"
    words = f"{note}.querySelector('.words')"
    assert page.ask(f"getComputedStyle({words}).visibility") == "hidden"
    page.ask(f"{note}.focus()")
    page.wait_for(f"getComputedStyle({words}).visibility === 'visible'")
    assert "Die Pumpe im Keller" in page.ask(f"{words}.textContent")


def test_what_files_say_is_shown_and_not_obeyed(page: Page, sheet: Path) -> None:
    assert page.ask("document.title === document.querySelector('h1').textContent + ': 7 files'")
    assert page.ask("document.querySelectorAll('script, iframe, object, link').length") == 0
    assert HOSTILE in page.ask("[...document.querySelectorAll('.words')].map(p => p.textContent).join()")
    assert "⟨U+202E⟩" in page.ask("document.body.textContent")
    assert "root:" not in sheet.read_text(encoding="utf-8")


def test_nothing_beside_the_page_is_needed(page: Page) -> None:
    elements = "[...document.querySelectorAll('[src], [href]')]"
    addresses = page.ask(f"{elements}.map(each => each.getAttribute('src') || each.getAttribute('href'))")
    assert addresses
    assert all(address.startswith(("data:image/webp;base64,", "#")) for address in addresses)


def test_it_is_light_or_dark_as_the_machine_is(page: Page) -> None:
    def look(*, is_dark: bool) -> tuple[str, str]:
        page.look(is_dark=is_dark)
        style = "getComputedStyle(document.body)"
        return page.ask(f"{style}.backgroundColor"), page.ask(f"{style}.color")

    light, dark = look(is_dark=False), look(is_dark=True)
    assert set(light).isdisjoint(dark)


def test_a_narrow_screen_need_not_be_scrolled_sideways(page: Page) -> None:
    page.look(width=390)
    assert page.ask("document.documentElement.scrollWidth <= 390")
