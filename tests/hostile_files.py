"""Files made to hurt whoever opens them."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def pdf_of(*objects: bytes, page: bytes = b"") -> bytes:
    """A PDF of one page; `objects` are numbered from 5, `page` is its content stream object."""
    numbered = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
        page or stream(b"/X Do"),
        *objects,
    ]
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(numbered, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(out + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(offsets) + 1, start))


def stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<<" + extra + b"/Length %d>>stream\n" % len(data) + data + b"\nendstream"


def deflate_bomb(megabytes: int = 600) -> bytes:
    """A few kilobytes that unpack twice to a content stream of hundreds of megabytes."""
    packer = zlib.compressobj(1)
    line = b"1 0 0 1 0 0 cm 10 10 m 300 300 l S\n"
    piece = line * ((1 << 20) // len(line))
    once = b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()
    return pdf_of(stream(b""), page=stream(zlib.compress(once, 9), b"/Filter[/FlateDecode/FlateDecode]"))


def laughing_forms(levels: int = 12, times: int = 12, *, padding: bytes = b"") -> bytes:
    """Each form draws the next one a dozen times, which takes a reader until it is stopped."""
    head = b"/Type/XObject/Subtype/Form/BBox[0 0 400 400]"
    forms = [
        stream(b"/X Do " * times, head + b"/Resources<</XObject<</X %d 0 R>>>>" % (6 + level))
        for level in range(levels)
    ]
    return pdf_of(*forms, stream(b"10 10 m 300 300 l S", head), stream(padding))


def self_drawing_form() -> bytes:
    head = b"/Type/XObject/Subtype/Form/BBox[0 0 400 400]/Resources<</XObject<</X 5 0 R>>>>"
    return pdf_of(stream(b"/X Do /X Do", head))


def huge_png(side: int, mode: str) -> bytes:
    """A square picture without a mark on it, of kilobytes, however large; in the modes RGBA and 1."""
    bits, colours = {"RGBA": (8, 6), "1": (1, 0)}[mode]
    row = 1 + (side * bits * (4 if mode == "RGBA" else 1) + 7) // 8
    packer = zlib.compressobj(1, wbits=-15)
    blocks = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = b"\x78\x01" + blocks * (row * side // (1 << 20) + 1) + b"\x03\0"
    head = struct.pack(">IIBBBBB", side, side, bits, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def lying_jpeg() -> bytes:
    """A small JPEG that claims 65,500 pixels each way."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "JPEG")
    data = bytearray(out.getvalue())
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = (65_500).to_bytes(2, "big") * 2
    return bytes(data)
