"""Plain text out of what people and programs write: what a reader would see of HTML, and what Postgres takes.

Runs of Base64 are dropped: once they swelled the search index to megabytes a document (lesson 24). No stack of elements
is kept, so that no depth of nesting harms.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from ibhelm_pipelines.html_tokens import SILENT, Token, tokens

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


class HtmlText:
    """Collects visible text; block elements end lines.

    Attributes:
        pieces: the text, in the order in which it stands.
        chars: how much of it there is.
        title, author: what the page says of itself.
    """

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.chars = 0
        self.title: list[str] = []
        self.author: str | None = None
        self._in_title = False

    def read(self, source: str, enough: Callable[[], bool] = lambda: False) -> bool:
        """Read HTML until there is enough of it; return whether it came to its end."""
        for token in tokens(source, SILENT - {"title"}):
            if token.tag:
                self._tag(token)
            else:
                self._text(html.unescape(token.text))
            if enough():
                return False
        return True

    def _tag(self, token: Token) -> None:
        if token.tag in _BREAKING:
            self._add("\n")
        elif token.tag in ("td", "th") and not token.end:
            self._add("\t")
        elif token.tag == "meta" and token.attributes.get("name") == "author":
            self.author = html.unescape(token.attributes.get("content", "")) or None
        self._in_title = token.tag == "title" and not token.end

    def _text(self, text: str) -> None:
        if self._in_title:
            self.title.append(text)
        else:
            self._add(without_base64(text))

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


def html_to_text(source: str) -> str:
    """Return what a reader would see of a short piece of HTML: a description, a comment, a mail."""
    page = HtmlText()
    page.read(source)
    return tidy("".join(page.pieces))
