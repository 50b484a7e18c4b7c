"""The text of a document as it is collected, page by page, until there is enough of it.

Readers add what they meet and need not count: the limit of characters ends the reading by `Enough`, and what was
collected before a damage counts. Form feeds divide pages, tabs cells, and no blank lines are kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.outcome import Facts, Outcome, empty
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import storable

if TYPE_CHECKING:
    from collections.abc import Callable

_BLANKS = re.compile(r"[ \xa0\r\v]+")
_CELLS = re.compile(r" ?\t[\t ]*")
_LINES = re.compile(r"[ \t]*\n\s*")


TOO_MUCH = "The document takes more time or room than one file may cost"


class Enough(SuspectFileError):  # noqa: N818 - it ends a loop; an error only where nothing was read before
    """No more of this document is read: its characters, its bytes or the time are spent."""

    def __init__(self, problem: str = TOO_MUCH, *, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)


class Pages:
    """Collects text.

    Attributes:
        truncated: whether the document goes on after the text.
        reason: why it was cut, where that was not the limits.
    """

    def __init__(self, max_chars: int) -> None:
        self.truncated = False
        self.reason: str | None = None
        self._max_chars = max_chars
        self._chars = 0
        self._done: list[str] = []
        self._page: list[str] = []

    def fill(self, read: Callable[[], None]) -> None:
        """Let `read` add what it finds; a document that breaks keeps what was read before.

        Raises:
            SuspectFileError: it broke, or was too much, before there was any text.
        """
        try:
            read()
        except SuspectFileError as error:
            if not self.text().strip():
                raise
            self.truncated = True
            if not isinstance(error, Enough):
                self.reason = ends_early(error.problem)

    def add(self, piece: str) -> None:
        """Add to the page."""
        self._page.append(piece)
        self._chars += len(piece)
        if self._chars > self._max_chars * 2:  # blanks are among them
            self._check()

    def line(self, line: str) -> None:
        """Add a line of its own."""
        if line:
            self.add(f"{line}\n")

    def end_page(self) -> None:
        """Begin the next page, however empty this one is."""
        self._done.append(_tidied("".join(self._page)))
        self._page = []

    def end_page_unless_blank(self) -> None:
        """Begin the next page where this one has begun."""
        if any(piece.strip() for piece in self._page):
            self.end_page()

    @property
    def begun(self) -> int:
        """Pages so far."""
        return len(self._done) + 1

    def text(self) -> str:
        """Return all text; the last page counts when there is something on it."""
        last = _tidied("".join(self._page))
        return storable("\f".join([*self._done, last] if last or not self._done else self._done))

    def outcome(self, nothing: str, facts: Facts, *, counts_pages: bool = True) -> Outcome:
        """Return the result of a text step.

        Args:
            nothing: the reason when there is no text.
            facts: of the document.
            counts_pages: whether the pages here are those of the document.
        """
        text = self.text()
        if not text.strip():
            return empty(nothing, facts, stopped=self.truncated)
        truncated = self.truncated or len(text) > self._max_chars
        text = text[: self._max_chars]
        pages = text.count("\f") + 1 if counts_pages else None
        if not truncated and facts.page_count is not None:
            pages = facts.page_count
        return Outcome(state="ok", reason=self.reason, text=text, truncated=truncated, pages_read=pages, facts=facts)

    def _check(self) -> None:
        self._page = [_tidied("".join(self._page)) + "\n"]
        self._chars = sum(len(page) for page in (*self._done, *self._page))
        if self._chars > self._max_chars:
            raise Enough


def ends_early(problem: str) -> str:
    """Return the reason of a text whose document is damaged somewhere."""
    return f"{problem}: the text ends where it breaks"


def _tidied(text: str) -> str:
    text = _CELLS.sub("\t", _BLANKS.sub(" ", text.replace("\f", "\n")))
    return _LINES.sub("\n", text).strip(" \n\t")
