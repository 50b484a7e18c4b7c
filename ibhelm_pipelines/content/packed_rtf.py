"""Unpacks the RTF in which Outlook keeps bodies: LZ77 with a window that begins filled ([MS-OXRTFCP]).

The package compressed_rtf does the same, but gives nothing at all of a stream that is cut or has a wrong checksum.
"""

from __future__ import annotations

import struct

MAX_BYTES = 32 << 20
WINDOW = 4096
_BLANK = 32

_HEADER = struct.Struct("<2L4sL")
_BEGINNING = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def unpacked_rtf(data: bytes) -> bytes:
    """Return the RTF, as far as there is any."""
    if len(data) < _HEADER.size:
        return b""
    _, raw_size, kind, _ = _HEADER.unpack_from(data)
    if kind == b"MELA":
        return data[_HEADER.size : _HEADER.size + raw_size]
    return _unpacked(data[_HEADER.size :]) if kind == b"LZFu" else b""


def _unpacked(data: bytes) -> bytes:
    out = bytearray(_BEGINNING)  # the window begins with words of every RTF, so that even the first lines are short
    start = len(out)
    at = 0
    while at < len(data) and len(out) < MAX_BYTES:
        flags = data[at]
        at += 1
        for bit in range(8):
            if not flags >> bit & 1:
                out += data[at : at + 1]
                at += 1
            elif not _copy(data[at : at + 2], out):
                return bytes(out[start:])
            else:
                at += 2
    return bytes(out[start:])


def _copy(token: bytes, out: bytearray) -> bool:
    """Repeat what stands in the window, and return whether this was not the mark of the end."""
    if len(token) < 2:
        return False
    place, length = int.from_bytes(token, "big") >> 4, (token[1] & 15) + 2
    back = (len(out) - place) % WINDOW
    if back == 0:
        return False
    for _ in range(length):
        source = len(out) - back
        out.append(out[source] if source >= 0 else _BLANK)
    return True
