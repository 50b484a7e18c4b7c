"""Films and sound as small as they can be made: heads that say something, and hardly a frame."""

from __future__ import annotations

import io
import struct
import wave

SECONDS_FROM_1904 = 2_082_844_800
_MATRIX = struct.pack(">9L", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of an ISO media file."""
    content = b"".join(parts)
    return struct.pack(">L4s", len(content) + 8, kind) + content


def mp4(*, title: str, seconds: int, made_at: int, cover: bytes = b"", size: tuple[int, int] = (1920, 1080)) -> bytes:
    """An MP4 with a picture track that has no frames."""
    width, height = size
    moment = made_at + SECONDS_FROM_1904
    movie = box(
        b"mvhd",
        struct.pack(">5L", 0, moment, moment, 1000, seconds * 1000),
        b"\0\1\0\0\1\0",
        bytes(10),
        _MATRIX,
        bytes(24),
        struct.pack(">L", 2),
    )
    track_head = box(
        b"tkhd",
        struct.pack(">6L", 7, moment, moment, 1, 0, seconds * 1000),
        bytes(16),
        _MATRIX,
        struct.pack(">2L", width << 16, height << 16),
    )
    codec = box(b"avc1", bytes(6), b"\0\1", bytes(16), struct.pack(">2H", width, height), bytes(50))
    empty = [box(kind, bytes(8)) for kind in (b"stts", b"stsc", b"stco")]
    tables = box(b"stbl", box(b"stsd", struct.pack(">2L", 0, 1), codec), *empty, box(b"stsz", bytes(12)))
    handler = box(b"hdlr", bytes(8), b"vide", bytes(13))
    clock = box(b"mdhd", struct.pack(">5L", 0, moment, moment, 1000, seconds * 1000), bytes(4))
    track = box(b"trak", track_head, box(b"mdia", clock, handler, box(b"minf", tables)))
    named = box(b"\xa9nam", box(b"data", struct.pack(">2L", 1, 0), title.encode()))
    shown = box(b"covr", box(b"data", struct.pack(">2L", 14, 0), cover)) if cover else b""
    tags = box(
        b"udta", box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"mdirappl", bytes(9)), box(b"ilst", named, shown))
    )
    return box(b"ftyp", b"isom", bytes(4), b"isomavc1") + box(b"moov", movie, track, tags)


def mp3(*, title: str, artist: str, cover: bytes = b"", frames: int = 400) -> bytes:
    """An MP3 of silence, 26 ms a frame."""
    tags = _id3(b"TIT2", b"\1" + title.encode("utf-16")) + _id3(b"TPE1", b"\1" + artist.encode("utf-16"))
    if cover:
        tags += _id3(b"APIC", b"\0image/png\0\3\0" + cover)
    length = bytes(len(tags) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + length + tags + (b"\xff\xfb\x90\x64" + bytes(413)) * frames


def _id3(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">LH", len(content), 0) + content


def wav(seconds: int) -> bytes:
    """Silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(8_000)
        made.writeframes(bytes(16_000 * seconds))
    return out.getvalue()
