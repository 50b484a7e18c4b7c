"""How names are compared: not by their bytes (lessons 15 and 23), and never by a part of a word."""

from __future__ import annotations

import re
import unicodedata

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_WORD = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Return what is compared: NFC, without regard to case, umlauts written out, spaces as one."""
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(lowered.translate(_UMLAUTS).split())


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, folded: runs of letters and digits, whatever stands between them."""
    return tuple(_WORD.findall(folded(text)))
