"""What came of one step on one content: the plain values that a worker process sends back.

Reasons are written for a person, are the same for the same cause (they are counted), and never carry text of the
document.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError

Step = Literal["store", "thumbnail", "text"]
State = Literal["ok", "empty", "unsupported", "failed"]

SO_FAR = ", as far as it was read"
EMPTY_FILE = "The file has no bytes"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a reader learned about a content beside its main result; None: it did not look or the file does not say.

    Attributes:
        page_count: pages, sheets, slides or frames.
        program: what the file was made with.
        written_at: when the document was begun, by itself; without a zone where the file names none.
        likeness: 64 bits that are nearly the same for pictures that look the same, as a signed number.
        language: of the text, two letters.
    """

    page_count: int | None = None
    pixel_width: int | None = None
    pixel_height: int | None = None
    author: str | None = None
    title: str | None = None
    program: str | None = None
    written_at: dt.datetime | None = None
    likeness: int | None = None
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one step on one content.

    Attributes:
        transient: a `failed` that may go better next time; every other failure is final for this tool version.
        unread: the bytes could not be had at this place; another file with the same content may do.
        changed: the file holds other bytes by now, or is gone: trying again does not help, the next scan does.
        preview: WebP bytes of a good thumbnail.
        text: good text, form feeds between pages.
        truncated: the text ends before the document does.
        pages_read: pages, sheets, slides or frames that the text covers; of pages without text that were recognised,
            too. None where the kind has no such thing.
        pictured: pages, counted from 0, that have only a picture, whose text the pipeline may have recognised.
    """

    state: State
    reason: str | None = None
    transient: bool = False
    unread: bool = False
    changed: bool = False
    preview: bytes | None = None
    text: str | None = None
    truncated: bool = False
    pages_read: int | None = None
    pictured: tuple[int, ...] = ()
    facts: Facts = field(default_factory=Facts)


def empty(reason: str, facts: Facts | None = None, *, stopped: bool = False) -> Outcome:
    """There was nothing to find.

    Args:
        reason: what there is not.
        facts: of the content.
        stopped: reading ended before the content did, so that this is no claim about all of it.
    """
    said = reason + SO_FAR if stopped else reason
    return Outcome(state="empty", reason=said, truncated=stopped, facts=facts or Facts())


def unsupported(reason: str, facts: Facts | None = None) -> Outcome:
    """No tool can do this for this content."""
    return Outcome(state="unsupported", reason=reason, facts=facts or Facts())


def failed(reason: str, *, transient: bool = False) -> Outcome:
    """The tool gave up on this content."""
    return Outcome(state="failed", reason=reason, transient=transient)


def unread(error: ContentChangedError | FileUnreadableError) -> Outcome:
    """The bytes could not be had at this place."""
    changed = isinstance(error, ContentChangedError)
    return Outcome(state="failed", reason=error.problem, transient=True, unread=True, changed=changed)
