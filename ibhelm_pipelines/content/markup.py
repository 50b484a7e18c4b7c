"""HTML and XML: the text that a reader would see, without tags, scripts, styles, pictures or other encoded bytes.

Runs inside the sandbox. Both stop at the limits, and never fetch or expand anything: entities that an
XML file defines itself are left out, so that a few lines cannot swell to gigabytes. Runs of Base64 are dropped: once
they swelled the search index to megabytes a document.
"""

from __future__ import annotations

import time
from typing import BinaryIO
from xml.parsers import expat

from ibhelm_pipelines.content.limits import Limits, fact
from ibhelm_pipelines.content.outcome import Facts, Outcome, empty
from ibhelm_pipelines.content.page import draw_text
from ibhelm_pipelines.content.text import PREVIEW_BYTES, read_text
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import HtmlText, tidy, without_base64

NO_HTML_TEXT = "The page has no text"
NO_XML_TEXT = "The XML has no text between its tags"
MALFORMED = "The XML is not well-formed"

MAX_SOURCE_CHARS = 16_000_000
"""Source that is looked through for text; pages beyond this size are dumps."""

PIECE_BYTES = 65_536
TIME_SHARE = 0.6
"""Part of the time limit after which reading stops and what there is counts."""


def html_thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the title and the beginning of the visible text."""
    page = _parse_html(file, limits, max_chars=PREVIEW_BYTES)
    if not page.text.strip():
        return empty(NO_HTML_TEXT, page.facts, stopped=page.truncated)
    return Outcome(state="ok", preview=draw_text(page.text, title=page.facts.title), facts=page.facts)


def html_text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the visible text."""
    page = _parse_html(file, limits, max_chars=limits.text_chars)
    if not page.text.strip():
        return empty(NO_HTML_TEXT, page.facts, stopped=page.truncated)
    text = page.text[: limits.text_chars]
    return Outcome(state="ok", text=text, truncated=page.truncated, facts=page.facts)


def xml_thumbnail(file: BinaryIO, limits: Limits) -> Outcome:  # noqa: ARG001 - every reader has this signature
    """Draw the beginning of the source: the tags are what tells one XML file from another."""
    source, _ = read_text(file, PREVIEW_BYTES)
    return Outcome(state="ok", preview=draw_text(source.replace("><", ">\n<")))


def xml_text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the text between the tags."""
    parser = _XmlText(limits)
    broken = parser.read(file)
    text = parser.text()
    if not text and broken:
        raise SuspectFileError(MALFORMED)
    if not text:
        return empty(NO_XML_TEXT, stopped=parser.stopped)
    reason = f"{MALFORMED}: the text ends where it breaks" if broken else None
    truncated = broken or parser.stopped or len(text) > limits.text_chars
    return Outcome(state="ok", reason=reason, text=text[: limits.text_chars], truncated=truncated)


class _Page:
    """What was read of an HTML page."""

    def __init__(self, page: HtmlText, *, truncated: bool) -> None:
        self.text = tidy("".join(page.pieces))
        self.truncated = truncated
        self.facts = Facts(title=fact("".join(page.title)), author=fact(page.author))


def _parse_html(file: BinaryIO, limits: Limits, *, max_chars: int) -> _Page:
    source, truncated = read_text(file, MAX_SOURCE_CHARS)
    deadline = time.monotonic() + limits.seconds * TIME_SHARE
    page = HtmlText()
    came_to_end = page.read(source, lambda: page.chars > max_chars or time.monotonic() > deadline)
    return _Page(page, truncated=truncated or not came_to_end)


class _XmlText:
    """Collects the character data of an XML file, one line for each run between tags."""

    def __init__(self, limits: Limits) -> None:
        self.stopped = False
        self._limits = limits
        self._lines: list[str] = []
        self._run: list[str] = []
        self._chars = 0
        self._parser = expat.ParserCreate()
        # A plain default handler (not ...Expand) makes expat report references to the file's own entities instead of
        # expanding them.
        self._parser.DefaultHandler = lambda _: None
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.CharacterDataHandler = self._run.append
        self._parser.StartElementHandler = lambda _name, _attributes: self._end_run()
        self._parser.EndElementHandler = lambda _name: self._end_run()

    def read(self, file: BinaryIO) -> bool:
        """Feed the file; returns whether it broke."""
        deadline = time.monotonic() + self._limits.seconds * TIME_SHARE
        try:
            while piece := file.read(PIECE_BYTES):
                self._parser.Parse(piece, False)
                enough = self._chars > self._limits.text_chars or file.tell() > MAX_SOURCE_CHARS
                if enough or time.monotonic() > deadline:
                    self.stopped = True
                    return False
            self._parser.Parse(b"", True)
        except expat.ExpatError:
            return True
        return False

    def text(self) -> str:
        self._end_run()
        return "\n".join(self._lines)

    def _end_run(self) -> None:
        line = tidy(without_base64("".join(self._run)))
        self._run.clear()
        if line:
            self._lines.append(line)
            self._chars += len(line) + 1
