"""Parts and assemblies in STEP files: what the header says, and the names of the products. There is no picture of them.

Runs inside the sandbox only.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from typing import BinaryIO

from ibhelm_pipelines.content.limits import Limits, fact
from ibhelm_pipelines.content.outcome import Facts, Outcome, empty
from ibhelm_pipelines.content.page import MAX_LINES, draw_text
from ibhelm_pipelines.content.part21 import CUT_OFF, END, arguments, statements, text_of, texts
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import storable

DAMAGED = "The STEP file is damaged: it has no statement that can be read"
NO_NAMES = "The STEP file names neither its author nor a product"

TIME_SHARE = 0.6
"""Part of the time limit after which no further statement is read."""

MAX_NAMES = 20_000


@dataclass
class Header:
    """What the header of a file says of it."""

    description: list[str] = field(default_factory=list)
    name: str = ""
    written: str = ""
    authors: list[str] = field(default_factory=list)
    organisations: list[str] = field(default_factory=list)
    program: str = ""
    schema: str = ""

    def take(self, statement: bytes) -> bool:
        """Take in a statement of the header; returns whether it is one."""
        if statement.startswith(b"FILE_DESCRIPTION"):
            self.description = texts(arguments(statement)[0])
        elif statement.startswith(b"FILE_NAME"):
            parts = [*arguments(statement), *[b""] * 7]
            self.name, self.written = text_of(parts[0]), text_of(parts[1])
            self.authors, self.organisations = texts(parts[2]), texts(parts[3])
            self.program = text_of(parts[5]) or text_of(parts[4])
        elif statement.startswith(b"FILE_SCHEMA"):
            self.schema = " ".join(texts(arguments(statement)[0]))
        else:
            return False
        return True

    def facts(self, title: str = "") -> Facts:
        """Return them as facts of the content."""
        author = ", ".join(self.authors or self.organisations)
        return Facts(
            title=fact(title or self.name), author=fact(author), program=fact(self.program), written_at=self._moment()
        )

    def lines(self) -> list[str]:
        """Return them as lines of text."""
        told = (self.name, *self.description, *self.authors, *self.organisations, self.program, self.schema)
        return [line for line in dict.fromkeys(told) if line]

    def _moment(self) -> dt.datetime | None:
        try:
            return dt.datetime.fromisoformat(self.written)
        except ValueError:
            return None


@dataclass
class _Part:
    header: Header = field(default_factory=Header)
    products: dict[str, None] = field(default_factory=dict)
    statements: int = 0
    stopped: bool = False
    ended: bool = False


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the names of the products on a page."""
    part = _read(file, limits)
    lines = [*part.products, "", *part.header.lines()][:MAX_LINES]
    facts = part.header.facts()
    if not any(lines):
        return empty(NO_NAMES, facts)
    return Outcome(state="ok", preview=draw_text("\n".join(lines), title=facts.title), facts=facts)


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the header and the names of the products."""
    part = _read(file, limits)
    whole = storable("\n".join((*part.header.lines(), *part.products)))
    facts = part.header.facts()
    if not whole:
        return empty(NO_NAMES, facts, stopped=part.stopped)
    cut_off = not (part.ended or part.stopped)
    truncated = cut_off or part.stopped or len(whole) > limits.text_chars
    reason = CUT_OFF if cut_off else None
    return Outcome(state="ok", reason=reason, text=whole[: limits.text_chars], truncated=truncated, facts=facts)


def _read(file: BinaryIO, limits: Limits) -> _Part:
    part = _Part()
    deadline = time.monotonic() + limits.seconds * TIME_SHARE

    def enough() -> bool:
        part.stopped = time.monotonic() > deadline or len(part.products) > MAX_NAMES
        return part.stopped

    for statement in statements(file, enough):
        part.statements += 1
        part.ended = statement == END
        if not part.header.take(statement) and b"PRODUCT" in statement[:40]:
            _take_product(part, statement)
    if part.statements == 0:
        raise SuspectFileError(DAMAGED)
    return part


def _take_product(part: _Part, statement: bytes) -> None:
    _, _, body = statement.partition(b"=")
    if body.lstrip().startswith((b"PRODUCT(", b"PRODUCT (")):
        number, name, description = (text_of(each) for each in [*arguments(body), b"", b"", b""][:3])
        told = dict.fromkeys(word for word in (number, name, description) if word)
        part.products[" ".join(told)] = None
