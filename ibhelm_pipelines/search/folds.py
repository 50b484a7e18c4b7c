"""One spelling for all spellings of a word."""

from __future__ import annotations

import re
import unicodedata

_NO_LETTER = re.compile(r"[\W_]+")
_WRITTEN_OUT = re.compile(r"[ao]e+|(?<![qaeiouy])ue+")
_UMLAUTS = str.maketrans({
    "ä": "a", "ö": "o", "ü": "u", "ß": "ss", "æ": "a", "œ": "o", "ø": "o", "ł": "l", "đ": "d", "⌀": "o",
})  # fmt: skip


def as_written(text: str) -> str:
    """A word in lower case, composed, without what is invisible and without the hyphen of a line's end."""
    if text.isascii() and text.isalnum():
        return text.lower()
    return "ø" if text == "⌀" else _NO_LETTER.sub("", unicodedata.normalize("NFKC", text).lower())


def folded(word: str) -> str:
    """A word of `as_written` as it is compared: Lüftung is Lueftung and Luftung, Straße is Strasse, Café is Cafe.

    `ue` stays where it is none: Steuer, neue, Quelle.
    """
    if not word.isascii():
        decomposed = unicodedata.normalize("NFKD", word.translate(_UMLAUTS))
        word = _NO_LETTER.sub("", decomposed.casefold().translate(_UMLAUTS))
    return _WRITTEN_OUT.sub(lambda match: match[0][0], word)
