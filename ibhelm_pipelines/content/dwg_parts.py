"""What can be read of a DWG file without understanding drawings: its facts, and the small picture stored in it.

Both stand at fixed places (Open Design Specification for .dwg files, 5.x: file header, image data, summary info).
"""

from __future__ import annotations

import datetime as dt
import io
import struct
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from ibhelm_pipelines.content.limits import PREVIEW_PIXELS, encode_preview, fact
from ibhelm_pipelines.content.outcome import Facts

RELEASES = {
    b"AC1012": "R13",
    b"AC1014": "R14",
    b"AC1015": "2000",
    b"AC1018": "2004",
    b"AC1021": "2007",
    b"AC1024": "2010",
    b"AC1027": "2013",
    b"AC1032": "2018",
}
SUMMARY_SINCE, WIDE_SINCE = b"AC1018", b"AC1021"
"""Versions since which there are facts, and since which they are in UTF-16."""

PICTURE_AT, SUMMARY_AT = 0x0D, 0x20
PICTURE_MARK = bytes.fromhex("1f256d07d43628289d57ca3f9d44102b")
BITMAP, PNG = 2, 6
MAX_PICTURE_BYTES = 4 << 20
MAX_PICTURE_SIDE = 2048
MAX_PARTS = 8
MAX_FACT_BYTES = 4096
EARLIEST_DAY, UNIX_EPOCH_DAY = 2_415_020, 2_440_588
"""Julian days of 1900-01-01, before which a field is empty, and of 1970-01-01."""

SUMMARY_FIELDS = ("title", "subject", "author", "keywords", "comments", "saved_by", "revision", "links")


def read_facts(file: BinaryIO) -> Facts:
    """Return title, author, program and the day when the drawing was begun."""
    file.seek(0)
    head = file.read(SUMMARY_AT + 4)
    release = RELEASES.get(head[:6])
    program = f"AutoCAD {release} DWG" if release else None
    if head[:6] < SUMMARY_SINCE or len(head) < SUMMARY_AT + 4:
        return Facts(program=program)
    file.seek(int.from_bytes(head[SUMMARY_AT:], "little"))
    fields, written_at = _summary(file, wide=head[:6] >= WIDE_SINCE)
    author = fields.get("author") or fields.get("saved_by")
    return Facts(program=program, title=fact(fields.get("title")), author=fact(author), written_at=written_at)


def stored_picture(file: BinaryIO) -> bytes | None:
    """Return the picture in the file as a preview; None where there is none, or it is of one colour."""
    data = _picture(file)
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=["DIB", "PNG"]) as image:
            if max(image.size) > MAX_PICTURE_SIDE:
                return None
            shown = image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):  # what Pillow raises for damaged pictures
        return None
    return encode_preview(_on_white(shown)) if shown.getcolors(1) is None else None


def _on_white(image: Image.Image) -> Image.Image:
    """Turn a drawing on a black screen into one on paper."""
    corners = [image.getpixel((x, y)) for x in (0, image.width - 1) for y in (0, image.height - 1)]
    dark = sum(1 for corner in corners if isinstance(corner, tuple) and max(corner) < 64)
    upright = ImageOps.invert(image) if dark > 2 else image
    upright.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    return upright


def _picture(file: BinaryIO) -> bytes | None:
    file.seek(PICTURE_AT)
    file.seek(int.from_bytes(file.read(4), "little"))
    if file.read(len(PICTURE_MARK)) != PICTURE_MARK:
        return None
    count = file.read(5)[-1:]
    for code, start, size in _parts(file.read(9 * min(count[0], MAX_PARTS)) if count else b""):
        if code in (BITMAP, PNG) and 0 < size <= MAX_PICTURE_BYTES:
            file.seek(start)
            return file.read(size)
    return None


def _parts(table: bytes) -> list[tuple[int, int, int]]:
    return [struct.unpack_from("<BII", table, at) for at in range(0, len(table) - 8, 9)]


def _summary(file: BinaryIO, *, wide: bool) -> tuple[dict[str, str], dt.datetime | None]:
    fields: dict[str, str] = {}
    for name in SUMMARY_FIELDS:
        value = _string(file, wide=wide)
        if value is None:
            return fields, None
        fields[name] = value
    file.read(8)  # how long it was worked on
    return fields, _moment(file.read(8))


def _string(file: BinaryIO, *, wide: bool) -> str | None:
    length = int.from_bytes(file.read(2), "little") * (2 if wide else 1)
    raw = file.read(length) if length <= MAX_FACT_BYTES else b""
    if len(raw) < length or length > MAX_FACT_BYTES:
        return None
    return raw.decode("utf-16-le" if wide else "cp1252", "replace").rstrip("\0")


def _moment(raw: bytes) -> dt.datetime | None:
    """A Julian day and the milliseconds since midnight."""
    if len(raw) < 8:
        return None
    day, milliseconds = struct.unpack("<II", raw)
    if day < EARLIEST_DAY:
        return None
    try:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
            days=day - UNIX_EPOCH_DAY, milliseconds=milliseconds
        )
    except OverflowError:
        return None
