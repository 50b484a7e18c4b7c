"""The bounds that every reader keeps, and the preview format that all families share."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.plain_text import storable

if TYPE_CHECKING:
    from PIL import Image

PREVIEW_PIXELS = 400
"""Longest side of a preview."""

SMALL_BYTES = 4 << 20
"""A content up to this size is a note, a letter, a drawing of one sheet. In the live lane it finds a worker process
whatever the large ones do, and the worker has lanes of their own for them."""

WEBP_QUALITY = 80
MAX_FACT_CHARS = 1000
"""Longest author or title that is kept."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one step on one content may use.

    Attributes:
        seconds: wall time, then the worker is killed.
        memory_mb: address space of the worker, MiB.
        text_chars: characters of text that are kept.
        scratch: an empty folder for files of its own, thrown away afterwards; only for readers whose tool asks for one
            (`Tool.scratch`), else it is empty.
    """

    seconds: float
    memory_mb: int
    text_chars: int
    scratch: str = ""


def encode_preview(image: Image.Image) -> bytes:
    """Return an upright RGB image of preview size as WebP."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=WEBP_QUALITY)
    return out.getvalue()


def fact(value: object) -> str | None:
    """Return a one-line fact (author, title) that is fit to be stored, or None when there is nothing in it."""
    return " ".join(storable(str(value or "")).split())[:MAX_FACT_CHARS] or None


def mended(text: str) -> str:
    """Return text whose UTF-8 bytes a library took for Latin 1 as it was meant; other text is hardly ever valid so."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def is_memory_shortage(error: Exception) -> bool:
    """Whether a library says in its own words, not by MemoryError, that an allocation was refused."""
    message = str(error).lower()
    return "alloc (" in message or "bad_alloc" in message or "out of memory" in message
