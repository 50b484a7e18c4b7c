"""DXF drawings: a picture of the sheet or the model, and the words in it, by ezdxf.

Runs inside the sandbox only. The picture needs the whole document in memory; the words are read from the file as a
stream (dxf_text.py), so that the largest drawing and the broken one can be found at least.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome, empty, unsupported
from ibhelm_pipelines.content.patience import TooSlowError, patience
from ibhelm_pipelines.errors import SuspectFileError

DAMAGED = "The drawing is damaged beyond repair"
TEXT_INCOMPLETE = "The drawing is damaged or cut off: text may be missing"
NO_TEXT = "The drawing has no text"
NOTHING_DRAWN = "The drawing is empty: it has no lines and no text"
TOO_LARGE = "The drawing is too large for a preview"
INCOMPLETE = "The drawing is damaged or cut off: a part of it is shown"
SKETCHED = "The drawing is too large or too damaged for a true preview: a simplified one is shown"
PARTIAL = "The drawing is too large for a whole preview: a part of it is shown"

LOAD_SHARE, DRAW_SHARE, LEAST_DRAW_SHARE = 0.4, 0.6, 0.15
"""Parts of the time limit: loading the file is given up after the first, nothing more is drawn after the second; but
the third is there for drawing in any case."""

MEMORY_FACTOR = 14
"""Times that a document in memory is larger than its file."""

FONTS = Path(__file__).with_name("fonts")
"""Holds a list of one font for ezdxf, which is never opened: Helvetica stands for all (dxf_frontend.py)."""


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the first sheet that shows something, or the model; a simplified model where that is too much for us."""
    started = time.monotonic()
    if os.fstat(file.fileno()).st_size * MEMORY_FACTOR > limits.memory_mb << 20:
        return _sketch(file, started + limits.seconds * DRAW_SHARE) or unsupported(TOO_LARGE)
    documents = library("dxf_document")
    try:
        with patience(limits.seconds * LOAD_SHARE):
            loaded = documents.load(file)
    except TooSlowError:
        return _sketch(file, time.monotonic() + limits.seconds * LEAST_DRAW_SHARE) or unsupported(TOO_LARGE)
    except SuspectFileError:
        sketched = _sketch(file, started + limits.seconds * DRAW_SHARE)
        if sketched is None:
            raise
        return sketched
    deadline = max(started + limits.seconds * DRAW_SHARE, time.monotonic() + limits.seconds * LEAST_DRAW_SHARE)
    drawn = _picture(loaded, deadline)
    if drawn.reason != PARTIAL:
        return drawn
    return _sketch(file, time.monotonic() + limits.seconds * LEAST_DRAW_SHARE) or drawn


def _picture(loaded: Any, deadline: float) -> Outcome:
    preview, whole = library("dxf_frontend").picture(loaded.document, deadline)
    if preview is None:
        if loaded.incomplete:
            raise SuspectFileError(DAMAGED)
        return empty(NOTHING_DRAWN)
    reason = INCOMPLETE if loaded.incomplete else None if whole else PARTIAL
    return Outcome(state="ok", reason=reason, preview=preview)


def _sketch(file: BinaryIO, deadline: float) -> Outcome | None:
    preview = library("dxf_sketch").draw(file, deadline)
    return Outcome(state="ok", reason=SKETCHED, preview=preview) if preview else None


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read texts, title blocks, and the names of layouts, layers and blocks."""
    words = library("dxf_text").read_words(file, limits)
    whole, facts = words.text(), words.facts()
    if not whole.strip():
        if words.broken:
            raise SuspectFileError(DAMAGED)
        return empty(NO_TEXT, facts, stopped=words.stopped)
    reason = TEXT_INCOMPLETE if words.broken else None
    truncated = words.stopped or words.broken or len(whole) > limits.text_chars
    return Outcome(state="ok", reason=reason, text=whole[: limits.text_chars], truncated=truncated, facts=facts)


def library(module: str, package: str = "ibhelm_pipelines.content.") -> Any:
    """Import what needs ezdxf, with a list of fonts of our own.

    Otherwise ezdxf looks through the fonts of the system and writes down what it finds.
    """
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(FONTS)
    try:
        logging.getLogger("ezdxf").setLevel(logging.CRITICAL)
        return importlib.import_module(package + module)
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
