"""The two older spellings of GAEB: GAEB 90 (.d81 to .d89), lines of eighty columns, and GAEB 2000 (.p81 to .p89), words
in brackets. Both come in the eight bits of DOS or of Windows.
"""

from __future__ import annotations

import re
from itertools import groupby

from ibhelm_pipelines.content.bill import Bill, Entry, fixed_point, german
from ibhelm_pipelines.content.rich_text import rtf_to_text

# GAEB 90: kind of record in columns 1-2, its number in 75-80, the fields between at fixed places (counted from 1 in
# the rules of the GAEB, from 0 here).
TEXT = slice(2, 74)
NUMBER = slice(2, 11)
PHASE, PROJECT, MASK = slice(10, 12), slice(13, 62), slice(62, 71)
TITLE, DAY = slice(2, 42), slice(42, 50)
QUANTITY, UNIT = slice(23, 34), slice(34, 38)
PRICE, TOTAL = slice(12, 23), slice(24, 36)
DEFAULT_MASK = "1122PPPPI"


def read_90(source: str, bill: Bill) -> None:
    """Read a file of GAEB 90 into a bill, for as long as it is not full."""
    reader = _Reader90(bill)
    for line in source.splitlines():
        reader.take(line.ljust(80))
        if bill.stopped:
            return
    reader.finish()


class _Reader90:
    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self._mask = DEFAULT_MASK
        self._entry: Entry | None = None
        self._by_number: dict[str, Entry] = {}

    def take(self, line: str) -> None:
        kind, text = line[:2], line[TEXT].rstrip()
        if kind in ("00", "01", "02", "03", "04"):
            self._take_of_bill(kind, line, text)
        elif kind in ("11", "20", "21"):
            self._begin(kind, line)
        elif kind == "23":
            self._price(line)
        elif self._entry is not None and kind in ("12", "25"):
            self._entry.short += f"\n{text}"
        elif self._entry is not None and kind == "26":
            self._entry.long += f"\n{text}"
        elif kind[0] == "T" and text.strip():  # texts before the items
            self._entry = self._entry or Entry()
            self._entry.long += f"\n{text}"

    def finish(self) -> None:
        if self._entry is not None:
            self._bill.add(self._entry)
        self._entry = None

    def _take_of_bill(self, kind: str, line: str, text: str) -> None:
        bill = self._bill
        if kind == "00":
            bill.phase, bill.project = line[PHASE].strip(), line[PROJECT].strip()
            self._mask = line[MASK].strip() or DEFAULT_MASK
        elif kind == "01":
            bill.title, bill.day = line[TITLE].strip(), line[DAY]
        elif kind == "02":
            bill.project = text.strip() or bill.project
        elif kind == "03":
            bill.client = bill.client or text.strip()
        else:
            bill.bidder = bill.bidder or text.strip()

    def _begin(self, kind: str, line: str) -> None:
        self.finish()
        self._entry = Entry(number=self._number(line[NUMBER]) if kind != "20" else "")
        if kind == "21":
            self._entry.quantity, self._entry.unit = fixed_point(line[QUANTITY], 3), line[UNIT].strip()
            self._by_number[self._entry.number] = self._entry

    def _price(self, line: str) -> None:
        """Offers repeat the numbers of the items, without their texts."""
        number = self._number(line[NUMBER])
        if self._entry is None or self._entry.number != number:
            self.finish()
        entry = self._by_number.get(number)
        if entry is None:
            entry = self._entry = self._by_number[number] = Entry(number=number)
        entry.price, entry.total = fixed_point(line[PRICE].rstrip().ljust(11, "0"), 3), fixed_point(line[TOTAL], 2)
        entry.price = entry.price.removesuffix("0")

    def _number(self, field: str) -> str:
        """Set the points between the levels that the mask says, such as 1122PPPPI."""
        parts, at = [], 0
        for _, level in groupby(self._mask):
            width = len(list(level))
            parts.append(field[at : at + width].strip())
            at += width
        return ".".join(part for part in parts if part)


_TOKEN = re.compile(r"#(begin|end)\[([^\]\n]{1,60})\]|\[(\w{1,40})\]")
_END = "[end]"


def read_2000(source: str, bill: Bill) -> None:
    """Read a file of GAEB 2000 into a bill, for as long as it is not full."""
    reader = _Reader2000(bill)
    key, start = "", 0
    for token in _TOKEN.finditer(source):
        if token[3] == "end" and key:
            reader.value(key, _plain(source[start : token.start()]))
            key = ""
        elif not key and token[3]:
            key, start = token[3], token.end()
        elif not key:
            (reader.begin if token[1] == "begin" else reader.end)(token[2])
        if bill.stopped:
            return


def _plain(value: str) -> str:
    if value.lstrip().startswith("{\\rtf"):
        return rtf_to_text(value.strip().encode("cp1252", "replace"), len(value))
    return value.strip()


class _Reader2000:
    """Follows the sections; the entry that is open takes the values."""

    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self._path: list[str] = []
        self._entry: Entry | None = None
        self._widths: list[int] = []

    def begin(self, section: str) -> None:
        self._path.append(section)
        if section in ("LVBereich", "Position", "Hinweis", "Zusatztext"):
            self._finish()
            self._entry = Entry()

    def end(self, section: str) -> None:
        if section in self._path[-8:]:
            while self._path.pop() != section:
                pass
        if section in ("Position", "LVBereich", "Hinweis", "Zusatztext"):
            self._finish()

    def value(self, key: str, value: str) -> None:
        section = self._path[-1] if self._path else ""
        if self._entry is not None:
            self._value_of_entry(self._entry, key, value)
        elif section == "LVGlied":
            if key == "Laenge" and value.isdigit() and len(self._widths) < 10:
                self._widths.append(int(value[:2]))
        else:
            self._value_of_bill(section, key, value)

    def _finish(self) -> None:
        if self._entry is not None:
            self._bill.add(self._entry)
        self._entry = None

    def _value_of_entry(self, entry: Entry, key: str, value: str) -> None:
        if key == "OZ":
            entry.number = self._number(value)
        elif key in ("Kurztext", "Bez", "BezTx"):
            entry.short = entry.short or value
        elif key == "Langtext":
            entry.long += f"\n{value}"
        elif key == "ME":
            entry.unit = value
        elif key == "Menge":
            entry.quantity = german(value, 3)
        elif key == "EP":
            entry.price = german(value, 2)
        elif key in ("GB", "GP"):
            entry.total = german(value, 2)

    def _value_of_bill(self, section: str, key: str, value: str) -> None:
        bill = self._bill
        if section == "GAEBInfo":
            self._value_of_file(key, value)
        elif section == "PrjInfo" and key in ("Name", "Bez"):
            bill.project = " ".join(filter(None, (bill.project, value)))
        elif section == "LVInfo" and key in ("Name", "Bez"):
            bill.title = " ".join(filter(None, (bill.title, value)))
        elif key == "DP":
            bill.phase = bill.phase or value
        elif key == "Name1" and "AG" in self._path:
            bill.client = bill.client or value
        elif key == "Name1" and "AN" in self._path:
            bill.bidder = bill.bidder or value

    def _value_of_file(self, key: str, value: str) -> None:
        bill = self._bill
        if key == "Datum":
            bill.day = value
        elif key == "Uhrzeit":
            bill.clock = value
        elif key in ("ProgSystem", "ProgName"):
            bill.program = value if value.startswith(bill.program) else f"{bill.program} {value}"

    def _number(self, value: str) -> str:
        """Set the points between the levels, whose widths the file tells."""
        if "." in value or not self._widths:
            return value
        parts, at = [], 0
        for width in self._widths:
            parts.append(value[at : at + width].strip())
            at += width
        return ".".join(part for part in (*parts, value[at:].strip()) if part)
