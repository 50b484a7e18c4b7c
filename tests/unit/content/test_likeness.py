"""Pictures that look the same have nearly the same bits; pictures that do not, have others."""

from __future__ import annotations

import math
import random
import tempfile
from functools import cache
from itertools import combinations

import pytest
from PIL import Image, ImageDraw, ImageEnhance

from ibhelm_pipelines.content import image
from ibhelm_pipelines.content.limits import Limits

NEAR = 4
ORIENTATION = 0x0112


@cache
def photo(number: int, size: tuple[int, int] = (1600, 1200)) -> Image.Image:
    """A scene of its own: light and dark areas and a few hundred shapes, with the grain of a camera."""
    draw = random.Random(number)
    width, height = size
    phase, slope = draw.random() * 6, draw.random() * 5 + 1
    rows = bytes(int(127 + 90 * math.sin(phase + slope * (x / 40 + y / 30))) for y in range(30) for x in range(40))
    picture = Image.frombytes("L", (40, 30), rows).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        left, top = draw.randrange(width), draw.randrange(height)
        box = (left, top, left + draw.randrange(20, 500), top + draw.randrange(20, 400))
        pen.ellipse(box, fill=tuple(draw.randrange(256) for _ in range(3)))
    return picture


def likeness(picture: Image.Image, kind: str = "JPEG", **options: object) -> int | None:
    """What the reader of pictures says of it."""
    with tempfile.TemporaryFile() as file:
        picture.save(file, kind, **options)
        file.seek(0)
        outcome = image.thumbnail(file, Limits(seconds=30, memory_mb=1024, text_chars=1000))
    return outcome.facts.likeness


def bits_between(one: int | None, other: int | None) -> int:
    assert one is not None
    assert other is not None
    return ((one ^ other) & (2**64 - 1)).bit_count()


@pytest.mark.parametrize("number", range(5))
def test_a_picture_stays_like_itself_however_it_was_saved(number: int, subtests: pytest.Subtests) -> None:
    picture = photo(number)
    original = likeness(picture, quality=92)
    half = picture.resize((800, 600), Image.Resampling.LANCZOS)
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # shown a quarter to the right: what lies there is turned to the left
    altered = {
        "saved poorly": likeness(picture, quality=35),
        "half as large": likeness(half, quality=80),
        "as a WebP": likeness(picture, "WEBP", quality=70),
        "as a PNG in 64 colours": likeness(picture.quantize(64), "PNG"),
        "a little lighter": likeness(ImageEnhance.Brightness(picture).enhance(1.15), quality=85),
        "turned by its EXIF data": likeness(turned, quality=85, exif=exif),
    }
    for how, other in altered.items():
        with subtests.test(how):
            assert bits_between(original, other) <= NEAR


def test_other_pictures_are_far_away() -> None:
    found = [likeness(photo(number)) for number in range(25)]
    assert min(bits_between(one, other) for one, other in combinations(found, 2)) > 2 * NEAR


def test_it_fits_what_postgres_keeps() -> None:
    found = [likeness(photo(number)) or 0 for number in range(12)]
    assert all(-(2**63) <= bits < 2**63 for bits in found)
    assert min(found) < 0 < max(found)


def test_what_is_of_one_colour_is_like_nothing() -> None:
    assert likeness(Image.new("RGB", (300, 200), "white")) is None
    assert likeness(Image.new("L", (1, 1), 7), "PNG") is None
