"""GAEB DA XML (.x81 to .x89): a bill of quantities as a stream of elements, without any entity of the file's own."""

from __future__ import annotations

from typing import BinaryIO
from xml.parsers import expat

from ibhelm_pipelines.content.bill import Bill, Entry, german
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import without_base64

MALFORMED = "The GAEB file is not well-formed XML"
ENTITIES = "The XML file defines entities of its own, which no honest program writes"

PIECE_BYTES = 65_536
MAX_DEPTH = 200
MAX_RUN_CHARS = 1_000_000
"""Of one text; a bill is full long before."""

_CAPTURED = frozenset({
    "NamePrj", "LblPrj", "Name", "LblBoQ", "LblTx", "Date", "Time", "ProgSystem", "ProgName", "Name1", "DP",
    "Qty", "QU", "UP", "IT", "TextOutlTxt", "DetailTxt",
})  # fmt: skip
_BREAKS = frozenset({"p", "br", "li", "div", "tr"})
_UNREAD = frozenset({"image", "attachment"})
_OPENING = frozenset({"Item", "Remark", "PerfDescr"})


def read(file: BinaryIO, bill: Bill) -> None:
    """Read a file into a bill, for as long as it is not full.

    Raises:
        SuspectFileError: it is not well-formed and nothing could be read before that, or it defines entities.
    """
    reader = _Reader(bill)
    try:
        while not bill.stopped and (piece := file.read(PIECE_BYTES)):
            reader.parser.Parse(piece, False)
        if not bill.stopped:
            reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        if not bill.entries:
            raise SuspectFileError(MALFORMED) from error
        bill.stopped = True


class _Reader:
    """Follows the elements; the text of a captured one is handed on when it ends."""

    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self._path: list[str] = []
        self._numbers: list[str] = []
        self._entry: Entry | None = None
        self._capturing = ""
        self._unread = 0
        self._run: list[str] = []
        self._chars = 0
        self.parser = expat.ParserCreate()
        self.parser.EntityDeclHandler = _refuse
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._path.append(name)
        if len(self._path) > MAX_DEPTH:
            raise SuspectFileError(MALFORMED)
        self._unread += name in _UNREAD
        if name == "BoQCtgy":
            self._numbers.append(attributes.get("RNoPart", "").strip())
        elif name in _OPENING:
            part = attributes.get("RNoPart", "").strip() + attributes.get("RNoIndex", "").strip()
            self._entry = Entry(number=".".join(filter(None, (*self._numbers, part))) if name == "Item" else "")
        elif not self._capturing and name in _CAPTURED:
            self._capturing, self._run, self._chars = name, [], 0

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        self._path.pop()
        self._unread -= name in _UNREAD
        if self._capturing and name in _BREAKS:
            self._run.append("\n")
        if self._capturing == name and name not in self._path:
            self._capturing = ""
            self._take(name, without_base64("".join(self._run)).strip())
        elif name == "BoQCtgy":
            self._numbers.pop()
        elif name in _OPENING and self._entry is not None:
            self._bill.add(self._entry)
            self._entry = None

    def _text(self, text: str) -> None:
        if self._capturing and not self._unread and self._chars < MAX_RUN_CHARS:
            self._run.append(text)
            self._chars += len(text)

    def _take(self, name: str, text: str) -> None:
        parent = self._path[-1] if self._path else ""
        if self._entry is not None:
            self._take_of_entry(self._entry, name, text)
        elif name == "LblTx" and parent == "BoQCtgy":
            self._bill.add(Entry(number=".".join(filter(None, self._numbers)), short=text))
        else:
            self._take_of_bill(parent, name, text)

    def _take_of_entry(self, entry: Entry, name: str, text: str) -> None:
        if name == "TextOutlTxt":
            entry.short = f"{entry.short}\n{text}"
        elif name == "DetailTxt":
            entry.long = f"{entry.long}\n{text}"
        elif name == "QU":
            entry.unit = entry.unit or text
        elif name == "Qty":
            entry.quantity = entry.quantity or german(text, 3)
        elif name == "UP":
            entry.price = entry.price or german(text, 2)
        elif name == "IT":
            entry.total = entry.total or german(text, 2)

    def _take_of_bill(self, parent: str, name: str, text: str) -> None:
        bill = self._bill
        if name in ("NamePrj", "LblPrj"):
            bill.project = " ".join(filter(None, (bill.project, text)))
        elif parent == "BoQInfo" and name in ("Name", "LblBoQ"):
            bill.title = " ".join(filter(None, (bill.title, text)))
        elif parent == "GAEBInfo":
            self._take_of_file(name, text)
        elif name == "Name1" and "OWN" in self._path:
            bill.client = bill.client or text
        elif name == "Name1" and "CTR" in self._path:
            bill.bidder = bill.bidder or text
        elif name == "DP":
            bill.phase = bill.phase or text

    def _take_of_file(self, name: str, text: str) -> None:
        bill = self._bill
        if name == "Date":
            bill.day = text
        elif name == "Time":
            bill.clock = text
        elif name in ("ProgSystem", "ProgName"):
            bill.program = text if text.startswith(bill.program) else f"{bill.program} {text}"


def _refuse(*_: object) -> None:
    raise SuspectFileError(ENTITIES)
