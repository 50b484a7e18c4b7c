"""Rich Text Format (rtf): the text of the document, its headers, notes and comments; also of mails that Outlook wrote.

The source is cut into tokens by one regular expression and groups are counted on a list, so that neither depth nor
size harms. Bytes are decoded by the character set of their font, as Word does.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.pages import Enough, Pages

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>[^a-zA-Z'])"
    rb"|(?P<open>\{)|(?P<close>\})|(?P<text>[^\\{}\r\n]+)|[\r\n]+|.",
    re.DOTALL,
)

_SILENT = frozenset({
    b"fonttbl", b"colortbl", b"stylesheet", b"pict", b"object", b"objdata", b"datafield", b"fldinst",
    b"listtable", b"listoverridetable", b"revtbl", b"rsidtbl", b"xmlnstbl", b"themedata", b"colorschememapping",
    b"latentstyles", b"datastore", b"filetbl", b"info", b"private", b"mmathPr", b"nonshppict", b"pnseclvl", b"sp",
    b"bkmkstart", b"bkmkend", b"atrfstart", b"atrfend", b"atnid", b"atnauthor", b"atndate", b"atnref", b"atntime",
    b"template",
    b"userprops", b"xmlopen", b"panose", b"falt", b"fontemb", b"shprslt", b"do", b"pgptbl", b"docvar", b"wgrffmtfilter",
    b"ftnsep", b"ftnsepc", b"ftncn", b"aftnsep", b"aftnsepc", b"aftncn", b"pntext", b"tc", b"xe", b"rxe", b"txe",
})  # fmt: skip
"""Groups that hold settings, pictures or the instructions of fields."""

_HEARD = frozenset({b"shpinst", b"shptxt", b"shp", b"annotation", b"fldrslt", b"footnote", b"listtext"})
"""Groups marked as dispensable (by \\*) whose text counts."""

_ASIDE = frozenset({
    b"header", b"footer", b"headerl", b"headerr", b"headerf", b"footerl", b"footerr", b"footerf", b"footnote",
    b"annotation", b"shptxt",
})  # fmt: skip
"""Groups that interrupt a paragraph; they are read after it."""

_SIGNS = {
    b"par": "\n", b"line": "\n", b"sect": "\n", b"row": "\n", b"nestrow": "\n", b"cell": "\t", b"nestcell": "\t",
    b"tab": "\t", b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘", b"rquote": "’",
    b"ldblquote": "“", b"rdblquote": "”", b"emspace": " ", b"enspace": " ", b"qmspace": " ",
}  # fmt: skip

_FACTS = frozenset({b"title", b"author", b"generator"})
_CHARSETS = {
    0: "cp1252", 1: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "cp950", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
_FAMILIES = {b"mac": "mac-roman", b"pc": "cp437", b"pca": "cp850"}
MAX_DEPTH = 10_000


@dataclass(slots=True)
class _Group:
    """What holds until the next closing brace."""

    silent: bool = False
    html: bool = False
    encoding: str = ""
    skip: int = 1
    fact: bytes = b""
    aside: bool = False
    begins_aside: bool = False
    is_header: bool = False


@dataclass
class RichFacts:
    """What the head of the file says of it."""

    values: dict[bytes, str] = field(default_factory=dict)
    created: dict[bytes, int] = field(default_factory=dict)
    pages: int | None = None

    @property
    def written_at(self) -> dt.datetime | None:
        """When the document was begun."""
        names = (b"yr", b"mo", b"dy", b"hr", b"min")
        try:
            return dt.datetime(*(self.created.get(name, 0) for name in names))  # type: ignore[arg-type]  # noqa: DTZ001 - the file names no zone
        except ValueError:
            return None


def rtf_to_text(source: bytes, max_chars: int) -> str:
    """Return the text of a piece of RTF, cut at the limit; HTML that Outlook hid in it is left out."""
    pages = Pages(max_chars)
    pages.fill(lambda: RichText(pages).read(source))
    return pages.text().replace("\f", "\n")[:max_chars]


class RichText:
    """Reads RTF into pages.

    Attributes:
        facts: author, title and more, as far as the head was read.
    """

    def __init__(self, pages: Pages, *, is_late: Callable[[], bool] = lambda: False) -> None:
        self.facts = RichFacts()
        self._pages = pages
        self._is_late = is_late
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._group = _Group()
        self._groups: list[_Group] = []
        self._in_fonts = 0
        self._bytes = bytearray()
        self._dropped = self._high = 0
        self._aside: list[str] = []
        self._after: list[str] = []

    def read(self, source: bytes) -> None:
        """Read a whole file."""
        place = tokens = 0
        while match := _TOKEN.match(source, place):
            place = match.end()
            tokens += 1
            if not tokens % 100_000 and self._is_late():
                raise Enough
            if match["word"] is not None:
                number = int(match["number"]) if match["number"] else None
                place += self._word(match["word"], number)
            elif match["hex"] is not None:
                self._raw(bytes.fromhex(match["hex"].decode("ascii")))
            else:
                self._rest(match)
        self._flush()
        self._put_asides()

    def _rest(self, match: re.Match[bytes]) -> None:
        if match["text"] is not None:
            self._raw(match["text"])
        elif match["open"]:
            self._open()
        elif match["close"]:
            self._close()
        elif match["sign"] is not None:
            self._sign(match["sign"])

    def _open(self) -> None:
        self._flush()
        self._dropped = 0
        if len(self._groups) < MAX_DEPTH:
            self._groups.append(self._group)
            self._group = replace(self._group, begins_aside=False)

    def _close(self) -> None:
        self._flush()
        self._dropped = 0
        if self._group.begins_aside:
            self._end_aside()
        if len(self._groups) == self._in_fonts:
            self._in_fonts = 0
        if self._groups:
            self._group = self._groups.pop()

    def _end_aside(self) -> None:
        text, self._aside = "".join(self._aside), []
        if self._group.is_header:  # stands before the first paragraph of its section
            self._pages.line(text)
        else:
            self._after.append(text)

    def _sign(self, sign: bytes) -> None:
        if sign == b"*":
            self._group = replace(self._group, silent=True)
        elif sign in b"\r\n":
            self._put("\n")
        elif sign == b"~":
            self._put(" ")
        elif sign == b"_":
            self._put("-")
        elif sign in b"\\{}":
            self._raw(sign)

    def _word(self, word: bytes, number: int | None) -> int:
        """Obey a control word; returns how many bytes after it are no RTF."""
        if word == b"bin":
            return max(number or 0, 0)
        if word == b"u" and number is not None:
            self._unicode(number)
            return 0
        self._flush()
        self._dropped = 0
        if word in _SILENT:
            self._group.silent = True
            self._in_fonts = len(self._groups) if word == b"fonttbl" else self._in_fonts
        elif word in _HEARD or word in _ASIDE:
            self._hear(word)
        elif word in _SIGNS:
            self._put(_SIGNS[word])
            if word in (b"par", b"sect", b"row"):
                self._put_asides()
        else:
            self._setting(word, number)
        return 0

    def _hear(self, word: bytes) -> None:
        if self._groups and not self._groups[-1].silent:
            self._group.silent = False
        if word in _ASIDE and not self._group.silent and not self._group.aside:
            self._group.aside = self._group.begins_aside = True
            self._group.is_header = word.startswith((b"header", b"footer"))

    def _setting(self, word: bytes, number: int | None) -> None:
        if word == b"page" and not self._group.silent:
            self._pages.end_page_unless_blank()
        elif word == b"uc":
            self._group.skip = max(number or 0, 0)
        elif word == b"f":
            self._font = number or 0
            self._group.encoding = self._fonts.get(self._font, "")
        elif word == b"fcharset" and self._in_fonts:
            self._fonts[self._font] = _CHARSETS.get(number or 0, "") if number else ""
        elif word in (b"ansicpg", b"cpg") and number:
            self._encoding = _known(f"cp{number}") or self._encoding
        elif word in _FAMILIES:
            self._encoding = _FAMILIES[word]
        elif word == b"plain":
            self._group.encoding = ""
        elif word == b"htmlrtf":
            self._group.html = number != 0
        else:
            self._fact(word, number)

    def _fact(self, word: bytes, number: int | None) -> None:
        if word in _FACTS or word == b"creatim":
            self._group.fact = word
        elif word == b"nofpages":
            self.facts.pages = number
        elif self._group.fact == b"creatim" and number is not None:
            self.facts.created[word] = number

    def _unicode(self, number: int) -> None:
        """Characters beyond 16 bits come in two halves, one after the other."""
        self._flush()
        unit = number % 0x10000
        if 0xDC00 <= unit < 0xE000 and self._high:
            unit = 0x10000 + (self._high - 0xD800) * 0x400 + unit - 0xDC00
        self._high = unit if 0xD800 <= unit < 0xDC00 else 0
        if not self._high:
            self._put(chr(unit))
        self._dropped = self._group.skip

    def _raw(self, piece: bytes) -> None:
        """Bytes of text; the first ones after a Unicode character only stand for it in old programs."""
        if self._dropped:
            dropped = min(self._dropped, len(piece))
            self._dropped -= dropped
            piece = piece[dropped:]
        if not self._group.silent or self._group.fact:
            self._bytes += piece

    def _flush(self) -> None:
        """Decode what has come together: characters of eastern sets have two bytes, each written by itself."""
        if self._bytes:
            raw, self._bytes = self._bytes, bytearray()
            self._put(raw.decode(self._group.encoding or self._encoding, "replace"))

    def _put(self, text: str) -> None:
        if self._bytes:
            self._flush()
        if self._group.fact in _FACTS:
            values = self.facts.values
            values[self._group.fact] = values.get(self._group.fact, "") + text
        elif self._group.silent or self._group.html:
            return
        elif self._group.aside:
            self._aside.append(text)
        else:
            self._pages.add(text)

    def _put_asides(self) -> None:
        after, self._after = self._after, []
        for text in after:
            self._pages.line(text)


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)
    except LookupError:
        return "utf-8" if encoding == "cp65001" else ""
    return encoding
