"""Old presentations (ppt of PowerPoint 97 to 2003): one page for each slide, with its notes and comments.

The file is a chain of records, saved over and over: what was changed is appended, and a directory says which version
of each slide counts. [MS-PPT] 2.1.2 describes it. Where the directory leads nowhere, all records are read as they lie.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.ole import DAMAGED, Ole
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from ibhelm_pipelines.content.pages import Pages

STREAM, CURRENT_USER = "PowerPoint Document", "Current User"
_LOCKED_TOKEN = 0xF3D1C4DF

_LIST, _PERSIST, _EDIT, _DIRECTORY = 0x0FF0, 0x03F3, 0x0FF5, 0x1772
_CHARS, _BYTES, _STRING, _OUTLINE_REFERENCE = 0x0FA0, 0x0FA8, 0x0FBA, 0x0F9E
_TAGS, _TAG_DATA, _COMMENT, _HEADERS = 0x1388, 0x138B, 0x2EE0, 0x0FD9
_SLIDE_ATOM, _SHAPE, _PLACEHOLDER = 0x03EF, 0xF004, 0x0BC3
_OF_SLIDES, _OF_NOTES = 0, 2
MAX_RECORDS = 2_000_000
MAX_DEPTH = 64
MAX_EDITS = 10_000
_SIGNS = str.maketrans({"\r": "\n", "\v": "\n"})
_FIELD = "*"
"""Stands where the program puts a number or a date; alone it says nothing."""


@dataclass
class _Record:
    kind: int
    instance: int
    start: int
    end: int
    is_container: bool


@dataclass
class _Page:
    """A slide or a page of notes as the document lists it."""

    reference: int
    number: int
    outline: list[str] = field(default_factory=list)


class Show:
    """A presentation."""

    def __init__(self, ole: Ole) -> None:
        self._data = ole.read(STREAM)
        self._user = ole.read(CURRENT_USER) if CURRENT_USER.lower() in ole.names else b""
        self._records = 0
        self.is_locked = _unpack("<I", self._user, 12) == _LOCKED_TOKEN or "encryptedsummary" in ole.names
        self._places: dict[int, int] = {}
        self.slides: list[_Page] = []
        self._notes: dict[int, _Page] = {}
        self._masters: list[_Page] = []
        if not self.is_locked:
            self._read_lists()

    def read(self, pages: Pages) -> None:
        """Add the text of all slides."""
        if not self.slides:
            pages.add("\n".join(self._texts(0, len(self._data), [])))
            return
        for number, slide in enumerate(self.slides):
            if number:
                pages.end_page()
            for text in self._slide_texts(slide):
                pages.line(text)
            if not number:
                for master in self._masters:
                    self._read_master(master, pages)

    def _slide_texts(self, slide: _Page) -> Iterator[str]:
        record = self._at(slide.reference)
        if record is None:
            yield from slide.outline
            return
        used: list[str] = []
        for text in self._texts(record.start, record.end, slide.outline):
            used.append(text)
            yield text
        yield from (text for text in slide.outline if text not in used)
        notes = self._notes.get(self._notes_of(record))
        inner = self._at(notes.reference) if notes else None
        if notes and inner:
            yield from self._texts(inner.start, inner.end, notes.outline)

    def _read_master(self, master: _Page, pages: Pages) -> None:
        """What is no placeholder on a master stands on every slide; it counts once."""
        record = self._at(master.reference)
        if record is None:
            return
        for shape, _ in self._walk(record.start, record.end):
            if shape.kind == _SHAPE and not self._is_placeholder(shape):
                for text in self._texts(shape.start, shape.end, []):
                    pages.line(text)

    def _is_placeholder(self, shape: _Record) -> bool:
        return any(record.kind == _PLACEHOLDER for record, _ in self._walk(shape.start, shape.end))

    def _texts(self, start: int, end: int, outline: list[str]) -> Iterator[str]:
        """The texts of all shapes in a part of the stream; comments with their authors."""
        for record, path in self._walk(start, end):
            if record.kind == _OUTLINE_REFERENCE:
                index = _unpack("<I", self._data, record.start) or 0
                yield from filter(None, outline[index : index + 1])
            elif record.kind in (_CHARS, _BYTES) or (
                record.kind == _STRING and path[-1:] in ((_COMMENT,), (_HEADERS,))
            ):
                text = self._text(record)
                if text and not (path[-1:] == (_COMMENT,) and record.instance == 2):  # initials
                    yield text

    def _text(self, record: _Record) -> str:
        raw = self._data[record.start : record.end]
        text = raw.decode("latin-1") if record.kind == _BYTES else raw.decode("utf-16-le", "replace")
        text = text.translate(_SIGNS).strip()
        return "" if text == _FIELD else text

    def _walk(self, start: int, end: int) -> Iterator[tuple[_Record, tuple[int, ...]]]:
        """All records in a range, each with the kinds of those around it; no recursion."""
        stack: list[tuple[int, int, tuple[int, ...]]] = [(start, end, ())]
        while stack:
            place, stop, path = stack.pop()
            record = self._record(place, stop)
            if record is None:
                continue
            stack.append((record.end, stop, path))
            yield record, path
            if (record.is_container or record.kind == _TAG_DATA) and len(path) < MAX_DEPTH:
                stack.append((record.start, record.end, (*path, record.kind)))

    def _record(self, place: int, stop: int) -> _Record | None:
        if place + 8 > stop:
            return None
        self._records += 1
        if self._records > MAX_RECORDS:
            raise SuspectFileError(DAMAGED)
        version, kind, length = struct.unpack_from("<HHI", self._data, place)
        start = place + 8
        return _Record(kind, version >> 4, start, min(start + length, stop), version & 15 == 15)

    def _at(self, reference: int) -> _Record | None:
        place = self._places.get(reference)
        return self._record(place, len(self._data)) if place is not None else None

    def _notes_of(self, slide: _Record) -> int:
        for record, path in self._walk(slide.start, slide.end):
            if not path and record.kind == _SLIDE_ATOM:
                return _unpack("<I", self._data, record.start + 16) or -1
        return -1

    def _read_lists(self) -> None:
        document = self._at(self._read_directory())
        if document is None:
            return
        for record, path in self._walk(document.start, document.end):
            if record.kind == _LIST and not path:
                self._read_list(record)

    def _read_list(self, record: _Record) -> None:
        listed: list[_Page] = []
        for inner, _ in self._walk(record.start, record.end):
            if inner.kind == _PERSIST:
                reference, number = struct.unpack_from("<I8xI", self._data.ljust(inner.start + 16, b"\0"), inner.start)
                listed.append(_Page(reference, number))
            elif inner.kind in (_CHARS, _BYTES) and listed:
                listed[-1].outline.append(self._text(inner))
        if record.instance == _OF_SLIDES:
            self.slides = listed
        elif record.instance == _OF_NOTES:
            self._notes = {page.number: page for page in listed}
        else:
            self._masters = listed

    def _read_directory(self) -> int:
        """Fill in where everything lies, the newest first; returns the number of the document."""
        edit, document = _unpack("<I", self._user, 16) or 0, -1
        for _ in range(MAX_EDITS):
            record = self._record(edit, len(self._data))
            if record is None or record.kind != _EDIT or record.end - record.start < 20:
                break
            last, directory, reference = struct.unpack_from("<8xIII", self._data, record.start)
            document = reference if document < 0 else document
            self._read_places(directory)
            if not last or last == edit:
                break
            edit = last
        return document

    def _read_places(self, directory: int) -> None:
        record = self._record(directory, len(self._data))
        if record is None or record.kind != _DIRECTORY:
            return
        place = record.start
        while place + 4 <= record.end:
            head = _unpack("<I", self._data, place) or 0
            first, count = head & 0xFFFFF, min(head >> 20, (record.end - place - 4) // 4)
            for number, offset in enumerate(struct.unpack_from(f"<{count}I", self._data, place + 4)):
                self._places.setdefault(first + number, offset)
            place += 4 + 4 * count


def _unpack(form: str, data: bytes, place: int) -> int | None:
    try:
        return int(struct.unpack_from(form, data, place)[0])
    except struct.error:
        return None
