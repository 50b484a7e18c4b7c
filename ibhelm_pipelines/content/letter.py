"""A mail as a person reads it: who wrote to whom, when, about what, with which attachments, and what.

    Von: Max Müller <max@example.org>        the labels of German mail programs: the text is read and searched by people
    An: bau@example.org                      of the office
    Betreff: Grundriss EG
    Datum: 12.03.2024, 14:05
    Anhänge: Plan.pdf (1,2 MB), Liste.xlsx (14 kB)

    Guten Tag, ...

Invariant: a header stays in its line, whatever a stranger wrote into it, so that nobody can make one up.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.limits import fact
from ibhelm_pipelines.content.outcome import Facts, Outcome, empty
from ibhelm_pipelines.content.page import draw_letter
from ibhelm_pipelines.plain_text import storable, without_base64
from ibhelm_pipelines.wording import minute, one_line, size

if TYPE_CHECKING:
    from ibhelm_pipelines.content.limits import Limits

BLANK = "The mail has no words, neither in its head nor below"

SEPARATOR = "\n\n" + "—" * 20 + "\n\n"
"""Between a mail and the mails that were attached to it; there are no pages, so there are no form feeds."""

MAX_HEADER_CHARS = 20_000
"""Of one header: a thousand recipients."""

MAX_SHOWN_ATTACHMENTS = 500
FIRST_YEAR, LAST_YEAR = 1970, 2100

_BLANKS = re.compile(r"\n{3,}")
_END_OF_LINE = re.compile(r"[ \t]*(?:\r\n|\r|\n)")


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that came with a mail.

    Attributes:
        size: of the file itself; None where that is not known.
    """

    name: str
    size: int | None = None


@dataclass(kw_only=True)
class Letter:
    """A mail.

    Attributes:
        date: as it stands there, where it is no date that can be read.
        body: the text.
        inner: mails that were attached.
        fields: more lines of the head, label and value, such as the phone number of a contact.
        is_whole: whether all of it was read.
        reason: what cannot be read, and why.
    """

    sender: str = ""
    to: str = ""
    copy: str = ""
    blind_copy: str = ""
    subject: str = ""
    date: str = ""
    written_at: dt.datetime | None = None
    program: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    body: str = ""
    inner: list[Letter] = field(default_factory=list)
    fields: list[tuple[str, str]] = field(default_factory=list)
    is_whole: bool = True
    reason: str | None = None


def head(letter: Letter) -> list[tuple[str, str]]:
    """Return the lines above the text, each a label and a value."""
    lines = [
        ("Von", letter.sender),
        ("An", letter.to),
        ("Kopie", letter.copy),
        ("Blindkopie", letter.blind_copy),
        ("Betreff", letter.subject),
        ("Datum", minute(letter.written_at) if letter.written_at else letter.date),
        *letter.fields,
        ("Anhänge", _attachments(letter.attachments)),
    ]
    return [(label, tidied) for label, value in lines if (tidied := in_one_line(value))]


def written(letter: Letter) -> str:
    """Return a mail as text, those that were attached to it below."""
    lines = "\n".join(f"{label}: {value}" for label, value in head(letter))
    own = f"{lines}\n\n{letter.body}".strip()
    return SEPARATOR.join([own, *(written(each) for each in letter.inner)])


def facts(letter: Letter) -> Facts:
    """Return what is known of a mail beside its text."""
    return Facts(
        author=fact(letter.sender),
        title=fact(letter.subject),
        program=fact(letter.program),
        written_at=letter.written_at,
    )


def outcome(letters: list[Letter], limits: Limits) -> Outcome:
    """Return the text of mails, one below the other; the facts are those of one that is alone."""
    whole = storable(SEPARATOR.join(map(written, letters)))
    if not whole.strip():
        return empty(BLANK)
    is_whole = all(letter.is_whole for letter in letters) and len(whole) <= limits.text_chars
    return Outcome(
        state="ok",
        reason=next((letter.reason for letter in letters if letter.reason), None),
        text=whole[: limits.text_chars],
        truncated=not is_whole,
        facts=facts(letters[0]) if len(letters) == 1 else Facts(),
    )


def drawn(letter: Letter) -> Outcome:
    """Return the picture of a mail: its head and how it begins."""
    lines = head(letter)
    if not lines and not letter.body:
        return empty(BLANK)
    return Outcome(state="ok", preview=draw_letter(lines, letter.body), facts=facts(letter))


def in_one_line(value: str) -> str:
    """Return a header as one line without hidden signs."""
    return one_line(" ".join(storable(value[:MAX_HEADER_CHARS]).split()))


def as_written(text: str) -> str:
    """Return plain text with its own lines, without encoded bytes and more than one blank line in a row."""
    lines = _END_OF_LINE.sub("\n", storable(text)).replace("\f", "\n")
    blocks = (without_base64(block) for block in lines.split("\n\n"))
    return _BLANKS.sub("\n\n", "\n\n".join(blocks)).strip()


def moment_of(moment: dt.datetime | None) -> dt.datetime | None:
    """Return a moment, or None for one that no mail was written at."""
    return moment if moment and FIRST_YEAR < moment.year < LAST_YEAR else None


def _attachments(attachments: list[Attachment]) -> str:
    shown = [in_one_line(each.name) + _size(each.size) for each in attachments[:MAX_SHOWN_ATTACHMENTS]]
    more = len(attachments) - len(shown)
    return ", ".join(shown) + (f" und {more} weitere" if more else "")


def _size(count: int | None) -> str:
    return f" ({size(count)})" if count is not None else ""
