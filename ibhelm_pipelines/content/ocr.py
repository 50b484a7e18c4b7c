"""Recognition of text: one page that has only a picture, German and English, by Tesseract or by RapidOCR.

Runs inside the sandbox only, one page per job: a page that is too much for its reader costs that page. Tesseract is
the one inside MuPDF, its language data come from wheels.
"""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pymupdf

from ibhelm_pipelines.content import image, pdf
from ibhelm_pipelines.content.lettering import can_hold_text, letters_in_words, runs_down, without_noise, wordiness
from ibhelm_pipelines.content.outcome import Outcome, empty
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import storable

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from ibhelm_pipelines.content.limits import Limits

LANGUAGES = "deu+eng"
TESSDATA = Path(sys.prefix, "share", "tessdata")
RESOLUTION = 300
"""What Tesseract is told; it is robust against the truth."""

CLEAR = 0.5
"""Wordiness from which on a text is taken as it is: the page stands upright."""

NONSENSE = 0.2
"""Wordiness below which a text of some length is what is read in hedges and shadows."""

MIN_JUDGED_LETTERS = 12
"""Of a handful of letters nobody can say whether they are words: a number, a pipe size."""

TURNING_TIME_SHARE = 0.2
"""Part of the time limit, spent by the processor, after which no other way up is tried."""

NOT_READABLE = "Picture: no text in it that can be read"


def pdf_page(file: BinaryIO, limits: Limits, number: int, engine: str) -> Outcome:
    """Recognise the text of one page of a PDF."""
    with pdf.opened(file) as document:
        return _recognised(pdf.page_picture(document, number), limits, engine)


def image_page(file: BinaryIO, limits: Limits, number: int, engine: str) -> Outcome:
    """Recognise the text of one page of a picture."""
    with image.opened(file) as opened:
        return _recognised(image.page_picture(opened, number), limits, engine)


def _recognised(picture: Image.Image, limits: Limits, engine: str) -> Outcome:
    if not can_hold_text(picture):
        return empty(image.NO_LETTERING)
    text = _read_upright(without_noise(picture), _ENGINES[engine], limits.seconds * TURNING_TIME_SHARE)
    letters = sum(map(str.isalpha, text))
    if not any(map(str.isalnum, text)) or (letters >= MIN_JUDGED_LETTERS and wordiness(text) < NONSENSE):
        return empty(NOT_READABLE)
    return Outcome(state="ok", text=text[: limits.text_chars])


def _read_upright(picture: Image.Image, read: Callable[[Image.Image], str], seconds: float) -> str:
    """Read the picture the way up that gives words; the likely one first, and no other if it does."""
    deadline = time.process_time() + seconds
    best = ""
    for degrees in (270, 90, 0, 180) if runs_down(picture) else (0, 180, 270, 90):
        text = _tidy(read(picture.rotate(degrees, expand=True) if degrees else picture))
        if wordiness(text) >= CLEAR:
            return text
        best = max(best, text, key=letters_in_words)
        if time.process_time() > deadline:
            break
    return best


def _tidy(text: str) -> str:
    return "\n".join(line.strip() for line in storable(text).replace("\f", "\n").splitlines() if line.strip())


def _by_tesseract(picture: Image.Image) -> str:
    coloured = picture.convert("RGB")  # MuPDF hands grey ones to Tesseract so that nothing is found
    pixels: Any = pymupdf.Pixmap(pymupdf.csRGB, coloured.width, coloured.height, coloured.tobytes(), False)
    pixels.set_dpi(RESOLUTION, RESOLUTION)
    made = pixels.pdfocr_tobytes(compress=False, language=LANGUAGES, tessdata=str(TESSDATA))
    with pymupdf.open("pdf", made) as document:
        return str(document[0].get_text("text", flags=pdf.TEXT_FLAGS))


def _by_rapidocr(picture: Image.Image) -> str:
    import numpy as np  # noqa: PLC0415 - where it is needed at all

    result = _rapidocr()(np.asarray(picture.convert("RGB"))[:, :, ::-1])
    if result.txts is None:
        return ""
    return "\n".join(text for line in _lines(result.boxes, result.txts) for text in line)


@cache
def _rapidocr() -> Any:
    try:
        from rapidocr import RapidOCR  # noqa: PLC0415 - an extra, and 2 s to import
    except ImportError as error:
        raise SuspectFileError("RapidOCR is not installed") from error
    return RapidOCR(
        params={
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Global.log_level": "critical",
        }
    )


def _lines(boxes: Any, texts: tuple[str, ...]) -> list[list[str]]:
    """Join what stands side by side into lines, from top to bottom."""
    found = sorted(
        (float(box[:, 1].mean()), float(box[:, 0].min()), float(box[:, 1].max() - box[:, 1].min()), text)
        for box, text in zip(boxes, texts, strict=True)
    )
    lines: list[list[tuple[float, float, str]]] = []
    for middle, left, height, text in found:
        if lines and middle - lines[-1][0][0] < height / 2:
            lines[-1].append((middle, left, text))
        else:
            lines.append([(middle, left, text)])
    return [[" ".join(text for _, _, text in sorted(line, key=lambda piece: piece[1]))] for line in lines]


_ENGINES: dict[str, Callable[[Image.Image], str]] = {"tesseract": _by_tesseract, "rapidocr": _by_rapidocr}
