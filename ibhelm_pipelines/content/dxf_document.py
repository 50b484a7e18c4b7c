"""Loads a DXF file into a document of ezdxf: as it is, or repaired where it must be.

Imported when the first drawing comes: ezdxf takes half a second.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from ezdxf import recover
from ezdxf.document import Drawing
from ezdxf.filemanagement import dxf_stream_info, read
from ezdxf.lldxf.const import DXFError
from ezdxf.lldxf.tagger import binary_tags_loader

from ibhelm_pipelines.errors import SuspectFileError

DAMAGED = "The drawing is damaged beyond repair"
BINARY_MARK = b"AutoCAD Binary DXF"
TAIL_BYTES = 1 << 20
ENTITY = re.compile(rb"(?<=\n)[ \t]*0\r?\n(?=(?:[A-Z]|3D)[A-Z0-9_]*\r?\n)")
CLOSING = b"  0\nENDSEC\n  0\nEOF\n"
BROKEN = (
    *(DXFError, ArithmeticError, AssertionError, AttributeError, LookupError),
    *(RuntimeError, StopIteration, TypeError, ValueError, struct.error),
)
"""What damage makes ezdxf raise (too deep a recursion is a RuntimeError)."""


@dataclass(frozen=True)
class Loaded:
    """A document, and whether parts of it may be missing because its file is cut off or damaged."""

    document: Drawing
    incomplete: bool = False


def load(file: BinaryIO) -> Loaded:
    """Return the document.

    Raises:
        SuspectFileError: nothing can be made of the file.
    """
    start = file.read(len(BINARY_MARK))
    attempts = [_load_binary] if start == BINARY_MARK else [_load_text, _recover, _salvage]
    for attempt in attempts:
        file.seek(0)
        try:
            return attempt(file)
        except BROKEN:
            continue
    raise SuspectFileError(DAMAGED)


def _load_text(file: BinaryIO) -> Loaded:
    text = io.TextIOWrapper(file, encoding="cp1252", errors="surrogateescape")
    try:
        encoding = dxf_stream_info(text).encoding
    finally:
        text.detach()
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape")
    try:
        return Loaded(read(text))
    finally:
        text.detach()


def _recover(file: BinaryIO) -> Loaded:
    source = _closed(file)
    document, _ = recover.read(source, errors="ignore")
    return Loaded(document, incomplete=source is not file)


def _salvage(file: BinaryIO) -> Loaded:
    """Take whatever looks like a tag."""
    tool = recover.Recover.run(_closed(file), loader=recover.synced_bytes_loader, errors="ignore")
    document, _ = recover._load_and_audit_document(tool)
    return Loaded(document, incomplete=True)


def _closed(file: BinaryIO) -> BinaryIO:
    """Close a drawing that is cut off behind the last entity that began, or ezdxf drops the whole section."""
    size = file.seek(0, io.SEEK_END)
    start = file.seek(max(0, size - TAIL_BYTES))
    tail = file.read()
    file.seek(0)
    begun = [match.start() for match in ENTITY.finditer(tail)]
    if tail.rstrip().endswith(b"EOF") or not begun:
        return file
    return io.BytesIO(file.read(start + begun[-1]) + CLOSING)


def _load_binary(file: BinaryIO) -> Loaded:
    return Loaded(Drawing.load(binary_tags_loader(file.read(), errors="surrogateescape")))
