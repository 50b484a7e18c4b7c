"""Whether a picture can hold text, how noisy it is, which way its lines run, and whether what was read are words.

All by figures of the picture alone, in milliseconds: they decide what the recognition of text is spent on. The test for
text lets photos pass rather than miss a scan; what comes of a photo is sorted out by its words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKED_AT = (1200, 1200)
"""Size at which small type on A4 can still be told from its paper."""

TILE = 24
MIN_CONTRAST = 50
GROUND_SHARE = 0.2
"""Half of a tile of text is nearly its ground; half of a tile of a photo is anything."""

INK_SHARE = 0.4
TURNS_ALONG, TURNS_ACROSS = TILE * 2.0, TILE * 1.2
"""How often ink and ground take turns in a tile of text, in all its rows and all its columns."""

PAPER = 140
"""Brightness of the greyest paper."""
PAPER_SHARE = 0.35
MIN_TILES_ON_PAPER, MIN_TILES_ELSEWHERE, MIN_SHARE_ELSEWHERE = 3, 8, 0.012

NOISY = 3.0
"""Grey levels of noise; a clean scan of small type measures below 2, scanner dust and dithering above 4."""

_FREQUENT = """
en er ch de ei te in nd ie ge un st es ne be sc ic an re au it se ng al le da hi el ra is tt ss li ma rt ve ar me us
hr at or ri la on ns di ke we nt et ro tr th he ou ed ha to of ti as ll ea co si om io fo ho no ur ac
"""
FREQUENT = frozenset(_FREQUENT.split())
"""Pairs of letters that German and English are made of; upside down or in a hedge, other ones are read."""

_WORD = re.compile(r"[^\W\d_]{4,}")
_LETTER = re.compile(r"[^\W\d_]")
MIN_FREQUENT = 0.4
"""Part of a word's pairs."""


def can_hold_text(picture: Image.Image) -> bool:
    """Whether there is anything in a grey picture that looks like lettering."""
    tiles = _tiles(picture)
    if not len(tiles):
        return False
    low, middle, high = np.percentile(tiles.reshape(len(tiles), -1), (2, 50, 98), axis=1)
    contrast = high - low
    on_ground = np.minimum(high - middle, middle - low) < GROUND_SHARE * contrast
    ink = np.abs(tiles - middle[:, None, None]) > INK_SHARE * contrast[:, None, None]
    along = (ink[:, :, 1:] != ink[:, :, :-1]).sum(axis=(1, 2))
    across = (ink[:, 1:, :] != ink[:, :-1, :]).sum(axis=(1, 2))
    sharp = contrast > MIN_CONTRAST
    lettered = sharp & on_ground & (along >= TURNS_ALONG) & (across >= TURNS_ACROSS)
    paper = (~sharp & (middle > PAPER)).mean()
    if paper >= PAPER_SHARE:
        return bool(lettered.sum() >= MIN_TILES_ON_PAPER)
    return bool(lettered.sum() >= MIN_TILES_ELSEWHERE and lettered.mean() >= MIN_SHARE_ELSEWHERE)


def without_noise(picture: Image.Image) -> Image.Image:
    """Return a noisy picture smoothed, and a clean one as it is: smoothing costs small type its dots."""
    if noise_of(picture) < NOISY:
        return picture
    return picture.filter(ImageFilter.MedianFilter(3)).filter(ImageFilter.GaussianBlur(0.7))


def noise_of(picture: Image.Image) -> float:
    """Return the noise in grey levels (J. Immerkaer, Fast Noise Variance Estimation, 1996)."""
    grey = np.asarray(picture, np.int16)
    rows = grey[:-2] - 2 * grey[1:-1] + grey[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.abs(both).mean() * np.sqrt(np.pi / 2) / 6) if both.size else 0.0


def runs_down(picture: Image.Image) -> bool:
    """Whether the lines of text run from top to bottom: then columns differ more from their neighbours than rows do."""
    small = picture.copy()
    small.thumbnail(LOOKED_AT)
    grey = np.asarray(small, np.float32)
    along, across = (float(np.abs(np.diff(grey.mean(axis=axis))).sum()) for axis in (1, 0))
    return across > along


def wordiness(text: str) -> float:
    """Return the part of a text's letters that stand in words as German and English have them; 0 without letters."""
    letters = len(_LETTER.findall(text))
    return letters_in_words(text) / letters if letters else 0.0


def letters_in_words(text: str) -> int:
    """Return how many letters stand in such words."""
    return sum(len(word) for word in _WORD.findall(text) if _is_likely(word.lower()))


def _is_likely(word: str) -> bool:
    pairs = [word[start : start + 2] for start in range(len(word) - 1)]
    return sum(pair in FREQUENT for pair in pairs) >= MIN_FREQUENT * len(pairs)


def _tiles(picture: Image.Image) -> NDArray[np.int16]:
    small = picture.copy()
    small.thumbnail(LOOKED_AT)
    grey = np.asarray(small, np.int16)
    high, wide = (length // TILE for length in grey.shape)
    whole = grey[: high * TILE, : wide * TILE].reshape(high, TILE, wide, TILE)
    return whole.swapaxes(1, 2).reshape(-1, TILE, TILE)
