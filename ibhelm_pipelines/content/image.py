"""Pictures: upright, flattened on white, in RGB, by Pillow. The first page of a multi-page TIFF stands for all.

Runs inside the sandbox only. JPEGs are decoded at reduced size (draft mode), which is what makes a photo cost 60 ms
instead of 200.
"""

from __future__ import annotations

import warnings
from typing import BinaryIO, cast

import pillow_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ibhelm_pipelines.content.limits import PREVIEW_PIXELS, Limits, encode_preview, is_memory_shortage
from ibhelm_pipelines.content.outcome import Facts, Outcome
from ibhelm_pipelines.errors import SuspectFileError

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

ORIENTATION_TAG = 0x0112
TURNED_ORIENTATIONS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""

BOX = (PREVIEW_PIXELS, PREVIEW_PIXELS)
REDUCING_GAP = 2.0
"""How much bigger than the preview the cheap first reduction may end; 2.0 cannot be told from a full decode."""

TRANSPARENT_MODES = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})
WHITE_LEVELS = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Full scale of the sample depths that occur: unit floats, 8, 10, 12, 14 and 16 bits."""


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Make the preview of a picture."""
    try:
        with Image.open(file) as image:
            return _preview(image)
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
    upright = ImageOps.exif_transpose(image)
    return Outcome(state="ok", preview=encode_preview(_to_rgb(upright)), facts=facts)


def _facts(image: Image.Image) -> Facts:
    width, height = image.size
    if image.getexif().get(ORIENTATION_TAG) in TURNED_ORIENTATIONS:
        width, height = height, width
    pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else None
    return Facts(page_count=pages, pixel_width=width, pixel_height=height)


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
