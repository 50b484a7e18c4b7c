"""Puts the entities of a DXF document on a sheet, by ezdxf's drawing frontend, for as long as there is time.

Imported when the first drawing comes: ezdxf takes half a second. What one entity raises costs that entity. Nothing
outside the document is looked at: no fonts of the system, no pictures, no references.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from ezdxf.addons import acadctb
from ezdxf.addons.drawing.backend import Backend
from ezdxf.addons.drawing.config import BackgroundPolicy, Configuration, ImagePolicy, LinePolicy
from ezdxf.addons.drawing.frontend import UniversalFrontend
from ezdxf.addons.drawing.mtext_complex import ComplexMTextRenderer
from ezdxf.addons.drawing.pipeline import RenderPipeline2d
from ezdxf.addons.drawing.properties import LayoutProperties, RenderContext
from ezdxf.addons.drawing.unified_text_renderer import UnifiedTextRenderer
from ezdxf.document import Drawing
from ezdxf.entities.dxfgfx import DXFGraphic
from ezdxf.entities.insert import Insert
from ezdxf.entities.mtext import MText
from ezdxf.entities.viewport import Viewport
from ezdxf.fonts.font_face import FontFace
from ezdxf.fonts.font_measurements import FontMeasurements
from ezdxf.fonts.fonts import AbstractFont
from ezdxf.layouts.layout import Layout, Modelspace
from ezdxf.math import Matrix44, Vec2
from ezdxf.npshapes import NumpyPath2d
from ezdxf.path.converter import make_path
from ezdxf.reorder import ascending
from ezdxf.tools.text import MTextContext
from ezdxf.tools.text_layout import LayoutAlignment
from ezdxf.xclip import XClip
from typing_extensions import override

from ibhelm_pipelines.content.drawing import HEAVY_MILLIMETRES, Numbers, Sheet, SheetFullError, ink, paint, text_width
from ibhelm_pipelines.content.dxf_document import BROKEN, DAMAGED
from ibhelm_pipelines.content.patience import TooSlowError
from ibhelm_pipelines.errors import SuspectFileError

MAX_DEPTH = 24
"""Blocks in blocks; a block that holds itself would never end."""

MAX_COPIES = 40
"""Rows and columns of one block reference that are drawn."""

HATCH_SECONDS = 0.3
OPERATORS = {1: "l", 2: "c", 3: "c", 4: "m"}
"""Letters of PDF for the commands of an ezdxf path: line, quadratic and cubic curve, move."""

CONFIGURATION = Configuration(
    background_policy=BackgroundPolicy.WHITE,
    line_policy=LinePolicy.SOLID,  # dashes cannot be told apart at this size, and may be a million to a line
    image_policy=ImagePolicy.RECT,  # never open the file that it names
    hatching_timeout=HATCH_SECONDS,
    lineweight_scaling=1.0,
)


def picture(document: Drawing, deadline: float) -> tuple[bytes | None, bool]:
    """Return the preview, None where nothing is drawn, and whether all of the drawing is on it.

    Raises:
        SuspectFileError: the document is so damaged that not even its layers can be told.
    """
    sheet = Sheet()
    try:
        whole = put_on_sheet(document, sheet, deadline)
    except BROKEN as error:
        raise SuspectFileError(DAMAGED) from error
    return sheet.preview(), whole


def put_on_sheet(document: Drawing, sheet: Sheet, deadline: float) -> bool:
    """Draw the layout that stands for the document; return whether all of it was drawn.

    A sheet of paper space is what its author would print; model space is drawn where there is none, or nothing on it.
    """
    layouts: list[Layout] = [layout for layout in paper_layouts(document) if _has_view(layout)][:1]
    for layout in (*layouts, document.modelspace()):
        frontend = _Frontend(_Context(document), document, sheet, deadline)
        try:
            with np.errstate(all="ignore"):
                frontend.draw(layout)
        except (TooSlowError, SheetFullError):
            return False
        if len(sheet):
            break
    return True


def paper_layouts(document: Drawing) -> list[Layout]:
    """Return the sheets of paper space, in the order of their tabs."""
    names = document.layouts.names_in_taborder()
    return [layout for layout in map(document.layouts.get, names) if not isinstance(layout, Modelspace)]


def _has_view(layout: Layout) -> bool:
    """Whether the layout shows model space; its first view port is the sheet itself."""
    return any(_is_window(entity) for entity in layout) and any(not isinstance(entity, Viewport) for entity in layout)


def _is_window(entity: Any) -> bool:
    return isinstance(entity, Viewport) and entity.dxf.get("id", 2) != 1 and entity.dxf.get("status", 1) > 0


class _PlanFont(AbstractFont):
    """Helvetica stands for every font: it is built into MuPDF, and shapes of letters cannot be told at this size."""

    name = "Helvetica"

    def __init__(self, cap_height: float = 1.0, width_factor: float = 1.0) -> None:
        super().__init__(FontMeasurements(0.0, cap_height, cap_height * 0.73, cap_height * 0.29))
        self._height, self._width = cap_height, width_factor

    def text_width(self, text: str) -> float:
        return text_width(text, self._height) * self._width

    def text_width_ex(self, text: str, cap_height: float, width_factor: float = 1.0) -> float:
        return text_width(text, cap_height) * width_factor

    def space_width(self) -> float:
        return self.text_width(" ")

    @override
    def text_path(self, text: str) -> NumpyPath2d:
        """Nobody asks: text stays text."""
        return NumpyPath2d(None)

    @override
    def text_path_ex(self, text: str, cap_height: float, width_factor: float = 1.0) -> NumpyPath2d:
        """Nobody asks: text stays text."""
        return NumpyPath2d(None)

    @override
    def text_glyph_paths(self, text: str, cap_height: float, width_factor: float = 1.0) -> list[NumpyPath2d]:
        """Nobody asks: text stays text."""
        return []


class _FormattedText(ComplexMTextRenderer):
    @override
    def get_font(self, ctx: MTextContext) -> AbstractFont:
        return _PlanFont(ctx.cap_height, ctx.width_factor)


class _TextEngine(UnifiedTextRenderer):
    def __init__(self) -> None:
        super().__init__()
        self._font = _PlanFont()

    @override
    def get_font(self, font_face: FontFace) -> AbstractFont:
        return self._font


class _Pipeline(RenderPipeline2d):
    """Hands on text as text, not as the outlines of its letters."""

    text_engine = _TextEngine()

    backend: _Backend

    @property
    def sheet(self) -> Sheet:
        """What is drawn on now."""
        return self.backend.sheet

    def turn_to(self, sheet: Sheet) -> None:
        """Draw on another sheet from now on."""
        self.backend.sheet = sheet

    @override
    def draw_text(
        self, text: str, transform: Matrix44, properties: Any, cap_height: float, dxftype: str = "TEXT"
    ) -> None:
        if not text.strip():
            return
        if self.clipping_portal.is_active:
            start = transform.transform((0, 0, 0))
            if self.clipping_portal.clip_point(Vec2(start)) is None:
                return
            transform = self.clipping_portal.transform_matrix(transform)
        self.sheet.text(text, ink(self.get_backend_properties(properties).color), _plane(transform), cap_height)


class _Backend(Backend):
    """The end of ezdxf's pipeline: everything arrives as lines, paths and areas in the plane."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__()
        self.sheet = sheet

    def set_background(self, color: str) -> None:
        """It is white."""

    def clear(self) -> None:
        """Nothing is ever taken back."""

    def draw_point(self, pos: Vec2, properties: Any) -> None:
        self.sheet.shape("stroke", ink(properties.color), "ml", (pos.x, pos.y, pos.x, pos.y), heavy=True)

    def draw_line(self, start: Vec2, end: Vec2, properties: Any) -> None:
        self._stroke("ml", (start.x, start.y, end.x, end.y), properties)

    def draw_solid_lines(self, lines: Iterable[tuple[Vec2, Vec2]], properties: Any) -> None:
        numbers = tuple(number for start, end in lines for number in (start.x, start.y, end.x, end.y))
        self._stroke("ml" * (len(numbers) // 4), numbers, properties)

    def draw_path(self, path: Any, properties: Any) -> None:
        self._stroke(*_outline(path), properties)

    def draw_filled_paths(self, paths: Iterable[Any], properties: Any) -> None:
        outlines = [_outline(path) for path in paths]
        numbers = tuple(number for _, each in outlines for number in each)
        self.sheet.shape("fill", paint(properties.color), "".join(f"{each}h" for each, _ in outlines if each), numbers)

    def draw_filled_polygon(self, points: Any, properties: Any) -> None:
        numbers = tuple(number for point in points.vertices() for number in (point.x, point.y))
        self.sheet.shape("fill", paint(properties.color), "m" + "l" * (len(numbers) // 2 - 1) + "h", numbers)

    @override
    def draw_image(self, image_data: Any, properties: Any) -> None:
        """Only pictures inside the document get here, and they say little at this size."""

    def _stroke(self, operators: str, numbers: Numbers, properties: Any) -> None:
        heavy = properties.lineweight >= HEAVY_MILLIMETRES
        self.sheet.shape("stroke", ink(properties.color), operators, numbers, heavy=heavy)


def _outline(path: NumpyPath2d) -> tuple[str, Numbers]:
    """Return a path as operators and numbers of PDF; a quadratic curve becomes a cubic one."""
    points = path.np_vertices().tolist()
    if not points:
        return "", ()
    operators, numbers, at = ["m"], list(points[0]), 1
    for command in path.command_codes():
        if command == 2:
            start, control, end = points[at - 1], points[at], points[at + 1]
            numbers += [start[i] + (control[i] - start[i]) * 2 / 3 for i in (0, 1)]
            numbers += [end[i] + (control[i] - end[i]) * 2 / 3 for i in (0, 1)]
            numbers += end
        else:
            numbers += [number for point in points[at : at + (3 if command == 3 else 1)] for number in point]
        at += {2: 2, 3: 3}.get(command, 1)
        operators.append(OPERATORS[command])
    return "".join(operators), tuple(numbers)


class _Context(RenderContext):
    @staticmethod
    @override
    def _load_plot_style_table(filename: Any) -> Any:
        """Take the ordinary plot styles, not the file that the drawing names."""
        return RenderContext._load_plot_style_table(acadctb.new_ctb())


class _Frontend(UniversalFrontend):
    """Draws entities; a block is taken apart once, and shown wherever it is referred to."""

    pipeline: _Pipeline

    def __init__(self, context: RenderContext, document: Drawing, sheet: Sheet, deadline: float) -> None:
        super().__init__(context, _Pipeline(_Backend(sheet)), CONFIGURATION)
        self._document = document
        self._deadline = deadline
        self._depth = 0
        self._blocks: dict[tuple[object, ...], Sheet] = {}
        self._open: set[str] = set()
        self._models: dict[frozenset[str], Sheet] = {}

    def draw(self, layout: Layout) -> None:
        """Draw what stands on a layout, the windows on model space last."""
        self.ctx.current_layout_properties = LayoutProperties(layout.name, "#ffffff")
        self.ctx.layers = self.ctx._setup_layers(self._document)  # again, now that their default colour is black
        self.draw_all(layout)

    def draw_all(self, layout: Layout) -> None:
        """Draw it with the layers as they are."""
        windows: list[DXFGraphic] = []
        for entity in _in_order(layout):
            if isinstance(entity, Viewport):
                windows.append(entity)
            else:
                self._draw_one([entity])
        self._draw_one(windows)

    def _draw_one(self, entities: list[DXFGraphic]) -> None:
        with suppress(*BROKEN):
            self.draw_entities(entities)

    def draw_viewport(self, vp: Viewport) -> None:
        """Show model space through a window; it is drawn once for all windows with the same layers."""
        if not vp.is_top_view:
            return
        with suppress(*BROKEN):
            matrix, clip = _plane(vp.get_transformation_matrix()), _polygon(vp)
            hidden = frozenset(vp.frozen_layers)
            finished = hidden in self._models
            model = self._models.setdefault(hidden, Sheet(self.pipeline.sheet))
            try:
                if not finished:
                    frontend = _Frontend(self.ctx.from_viewport(vp), self._document, model, self._deadline)
                    frontend.draw_all(self._document.modelspace())
            finally:
                self.pipeline.sheet.group(model, matrix, clip)

    def draw_entity(self, entity: DXFGraphic, properties: Any) -> None:
        """Draw one entity, unless the time is over."""
        if time.monotonic() > self._deadline:
            raise TooSlowError
        try:
            super().draw_entity(entity, properties)
        except BROKEN as error:
            self.skip_entity(entity, str(error))

    def draw_complex_mtext(self, mtext: MText, properties: Any) -> None:
        """Draw text with formats inside."""
        layout = _FormattedText(self.ctx, self.pipeline, properties).layout_engine(mtext)
        layout.place(align=LayoutAlignment(mtext.dxf.attachment_point))
        layout.render(mtext.ucs().matrix)

    def draw_composite_entity(self, entity: DXFGraphic, properties: Any) -> None:
        """Draw what an entity is made of."""
        if self._depth >= MAX_DEPTH:
            return
        self._depth += 1
        blocks = len(self.ctx._saved_states)
        try:
            if isinstance(entity, Insert) and not XClip(entity).has_clipping_path:
                self._draw_reference(entity, properties)
            else:
                super().draw_composite_entity(entity, properties)
        finally:
            self._depth -= 1
            while len(self.ctx._saved_states) > blocks:  # it was left in the middle
                self.ctx.pop_state()
            self.pipeline.clipping_portal._stages.clear()

    def _draw_reference(self, insert: Insert, properties: Any) -> None:
        for name in ("row_count", "column_count"):
            insert.dxf.set(name, min(insert.dxf.get(name, 1), MAX_COPIES))
        copies = insert.multi_insert() if insert.mcount > 1 else [insert]
        for copy in copies:
            self._show_block(copy, properties)
            self.draw_entities(copy.attribs)

    def _show_block(self, insert: Insert, properties: Any) -> None:
        """Blocks look different only by what they take over from the reference."""
        name = insert.dxf.name.lower()
        if name in self._open:  # it holds itself
            return
        matrix = _plane(insert.matrix44())
        inherited = properties.layer, properties.color, properties.lineweight, properties.pen
        key = (name, *inherited)
        known = key in self._blocks
        sheet = self._blocks.setdefault(key, Sheet(self.pipeline.sheet))
        try:
            if not known:
                self._open.add(name)
                self._draw_block(insert, properties, sheet)
        finally:
            self._open.discard(name)
            self.pipeline.sheet.group(sheet, matrix)

    def _draw_block(self, insert: Insert, properties: Any, sheet: Sheet) -> None:
        block = insert.block()
        if block is None:
            return
        before = self.pipeline.sheet
        self.pipeline.turn_to(sheet)
        self.ctx.push_state(properties)
        try:
            for entity in block:
                if entity.dxftype() != "ATTDEF":
                    self._draw_one([entity])
        finally:
            self.ctx.pop_state()
            self.pipeline.turn_to(before)


def _plane(matrix: Matrix44) -> Numbers:
    """Return what a matrix does in the plane, as PDF writes it."""
    rows = matrix.get_row(0), matrix.get_row(1), matrix.get_row(3)
    return tuple(float(number) for row in rows for number in row[:2])


def _polygon(vp: Viewport) -> Numbers:
    return tuple(number for point in make_path(vp).flattening(1.0, segments=8) for number in (point.x, point.y))


def _in_order(layout: Layout) -> Iterable[DXFGraphic]:
    with suppress(*BROKEN):
        handles = list(layout.get_redraw_order())
        if handles:
            return list(ascending(layout, handles))
    return layout
