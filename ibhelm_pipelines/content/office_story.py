"""Paragraphs, tables and text boxes of Office Open XML, in reading order.

Word documents, slides, text boxes of sheets, comments and notes use the same few element names for them, so that one
walk over the events serves all. What a file keeps twice (for old programs) is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.pages import Pages
from ibhelm_pipelines.content.zip_package import END, START, TEXT, Event, Package

if TYPE_CHECKING:
    from collections.abc import Iterator

SKIPPED = frozenset({"Fallback", "moveFrom", "tabs", "tabLst", "rPh", "rt", "instrText", "delText"})
"""Doubles of what stands beside them, text that was moved away, settings of tabulators, how words are spoken."""

_SIGNS = {"tab": "\t", "cr": "\n", "noBreakHyphen": "-"}
_ENDS_LINE = frozenset({"Text", "comment", "cm", "threadedComment", "footnote", "endnote", "tr"})
_PAGE_BREAKS = frozenset({"lastRenderedPageBreak", "pageBreakBefore"})
_OFF = frozenset({"0", "false", "off"})

MAX_PART_TEXT = 1_000_000
"""Characters of a header, a note or a chart."""


class Story:
    """Reads the events of one part after the other into pages.

    Args:
        pages: what the text goes to.
        hides: whether the text of a placeholder of this type (`title`, `sldNum`) is left out.
        text_tags: the elements whose characters are text.
    """

    def __init__(
        self,
        pages: Pages,
        *,
        hides: Callable[[str], bool] = lambda _: False,
        text_tags: frozenset[str] = frozenset({"t"}),
    ) -> None:
        self._pages = pages
        self._hides = hides
        self._text_tags = text_tags
        self._skipping = 0
        self._reading = 0
        self._hidden = False
        self._cells = 0
        self._boxes: list[list[str]] = []
        self._after: list[str] = []

    def read(self, events: Iterable[Event]) -> None:
        """Read the events of a part."""
        for kind, name, value in events:
            if self._skipping:
                self._skipping += (kind == START) - (kind == END)
            elif kind == TEXT:
                if self._reading:
                    self._put(name)
            elif kind == START:
                self._start(name, value)
            else:
                self._end(name)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in SKIPPED:
            self._skipping = 1
        elif name in self._text_tags:
            self._reading += not self._hidden
        elif name in _SIGNS:
            self._put(_SIGNS[name])
        elif name == "txbxContent":
            self._boxes.append([])
        elif name == "tc":
            self._cells += 1
        elif name in ("sp", "pic", "graphicFrame"):
            self._hidden = False
        elif name == "ph":
            self._hidden = self._hides(attributes.get("type", "obj"))
        else:
            self._rarer(name, attributes)

    def _rarer(self, name: str, attributes: dict[str, str]) -> None:
        if name == "br":
            self._break(attributes.get("type", ""))
        elif name in _PAGE_BREAKS and attributes.get("val", "1") not in _OFF:
            self._break("page")
        elif name == "sym":
            self._put(_symbol(attributes.get("char", "")))
        elif name == "comment" and attributes.get("author"):
            self._put(attributes["author"] + ": ")

    def _end(self, name: str) -> None:
        if name in self._text_tags:
            self._reading = max(self._reading - 1, 0)
        elif name == "p":
            self._end_paragraph()
        elif name == "tc":
            self._cells -= 1
            self._put("\t")
        elif name in _ENDS_LINE:
            self._put("\n")
        elif name == "txbxContent" and self._boxes:
            self._after.append("".join(self._boxes.pop()))

    def _end_paragraph(self) -> None:
        self._put(" " if self._cells else "\n")
        if self._boxes:
            return
        for box in self._after:
            self._put(" ".join(box.split()) + " " if self._cells else box)
        self._after.clear()

    def _break(self, kind: str) -> None:
        """Word marks a break twice, where it was asked for and where the page was laid out: the second is blank."""
        if kind == "page" and not self._boxes and not self._cells:
            self._pages.end_page_unless_blank()
        else:
            self._put("\n" if kind != "page" else " ")

    def _put(self, piece: str) -> None:
        if self._boxes:
            self._boxes[-1].append(piece)
        else:
            self._pages.add(piece)


def _symbol(code: str) -> str:
    """Symbol fonts live in a private area, where only the arrows and ticks of Wingdings mean anything to anybody."""
    try:
        number = int(code, 16)
    except ValueError:
        return ""
    return chr(number) if 0x20 <= number < 0xD800 else " "


def part_text(package: Package, part: str, **options: object) -> str:
    """Return the text of a small part, such as a header."""
    pages = Pages(MAX_PART_TEXT)
    pages.fill(lambda: Story(pages, **options).read(package.events(part)))  # type: ignore[arg-type]  # Story's own
    return pages.text().replace("\f", "\n")


def add_parts(package: Package, parts: Iterable[str], pages: Pages, **options: object) -> None:
    """Add the texts of small parts, each text once: every section of a document repeats its headers."""
    texts = dict.fromkeys(part_text(package, part, **options) for part in parts)
    for text in texts:
        pages.line(text)


def add_graphics(package: Package, part: str, pages: Pages) -> None:
    """Add the words of the charts and diagrams that belong to a part: titles, axes, categories; no numbers."""
    for target in package.related(part, "chart", "chartEx", "diagramData"):
        pages.line("\n".join(dict.fromkeys(_words(package.events(target)))))


def _words(events: Iterable[Event]) -> Iterator[str]:
    inside, strings, words = False, 0, ""
    for kind, name, _ in events:
        if kind == TEXT and inside:
            words += name
        elif name == "strCache":
            strings += (kind == START) - (kind == END)
        elif name == "t" or (name == "v" and strings):
            inside = kind == START
        if kind == END and (name == "p" or (name == "v" and strings)) and words.strip():
            yield words
            words = ""
