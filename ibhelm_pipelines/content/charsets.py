"""Bytes to text by the name of an encoding that a mail or an old file gives, which is often wrong, odd or missing.

Invariant: `decoded` raises for no name and no bytes, and calls no codec that is slow or no encoding of text.
"""

from __future__ import annotations

import codecs
import re

from ibhelm_pipelines.content.encodings import old_encoding

_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "iso8859-11": "cp874",
}
"""What programs call by one name and fill with another one's letters; as browsers read them (WHATWG)."""

_BY_OTHER_NAMES = {
    "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949", "x-gbk": "gb18030", "x-sjis": "cp932", "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman", "x-unicode-2-0-utf-7": "utf-7", "unicode-1-1-utf-7": "utf-7", "utf8mb4": "utf-8",
    "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "dos-850": "cp850", "ibm-850": "cp850",
}  # fmt: skip
_ENCODINGS_OF_TEXT = re.compile(
    r"(ascii|utf-(7|8|8-sig|16|16-be|16-le|32|32-be|32-le)|iso8859-\d+|iso2022_\w+|cp\d+|koi8-\w|mac-\w+|big5\w*|gb\w+|hz"
    r"|euc_\w+|shift_jis\w*|johab|tis-620|hp-roman8)"
)
"""Names that Python gives its codecs; punycode and idna take quadratic time, others are no text at all."""


def decoded(raw: bytes, charset: str | None) -> str:
    """Return text of bytes in an encoding, as well as can be; what does not fit its name is judged by its bytes."""
    codec = _codec(charset)
    if codec not in (None, "utf-8", "ascii"):
        try:
            return raw.decode(_WIDER.get(codec, codec))
        except UnicodeError:
            pass
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        fallback = old_encoding(raw[:65_536]) if codec in (None, "utf-8", "ascii") else _WIDER.get(codec, codec)
        return raw.decode(fallback, "replace")


def _codec(charset: str | None) -> str | None:
    name = (charset or "").strip(" \t\"'").lower().partition("*")[0][:40]
    try:
        found = codecs.lookup(_BY_OTHER_NAMES.get(name, name)).name
    except (LookupError, ValueError):
        return None
    return found if _ENCODINGS_OF_TEXT.fullmatch(found) else None
