"""Names for attachments and their folders on the share: as the mail has them, but safe wherever the share is opened
(portable_names.py), and names that the scanner does not leave out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.portable_names import MAX_BYTES, safe_name

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PATH_CHARACTERS = 235
"""Of a path below the root: Windows takes 260, of which the drive and what people have below it take some."""

MIN_BYTES = 48
"""However deep a project folder is, so much of a name stays."""

_SENDER_BYTES, _SUBJECT_BYTES = 32, 64


def mail_folder(*, day: str, sender: str, subject: str, is_left_out: Callable[[str], object] = lambda _: False) -> str:
    """Return the name of the folder of one mail.

    Args:
        day: as yyyymmdd.
        sender: name or address; empty where there is none.
        subject: empty where there is none.
        is_left_out: whether the scanner would not enter a folder of this name.
    """
    parts = (
        safe_name(sender, otherwise="unbekannt", max_bytes=_SENDER_BYTES),
        safe_name(subject, otherwise="ohne Betreff", max_bytes=_SUBJECT_BYTES),
    )
    name = "-".join((day, *(part.lstrip("_") or part for part in parts)))
    return safe_name(name, otherwise=f"{day}-Mail", is_left_out=is_left_out)


def room_for_name(raw_folder: bytes) -> int:
    """Return how many bytes a name in this folder may have."""
    taken = len(raw_folder.decode("utf-8", "surrogateescape")) + 1
    return max(MIN_BYTES, min(MAX_BYTES, MAX_PATH_CHARACTERS - taken))
