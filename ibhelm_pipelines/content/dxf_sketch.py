"""A simplified picture of a DXF drawing, from its tags alone: for files that are too large, or too damaged, for ezdxf.

Lines, polylines, circles, arcs, texts and blocks of the model; no hatches, no dimensions, curves as straight pieces.
Imported when such a drawing comes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ezdxf.colors import aci2rgb

from ibhelm_pipelines.content.drawing import Colour, Numbers, Sheet, SheetFullError, ink
from ibhelm_pipelines.content.dxf_tags import Tag, read_tags
from ibhelm_pipelines.content.dxf_text import plain_paragraph

MAX_TAGS = 200_000
"""Of one entity."""

STEPS = 24
"""Straight pieces of a full circle."""

BLACK: Colour = (0.0, 0.0, 0.0)
BYBLOCK, BYLAYER = 0, 256
CLOSED, MESH = 1, 16 | 64
"""Bits of a polyline: back to its beginning; a net of faces, which lines through its corners would not show."""

MODEL_BLOCKS = ("*MODEL_SPACE", "$MODEL_SPACE", "*PAPER_SPACE", "$PAPER_SPACE")

Entity = dict[int, list[bytes]]
"""Values of an entity by group code, in their order."""


def draw(file: BinaryIO, deadline: float) -> bytes | None:
    """Return the preview, or None where nothing could be drawn."""
    sketch = _Sketch()
    try:
        for kind, entity in _entities(read_tags(file)):
            sketch.take(kind, entity)
            if time.monotonic() > deadline:
                break
    except SheetFullError:
        pass
    return sketch.model.preview()


def _entities(tags: Iterator[Tag]) -> Iterator[tuple[str, Entity]]:
    kind, entity, size = "", Entity(), 0
    for tag in tags:
        if tag.code == 0:
            if kind:
                yield kind, entity
            kind, entity, size = tag.value.decode("ascii", "replace").upper(), {}, 0
        elif size < MAX_TAGS:
            entity.setdefault(tag.code, []).append(tag.value)
            size += 1
    yield kind, entity


def _number(entity: Entity, code: int, otherwise: float = 0.0) -> float:
    values = entity.get(code)
    return float(values[0]) if values else otherwise


def _word(entity: Entity, code: int) -> str:
    return entity.get(code, [b""])[0].decode("utf-8", "replace")


def _points(entity: Entity, code: int = 10) -> list[tuple[float, float]]:
    """Return points in the plane; entities drawn from behind are mirrored."""
    side = -1.0 if _number(entity, 230, 1.0) < 0 else 1.0
    xs, ys = entity.get(code, []), entity.get(code + 10, [])
    return [(side * float(x), float(y)) for x, y in zip(xs, ys, strict=False)]


class _Sketch:
    """Puts entities on a sheet as they come; blocks come before what refers to them."""

    def __init__(self) -> None:
        self.model = Sheet()
        self._sheet = self.model
        self._section = ""
        self._layers: dict[str, Colour | None] = {}
        self._blocks: dict[str, tuple[Sheet, tuple[float, float]]] = {}
        self._block: tuple[str, Sheet, tuple[float, float]] | None = None
        self._corners: list[tuple[float, float]] | None = None
        self._closed = False
        self._colour: Colour = BLACK
        self._drawers: dict[str, Callable[[Entity], None]] = {
            "LINE": lambda entity: self._line([*_points(entity), *_points(entity, 11)]),
            "LWPOLYLINE": lambda entity: self._line(
                _points(entity), closed=int(_number(entity, 70)) & CLOSED == CLOSED
            ),
            "SPLINE": lambda entity: self._line(_points(entity)),
            "CIRCLE": self._arc,
            "ARC": self._arc,
            "SOLID": self._area,
            "3DFACE": lambda entity: self._area(entity, (10, 11, 12, 13)),
            "TEXT": self._text,
            "MTEXT": self._text,
            "INSERT": self._reference,
        }

    def take(self, kind: str, entity: Entity) -> None:
        """Take one entity of the file; one that is damaged is left out."""
        try:
            if kind == "SECTION":
                self._section = _word(entity, 2).upper()
            elif kind == "LAYER" and self._section == "TABLES":
                self._layer(entity)
            elif self._section == "BLOCKS" and kind in ("BLOCK", "ENDBLK"):
                self._turn(kind, entity)
            elif self._section in ("BLOCKS", "ENTITIES"):
                self._draw(kind, entity)
        except (LookupError, OverflowError, ValueError):
            return

    def _layer(self, entity: Entity) -> None:
        """A layer that is switched off has a negative colour."""
        colour = int(_number(entity, 62, 7.0))
        self._layers[_word(entity, 2).lower()] = None if colour < 0 else _ink_of(colour)

    def _turn(self, kind: str, entity: Entity) -> None:
        if kind == "BLOCK":
            base = (_points(entity) or [(0.0, 0.0)])[0]
            self._sheet = Sheet(self.model)
            self._block = _word(entity, 2).upper(), self._sheet, base
        elif self._block is not None:
            name, sheet, base = self._block
            if name not in MODEL_BLOCKS:
                self._blocks[name] = sheet, base
            self._sheet, self._block = self.model, None

    def _draw(self, kind: str, entity: Entity) -> None:
        if _number(entity, 67) == 1 or _number(entity, 60) == 1:  # on a sheet of paper space, or invisible
            return
        if kind == "VERTEX" and self._corners is not None:
            self._corners += _points(entity)
            return
        if kind == "SEQEND" and self._corners:
            self._line(self._corners, closed=self._closed)
        flags = int(_number(entity, 70))
        self._corners = [] if kind == "POLYLINE" and not flags & MESH else None
        self._closed = flags & CLOSED == CLOSED
        colour = self._colour_of(entity)
        drawer = self._drawers.get(kind)
        if drawer is not None and colour is not None:
            self._colour = colour
            drawer(entity)

    def _colour_of(self, entity: Entity) -> Colour | None:
        colour = int(_number(entity, 62, BYLAYER))
        if colour == BYLAYER:
            return self._layers.get(_word(entity, 8).lower(), BLACK)
        return _ink_of(colour)

    def _line(self, points: list[tuple[float, float]], *, closed: bool = False) -> None:
        if len(points) > 1:
            operators = "m" + "l" * (len(points) - 1) + ("h" if closed else "")
            numbers: Numbers = tuple(number for point in points for number in point)
            self._sheet.shape("stroke", self._colour, operators, numbers)

    def _arc(self, entity: Entity) -> None:
        (x, y), radius = _points(entity)[0], _number(entity, 40)
        start, end = math.radians(_number(entity, 50)), math.radians(_number(entity, 51, 360.0))
        sweep = (end - start) % math.tau or math.tau
        steps = max(2, math.ceil(sweep / math.tau * STEPS))
        side = -1.0 if _number(entity, 230, 1.0) < 0 else 1.0
        angles = [start + sweep * step / steps for step in range(steps + 1)]
        self._line([(x + side * radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles])

    def _area(self, entity: Entity, order: tuple[int, ...] = (10, 11, 13, 12)) -> None:
        """The corners of a solid stand in rows, those of a face around it."""
        corners = [point for code in order for point in _points(entity, code)]
        self._line(corners, closed=True)

    def _text(self, entity: Entity) -> None:
        (x, y), height = _points(entity)[0], _number(entity, 40, 1.0)
        turn = math.radians(_number(entity, 50))
        cos, sin = math.cos(turn), math.sin(turn)
        text = plain_paragraph(_word(entity, 1)).partition("\n")[0]
        if text.strip() and height > 0:
            self._sheet.text(text, self._colour, (cos, sin, -sin, cos, x, y), height)

    def _reference(self, entity: Entity) -> None:
        known = self._blocks.get(_word(entity, 2).upper())
        if known is None:
            return
        sheet, (left, bottom) = known
        x, y = _points(entity)[0]
        turn = math.radians(_number(entity, 50))
        wide, high = _number(entity, 41, 1.0), _number(entity, 42, 1.0)
        side = -1.0 if _number(entity, 230, 1.0) < 0 else 1.0
        a, b = side * wide * math.cos(turn), wide * math.sin(turn)
        c, d = -side * high * math.sin(turn), high * math.cos(turn)
        self._sheet.group(sheet, (a, b, c, d, x - a * left - c * bottom, y - b * left - d * bottom))


def _ink_of(colour: int) -> Colour:
    if not 0 < colour < 256:
        return BLACK
    red, green, blue = aci2rgb(colour)
    return ink(f"#{red:02x}{green:02x}{blue:02x}")
