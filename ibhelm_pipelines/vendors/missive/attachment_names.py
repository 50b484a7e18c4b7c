"""Names for attachments and their folders on the share: as the mail has them, but safe wherever the share is opened.

What a stranger wrote into a mail becomes a name in a project folder. So a name that comes out of here leads nowhere
(no separators, no `..`), means nothing to Windows (CON, streams, trailing dots), hides nothing (no direction marks, no
control characters), is no longer than the strictest disk takes, and is one that the scanner does not leave out.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

MAX_BYTES = 140
"""Of one name: ext4, btrfs and SMB take 255 bytes, an encrypted share of a Synology 143."""

MAX_PATH_CHARACTERS = 235
"""Of a path below the root: Windows takes 260, of which the drive and what people have below it take some."""

MIN_BYTES = 48
"""However deep a project folder is, so much of a name stays."""

_SENDER_BYTES, _SUBJECT_BYTES, _EXTENSION_BYTES = 32, 64, 16

_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_SPACE = re.compile(r"\s+")
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode's categories of what has no shape of its own: control characters, direction marks, unassigned ones."""


def safe_name(
    name: str, *, otherwise: str, max_bytes: int = MAX_BYTES, is_left_out: Callable[[str], object] = lambda _: False
) -> str:
    """Return a name that can be given to a file or folder on the share, in NFC.

    Args:
        name: as somebody wrote it.
        otherwise: where nothing of it can be used.
        max_bytes: in UTF-8, at least MIN_BYTES.
        is_left_out: whether the scanner would leave out a file of this name; asked until it would not.
    """
    cleaned = _cut(_cleaned(name) or otherwise, max_bytes - 2)  # two for the marks
    if _RESERVED.match(cleaned) or cleaned.startswith("."):
        cleaned = f"_{cleaned}"
    marked = (cleaned, f"_{cleaned}", f"{cleaned}_", f"_{cleaned}_")
    return next((each for each in marked if not is_left_out(each)), otherwise)


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


def free_name(name: str, taken: Collection[str], *, max_bytes: int = MAX_BYTES) -> str:
    """Return the name, or with the first number behind it that makes it differ from all that are taken.

    Args:
        taken: names as `folded` returns them.
    """
    number, candidate = 1, name
    while folded(candidate) in taken:
        number += 1
        stem, extension = _split(name)
        mark = f" ({number})"
        candidate = _cut(stem, max_bytes - len(mark) - len(extension.encode())) + mark + extension
    return candidate


def folded(name: str) -> str:
    """Return what two names have in common that a Windows client takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _cleaned(name: str) -> str:
    seen = "".join(" " if _is_unseen(each) else each for each in unicodedata.normalize("NFC", name))
    return _trimmed(_SPACE.sub(" ", _FORBIDDEN.sub("_", seen)))


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN


def _trimmed(name: str) -> str:
    """Windows drops dots and spaces at the end, and then means another file."""
    return unicodedata.normalize("NFC", name.strip().rstrip(". "))


def _split(name: str) -> tuple[str, str]:
    """Return stem and extension with its dot; what is too long for an extension is none."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem or len(extension.encode()) > _EXTENSION_BYTES:
        return name, ""
    return stem, dot + extension


def _cut(name: str, max_bytes: int) -> str:
    """Shorten the stem; the extension says what opens the file."""
    if len(name.encode()) <= max_bytes:
        return name
    stem, extension = _split(name)
    kept = stem.encode()[: max_bytes - len(extension.encode())].decode("utf-8", "ignore")
    return (_trimmed(kept) or "_") + extension
