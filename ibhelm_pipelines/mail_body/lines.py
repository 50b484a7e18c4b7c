"""The lines that a reader sees of a sanitised mail, and what the mail program says of each.

Only the structure speaks here: how deep a line is quoted, and whether the program marked it as a signature or as the
line that says who wrote what follows. Invariant: every word of the HTML is in exactly one line, in order.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

from ibhelm_pipelines.html_tokens import VOID, Token, tokens
from ibhelm_pipelines.mail_body.cleaning import ATTRIBUTION_MARKS, QUOTE_MARKS, SIGNATURE_MARKS
from ibhelm_pipelines.plain_text import without_base64

MAX_LINK_CHARS = 150
"""Longer addresses are a tracker's or a rewriter's, and say nothing to a reader."""

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "caption", "center", "dd", "details", "div", "dl", "dt", "figcaption",
    "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre",
    "section", "summary", "table", "td", "th", "tr", "ul",
})  # fmt: skip
_INVISIBLE: dict[int, str | None] = dict.fromkeys([0x00AD, 0x034F, 0x200B, 0x2060, 0xFEFF])
_INVISIBLE |= dict.fromkeys([*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)], " ")
_QUOTED = re.compile(r"(?:> ?)+")


@dataclass(slots=True)
class Line:
    """A line, and what its mail program says of it."""

    text: str
    depth: int = 0
    is_signature: bool = False
    is_attribution: bool = False


@dataclass(slots=True)
class _Element:
    tag: str
    depth: int
    signature: bool
    attribution: bool
    verbatim: bool


class Reader:
    """Turns tags and texts into lines."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.inline: set[str] = set()
        self._pieces: list[str] = []
        self._open: list[_Element] = []
        self._links: list[tuple[str, int]] = []
        self._rows: list[list[int]] = []
        self._bullet = ""

    def read(self, source: str) -> None:
        """Read sanitised HTML to its end."""
        for token in tokens(source):
            if not token.tag:
                self._text(html.unescape(token.text))
            elif token.end:
                self._end(token.tag)
            else:
                self._start(token)
        self._flush()

    def _text(self, text: str) -> None:
        text = without_base64(text).translate(_INVISIBLE)
        if not (self._open and self._open[-1].verbatim):
            self._pieces.append(text)
            return
        first, *rest = text.split("\n")
        self._pieces.append(first)
        for line in rest:
            self._flush(keep_blank=True)
            self._pieces.append(line)

    def _start(self, token: Token) -> None:
        tag = token.tag
        if tag == "br":
            self._flush(keep_blank=True)
        elif tag == "img":
            self._picture(token.attributes)
        elif tag in _BLOCKS:
            self._flush()
        if tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append(len(self.lines))
        if tag not in VOID:
            self._open.append(self._element(token))
        if tag == "li":
            self._bullet = "- "
        elif tag == "a":
            self._links.append((html.unescape(token.attributes.get("href", "")), len(self._pieces)))

    def _element(self, token: Token) -> _Element:
        attributes = token.attributes
        outer = self._open[-1] if self._open else None
        marks = {mark.lower() for mark in f"{attributes.get('class', '')} {attributes.get('id', '')}".split()}
        style = attributes.get("style", "")
        return _Element(
            tag=token.tag,
            depth=(outer.depth if outer else 0) + _is_quote(token, marks, style),
            signature=bool(marks & SIGNATURE_MARKS) or (outer is not None and outer.signature),
            attribution=bool(marks & ATTRIBUTION_MARKS) or (outer is not None and outer.attribution),
            verbatim=token.tag == "pre" or "white-space:pre" in style.replace(" ", "") or _inherits(outer, style),
        )

    def _end(self, tag: str) -> None:
        if tag == "a" and self._links:
            self._link(*self._links.pop())
        if tag in _BLOCKS:
            self._flush()
        if tag == "tr" and self._rows:
            self._row(self._rows.pop())
        while self._open:
            if self._open.pop().tag == tag:
                return

    def _link(self, address: str, start: int) -> None:
        """Tell where a link goes when its words do not."""
        words = "".join(self._pieces[start:]).strip()
        told = address.removeprefix("https://").removeprefix("http://").rstrip("/")
        if address.startswith("http") and len(address) <= MAX_LINK_CHARS and words and told not in words:
            self._pieces.append(f" <{address}>")

    def _picture(self, attributes: dict[str, str]) -> None:
        source = html.unescape(attributes.get("src", ""))
        self.inline.add(html.unescape(attributes.get("data-missive-attachment-id", "")))
        self.inline.add(unquote(source[4:]) if source[:4].lower() == "cid:" else "")
        self.inline.discard("")

    def _row(self, starts: list[int]) -> None:
        """Make one line of a row, unless a cell has several: then the table only lays the mail out."""
        if len(starts) < 2:
            return
        ends = [*starts[1:], len(self.lines)]
        cells = [[line for line in self.lines[start:end] if line.text] for start, end in zip(starts, ends, strict=True)]
        if sum(map(bool, cells)) < 2 or any(len(cell) > 1 for cell in cells):
            return
        first = next(cell[0] for cell in cells if cell)
        first.text = "\t".join(cell[0].text if cell else "" for cell in cells).strip()
        self.lines[starts[0] :] = [first]

    def _flush(self, *, keep_blank: bool = False) -> None:
        joined = "".join(self._pieces)
        self._pieces, self._links = [], [(address, 0) for address, _ in self._links]
        text = unicodedata.normalize("NFC", " ".join(joined.split()))
        # A paragraph with nothing but a hard space is how Word writes an empty line.
        if text or keep_blank or "\xa0" in joined:
            self.lines.append(self._line(text))

    def _line(self, text: str) -> Line:
        inner = self._open[-1] if self._open else None
        depth = inner.depth if inner else 0
        if quoted := _QUOTED.match(text):
            depth += quoted[0].count(">")
            text = text[quoted.end() :]
        elif text:
            text, self._bullet = self._bullet + text, ""
        return Line(
            text=text,
            depth=depth,
            is_signature=inner is not None and inner.signature,
            is_attribution=inner is not None and inner.attribution,
        )


def _is_quote(token: Token, marks: set[str], style: str) -> bool:
    """A block that is only indented has a style, and no line at its left."""
    if token.tag != "blockquote":
        return False
    is_marked = token.attributes.get("type", "").lower() == "cite" or bool(marks & QUOTE_MARKS)
    return is_marked or "border-left" in style or not style


def _inherits(outer: _Element | None, style: str) -> bool:
    return outer is not None and outer.verbatim and "white-space" not in style
