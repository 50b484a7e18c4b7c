"""Names that are safe wherever a share, a disk or an archive is opened, made of names that strangers wrote.

A name that comes out of here leads nowhere (no separators, no `..`), means nothing to Windows (CON, streams, trailing
dots), hides nothing (no direction marks, no control characters) and is no longer than the strictest disk takes.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container

MAX_BYTES = 140
"""Of one name: ext4, btrfs and SMB take 255 bytes, an encrypted share of a Synology 143."""

_EXTENSION_BYTES = 16

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


def free_name(name: str, taken: Container[str], *, max_bytes: int = MAX_BYTES) -> str:
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
