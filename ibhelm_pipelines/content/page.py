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

STYLE = """<style>
@page { margin: 12pt }
body { font-family: sans-serif; font-size: 9pt; line-height: 1.2; margin: 0 }
h1 { font-size: 11pt; margin: 0 0 6pt 0 }
p { margin: 0; min-height: 1em }
table { border-collapse: collapse }
td { font-size: 8pt; padding: 1pt 4pt 1pt 0; border-bottom: 0.3pt solid #999 }
</style>"""


def draw_text(text: str, *, title: str | None = None) -> bytes:
    """Return the WebP picture of a sheet with this text on it.

    Args:
        text: what to show; only its first lines fit.
        title: stands above the text, larger.
    """
    lines = (line[:MAX_LINE_CHARS].rstrip() for line in text.expandtabs(4).splitlines()[:MAX_LINES])
    heading = f"<h1>{escape(title)}</h1>" if title else ""
    return _draw(heading + "".join(f"<p>{_spaced(line)}</p>" for line in lines))


def draw_table(rows: list[list[str]]) -> bytes:
    """Return the WebP picture of a sheet with the beginning of this table on it."""
    shown = (row[:MAX_COLUMNS] for row in rows[:MAX_LINES])
    cells = ("".join(f"<td>{escape(cell[:60]) or '&#160;'}</td>" for cell in row) for row in shown)
    return _draw(f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>")


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
