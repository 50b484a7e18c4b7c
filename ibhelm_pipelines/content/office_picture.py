"""Pictures inside Office files that show what they are: the thumbnail of the first page, the largest photo."""

from __future__ import annotations

import io
from collections.abc import Iterable

from PIL import Image, ImageStat

from ibhelm_pipelines.content import image
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.zip_package import Package
from ibhelm_pipelines.errors import SuspectFileError

MIN_PIXELS = 150
"""Longest side below which a thumbnail says less than drawn text."""

MIN_SPREAD = 4.0
"""Standard deviation of the greys; templates carry the picture of an empty page with them."""

MAX_TRIED = 5
_FOLDERS = ("word/media/", "ppt/media/", "xl/media/", "visio/media/", "pictures/")
MAX_PICTURE_BYTES = 64 << 20
_READABLE = (".jpeg", ".jpg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp")


def embedded_preview(package: Package, parts: Iterable[str], limits: Limits) -> bytes | None:
    """Return the first of these pictures as a preview if it is a good one."""
    for part in parts:
        data = package.read(part, MAX_PICTURE_BYTES) if part.lower().endswith(_READABLE) else None
        preview = _preview(data, limits) if data else None
        if preview is not None and _is_good(preview):
            return preview
    return None


def largest_picture(package: Package, limits: Limits) -> bytes | None:
    """Return the largest picture in the file, for files that show pictures and no words."""
    parts = (part for folder in _FOLDERS for part in package.names(folder))
    return embedded_preview(package, sorted(parts, key=package.size, reverse=True)[:MAX_TRIED], limits)


def _preview(data: bytes, limits: Limits) -> bytes | None:
    try:
        return image.thumbnail(io.BytesIO(data), limits).preview
    except SuspectFileError:  # the picture is broken, not the document
        return None


def _is_good(preview: bytes) -> bool:
    with Image.open(io.BytesIO(preview)) as shown:
        return max(shown.size) >= MIN_PIXELS and ImageStat.Stat(shown.convert("L")).stddev[0] >= MIN_SPREAD
