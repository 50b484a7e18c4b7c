"""The exchange files of STEP (ISO 10303-21), which IFC uses too: one statement after the other, in bounded memory.

Statements end with a semicolon that stands in no text. Texts are ASCII with three ways to write an umlaut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

CHUNK_BYTES = 1 << 20
MAX_STATEMENT_BYTES = 1 << 20
"""A longer one is left out: geometry, or an attack. Names are short."""

MAX_ARGUMENTS = 64
END = b"END-ISO-10303-21"
CUT_OFF = "The file is cut off: its end is missing"

_MARK = re.compile(rb"[;']|/\*")
_ESCAPE = re.compile(
    r"\\X2\\((?:[0-9A-Fa-f]{4})*)\\X0\\|\\X4\\((?:[0-9A-Fa-f]{8})*)\\X0\\|\\X\\([0-9A-Fa-f]{2})|\\S\\(.)|\\P[A-I]\\|(\\\\)|('')"
)
_ARGUMENT = re.compile(rb"'(?:[^']|'')*+(?:'|$)|[(),]|[^'(),]++")
"""A text without an end goes to the end: else a statement of quotes would be gone through from each of them."""


def statements(file: BinaryIO, enough: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the statements of a file without their semicolons and comments, until there is enough."""
    scanner = _Scanner()
    while not enough() and (chunk := file.read(CHUNK_BYTES)):
        yield from scanner.feed(chunk)


class _Scanner:
    """Cuts a stream into statements; of one that gets too long only the end is looked for."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._until = b""
        self._carry = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the statements that end in this chunk."""
        chunk = self._carry + chunk
        self._carry = chunk[-1:] if chunk.endswith((b"/", b"*")) else b""  # half of a mark of comments, perhaps
        chunk = chunk[: len(chunk) - len(self._carry)]
        at = 0
        while at < len(chunk):
            at, ended = self._step(chunk, at)
            if ended:
                if self._size <= MAX_STATEMENT_BYTES:
                    yield b"".join(self._parts).strip()
                self._parts, self._size = [], 0

    def _step(self, chunk: bytes, at: int) -> tuple[int, bool]:
        """Go on to the next mark: the end of a text, of a comment or of a statement, or the beginning of one."""
        if self._until:
            return self._close(chunk, at), False
        mark = _MARK.search(chunk, at)
        if mark is None:
            self._keep(chunk[at:])
            return len(chunk), False
        if mark[0] == b"'":
            self._until = b"'"
            self._keep(chunk[at : mark.end()])
        else:
            self._until = b"*/" if mark[0] == b"/*" else b""
            self._keep(chunk[at : mark.start()])
        return mark.end(), mark[0] == b";"

    def _close(self, chunk: bytes, at: int) -> int:
        end = chunk.find(self._until, at)
        after = end + len(self._until) if end >= 0 else len(chunk)
        if self._until == b"'":
            self._keep(chunk[at:after])
        if end >= 0:
            self._until = b""
        return after

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= MAX_STATEMENT_BYTES:
            self._parts.append(part)
        else:
            self._parts.clear()


def arguments(raw: bytes) -> list[bytes]:
    """Return the arguments of `NAME(a,b,(c,d))`, each as it stands; lists in one piece."""
    found: list[list[bytes]] = [[]]
    depth = 0
    for token in _ARGUMENT.findall(raw[raw.find(b"(") :]):
        depth -= token == b")"
        if depth <= 0 and token == b")":
            break
        if depth == 1 and token == b",":
            found.append([])
        elif depth >= 1:
            found[-1].append(token)
        depth += token == b"("
        if len(found) > MAX_ARGUMENTS:
            break
    return [b"".join(tokens).strip() for tokens in found]


def texts(argument: bytes) -> list[str]:
    """Return the texts in an argument, decoded; those that are blank are left out."""
    found = (text_of(token) for token in _ARGUMENT.findall(argument) if token.startswith(b"'"))
    return [text for text in found if text]


def text_of(argument: bytes) -> str:
    """Return an argument that is a text, decoded; the empty text for any other."""
    if len(argument) < 2 or not argument.startswith(b"'"):
        return ""
    raw = argument[1:-1]
    try:
        text = raw.decode("utf-8")  # not allowed, but often written
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return " ".join(_ESCAPE.sub(_unescape, text).split())


def _unescape(found: re.Match[str]) -> str:
    wide, wider, byte, shifted, backslash, quote = found.groups()
    if wide is not None:
        return bytes.fromhex(wide).decode("utf-16-be", "replace")
    if wider is not None:
        return bytes.fromhex(wider).decode("utf-32-be", "replace")
    if byte is not None:
        return bytes.fromhex(byte).decode("latin-1")
    if shifted is not None:
        return chr((ord(shifted) + 0x80) & 0xFF)
    return "\\" if backslash else "'" if quote else ""
