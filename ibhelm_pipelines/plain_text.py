"""Plain text out of what people and programs write: what a reader would see of HTML, and what Postgres takes.

Runs of Base64 are dropped: once they swelled the search index to megabytes a document (lesson 24). The parser streams
and keeps no stack but that of silent elements, so that no depth of nesting harms it.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "math", "iframe", "object"})
_BREAKING = frozenset({
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption", "footer",
    "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section",
    "table", "title", "tr", "ul",
})  # fmt: skip
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/=_-]{60,}")
MIN_BASE64_CHARS = 200
"""Shorter runs (checksums, long names) do no harm."""

_SPACES = re.compile(r"[ \t\r\f\v\xa0]+")
_LINES = re.compile(r" ?\n[ \n]*")


class HtmlText(HTMLParser):
    """Collects visible text; block elements end lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.chars = 0
        self.title: list[str] = []
        self.author: str | None = None
        self._silent: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent.append(tag)
        elif tag in _BREAKING:
            self._add("\n")
        elif tag in ("td", "th"):
            self._add("\t")
        elif tag == "meta" and dict(attrs).get("name", "") == "author":
            self.author = dict(attrs).get("content")
        self._in_title = tag == "title" and not self._silent

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SILENT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag in _BREAKING:
            self._add("\n")
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._in_title:
            self.title.append(data)
        else:
            self._add(without_base64(data))

    def _add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.chars += len(piece)


def without_base64(run: str) -> str:
    """Return a run of text, or nothing when it is encoded bytes:

    No word of any language has sixty letters and digits in a row, line after line.
    """
    words = run.split() if len(run) >= MIN_BASE64_CHARS else []
    encoded = sum(1 for word in words if _BASE64_LINE.fullmatch(word))
    return "" if encoded and encoded >= len(words) - 1 else run


def tidy(text: str) -> str:
    """Return text with one space between words and no empty lines."""
    return storable(_LINES.sub("\n", _SPACES.sub(" ", text))).strip()


def storable(text: str) -> str:
    """Return text as Postgres takes it: no NUL characters, no halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def html_to_text(html: str) -> str:
    """Return what a reader would see of a short piece of HTML: a description, a comment, a mail."""
    parser = HtmlText()
    parser.feed(html)
    parser.close()
    return tidy("".join(parser.pieces))
