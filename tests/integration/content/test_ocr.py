"""Scans are read as they come from scanners, within bounds, and what was left out is said."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from ibhelm_pipelines.content.families import tool_for, tool_version
from ibhelm_pipelines.content.image import NO_LETTERING
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.source import place_of
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.settings import Settings
from tests import scans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ibhelm_pipelines.content.outcome import Outcome

    Read = Callable[..., Outcome]

needs_rapidocr = pytest.mark.skipif(not (find_spec("rapidocr") and find_spec("onnxruntime")), reason="no extra `ocr`")


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(settings()) as started:
        yield started


@pytest.fixture
def read(workers: Workers, tmp_path: Path) -> Read:
    """Reads the text of a file as the pipeline does."""

    def reading(data: bytes, family: str = "image", **chosen: object) -> Outcome:
        path = tmp_path / "scan"
        path.write_bytes(data)
        with Sandbox(settings(**chosen), workers) as sandbox:
            return sandbox.read(tool_for(family, "text"), place_of(path), family)

    return reading


def settings(**chosen: object) -> Settings:
    return Settings(_env_file=None, content_workers=1, content_seconds=120, **chosen)


def test_a_page_at_200_dpi_is_read_with_all_its_umlauts(read: Read) -> None:
    outcome = read(scans.scanned(scans.page()), "pdf")
    assert outcome.text is not None
    assert scans.error_rate(outcome.text) < 0.03
    assert scans.umlauts(outcome.text) == scans.umlauts(scans.GERMAN) > 17
    assert (outcome.pages_read, outcome.truncated, outcome.reason) == (1, False, None)


@pytest.mark.parametrize(
    "scan",
    [
        scans.noisy(scans.page(), grain=60),
        scans.noisy(scans.page(), specks=0.1),
        scans.noisy(scans.page(), specks=0.03, grain=20, degrees=2),
    ],
    ids=["grain", "specks", "crooked"],
)
def test_a_noisy_scan_is_read(read: Read, scan: Image.Image) -> None:
    outcome = read(scans.saved(scan, "PNG"))
    assert scans.error_rate(outcome.text or "") < 0.08


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_that_lay_turned_in_the_scanner_is_read(read: Read, degrees: int) -> None:
    outcome = read(scans.saved(scans.page().rotate(degrees, expand=True)))
    assert scans.error_rate(outcome.text or "") < 0.03


def test_only_pages_without_text_of_their_own_are_recognised_and_all_stay_in_their_place(read: Read) -> None:
    outcome = read(scans.scanned("Deckblatt", scans.page("Seite mit Stempel der Prüfstelle"), "Anhang"), "pdf")
    assert outcome.text is not None
    assert [page.strip() for page in outcome.text.split("\f")] == [
        "Deckblatt", "Seite mit Stempel der Prüfstelle", "Anhang",
    ]  # fmt: skip
    assert outcome.pages_read == 3


def test_a_scan_of_300_pages_is_read_to_its_limit_and_says_so(read: Read) -> None:
    outcome = read(scans.scanned(scans.page("Leistungsverzeichnis für die Heizung"), times=300), "pdf", ocr_pages=2)
    assert outcome.text is not None
    assert outcome.text.count("Heizung") == 2
    assert (outcome.pages_read, outcome.truncated, outcome.facts.page_count) == (2, True, 300)
    assert outcome.reason == "2 of 300 scanned pages were recognised: more are not begun in one document"


def test_every_page_of_a_tiff_is_read(read: Read) -> None:
    first, second = scans.page("Rechnung der Firma Schäfer"), scans.page("Zweite Seite der Rechnung")
    outcome = read(scans.saved(first, "TIFF", save_all=True, append_images=[second], compression="tiff_lzw"))
    assert outcome.text is not None
    assert [page.strip() for page in outcome.text.split("\f")] == [
        "Rechnung der Firma Schäfer", "Zweite Seite der Rechnung",
    ]  # fmt: skip


def test_a_photo_is_not_searched_for_text(read: Read) -> None:
    outcome = read(scans.saved(scans.photo()))
    assert (outcome.state, outcome.reason, outcome.pages_read) == ("empty", NO_LETTERING, None)


def test_recognition_can_be_switched_off(read: Read) -> None:
    scan = scans.scanned("Deckblatt", scans.page("Gescannte Seite"))
    outcome = read(scan, "pdf", ocr=False)
    assert (outcome.text or "").split() == ["Deckblatt"]
    assert outcome.reason == "0 of 1 scanned pages were recognised: recognition is off (IBHELM_OCR)"
    assert tool_version("pdf", "text", settings(ocr=False)) != tool_version("pdf", "text", settings())


@pytest.mark.skipif(find_spec("rapidocr") is not None, reason="it is installed")
def test_an_engine_that_is_not_installed_is_named() -> None:
    with pytest.raises(ConfigurationError, match="rapidocr is not installed") as caught:
        tool_version("pdf", "text", settings(ocr_engine="rapidocr"))
    assert "ibhelm-pipelines[ocr]" in (caught.value.next_step or "")


@needs_rapidocr
def test_the_stronger_engine_reads_what_is_too_noisy_for_tesseract(tmp_path: Path) -> None:
    path = tmp_path / "scan"
    path.write_bytes(scans.saved(scans.noisy(scans.page(), specks=0.2, grain=30), "PNG"))
    errors = {}
    for engine in ("tesseract", "rapidocr"):
        chosen = settings(ocr_engine=engine, content_memory_mb=2048)
        with Workers(chosen) as roomy, Sandbox(chosen, roomy) as sandbox:
            outcome = sandbox.read(tool_for("image", "text"), place_of(path), "scan")
        errors[engine] = scans.error_rate(outcome.text or "")
    assert errors["rapidocr"] < min(0.15, errors["tesseract"]), errors
