"""SVG pictures: drawn by MuPDF, and the words in them.

Runs inside the sandbox only. MuPDF gets the bytes, not a place in the file system, leaves out pictures from elsewhere,
expands no entities and runs no scripts; the words are read by expat, which is told to do the same.
"""

from __future__ import annotations

from typing import Any, BinaryIO
from xml.parsers import expat

import pymupdf
from PIL import Image

from ibhelm_pipelines.content.limits import PREVIEW_PIXELS, Limits, encode_preview, fact, is_memory_shortage
from ibhelm_pipelines.content.outcome import Facts, Outcome, empty, unsupported
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import tidy, without_base64

DAMAGED = "The SVG picture is damaged"
NO_SIZE = "The SVG picture has no size"
NO_TEXT = "The SVG picture has no text"
TOO_LARGE = "The SVG picture is too large for a preview"

MAX_BYTES = 48 << 20
"""MuPDF holds a tree of all of it in memory."""

MIN_SIDE = 8
MAX_SIDE = 1e6
PIECE_BYTES = 65_536

_WORDS = frozenset({"text", "title", "desc"})


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Draw the picture on white."""
    source = file.read(MAX_BYTES + 1)
    if len(source) > MAX_BYTES:
        return unsupported(TOO_LARGE)
    try:
        document: Any = pymupdf.open(stream=source, filetype="svg")
        return _draw(document[0])
    except (pymupdf.FileDataError, pymupdf.mupdf.FzErrorBase) as error:
        if is_memory_shortage(error):
            raise
        raise SuspectFileError(DAMAGED) from error
    finally:
        pymupdf.TOOLS.store_shrink(100)


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the text on the picture, its titles and descriptions."""
    words = _Words(limits.text_chars)
    broken = words.read(file)
    whole = tidy("\n".join(words.lines))
    facts = Facts(title=fact(words.title), program=fact(words.program))
    if not whole and broken:
        raise SuspectFileError(DAMAGED)
    if not whole:
        return empty(NO_TEXT, facts)
    truncated = broken or words.full or len(whole) > limits.text_chars
    return Outcome(state="ok", text=whole[: limits.text_chars], truncated=truncated, facts=facts)


def _draw(page: Any) -> Outcome:
    width, height = page.rect.width, page.rect.height
    if not (0 < width < MAX_SIDE and 0 < height < MAX_SIDE):
        raise SuspectFileError(NO_SIZE)
    scale = PREVIEW_PIXELS / max(width, height)
    across, up = (max(scale, MIN_SIDE / side) for side in (width, height))
    pixels = page.get_pixmap(matrix=pymupdf.Matrix(across, up), colorspace=pymupdf.csRGB, alpha=False)
    picture = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples)
    facts = Facts(pixel_width=round(width), pixel_height=round(height))
    return Outcome(state="ok", preview=encode_preview(picture), facts=facts)


class _Words:
    """Collects what stands in elements of text.

    Attributes:
        title: of the whole picture.
        program: that it was drawn with.
    """

    def __init__(self, max_chars: int) -> None:
        self.lines: list[str] = []
        self.title = self.program = ""
        self.full = False
        self._max_chars = max_chars
        self._chars = self._depth = self._inside = 0
        self._run: list[str] = []
        self._parser = expat.ParserCreate()
        # A plain default handler (not ...Expand) makes expat report references to the file's own entities instead of
        # expanding them.
        self._parser.DefaultHandler = lambda _: None
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, file: BinaryIO) -> bool:
        """Feed the file; returns whether it broke."""
        try:
            while not self.full and (piece := file.read(PIECE_BYTES)):
                self._parser.Parse(piece, False)
        except expat.ExpatError:
            return True
        return False

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and "inkscape:version" in attributes:
            self.program = f"Inkscape {attributes['inkscape:version']}"
        self._inside += self._inside > 0 or name.rpartition(":")[2] in _WORDS

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._inside:
            self._inside -= 1
            self._run.append("\n")
        if not self._inside and self._run:
            line = tidy(without_base64("".join(self._run)))
            self._run.clear()
            if self._depth == 1 and name.rpartition(":")[2] == "title":
                self.title = self.title or line
            self.lines.append(line)

    def _text(self, text: str) -> None:
        if self._inside and not self.full:
            self._run.append(text)
            self._chars += len(text)
            self.full = self._chars > self._max_chars
