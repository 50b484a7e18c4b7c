"""The words of a DXF drawing, read as a stream: what stands on its sheets, its title block, its layers and blocks.

Works for files that are too large or too broken to be drawn, and holds no more in memory than the text that is kept.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ezdxf.lldxf.encoding import decode_dxf_unicode
from ezdxf.tools.codepage import toencoding
from ezdxf.tools.juliandate import calendardate
from ezdxf.tools.text import fast_plain_mtext, plain_text

from ibhelm_pipelines.content.dxf_tags import BROKEN, Tag, read_tags
from ibhelm_pipelines.content.limits import Limits, fact
from ibhelm_pipelines.content.outcome import Facts
from ibhelm_pipelines.plain_text import storable

TIME_SHARE = 0.5
"""Part of the time limit after which no further entity is read."""

RELEASES = {
    "AC1009": "R12",
    "AC1012": "R13",
    "AC1014": "R14",
    "AC1015": "2000",
    "AC1018": "2004",
    "AC1021": "2007",
    "AC1024": "2010",
    "AC1027": "2013",
    "AC1032": "2018",
}
UNICODE_SINCE = "AC1021"

MODEL, SHEET = "*MODEL_SPACE", "*PAPER_SPACE"
UNTOLD_BLOCKS = ("*", "_", "$", "A$C", "ACAD")
"""Blocks whose names a program made up."""

SPOKEN_BLOCKS = ("*T", "*U")
"""Blocks without a name whose text counts all the same: tables and variants; those of dimensions are only numbers."""

UNTOLD_SHEET = re.compile(r"(Model|Layout ?\d*)", re.IGNORECASE)
UNTOLD_LAYERS = frozenset({"0", "DEFPOINTS", ""})
EARLIEST_DAY = 2_415_020.0
"""Julian date of 1900-01-01; what is earlier is an empty field."""

MAX_NAMES = 5000


@dataclass
class Words:
    """What was found in a drawing.

    Attributes:
        spaces: lines by the space or block that they stand in.
        sheets: names of the layouts that a person gave.
        drawn: spaces with at least one thing on them.
        stopped: there is more in the file than was read.
        broken: some of it cannot be understood, or its end is missing.
    """

    header: dict[str, str] = field(default_factory=dict)
    spaces: dict[str, list[str]] = field(default_factory=dict)
    sheets: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    drawn: set[str] = field(default_factory=set)
    tags: int = 0
    chars: int = 0
    stopped: bool = False
    broken: bool = False

    def facts(self) -> Facts:
        """Return what the drawing says of itself."""
        release = RELEASES.get(self.header.get("$ACADVER", ""))
        return Facts(
            page_count=len(self.drawn) or None,
            title=fact(self.header.get("$TITLE")),
            author=fact(self.header.get("$AUTHOR") or self.header.get("$LASTSAVEDBY")),
            program=f"AutoCAD {release} DXF" if release else None,
            written_at=_written_at(self.header),
        )

    def text(self) -> str:
        """Return the text, a page for each space; names of layouts, layers and blocks at the end."""
        order = [MODEL, *sorted((space for space in self.spaces if space.startswith(SHEET)), key=_sheet_number)]
        pages = ["\n".join(self.spaces[space]) for space in order if self.spaces.get(space)]
        rest = [line for space, lines in self.spaces.items() if space not in order for line in lines]
        about = [self.header.get(name, "") for name in ("$TITLE", "$SUBJECT", "$KEYWORDS", "$COMMENTS", "$PROJECTNAME")]
        names = told_names(self.sheets, self.layers, self.blocks)
        tail = "\n".join(line for line in (*rest, *about, *names) if line)
        return storable("\f".join(pages) + ("\n" if pages and tail else "") + tail)


def read_words(file: BinaryIO, limits: Limits) -> Words:
    """Read a drawing for as long as there is time and room for its text."""
    words = Words()
    deadline = time.monotonic() + limits.seconds * TIME_SHARE
    reader = _Reader(words, lambda: words.chars > limits.text_chars or time.monotonic() > deadline)
    reader.read(read_tags(file))
    return words


def _sheet_number(space: str) -> tuple[int, str]:
    """The sheet that was open when the drawing was saved has no number; the others count from 0."""
    return len(space), space


def _written_at(header: dict[str, str]) -> dt.datetime | None:
    for name, zone in (("$TDUCREATE", dt.UTC), ("$TDCREATE", None)):
        try:
            day = float(header.get(name, "0"))
            if day > EARLIEST_DAY:
                return calendardate(day).replace(tzinfo=zone)
        except (ValueError, OverflowError):
            continue
    return None


def plain_line(text: str) -> str:
    """Return a line of text without the marks for special signs."""
    return plain_text(text)


def plain_paragraph(text: str) -> str:
    """Return text without the formats inside of it."""
    plain = fast_plain_mtext(text)
    return plain if isinstance(plain, str) else "\n".join(plain)


def plain_attribute(name: str, value: str) -> str:
    """Return a field of a block, such as one of the title block, with its name; nothing where it is not filled in."""
    plain = plain_line(value)
    return f"{name}: {plain}" if plain.strip() else ""


def told_names(sheets: Iterable[str], layers: Iterable[str], blocks: Iterable[str]) -> list[str]:
    """Return the names that a person gave, each once."""
    told = [name for name in sheets if not UNTOLD_SHEET.fullmatch(name)]
    told += [name for name in layers if name.upper() not in UNTOLD_LAYERS and not name.startswith("*")]
    told += [name for name in blocks if name and not name.upper().startswith(UNTOLD_BLOCKS)]
    return list(dict.fromkeys(told))


Entity = list[Tag]


class _Reader:
    """Follows the sections of the file and keeps what is text."""

    def __init__(self, words: Words, enough: Callable[[], bool]) -> None:
        self._words = words
        self._enough = enough
        self._encoding = "cp1252"
        self._section = ""
        self._space = MODEL
        self._handlers: dict[str, Callable[[str, Entity], None]] = {
            "TABLES": self._table,
            "BLOCKS": self._block,
            "ENTITIES": self._entity,
            "OBJECTS": self._object,
        }

    def read(self, tags: Iterator[Tag]) -> None:
        for kind, entity in self._entities(tags):
            if kind == "SECTION":
                self._section = self._first(entity, 2).upper()
                self._space = MODEL
                if self._section == "HEADER":
                    self._header(entity[1:])
            elif handler := self._handlers.get(self._section):
                handler(kind, entity)

    def _entities(self, tags: Iterator[Tag]) -> Iterator[tuple[str, Entity]]:
        """Group the tags: an entity begins with code 0. Of a huge one only the beginning is kept."""
        kind, entity = "", Entity()
        for tag in tags:
            self._words.tags += 1
            if tag.code == 0:
                if kind:
                    yield kind, entity
                kind, entity = tag.value.decode("ascii", "replace").upper(), []
                if self._words.tags % 64 == 0 and self._enough():
                    self._words.stopped = True
                    return
            elif tag is BROKEN:
                self._words.broken = True
            elif len(entity) < MAX_TAGS:
                entity.append(tag)
        if kind != "EOF":
            self._words.broken = True
            yield kind, entity

    def _header(self, tags: Iterable[Tag]) -> None:
        """Variables: a name under code 9, then its value; only the first number of a point counts."""
        name, custom = "", ""
        for tag in tags:
            if tag.code == 9:
                name = tag.value.decode("ascii", "replace").upper()
                continue
            value = self._decode(tag.value)
            if name == "$DWGCODEPAGE":
                self._encoding = "utf-8" if self._encoding == "utf-8" else toencoding(value)
            elif name == "$ACADVER" and value >= UNICODE_SINCE:
                self._encoding = "utf-8"
            elif name == "$CUSTOMPROPERTYTAG":
                custom = value
            elif name == "$CUSTOMPROPERTY":
                self._add("", f"{custom}: {value}")
            self._words.header.setdefault(name, value)

    def _table(self, kind: str, entity: Entity) -> None:
        if kind == "LAYER" and len(self._words.layers) < MAX_NAMES:
            self._words.layers.append(self._first(entity, 2))

    def _block(self, kind: str, entity: Entity) -> None:
        if kind == "BLOCK":
            name = self._first(entity, 2)
            self._space = name.upper()
            if len(self._words.blocks) < MAX_NAMES:
                self._words.blocks.append(name)
        elif kind == "ENDBLK":
            self._space = MODEL
        else:
            self._entity(kind, entity)

    def _entity(self, kind: str, entity: Entity) -> None:
        space = self._space
        if self._section == "ENTITIES" and self._first(entity, 67) == "1":
            space = SHEET
        if kind not in UNDRAWN and (space == MODEL or space.startswith(SHEET)):
            self._words.drawn.add(space)
        if space.startswith("*") and not space.startswith((MODEL, SHEET, *SPOKEN_BLOCKS)):
            return
        teller = TELLERS.get(kind)
        if teller is not None:
            self._add(space, teller(self, entity))

    def _object(self, kind: str, entity: Entity) -> None:
        """The name of a layout is the text after its own marker; the texts before it are names of printers."""
        if kind == "LAYOUT" and len(self._words.sheets) < MAX_NAMES:
            at = next((i for i, tag in enumerate(entity) if tag == (100, b"AcDbLayout")), 0)
            self._words.sheets.append(self._first(entity[at:], 1))

    def _add(self, space: str, text: str) -> None:
        line = storable(text).strip()
        if line:
            self._words.spaces.setdefault(space, []).append(line)
            self._words.chars += len(line) + 1

    def _first(self, entity: Entity, code: int) -> str:
        return next((self._decode(tag.value) for tag in entity if tag.code == code), "")

    def _decode(self, value: bytes) -> str:
        return decode_dxf_unicode(value.decode(self._encoding, "replace"))

    def line(self, entity: Entity) -> str:
        """A line of text."""
        return plain_line(self._first(entity, 1))

    def paragraph(self, entity: Entity) -> str:
        """Text with formats inside; long ones come in pieces."""
        pieces = (self._decode(tag.value) for tag in entity if tag.code in (1, 3))
        return plain_paragraph("".join(pieces))

    def attribute(self, entity: Entity) -> str:
        """A field of a block, such as one of the title block, with its name."""
        return plain_attribute(self._first(entity, 2), self._first(entity, 1))

    def measure(self, entity: Entity) -> str:
        """What stands on a dimension instead of, or around, the measured number."""
        return self.paragraph([tag for tag in entity if tag.code == 1]).replace("<>", "")

    def note(self, entity: Entity) -> str:
        """The text at the end of a leader."""
        return self.paragraph([Tag(1, tag.value) for tag in entity if tag.code == 304 and tag.value != b"LEADER_LINE{"])


TELLERS: dict[str, Callable[[_Reader, Entity], str]] = {
    "TEXT": _Reader.line,
    "MTEXT": _Reader.paragraph,
    "ATTRIB": _Reader.attribute,
    "DIMENSION": _Reader.measure,
    "MULTILEADER": _Reader.note,
    "MLEADER": _Reader.note,
    "TOLERANCE": _Reader.line,
}
UNDRAWN = frozenset({"VIEWPORT", "ENDSEC", "EOF", "SEQEND", "VERTEX", "ATTRIB", "ENDBLK", "BLOCK"})
MAX_TAGS = 4096
"""Tags of one entity that are kept: text stands at its beginning, a million corners behind."""
