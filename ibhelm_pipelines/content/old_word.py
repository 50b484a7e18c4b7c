"""Old Word documents (doc): Word 6 and 95, 97 to 2003.

The text lies in pieces, in the order in which it was typed; a table of them says how they follow each other. After the
body come the notes, headers, comments and text boxes. [MS-DOC] 2.4.1 describes it.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.ole import DAMAGED, Ole
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from ibhelm_pipelines.content.pages import Pages

STREAM = "WordDocument"
_WORD_97, _WORD_6 = 0xA5EC, 0xA5DC
_ENCRYPTED, _TABLE_1, _COMPLEX = 0x0100, 0x0200, 0x0004
_FLAGS = 0x0A
_CLX_97, _CLX_6 = 0x01A2, 0x0160
_TEXT_6 = 0x18
_PIECE_TABLE, _PROPERTIES = 2, 1
_COMPRESSED = 1 << 30
MAX_PIECES = 1_000_000

_FIELD_BEGIN, _FIELD_SEPARATOR, _FIELD_END = "\x13", "\x14", "\x15"
_SIGNS = str.maketrans({
    "\r": "\n", "\v": "\n", "\x0c": "\f", "\x07": "\t", "\x1e": "-", "\x1f": None, "\xa0": " ", "\x01": None,
    "\x02": None, "\x03": None, "\x04": None, "\x05": None, "\x08": None, "\x13": None, "\x14": None, "\x15": None,
    "\x0e": "\n",
})  # fmt: skip
"""The ends of lines, pages, cells; marks where a picture, note or comment stands."""


def is_locked(document: bytes) -> bool:
    """Whether a password is needed."""
    return len(document) > _FLAGS + 2 and bool(_number(document, _FLAGS, "<H") & _ENCRYPTED)


def read(ole: Ole, pages: Pages) -> None:
    """Add the text of a document."""
    document = ole.read(STREAM)
    field_depths: list[bool] = []
    for piece in _pieces(ole, document):
        for number, part in enumerate(_without_codes(piece, field_depths).split("\f")):
            if number:
                pages.end_page_unless_blank()
            pages.add(_rows(part))


def _pieces(ole: Ole, document: bytes) -> Iterator[str]:
    magic = _number(document, 0, "<H")
    if magic not in (_WORD_97, _WORD_6):
        raise SuspectFileError(DAMAGED)
    flags = _number(document, _FLAGS, "<H")
    if magic == _WORD_6:
        if flags & _COMPLEX:
            yield from _table_pieces(document, document, _CLX_6, wide=False)
        else:
            start, end = _number(document, _TEXT_6, "<I"), _number(document, _TEXT_6 + 4, "<I")
            yield document[start:end].decode("cp1252", "replace")
    else:
        table = ole.read("1Table" if flags & _TABLE_1 else "0Table")
        yield from _table_pieces(document, table, _CLX_97, wide=True)


def _table_pieces(document: bytes, table: bytes, place: int, *, wide: bool) -> Iterator[str]:
    start, length = _number(document, place, "<I"), _number(document, place + 4, "<I")
    plan = _piece_table(table[start : start + length])
    count = min((len(plan) - 4) // 12, MAX_PIECES)
    positions = struct.unpack_from(f"<{count + 1}I", plan)
    for number, (begin, end) in enumerate(itertools.pairwise(positions)):
        offset = _number(plan, (count + 1) * 4 + number * 8 + 2, "<I")
        if end > begin:
            yield _characters(document, offset, end - begin, wide=wide)


def _characters(document: bytes, offset: int, count: int, *, wide: bool) -> str:
    if not wide:
        return document[offset : offset + count].decode("cp1252", "replace")
    if offset & _COMPRESSED:
        begin = (offset & ~_COMPRESSED) // 2
        return document[begin : begin + count].decode("cp1252", "replace")
    return document[offset : offset + count * 2].decode("utf-16-le", "replace")


def _piece_table(plan: bytes) -> bytes:
    """The piece table, behind any number of properties."""
    place = 0
    while place < len(plan) and plan[place] == _PROPERTIES:
        place += 3 + _number(plan, place + 1, "<H")
    if place >= len(plan) or plan[place] != _PIECE_TABLE:
        raise SuspectFileError(DAMAGED)
    return plan[place + 5 : place + 5 + _number(plan, place + 1, "<I")]


def _without_codes(piece: str, fields: list[bool]) -> str:
    """The text without the instructions of fields, which may run on into the next piece.

    Args:
        piece: of the text.
        fields: those that are open, each with whether its result has begun; changed.
    """
    if not fields and _FIELD_BEGIN not in piece:
        return piece.translate(_SIGNS)
    shown = []
    for character in piece:
        if character == _FIELD_BEGIN:
            fields.append(False)
        elif character == _FIELD_SEPARATOR and fields:
            fields[-1] = True
        elif character == _FIELD_END and fields:
            fields.pop()
        elif not fields or fields[-1]:
            shown.append(character)
    return "".join(shown).translate(_SIGNS)


def _rows(text: str) -> str:
    """A row ends with the end of its last cell and one of its own."""
    return text.replace("\t\t", "\t\n")


def _number(data: bytes, place: int, form: str) -> int:
    try:
        return int(struct.unpack_from(form, data, place)[0])
    except struct.error as error:
        raise SuspectFileError(DAMAGED) from error
