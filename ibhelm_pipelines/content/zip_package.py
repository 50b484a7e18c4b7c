"""The parts of an Office file: a zip of XML, read as a stream of events, and never more of it than the limits allow.

Runs inside the sandbox. A few kilobytes can unpack to gigabytes, so bytes are counted as they come out, over all parts
together. XML that defines entities is refused: no Office program writes it. No tree is built and nothing recurses, so
that neither size nor depth costs memory.
"""

from __future__ import annotations

import errno
import posixpath
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote
from xml.parsers import expat

from ibhelm_pipelines.content.pages import Enough
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from ibhelm_pipelines.content.limits import Limits

DAMAGED = "The Office file is damaged or cut off"
LOCKED = "The Office file is protected by a password"
ENTITIES = "The Office file defines XML entities, which only hostile files do"
TOO_DEEP = "The Office file is nested too deeply"
TOO_LONG = "The Office file holds a single piece of XML that is too long"

MAX_BYTES = 512 << 20
"""Unpacked, of all parts that are read. The largest honest sheets have some 200 MB of XML."""

MAX_DEPTH = 2000
MAX_PIECE_BYTES = 16 << 20
"""Of one tag or run of text that the parser must hold until it ends."""

READ_BYTES = 65_536
TIME_SHARE = 0.6
"""Part of the time limit after which reading stops and what there is counts."""

START, END, TEXT = range(3)
Event = tuple[int, str, Any]
"""(START, local name, attributes by local name), (END, local name, None), (TEXT, characters, None)."""

BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a way of packing that Office does not use
    ValueError,  # overlapping or negative offsets, undecodable names
)


@dataclass(frozen=True)
class Relation:
    """What one part says of another: the last word of its kind (`image`, `comments`), and the part's name."""

    kind: str
    target: str
    external: bool


class Package:
    """An opened Office file. Names of parts are compared without regard to case, as Office does."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        with _damage_told():
            self._zip = zipfile.ZipFile(file)
        self._parts = {_key(info.filename): info for info in self._zip.infolist()}
        self._deadline = time.monotonic() + limits.seconds * TIME_SHARE
        self._left = MAX_BYTES

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._parts

    def names(self, beginning: str) -> list[str]:
        """Return the names of the parts in a folder, in lower case, 2 before 10."""
        found = (name for name in self._parts if name.startswith(beginning))
        return sorted(found, key=lambda name: (len(name), name))

    def size(self, name: str) -> int:
        """Return how large a part says it is; 0 where there is none."""
        info = self._parts.get(_key(name))
        return info.file_size if info else 0

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """Return a part, or None where there is none or it is larger."""
        info = self._parts.get(_key(name))
        if info is None or info.file_size > max_bytes:
            return None
        pieces = b"".join(self._pieces(name))
        return pieces if len(pieces) <= max_bytes else None

    def events(self, name: str) -> Iterator[Event]:
        """Yield what is in an XML part; nothing where there is no such part.

        Raises:
            SuspectFileError: it is damaged or hostile.
            Enough: bytes or time are spent.
        """
        events: list[Event] = []
        parser = _parser(events)
        fed = unfinished = 0
        waiting = bytearray()
        for piece in self._pieces(name):
            waiting += piece
            # The parser reads an unfinished piece again from its beginning each time: let its length double in between.
            if len(waiting) < min(unfinished, MAX_PIECE_BYTES - unfinished):
                continue
            _parse(parser, bytes(waiting), last=False)
            fed += len(waiting)
            waiting.clear()
            unfinished = fed - max(parser.CurrentByteIndex, 0)
            if unfinished > MAX_PIECE_BYTES:
                raise SuspectFileError(TOO_LONG)
            yield from events
            events.clear()
        if fed:
            _parse(parser, bytes(waiting), last=True)
            yield from events

    def relations(self, name: str = "") -> dict[str, Relation]:
        """Return the relations of a part, or of the package itself, by their ids; none where they are damaged."""
        folder, base = posixpath.split(name)
        found = {}
        for kind, tag, value in self.events(posixpath.join(folder, "_rels", f"{base}.rels")):
            if kind == START and tag == "Relationship":
                found[value.get("Id", "")] = _relation(folder, value)
        return found

    def related(self, name: str, *kinds: str) -> list[str]:
        """Return the parts that a part names as such, in the order of its relations."""
        relations = self.relations(name).values()
        return [each.target for each in relations if each.kind in kinds and not each.external and each.target in self]

    def _pieces(self, name: str) -> Iterator[bytes]:
        info = self._parts.get(_key(name))
        if info is None:
            return
        with self._open(info) as part:
            while piece := _read(part):
                self._left -= len(piece)
                if self._left < 0 or time.monotonic() > self._deadline:
                    raise Enough
                yield piece

    def _open(self, info: zipfile.ZipInfo) -> IO[bytes]:
        if info.flag_bits & 1:
            raise SuspectFileError(LOCKED)
        with _damage_told():
            return self._zip.open(info)


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _read(part: IO[bytes]) -> bytes:
    with _damage_told():
        return part.read(READ_BYTES)


@contextmanager
def _damage_told() -> Iterator[None]:
    """Turn what a zip raises that leads nowhere into our error; the errors of the disk stay what they are."""
    try:
        yield
    except BROKEN_ZIP as error:
        raise SuspectFileError(DAMAGED) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # an offset before the beginning
            raise
        raise SuspectFileError(DAMAGED) from error


def _relation(folder: str, attributes: dict[str, str]) -> Relation:
    target = unquote(attributes.get("Target", "")).replace("\\", "/")
    return Relation(
        kind=attributes.get("Type", "").rpartition("/")[2],
        target=posixpath.normpath(posixpath.join(folder, target)).lstrip("/") if target else "",
        external=attributes.get("TargetMode") == "External",
    )


def _parser(events: list[Event]) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise SuspectFileError(TOO_DEEP)
        events.append((START, name.rpartition(" ")[2], _local(attributes) if attributes else attributes))

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        events.append((END, name.rpartition(" ")[2], None))

    def entity(*_: object) -> None:
        raise SuspectFileError(ENTITIES)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = lambda text: events.append((TEXT, text, None))
    parser.EntityDeclHandler = entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    return parser


def _local(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes without their namespaces; of `id` and `r:id` on one element the relation counts."""
    plain = {name: value for name, value in attributes.items() if " " not in name}
    return plain | {name.rpartition(" ")[2]: value for name, value in attributes.items() if " " in name}


def _parse(parser: expat.XMLParserType, piece: bytes, *, last: bool) -> None:
    try:
        parser.Parse(piece, last)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter: an encoding that there is not
        raise SuspectFileError(DAMAGED) from error
