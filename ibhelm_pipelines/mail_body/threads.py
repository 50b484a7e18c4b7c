"""To which thread a mail belongs, by message ids alone (RFC 5322, section 3.6.4).

Every answer repeats the ids before it, the first one first; so the first one known is the thread. Invariant: a mail and
all answers to it whose programs keep References have one key, in whatever order they come. A program that keeps only
In-Reply-To makes a thread of its own with each answer to an answer: Missive's conversation holds those together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BRACKETED = re.compile(r"<\s*([^<>]+?)\s*>")

Ids = str | Sequence[str] | None


def message_ids(value: Ids) -> list[str]:
    """Return the ids in a header, or in several: without brackets and spaces, their domains in lower case."""
    found: list[str] = []
    for each in [value] if isinstance(value, str) else value or ():
        found += _BRACKETED.findall(each) or re.split(r"[\s,;]+", each)
    return [normal for normal in map(_normal, found) if normal]


def thread_of(message_id: str | None, in_reply_to: Ids = None, references: Ids = None) -> str | None:
    """Return the id of the mail that began the thread, as far as this mail tells; None when it has no id at all."""
    for ids in (references, in_reply_to, message_id):
        if known := message_ids(ids):
            return known[0]
    return None


def _normal(message_id: str) -> str:
    local, at, domain = "".join(message_id.split()).strip("<>").rpartition("@")
    return local + at + domain.lower() if at else domain
