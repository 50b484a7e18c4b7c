"""The line between the pipeline and a worker process: frames over a socket, and what may stand in them.

What a worker says is not trusted: whoever took it over by a hostile file speaks through this line. So its answers are
plain values, checked for type and size before anything is done with them, never pickles (which run code where they are
read), and no frame is waited for longer than its time, begun or not. Orders go the other way, with the open file.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.content.outcome import Facts, Outcome, failed

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_LENGTH = struct.Struct(">Q")
_LENGTHS = struct.Struct(">QQ")
_PIECE = 1 << 18

MAX_PREVIEW_BYTES = 2 << 20
"""Of a WebP with PREVIEW_PIXELS on its longest side; 40 kB is usual."""
MAX_REASON_CHARS = 1000
MAX_FACT = 2**31 - 1
"""Of a number of pages or pixels: what the database's columns hold."""

_BYTES_BESIDE_TEXT = MAX_PREVIEW_BYTES + (64 << 10)
_BYTES_PER_CHAR = 4  # as UTF-8, at worst
_IN_HEAD = [each.name for each in fields(Outcome) if each.name not in {"text", "preview", "facts"}]
_FACTS = [each.name for each in fields(Facts)]


class NonsenseError(Exception):
    """A worker sent what no honest reader sends."""


class Line:
    """One end of the line."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._came = bytearray()

    def send(self, data: bytes, descriptor: int | None = None) -> None:
        """Send a frame, and a descriptor with it.

        Raises:
            OSError: the other end is gone.
        """
        frame = _LENGTH.pack(len(data)) + data  # in one piece, so that the other end wakes up once
        if descriptor is not None:
            frame = frame[socket.send_fds(self._end, [frame], [descriptor]) :]
        self._end.sendall(frame)

    def take(self) -> tuple[bytes, int] | None:
        """Wait for a frame with a descriptor; None when the other end has hung up. For the worker's side."""
        piece, descriptors, _, _ = socket.recv_fds(self._end, _PIECE, 1)
        if not piece:
            return None
        self._came += piece
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, None))
        return self._read(length, None), descriptors[0]

    def hear(self, seconds: float, most: int) -> bytes | None:
        """Wait for a frame of at most so many bytes; None when it is not there in time. For the pipeline's side.

        Raises:
            EOFError, OSError: the other end is gone.
            NonsenseError: the frame is too long.
        """
        deadline = time.monotonic() + seconds
        try:
            (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
            if length > most:
                raise NonsenseError(f"{length} bytes announced, {most} allowed")
            return self._read(length, deadline)
        except TimeoutError:
            return None

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def fileno(self) -> int:
        """Return the descriptor of this end."""
        return self._end.fileno()

    def _read(self, length: int, deadline: float | None) -> bytes:
        """Take so many bytes; what came with them waits for the next time, so that a short frame is one call."""
        while len(self._came) < length:
            if deadline is not None:
                self._end.settimeout(max(0.001, deadline - time.monotonic()))
            piece = self._end.recv(_PIECE)
            if not piece:
                raise EOFError
            self._came += piece
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError  # a byte now and then is no answer either
        data = bytes(memoryview(self._came)[:length])
        del self._came[:length]
        return data


def longest_answer(text_chars: int) -> int:
    """Return how many bytes an honest answer may have."""
    return text_chars * _BYTES_PER_CHAR + _BYTES_BESIDE_TEXT


def encode(outcome: Outcome, *, worn_out: bool) -> bytes:
    """Write an outcome, and whether the worker should be replaced, for the pipeline.

    Text and preview follow the other values as they are: as JSON, escaping them would cost more than all the rest.
    """
    values = {name: getattr(outcome, name) for name in _IN_HEAD}
    values["facts"] = {name: getattr(outcome.facts, name) for name in _FACTS}
    head = json.dumps(values | {"has_text": outcome.text is not None, "worn_out": worn_out}, default=str).encode()
    text = (outcome.text or "").encode(errors="surrogatepass")
    return b"".join((_LENGTHS.pack(len(head), len(text)), head, text, outcome.preview or b""))


def decode(data: bytes, text_chars: int) -> tuple[Outcome, bool]:
    """Read what a worker answered.

    Raises:
        NonsenseError: it is not an outcome, or holds what no reader makes.
    """
    head_bytes, text_bytes = _LENGTHS.unpack_from(data.ljust(_LENGTHS.size, b"\0"))
    text_at = _LENGTHS.size + head_bytes
    preview_at = text_at + text_bytes
    try:
        values = json.loads(data[_LENGTHS.size : text_at])
        values["text"] = data[text_at:preview_at].decode() if values["has_text"] else None
        values["preview"] = data[preview_at:] or None
        outcome = _outcomes().validate_python(values, strict=False)
        worn_out = bool(values["worn_out"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NonsenseError(type(error).__name__) from None
    _check(outcome, text_chars)
    return outcome, worn_out


def nonsense(error: NonsenseError) -> Outcome:
    """What is recorded for a content whose reader answered with something that is no outcome."""
    return failed(f"The reader answered with what no reader may say ({error})")


def _check(outcome: Outcome, text_chars: int) -> None:
    facts = outcome.facts
    numbers = (*outcome.pictured, outcome.pages_read, facts.page_count, facts.pixel_width, facts.pixel_height)
    if any(number is not None and not 0 <= number <= MAX_FACT for number in numbers):
        raise NonsenseError("a number out of bounds")
    if facts.likeness is not None and not -(2**63) <= facts.likeness < 2**63:
        raise NonsenseError("a number out of bounds")
    if outcome.text is not None and (len(outcome.text) > text_chars or not _is_storable(outcome.text)):
        raise NonsenseError("a text that cannot be stored")
    lines = (outcome.reason, facts.author, facts.title, facts.program, facts.language)
    if any(line is not None and (len(line) > MAX_REASON_CHARS or not _is_storable(line)) for line in lines):
        raise NonsenseError("a fact that cannot be stored")
    _check_preview(outcome.preview)


def _check_preview(preview: bytes | None) -> None:
    if preview is None:
        return
    if len(preview) > MAX_PREVIEW_BYTES or preview[:4] != b"RIFF" or preview[8:12] != b"WEBP":
        raise NonsenseError("a preview that is no picture")


def _is_storable(text: str) -> bool:
    """Whether Postgres takes it: no NUL, no half of a surrogate pair."""
    try:
        return "\0" not in text and bool(text.encode() or True)
    except UnicodeEncodeError:
        return False


@cache
def _outcomes() -> TypeAdapter[Any]:
    # Imported here: only the pipeline's side checks, and every worker would have to load it.
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(Outcome)
