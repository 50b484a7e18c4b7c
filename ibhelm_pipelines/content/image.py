"""Pictures: upright, flattened on white, in RGB, by Pillow. The first page of a multi-page TIFF is its preview.

Runs inside the sandbox only. Text in pictures is recognised page by page (ocr.py), but only where a quick look finds
something that may be lettering. JPEGs are decoded at reduced size (draft mode), which is what makes a photo cost 60 ms
instead of 200.
"""

from __future__ import annotations

import datetime as dt
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, cast

import pillow_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ibhelm_pipelines.content.lettering import LOOKED_AT, can_hold_text
from ibhelm_pipelines.content.likeness import likeness_of
from ibhelm_pipelines.content.limits import PREVIEW_PIXELS, Limits, encode_preview, fact, is_memory_shortage, mended
from ibhelm_pipelines.content.outcome import Facts, Outcome, empty
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MEGAPIXELS = 400
"""An A0 plan scanned at 400 dpi has 247. Beyond this it is a bomb, or at least nothing that fits a worker."""

Image.MAX_IMAGE_PIXELS = MAX_MEGAPIXELS * 1_000_000 // 2  # Pillow warns here and refuses at twice this
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
pillow_heif.options.DECODE_THREADS = 1  # the workers are the parallelism
pillow_heif.register_heif_opener()
Image.init()  # all plugins now, before the process is locked in

DAMAGED = "The picture is damaged or cut off"
UNKNOWN = "The picture is damaged, or of a kind that cannot be read"
TOO_BIG = f"The picture has more than {MAX_MEGAPIXELS} megapixels"

NO_LETTERING = "Picture: no text in it"
UNRECOGNISED = "Picture: its text was not recognised"

ORIENTATION_TAG = 0x0112
TITLE_TAG, PROGRAM_TAG, AUTHOR_TAG = 0x010E, 0x0131, 0x013B
EXIF_PART, TAKEN_TAG, TAKEN_ZONE_TAG = 0x8769, 0x9003, 0x9011
TURNED_ORIENTATIONS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""

BOX = (PREVIEW_PIXELS, PREVIEW_PIXELS)
REDUCING_GAP = 2.0
"""How much bigger than the preview the cheap first reduction may end; 2.0 cannot be told from a full decode."""

TRANSPARENT_MODES = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})
WHITE_LEVELS = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Full scale of the sample depths that occur: unit floats, 8, 10, 12, 14 and 16 bits."""


MAX_PAGES = 1000
"""Of a TIFF; counting them walks through the whole file."""

RECOGNISED_PIXELS = (1700, 24_000_000)
"""Shortest longest side, and most pixels in all, at which text is recognised."""

SMALLEST_SIDE = 24
"""Pixels; an icon has nothing to read."""


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Make the preview of a picture."""
    with opened(file) as image:
        return _preview(image)


def text(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Tell which pages may hold text; a photo has none, and that is the end of it."""
    with opened(file) as image:
        facts = _facts(image)
        pages = min(facts.page_count or 1, MAX_PAGES)
        if pages == 1 and not _may_hold_text(image):
            return empty(NO_LETTERING, facts)
        return Outcome(state="empty", reason=UNRECOGNISED, pages_read=0, pictured=tuple(range(pages)), facts=facts)


def page_picture(image: Image.Image, number: int) -> Image.Image:
    """Return a page in grey, upright, in a size in which lettering can be recognised."""
    shortest, most = RECOGNISED_PIXELS
    if number:
        image.seek(number)
    grey = _grey(image, (most // 2000, most // 2000))
    scale = (most / (grey.width * grey.height)) ** 0.5
    if scale < 1:
        return grey.resize(_scaled(grey, scale), Image.Resampling.LANCZOS)
    scale = min(scale, shortest / max(grey.size))
    return grey.resize(_scaled(grey, scale), Image.Resampling.BICUBIC) if scale > 1 else grey


@contextmanager
def opened(file: BinaryIO) -> Iterator[Image.Image]:
    """Open a picture; what Pillow raises for a broken one, now or while it is read, becomes a SuspectFileError."""
    try:
        with Image.open(file) as image:
            yield image
    except Image.DecompressionBombError as error:
        raise SuspectFileError(TOO_BIG) from error
    except UnidentifiedImageError as error:
        raise SuspectFileError(UNKNOWN) from error
    except (SyntaxError, ValueError, EOFError) as error:  # Pillow's plugins raise these for broken headers and data
        raise SuspectFileError(DAMAGED) from error
    except OSError as error:
        if error.errno is not None or is_memory_shortage(error):  # the disk or the memory limit, not the picture
            raise
        raise SuspectFileError(DAMAGED) from error


def _preview(image: Image.Image) -> Outcome:
    facts = _facts(image)
    image.draft("RGB", (PREVIEW_PIXELS * 2, PREVIEW_PIXELS * 2))
    if image.mode in ("P", "1", "PA"):  # resizing indexes would mix palette entries, not colours
        image = image.convert("RGBA" if _has_transparency(image) else "RGB")
    image.thumbnail(BOX, reducing_gap=REDUCING_GAP)
    shown = _to_rgb(ImageOps.exif_transpose(image))
    return Outcome(state="ok", preview=encode_preview(shown), facts=replace(facts, likeness=likeness_of(shown)))


def _may_hold_text(image: Image.Image) -> bool:
    return min(image.size) >= SMALLEST_SIDE and can_hold_text(_grey(image, LOOKED_AT))


def _grey(image: Image.Image, enough: tuple[int, int]) -> Image.Image:
    """Return the picture in grey and upright, in at least this size where a JPEG can be decoded smaller than it is."""
    image.draft("L", enough)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if _has_transparency(image) else "RGB")
    upright = ImageOps.exif_transpose(image)
    return upright if upright.mode == "L" and not _has_transparency(upright) else _to_rgb(upright).convert("L")


def _scaled(image: Image.Image, scale: float) -> tuple[int, int]:
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _facts(image: Image.Image) -> Facts:
    exif = image.getexif()
    width, height = image.size
    if exif.get(ORIENTATION_TAG) in TURNED_ORIENTATIONS:
        width, height = height, width
    return Facts(
        page_count=getattr(image, "n_frames", 1) if image.format == "TIFF" else None,
        pixel_width=width,
        pixel_height=height,
        author=_said(exif.get(AUTHOR_TAG)),
        title=_said(exif.get(TITLE_TAG)),
        program=_said(exif.get(PROGRAM_TAG)),
        written_at=_taken_at(exif),
    )


def _said(value: object) -> str | None:
    """Return what a camera or program wrote, unless it is no text or only fills its field."""
    shown = fact(mended(value)) if isinstance(value, str) else None
    return shown if shown and any(map(str.isalnum, shown)) else None


def _taken_at(exif: Image.Exif) -> dt.datetime | None:
    """Return when the picture was taken: as the camera's clock showed, with its zone where it noted one."""
    part = exif.get_ifd(EXIF_PART)
    taken, zone = str(part.get(TAKEN_TAG, "")).strip("\0 "), str(part.get(TAKEN_ZONE_TAG, "")).strip("\0 ")
    for form, value in (("%Y:%m:%d %H:%M:%S%z", taken + zone), ("%Y:%m:%d %H:%M:%S", taken)):
        try:
            return dt.datetime.strptime(value, form)  # noqa: DTZ007 - the zone is not known then, and not made up
        except ValueError:
            continue
    return None


def _has_transparency(image: Image.Image) -> bool:
    return image.mode in TRANSPARENT_MODES or "transparency" in image.info


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in DEEP_MODES:
        return _scaled_to_8_bits(image).convert("RGB")
    if _has_transparency(image):
        return _on_white(image)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return cast("Image.Image", ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Drawings and logos are made for paper; black behind them would swallow black lines."""
    layered = image.convert("RGBA")
    paper = Image.new("RGBA", layered.size, "white")
    paper.alpha_composite(layered)
    return paper.convert("RGB")


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """Map the depth that the samples were taken with onto 8 bits; Pillow's own conversion would clip them to white."""
    wide = image if image.mode in ("I", "F") else image.convert("I")
    low, high = cast("tuple[float, float]", wide.convert("F").getextrema())
    white = next((level for level in WHITE_LEVELS if high <= level and low >= 0), None)
    black, white = (0.0, white) if white is not None else (low, max(high, low + 1))
    scale = 255.0 / (white - black)
    # Pillow maps floats by such a linear function only.
    return wide.convert("F").point(lambda value: value * scale + -black * scale).convert("L")
