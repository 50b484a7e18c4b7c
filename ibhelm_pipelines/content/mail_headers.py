"""The headers of mails as they come: folded, in unnamed encodings, with parameters in three ways of writing them.

Not by the standard library, whose modern policy raises a dozen kinds of errors for the headers of the corpus and takes
quadratic time for long ones, and whose old one leaves names in the encodings of RFC 2231 and 2047 to its callers.

Invariant: time in proportion to the header; no header, however broken, raises.
"""

from __future__ import annotations

import binascii
import datetime as dt
import re
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from ibhelm_pipelines.content.charsets import decoded

MAX_HEADERS_BYTES = 256 << 10
"""Of all headers of a part; mails that went through many servers have 30 kB."""

MAX_PARAMETERS_CHARS = 8_192
MAX_DATE_CHARS = 100

_OF_PEOPLE = frozenset({"to", "cc", "bcc"})
_NAME = re.compile(rb"([A-Za-z0-9][^\s:\x00-\x1f]*)[ \t]*:")
_FOLDED = re.compile(rb"\r?\n(?=[ \t])|\r(?=[ \t])")
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
_PARAMETER = re.compile(r""";\s*([\w.!#$&+^`|~-]+)(?:\*(\d{1,3}))?(\*)?\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""")
_ESCAPED = re.compile(r"\\(.)")


class Headers:
    """The headers of a mail or of a part of one. Of several of a name the first counts, of recipients all.

    Attributes:
        stray: lines between headers that are none: their words are part of what was written.
    """

    def __init__(self) -> None:
        self.stray: list[bytes] = []
        self._values: dict[str, list[bytes]] = {}

    def add(self, name: bytes, lines: list[bytes]) -> None:
        """Take a header."""
        self._values.setdefault(name.decode("ascii", "replace").lower(), []).append(b"".join(lines))

    def __len__(self) -> int:
        return len(self._values)

    def _raw(self, name: str) -> bytes:
        values = self._values.get(name, [b""])
        return b", ".join(values) if name in _OF_PEOPLE else values[0]

    def text(self, name: str) -> str:
        """Return a header as a person reads it, in one line."""
        return " ".join(_words(_eight_bits(self._raw(name))).split())

    def token(self, name: str) -> str:
        """Return what stands before the parameters of a header, in small letters."""
        return _eight_bits(self._raw(name)[:MAX_PARAMETERS_CHARS]).partition(";")[0].strip().lower()

    def parameter(self, name: str, key: str) -> str:
        """Return a parameter of a header, such as the charset of a content type; empty where there is none."""
        header = ";" + _eight_bits(self._raw(name)[:MAX_PARAMETERS_CHARS]).partition(";")[2]
        pieces: dict[int, tuple[str, bool]] = {}
        for found, number, star, value in _PARAMETER.findall(header):
            if found.lower() == key:
                pieces.setdefault(int(number or 0), (_unquoted(value), bool(star)))
        return _joined([pieces[number] for number in sorted(pieces)])

    def moment(self, name: str) -> dt.datetime | None:
        """Return a date, with a zone where it has one."""
        text = self.text(name)[:MAX_DATE_CHARS]
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None and "-0000" in text else moment


def read_headers(data: bytes, start: int, end: int) -> tuple[Headers, int]:
    """Return the headers that stand in a stretch of bytes, and where what follows them begins."""
    headers = Headers()
    last = min(end, start + MAX_HEADERS_BYTES)
    name, lines, at = b"", list[bytes](), start
    while at < last:
        line = _LINE.match(data, at, last)
        assert line is not None
        if not line[1]:
            at = line.end()
            break
        found = _NAME.match(line[1])
        if line[1][:1] in b" \t" and name:
            lines.append(line[0])
        elif found:
            _add(headers, name, lines)
            name, lines = found[1], [line[0][found.end() :]]
        elif _goes_on(data, line.end(), last):
            headers.stray.append(line[1])
        else:
            break
        at = line.end()
    _add(headers, name, lines)
    return headers, at


def _add(headers: Headers, name: bytes, lines: list[bytes]) -> None:
    if name:
        headers.add(name, lines)


def _goes_on(data: bytes, at: int, last: int) -> bool:
    """A line that is no header ends the headers, unless another header follows."""
    return _NAME.match(data, at, last) is not None


def _eight_bits(raw: bytes) -> str:
    return decoded(_FOLDED.sub(b"", raw), None)


def _words(text: str) -> str:
    """Decode the encoded words of RFC 2047; a letter may be cut in two by the end of one and the start of the next."""
    if "=?" not in text:
        return text
    pieces, waiting = list[str](), list[bytes]()
    charset, at = "", 0
    joined = _BETWEEN_WORDS.sub("", text)
    for word in _WORD.finditer(joined):
        if waiting and (word.start() > at or word[1].lower() != charset):
            pieces.append(decoded(b"".join(waiting), charset))
            waiting.clear()
        pieces.append(joined[at : word.start()])
        waiting.append(_word_bytes(word[2], word[3]))
        charset, at = word[1].lower(), word.end()
    return "".join([*pieces, decoded(b"".join(waiting), charset), joined[at:]])


def _word_bytes(kind: str, text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    return from_base64(raw) if kind in "bB" else binascii.a2b_qp(raw, header=True)


def from_base64(raw: bytes) -> bytes:
    """Decode Base64, whatever stands between its letters or is missing at its end."""
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _unquoted(value: str) -> str:
    value = value.strip()
    if value.startswith('"'):
        return _ESCAPED.sub(r"\1", value[1:-1] if value.endswith('"') and len(value) > 1 else value[1:])
    return value


def _joined(pieces: list[tuple[str, bool]]) -> str:
    """Join the pieces of a parameter: in the encoding that the first one names (RFC 2231), or in encoded words."""
    if not any(is_encoded for _, is_encoded in pieces):
        return _words("".join(value for value, _ in pieces)).strip()
    first, charset = pieces[0][0], None
    if first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
    values = [(first, pieces[0][1]), *pieces[1:]]
    raw = b"".join(unquote_to_bytes(value) if is_encoded else value.encode() for value, is_encoded in values)
    return decoded(raw, charset).strip()
