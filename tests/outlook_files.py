"""Mails as Outlook saves them, made of nothing: an OLE tree of folders with a stream for each property."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

SECTOR, PIECE, MIN_STREAM = 512, 64, 4096
_FREE, _END, _FAT, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_FOLDER, _STREAM, _ROOT = 1, 2, 5
UNIX_TO_FILETIME = 11_644_473_600

Tree = dict[str, "bytes | Tree"]


@dataclass
class Message:
    """A mail; texts by their property tag (`0037`), in UTF-16 or in a code page of old.

    Attributes:
        numbers: of short properties, with their tag.
        moments: seconds since 1970.
        recipients, attachments: the texts and numbers of each; `3701` of an attachment is a file or a mail.
    """

    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    moments: dict[str, int] = field(default_factory=dict)
    binaries: dict[str, bytes] = field(default_factory=dict)
    recipients: list[dict[str, str | int]] = field(default_factory=list)
    attachments: list[dict[str, str | int | bytes | Message]] = field(default_factory=list)
    encoding: str = ""

    def tree(self, head_bytes: int = 32) -> Tree:
        """The folder of the mail."""
        streams: Tree = {}
        for tag, text in self.texts.items():
            streams |= self._text(tag, text)
        streams |= {f"__substg1.0_{tag}0102": data for tag, data in self.binaries.items()}
        streams["__properties_version1.0"] = bytes(head_bytes) + self._table(self.numbers, self.moments)
        for number, each in enumerate(self.recipients):
            streams[f"__recip_version1.0_#{number:08X}"] = self._folder(each)
        for number, attached in enumerate(self.attachments):
            streams[f"__attach_version1.0_#{number:08X}"] = self._folder(attached)
        return streams

    def saved(self) -> bytes:
        """The file."""
        return ole_tree(self.tree())

    def _folder(self, values: dict[str, str | int]) -> Tree:
        streams: Tree = {}
        for tag, value in values.items():
            if isinstance(value, str):
                streams |= self._text(tag, value)
            elif isinstance(value, bytes):
                streams[f"__substg1.0_{tag}0102"] = value
            elif isinstance(value, Message):
                streams[f"__substg1.0_{tag}000D"] = value.tree(24)
        numbers = {tag: value for tag, value in values.items() if isinstance(value, int)}
        streams["__properties_version1.0"] = bytes(8) + self._table(numbers, {})
        return streams

    def _text(self, tag: str, text: str) -> Tree:
        if self.encoding:
            return {f"__substg1.0_{tag}001E": text.encode(self.encoding)}
        return {f"__substg1.0_{tag}001F": text.encode("utf-16-le")}

    def _table(self, numbers: dict[str, int], moments: dict[str, int]) -> bytes:
        rows = [struct.pack("<2HLQ", 3, int(tag, 16), 6, number) for tag, number in numbers.items()]
        for tag, seconds in moments.items():
            rows.append(struct.pack("<2HLQ", 0x40, int(tag, 16), 6, (seconds + UNIX_TO_FILETIME) * 10_000_000))
        return b"".join(rows)


def ole_tree(tree: Tree) -> bytes:
    """An OLE file of folders and streams; the short ones lie in a stream of their own, in pieces of 64 bytes."""
    made = _Made()
    first = made.add(tree)
    made.is_closed = True
    small = made.store(bytes(made.small))
    pieces = made.store(struct.pack(f"<{len(made.pieces)}I", *made.pieces))
    made.entries[0] = _entry("Root Entry", _ROOT, child=first, start=small, size=len(made.small))
    directory = made.store(b"".join(made.entries))
    tables = next(count for count in range(1, 110) if (len(made.fat) + count) <= count * (SECTOR // 4))
    table = len(made.fat)
    fat = [*made.fat, *[_FAT] * tables]
    packed = struct.pack(f"<{tables * 128}I", *fat, *[_FREE] * (tables * 128 - len(fat)))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    count = -(-len(made.pieces) * 4 // SECTOR)
    head += struct.pack("<9I", 0, tables, directory, 0, MIN_STREAM, pieces if count else _END, count, _END, 0)
    head += struct.pack("<109I", *range(table, table + tables), *[_FREE] * (109 - tables))
    return head + b"".join(made.body) + packed


@dataclass
class _Made:
    entries: list[bytes] = field(default_factory=lambda: [b""])
    fat: list[int] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)
    small: bytearray = field(default_factory=bytearray)
    is_closed: bool = False

    def add(self, tree: Tree) -> int:
        """Add what is in a folder; return the number of its first entry."""
        numbers = list(range(len(self.entries), len(self.entries) + len(tree)))
        self.entries += [b""] * len(tree)
        for number, (name, value) in zip(numbers, tree.items(), strict=True):
            right = number + 1 if number < numbers[-1] else _NONE
            if isinstance(value, dict):
                self.entries[number] = _entry(name, _FOLDER, right=right, child=self.add(value))
            else:
                self.entries[number] = _entry(name, _STREAM, right=right, start=self.store(value), size=len(value))
        return numbers[0] if numbers else _NONE

    def store(self, data: bytes) -> int:
        """Store a stream; return where it begins."""
        is_small = len(data) < MIN_STREAM and not self.is_closed
        fat, unit = (self.pieces, PIECE) if is_small else (self.fat, SECTOR)
        if not data:
            return _END
        start, count = len(fat), -(-len(data) // unit)
        fat += [*range(start + 1, start + count), _END]
        padded = data.ljust(count * unit, b"\0")
        if is_small:
            self.small += padded
        else:
            self.body.append(padded)
        return start


def _entry(name: str, kind: int, *, right: int = _NONE, child: int = _NONE, start: int = _END, size: int = 0) -> bytes:
    encoded = name.encode("utf-16-le")
    head = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded) + 2, kind, 1)
    return head + struct.pack("<III16xI16xIQ", _NONE, right, child, 0, start, size)
