"""Draws the beginning of a text as a small sheet of paper, so that text files show something to look at too."""

from __future__ import annotations

from html import escape
from typing import Any

import pymupdf
from PIL import Image

from ibhelm_pipelines.content.limits import PREVIEW_PIXELS, encode_preview

SHEET = (283, PREVIEW_PIXELS)
"""A4 upright, in pixels and points at once: drawing at the final size keeps small type legible."""

MAX_LINES = 48
MAX_LINE_CHARS = 300
MAX_COLUMNS = 12
MAX_VALUE_CHARS = 120
"""Of a line of the head of a letter: so much fits into two lines of the sheet."""

STYLE = """<style>
@page { margin: 12pt }
body { font-family: sans-serif; font-size: 9pt; line-height: 1.2; margin: 0 }
h1 { font-size: 11pt; margin: 0 0 6pt 0 }
p { margin: 0; min-height: 1em }
table { border-collapse: collapse }
td { font-size: 8pt; padding: 1pt 4pt 1pt 0; border-bottom: 0.3pt solid #999 }
.label { color: #777 }
</style>"""


def draw_text(text: str, *, title: str | None = None) -> bytes:
    """Return the WebP picture of a sheet with this text on it.

    Args:
        text: what to show; only its first lines fit.
        title: stands above the text, larger.
    """
    heading = f"<h1>{escape(title)}</h1>" if title else ""
    return _draw(heading + _paragraphs(text))


def draw_table(rows: list[list[str]], *, title: str | None = None) -> bytes:
    """Return the WebP picture of a sheet with the beginning of this table on it, below a title."""
    shown = (row[:MAX_COLUMNS] for row in rows[:MAX_LINES])
    cells = ("".join(f"<td>{escape(cell[:60]) or '&#160;'}</td>" for cell in row) for row in shown)
    heading = f"<h1>{escape(title)}</h1>" if title else ""
    return _draw(f"{heading}<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>")


def draw_letter(head: list[tuple[str, str]], text: str) -> bytes:
    """Return the WebP picture of a sheet with a letter on it: lines of a head, each a label and a value, and text."""
    cells = (
        f"<tr><td class='label'>{escape(label)}</td><td>{escape(_shortened(value))}</td></tr>" for label, value in head
    )
    return _draw(f"<table>{''.join(cells)}</table><p>&#160;</p>{_paragraphs(text)}")


def _shortened(value: str) -> str:
    return value if len(value) <= MAX_VALUE_CHARS else value[: MAX_VALUE_CHARS - 1] + "…"


def _paragraphs(text: str) -> str:
    lines = (line[:MAX_LINE_CHARS].rstrip() for line in text.expandtabs(4).splitlines()[:MAX_LINES])
    return "".join(f"<p>{_spaced(line)}</p>" for line in lines)


def _spaced(line: str) -> str:
    """Keep the indentation, which HTML would swallow, and the height of blank lines."""
    indent = len(line) - len(line.lstrip(" "))
    return "&#160;" * indent + escape(line.lstrip(" ")) or "&#160;"


def _draw(body: str) -> bytes:
    html = f"<html><head>{STYLE}</head><body>{body}</body></html>".encode()
    document: Any = pymupdf.open(stream=html, filetype="html", width=SHEET[0], height=SHEET[1], fontsize=9)
    try:
        pixels = document[0].get_pixmap(colorspace=pymupdf.csRGB, alpha=False)
        return encode_preview(Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples))
    finally:
        document.close()
