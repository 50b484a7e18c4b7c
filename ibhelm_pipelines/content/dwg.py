"""DWG drawings: words and a picture by ezdwg, a free reader of the format from R13 to 2018.

Runs inside the sandbox only. The format is not public, so what is shown is a preview and says so. Where the drawing
cannot be read, or not in time, the small picture stands for it that the drawing program itself stored in the file.
"""

from __future__ import annotations

import dataclasses
import importlib
import time
from pathlib import Path
from typing import Any, BinaryIO

from ibhelm_pipelines.content import dwg_parts, dxf
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome, empty, unsupported
from ibhelm_pipelines.content.patience import TooSlowError, patience
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import storable

CONVERTED = "A preview by a free reader of DWG: details may be missing"
STORED = "The small picture that the drawing program stored in the file"
UNREADABLE = "The drawing cannot be read, and no picture is stored in it"

CONVERT_SHARE = 0.35
"""Part of the time limit for making DXF of it; drawing that takes its own shares of what is left."""

CONVERTED_NAME = "converted.dxf"


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the drawing, or show the picture stored in it."""
    drawn = _draw(file, limits)
    if drawn is not None and drawn.state == "ok":
        reason = f"{CONVERTED}; {dxf.PARTIAL}" if drawn.reason else CONVERTED
        return dataclasses.replace(drawn, reason=reason)
    stored = dwg_parts.stored_picture(file)
    if stored is not None:
        return Outcome(state="ok", reason=STORED, preview=stored)
    return drawn or unsupported(UNREADABLE)


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read texts, fields of title blocks, and the names of layouts, layers and blocks."""
    facts = dwg_parts.read_facts(file)
    lines, readable, sheets = _words(f"/dev/fd/{file.fileno()}")
    lines += [facts.title or ""]
    if not readable:
        raise SuspectFileError(dxf.DAMAGED)
    whole = storable("\n".join(line for line in lines if line))
    facts = dataclasses.replace(facts, page_count=sheets or None)
    if not whole:
        return empty(dxf.NO_TEXT, facts)
    return Outcome(state="ok", text=whole[: limits.text_chars], truncated=len(whole) > limits.text_chars, facts=facts)


def _draw(file: BinaryIO, limits: Limits) -> Outcome | None:
    """Convert and draw; None where that does not work or takes too long."""
    started = time.monotonic()
    ezdwg = dxf.library("ezdwg", package="")
    ezdwg.clear_decode_caches()  # by path, and every file here has that of a descriptor
    target = Path(limits.scratch) / CONVERTED_NAME
    try:
        with patience(limits.seconds * CONVERT_SHARE):
            ezdwg.to_dxf(f"/dev/fd/{file.fileno()}", str(target), dxf_version="R2018")
        left = dataclasses.replace(limits, seconds=limits.seconds - (time.monotonic() - started))
        with target.open("rb") as converted:
            return dxf.thumbnail(converted, left)
    except (*dxf.library("dxf_document").BROKEN, TooSlowError, OSError, SuspectFileError):
        return None


_DECODERS = ("decode_text_entities", "decode_mtext_entities", "decode_attrib_entities")
_NAMES = ("decode_layout_objects", "decode_layer_names", "decode_block_header_names")


def _words(path: str) -> tuple[list[str], bool, int]:
    """Return the lines of text, whether anything could be read at all, and how many layouts there are."""
    core = importlib.import_module("ezdwg._core")
    core.clear_decode_cache()
    tell = dxf.library("dxf_text")
    found: dict[str, list[Any]] = {}
    for decoder in (*_DECODERS, *_NAMES):
        try:
            found[decoder] = getattr(core, decoder)(path)
        except (OSError, RuntimeError, ValueError):  # damaged, or of a version that this part does not know
            continue
    texts = [tell.plain_line(row[1]) for row in found.get(_DECODERS[0], [])]
    texts += [tell.plain_paragraph(row[1]) for row in found.get(_DECODERS[1], [])]
    texts += [tell.plain_attribute(row[2] or "", row[1]) for row in found.get(_DECODERS[2], [])]
    names = tell.told_names(*([row[1] for row in found.get(decoder, [])] for decoder in _NAMES))
    return [*texts, *names], bool(found), len(found.get(_NAMES[0], []))
