"""Scanned pages as scanners make them: German type on paper, turned, crooked, noisy; and how well a text was read."""

from __future__ import annotations

import io

import numpy as np
import pymupdf
from PIL import Image

GERMAN = """Protokoll der Baubesprechung Nr. 14
Bauvorhaben: Neubau Kindertagesstätte Mühlenweg, Köln
Teilnehmer: Frau Müller (Bauherrin), Herr Größer (TGA-Planung)
Die Lüftungsanlage wird über das Dach geführt. Der Wärmetauscher
muss vor der Übergabe geprüft werden; die Prüfung übernimmt die
Firma Schäfer & Söhne GmbH. Für die Heizkörper im Flur gilt die
DIN EN 12831. Rohrleitungen aus Edelstahl sind gemäß Angebot
Nr. 2024-0815 zu verlegen. Kosten: 12.345,67 EUR zzgl. MwSt.
Öffnungen in Wänden und Decken sind zu schließen. Äußere
Dämmung 32 mm. Nächster Termin: Donnerstag, 21. März 2024"""

WHITE = 255


def page(text: str = GERMAN, *, dpi: int = 200, size: float = 11) -> Image.Image:
    """An A4 page with this text, in grey."""
    with pymupdf.open() as document:
        sheet = document.new_page()
        for number, line in enumerate(text.splitlines()):
            sheet.insert_text((64, 90 + number * size * 1.6), line, fontsize=size)
        pixels = sheet.get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
    return Image.frombytes("L", (pixels.width, pixels.height), pixels.samples)


def noisy(picture: Image.Image, *, grain: float = 0, specks: float = 0, degrees: float = 0) -> Image.Image:
    """A bad scan: with grain of so many grey levels, this part of its pixels black or white, and crooked."""
    dice = np.random.default_rng(1)
    grey = np.asarray(picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=WHITE), np.float64)
    grey = grey + dice.normal(0, grain, grey.shape)
    chance = dice.random(grey.shape)
    grey[chance < specks / 2], grey[chance > 1 - specks / 2] = 0, WHITE
    return Image.fromarray(np.clip(grey, 0, WHITE).astype(np.uint8))


def photo(side: int = 1200) -> Image.Image:
    """Clouds of all sizes, as in a picture of leaves, earth or walls."""
    dice = np.random.default_rng(1)
    layers = (dice.integers(0, 255, (8 * 3**level, 8 * 3**level)).astype(np.uint8) for level in range(4))
    clouds = [Image.fromarray(layer).resize((side, side), Image.Resampling.BICUBIC) for layer in layers]
    return Image.fromarray(np.mean([np.asarray(cloud) for cloud in clouds], axis=0).astype(np.uint8))


def saved(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def scanned(*pages: Image.Image | str, times: int = 1) -> bytes:
    """A PDF of these pages: pictures over the whole of A4, or text; all of them so many times."""
    contents = [each if isinstance(each, str) else saved(each) for each in pages]
    with pymupdf.open() as document:
        for content in contents * times:
            sheet = document.new_page()
            if isinstance(content, str):
                sheet.insert_text((72, 72), content)
            else:
                sheet.insert_image(sheet.rect, stream=content)
        return bytes(document.tobytes(deflate=True, garbage=3))


def error_rate(found: str, wanted: str = GERMAN) -> float:
    """The part of the characters that must be changed to make what was found what was wanted."""
    left, right = " ".join(found.split()), " ".join(wanted.split())
    before = list(range(len(right) + 1))
    for row, sign in enumerate(left, 1):
        now = [row]
        for column, other in enumerate(right, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (sign != other)))
        before = now
    return before[-1] / len(right)


def umlauts(text: str) -> int:
    """How many umlauts and sharp s there are."""
    return sum(text.count(sign) for sign in "äöüÄÖÜß")
