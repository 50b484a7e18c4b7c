"""A sheet that lines, fills and text of a drawing are put on, in its own units, and its picture at preview size.

Knows nothing of DXF. All is kept until the end, because only then is known where the drawing lies: coordinates may be
those of the country, and a stray point may stand a thousand kilometres from the plan. Then it is written as one PDF
page, which MuPDF draws smoothly and in a fraction of the time that a library call for each line would take.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pymupdf
from PIL import Image

from ibhelm_pipelines.content.limits import PREVIEW_PIXELS, encode_preview

MARGIN = 6
"""Pixels around the drawing."""

MAX_ITEMS = 400_000
"""Things that are drawn, those in blocks as often as they are shown."""

MAX_NUMBERS = 8_000_000
"""Numbers that are kept in memory, a few hundred megabytes."""

SPECK_PIXELS = 0.6
"""A block smaller than this is drawn as a point."""

MAX_COORDINATE = 1e13
"""Beyond this, and not-a-number, there is nothing that anybody drew."""

MIN_SIDE_SHARE = 0.12
"""The shorter side of a preview is at least this part of the longer one, else a long section would be a hair."""

THICK = 1.4
"""Width of lines drawn to stand out, in pixels."""

HEAVY_MILLIMETRES = 0.5
THIN = ((500, 0.9), (5_000, 0.7), (20_000, 0.55), (MAX_ITEMS, 0.45))
"""Width of all other lines, in pixels, by how many things are on the sheet: a full plan turns into a blot else."""

LEGIBLE_PIXELS = 1.6
"""Text lower than this is drawn as a faint stroke."""

FAR_GAP = 2.0
MAIN_SHARE = 0.8
"""What stands further away than twice the extent of all that is drawn, and is less than a fifth of it, is a stray."""

CAP_HEIGHT = 0.718
"""Of Helvetica's capitals, as a part of its size."""

Numbers = tuple[float, ...]
Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

Colour = tuple[float, float, float]
Paint = Literal["stroke", "fill"]

FONT = pymupdf.Font("helv")
DARKEST_LOSS = 0.55
"""Brightness above which a line can hardly be seen on white."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Operators of PDF (m, l, c, h), one letter each, and the numbers that they take."""

    paint: Paint
    colour: Colour
    heavy: bool
    operators: str
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    colour: Colour
    matrix: Numbers
    height: float


@dataclass(frozen=True, slots=True)
class _Group:
    """Another sheet, through a matrix, and cut off at a polygon if there is one."""

    sheet: Sheet
    matrix: Numbers
    clip: Numbers


class SheetFullError(Exception):
    """No more fits on the sheet; what is there can be drawn."""


class Sheet:
    """Collects a drawing and draws it.

    Args:
        parent: the sheet that this one will be shown on; both share the room that there is.
    """

    def __init__(self, parent: Sheet | None = None) -> None:
        self._items: list[_Shape | _Text | _Group] = []
        self._boxes: list[Box] = []
        self._weight = 0
        self._room: list[int] = [MAX_NUMBERS] if parent is None else parent._room

    def __len__(self) -> int:
        return len(self._items)

    def shape(self, paint: Paint, colour: Colour, operators: str, numbers: Numbers, *, heavy: bool = False) -> None:
        """Add lines or a filled area; what has impossible coordinates is left out.

        Raises:
            SheetFullError: there is no room for more.
        """
        if self._keep(numbers, len(numbers), 1):
            self._items.append(_Shape(paint, colour, heavy, operators, numbers))

    def text(self, text: str, colour: Colour, matrix: Numbers, height: float) -> None:
        """Add a line of text whose capitals are `height` high, through the matrix (a, b, c, d, e, f) of PDF."""
        corners = _corners((0.0, 0.0, text_width(text, height), height), matrix)
        if self._keep(corners, len(corners), 1):
            self._items.append(_Text(text, colour, matrix, height))

    def group(self, sheet: Sheet, matrix: Numbers, clip: Numbers = ()) -> None:
        """Add what another sheet holds, a block or the view through a window, whose corners are `clip`."""
        if sheet._items:
            corners = clip or _corners(sheet._box(), matrix)
            if self._keep(corners, 8, sheet._weight):
                self._items.append(_Group(sheet, matrix, clip))

    def preview(self) -> bytes | None:
        """Return the WebP picture, or None when nothing was drawn."""
        if not self._items:
            return None
        area = _main_area(np.array(self._boxes))
        size, matrix = _fit(area)
        width = next(width for most, width in THIN if self._weight <= most)
        page = _Page(matrix, width, size)
        page.add_all(self)
        return _render(bytes(page.content), size)

    def _keep(self, numbers: Numbers, kept: int, weight: int) -> bool:
        xs, ys = numbers[::2], numbers[1::2]
        if not xs or not sum(map(abs, numbers)) < MAX_COORDINATE * len(numbers):  # also false for not-a-number
            return False
        self._room[0] -= kept
        self._weight += weight
        if self._weight > MAX_ITEMS or self._room[0] < 0:
            self._weight -= weight
            raise SheetFullError
        self._boxes.append((min(xs), min(ys), max(xs), max(ys)))
        return True

    def _box(self) -> Box:
        lows, highs = np.min(self._boxes, axis=0), np.max(self._boxes, axis=0)
        return float(lows[0]), float(lows[1]), float(highs[2]), float(highs[3])


def _corners(box: Box, matrix: Numbers) -> Numbers:
    left, bottom, right, top = box
    points = ((left, bottom), (right, bottom), (left, top), (right, top))
    return tuple(number for point in points for number in _apply(matrix, *point))


def _apply(matrix: Numbers, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _compose(first: Numbers, then: Numbers) -> Numbers:
    """Return the matrix that does one after the other."""
    directions = (_apply((*then[:4], 0.0, 0.0), *first[:2]), _apply((*then[:4], 0.0, 0.0), *first[2:4]))
    return (*directions[0], *directions[1], *_apply(then, *first[4:]))


@cache
def _advance(sign: str) -> float:
    return float(FONT.glyph_advance(ord(sign)))


def text_width(text: str, height: float) -> float:
    """Return the length of a line of text whose capitals are `height` high."""
    return sum(map(_advance, text)) * height / CAP_HEIGHT


def ink(colour: str) -> Colour:
    """Return a colour (#rrggbb) as a line of it can be seen on white: bright ones darker, white and pale grey black."""
    red, green, blue = _channels(colour)
    bright = 0.3 * red + 0.59 * green + 0.11 * blue
    if bright <= DARKEST_LOSS:
        return red, green, blue
    if max(red, green, blue) - min(red, green, blue) < 0.1:
        grey = max(0.0, 1.0 - bright)
        return grey, grey, grey
    share = DARKEST_LOSS / bright
    return red * share, green * share, blue * share


def paint(colour: str) -> Colour:
    """Return a colour (#rrggbb or #rrggbbaa) of an area, as it looks on white."""
    red, green, blue = _channels(colour)
    opacity = int(colour[7:9], 16) / 255 if len(colour) >= 9 else 1.0
    return 1 - opacity * (1 - red), 1 - opacity * (1 - green), 1 - opacity * (1 - blue)


def _channels(colour: str) -> Colour:
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255


def _main_area(boxes: Any) -> Box:
    """Return where the drawing lies, without what stands far away from it."""
    kept = boxes
    for _ in range(2):  # a stray in one direction can hide one in the other
        for low, high in ((0, 2), (1, 3)):
            start, end = _main_range(kept[:, low], kept[:, high])
            kept = kept[(kept[:, low] >= start) & (kept[:, high] <= end)]
    return float(kept[:, 0].min()), float(kept[:, 1].min()), float(kept[:, 2].max()), float(kept[:, 3].max())


def _main_range(low: Any, high: Any) -> tuple[float, float]:
    """Return the range on one axis that holds nearly all things and no gap far larger than what they cover."""
    order = np.argsort(low)
    low, reach = low[order], np.maximum.accumulate(high[order])
    gaps = np.maximum(low[1:] - reach[:-1], 0.0)
    covered = float(reach[-1] - low[0] - gaps.sum())
    cuts = np.flatnonzero(gaps > max(FAR_GAP * covered, 0.0)) if covered > 0 else np.array([], dtype=int)
    starts, ends = np.concatenate(([0], cuts + 1)), np.concatenate((cuts + 1, [len(low)]))
    main = int(np.argmax(ends - starts))
    if ends[main] - starts[main] < MAIN_SHARE * len(low):
        return float(low[0]), float(reach[-1])
    return float(low[starts[main]]), float(reach[ends[main] - 1])


def _fit(area: Box) -> tuple[tuple[int, int], Numbers]:
    """Return the size of the picture in pixels, and the matrix that brings the area into its middle."""
    left, bottom, right, top = area
    longest = max(right - left, top - bottom, abs(left) * 1e-12, abs(bottom) * 1e-12) or 1.0
    inner = PREVIEW_PIXELS - 2 * MARGIN
    scale = inner / longest
    width, height = (
        max((end - start) * scale, inner * MIN_SIDE_SHARE) for start, end in ((left, right), (bottom, top))
    )
    size = round(width + 2 * MARGIN), round(height + 2 * MARGIN)
    middle = size[0] / 2 - (left + right) / 2 * scale, size[1] / 2 - (bottom + top) / 2 * scale
    return size, (scale, 0.0, 0.0, scale, *middle)


_ARGUMENTS = {"m": 1, "l": 1, "c": 3, "h": 0}


class _Page:
    """The content stream of the page. Both PDF and drawings count upwards, so nothing stands on its head."""

    def __init__(self, matrix: Numbers, width: float, size: tuple[int, int]) -> None:
        self.content = bytearray(b"1 J 1 j\n")
        self._matrix = matrix
        self._width = width
        self._size = size

    def add_all(self, sheet: Sheet) -> None:
        """Add what can be seen of a sheet."""
        for item, box in zip(sheet._items, sheet._boxes, strict=True):
            left, bottom, right, top = self._pixels(box)
            if right < 0 or top < 0 or left > self._size[0] or bottom > self._size[1]:
                continue
            if isinstance(item, _Shape):
                self._shape(item)
            elif isinstance(item, _Text):
                self._text(item)
            elif max(right - left, top - bottom) < SPECK_PIXELS:
                self._write(f"{self._width:.2f} w 0.4 G {left:.2f} {bottom:.2f} m {left:.2f} {bottom:.2f} l S")
            else:
                self._group(item)

    def _pixels(self, box: Box) -> Box:
        corners = _corners(box, self._matrix)
        return min(corners[::2]), min(corners[1::2]), max(corners[::2]), max(corners[1::2])

    def _group(self, item: _Group) -> None:
        before = self._matrix
        if item.clip:
            operators = "m" + "l" * (len(item.clip) // 2 - 1)
            self._write(f"q {self._path(operators, item.clip)} h W n")
        self._matrix = _compose(item.matrix, before)
        self.add_all(item.sheet)
        self._matrix = before
        if item.clip:
            self._write("Q")

    def _shape(self, item: _Shape) -> None:
        path = self._path(item.operators, item.numbers)
        colour = "{:.2f} {:.2f} {:.2f}".format(*item.colour)
        if item.paint == "fill":
            self._write(f"{colour} rg {path} f*")
        else:
            width = THICK if item.heavy else self._width
            self._write(f"{width:.2f} w {colour} RG {path} S")

    def _path(self, operators: str, numbers: Numbers) -> str:
        a, b, c, d, e, f = self._matrix
        at, words = 0, []
        for operator in operators:
            for _ in range(_ARGUMENTS[operator]):
                x, y = numbers[at], numbers[at + 1]
                words.append(f"{a * x + c * y + e:.2f} {b * x + d * y + f:.2f}")
                at += 2
            words.append(operator)
        return " ".join(words)

    def _text(self, item: _Text) -> None:
        a, b, c, d, x, y = _compose(item.matrix, self._matrix)
        colour = "{:.2f} {:.2f} {:.2f}".format(*item.colour)
        if (c * c + d * d) ** 0.5 * item.height < LEGIBLE_PIXELS:
            width, middle = text_width(item.text, item.height), item.height / 2
            x, y = x + c * middle, y + d * middle
            end = f"{x + a * width:.2f} {y + b * width:.2f}"
            self._write(f"{self._width:.2f} w 0.7 0.7 0.7 RG {x:.2f} {y:.2f} m {end} l S")
            return
        size = item.height / CAP_HEIGHT
        matrix = " ".join(f"{number * size:.4f}" for number in (a, b, c, d))
        code = item.text.encode("cp1252", "replace").hex()
        self._write(f"{colour} rg BT /F 1 Tf {matrix} {x:.2f} {y:.2f} Tm <{code}> Tj ET")

    def _write(self, line: str) -> None:
        self.content += line.encode("ascii") + b"\n"


def _render(content: bytes, size: tuple[int, int]) -> bytes:
    document: Any = pymupdf.open()
    try:
        page = document.new_page(width=size[0], height=size[1])
        stream, font = document.get_new_xref(), document.get_new_xref()
        document.update_object(stream, "<<>>")
        document.update_stream(stream, content, compress=False)
        document.update_object(font, "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
        document.xref_set_key(page.xref, "Resources", f"<</Font<</F {font} 0 R>>>>")
        document.xref_set_key(page.xref, "Contents", f"{stream} 0 R")
        pixels = document[0].get_pixmap(colorspace=pymupdf.csRGB, alpha=False)
        return encode_preview(Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples))
    finally:
        document.close()
        pymupdf.TOOLS.store_shrink(100)
