"""The streams inside an OLE file (doc, xls, ppt, msg), read no further than memory allows.

Runs inside the sandbox.
"""

from __future__ import annotations

import datetime as dt
import struct
from contextlib import suppress
from typing import BinaryIO

import olefile

from ibhelm_pipelines.content.limits import fact
from ibhelm_pipelines.content.outcome import Facts
from ibhelm_pipelines.errors import SuspectFileError

DAMAGED = "The old Office file is damaged or cut off"
MAX_STREAM_BYTES = 256 << 20
FIRST_YEAR = 1980
"""Programs that do not know a date write the zero of theirs, which lies before all Office programs."""

MAX_PAGES = 1_000_000
MAX_STRING_BYTES = 10_000

_SUMMARY = "\x05SummaryInformation"
_CODEPAGE, _TITLE, _AUTHOR, _CREATED, _PAGES, _PROGRAM = 1, 2, 4, 12, 14, 18
_SHORT, _LONG, _STRING, _WIDE_STRING, _FILE_TIME = 2, 3, 30, 31, 64

BROKEN = (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What olefile raises for structures that lead nowhere."""


class Ole:
    """An opened OLE file; names of streams are compared without regard to case.

    Attributes:
        names: of its streams, in lower case.
        is_cut: whether a stream that was read ends before it should.
    """

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._ole = olefile.OleFileIO(file)
        except BROKEN as error:
            raise SuspectFileError(DAMAGED) from error
        self.names = {"/".join(path).lower() for path in self._ole.listdir(streams=True, storages=True)}
        self.is_cut = False
        if not self.names:
            raise SuspectFileError(DAMAGED)

    def read(self, name: str) -> bytes:
        """Return a stream; what can be had of a damaged one.

        Raises:
            SuspectFileError: there is none, or nothing of it.
        """
        try:
            if self._ole.get_size(name) > MAX_STREAM_BYTES:
                raise SuspectFileError(DAMAGED)
            data = bytes(self._ole.openstream(name).read())
        except BROKEN as error:
            raise SuspectFileError(DAMAGED) from error
        self.is_cut = self.is_cut or len(data) < self._ole.get_size(name)
        if not data:
            raise SuspectFileError(DAMAGED)
        return data

    def facts(self, *, count: int | None = None) -> Facts:
        """Return what the file says of itself.

        Args:
            count: its sheets or slides, where they were counted.
        """
        found: dict[int, object] = {}
        with suppress(SuspectFileError, *BROKEN, struct.error):
            found = _properties(self.read(_SUMMARY))
        pages = found.get(_PAGES)
        created = found.get(_CREATED)
        return Facts(
            page_count=count or (pages if isinstance(pages, int) and 0 < pages < MAX_PAGES else None),
            author=fact(found.get(_AUTHOR)),
            title=fact(found.get(_TITLE)),
            program=fact(found.get(_PROGRAM)),
            written_at=created if isinstance(created, dt.datetime) else None,
        )


def _properties(data: bytes) -> dict[int, object]:
    """The properties of a summary ([MS-OLEPS]); one that is damaged costs those after it.

    Our own, because olefile follows a count of four billion to its end.
    """
    (section,) = struct.unpack_from("<I", data, 44)
    (count,) = struct.unpack_from("<I", data, section + 4)
    places = dict(struct.unpack_from("<II", data, section + 8 + 8 * number) for number in range(min(count, 100)))
    codec = "cp1252"
    found: dict[int, object] = {}
    for name in sorted(places):  # the code page comes first
        value = _property(data, section + places[name], codec)
        found[name] = value
        if name == _CODEPAGE and isinstance(value, int):
            codec = _codec(value % 65536)
    return found


def _property(data: bytes, place: int, codec: str) -> object:
    (kind,) = struct.unpack_from("<I", data, place)
    if kind in (_SHORT, _LONG):
        return struct.unpack_from("<h" if kind == _SHORT else "<i", data, place + 4)[0]
    if kind in (_STRING, _WIDE_STRING):
        (length,) = struct.unpack_from("<I", data, place + 4)
        wide = kind == _WIDE_STRING or codec == "utf-16-le"
        raw = data[place + 8 : place + 8 + min(length * (2 if kind == _WIDE_STRING else 1), MAX_STRING_BYTES)]
        return raw.decode("utf-16-le" if wide else codec, "replace").partition("\0")[0]
    return _moment(struct.unpack_from("<Q", data, place + 4)[0]) if kind == _FILE_TIME else None


def _codec(codepage: int) -> str:
    name = {65001: "utf-8", 1200: "utf-16-le", 10000: "mac-roman"}.get(codepage, f"cp{codepage}")
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name


def _moment(ticks: int) -> dt.datetime | None:
    """A time in tenths of microseconds since 1601; programs that do not know it write the zero of theirs."""
    try:
        found = dt.datetime(1601, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None
    return found if found.year >= FIRST_YEAR else None
