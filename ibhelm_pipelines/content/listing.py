"""What an archive holds, as far as it is listed: the one shape that the readers of all kinds of archive give.

Invariant: at most MAX_ENTRIES are kept, whatever an archive claims; a name is shown as what it is, and opens nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from ibhelm_pipelines.content.encodings import old_encoding
from ibhelm_pipelines.plain_text import storable
from ibhelm_pipelines.wording import minute, number, one_line, size

MAX_ENTRIES = 50_000
MAX_NAME_CHARS = 1_000
"""Longer paths than any file system takes."""

SAMPLE_BYTES = 65_536
"""Of names, to tell their encoding by."""

CUT_OFF = "The archive is cut off or damaged: the list ends where it breaks"
LOCKED_FILES = "The files in the archive are protected by a password: only their names can be read"

FIRST_UNIX_MOMENT, LAST_UNIX_MOMENT = 0, 4_102_444_800
"""1970 and 2100: what an archive says outside of these is no date."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file or a folder in an archive.

    Attributes:
        name: its path, as written, or the raw bytes of it where the archive does not tell their encoding.
        size: unpacked; None where only unpacking would tell.
        written_at: with a zone where the archive names one, else as the clock on the wall showed.
    """

    name: str | bytes
    size: int | None = None
    written_at: dt.datetime | None = None
    is_folder: bool = False


@dataclass(kw_only=True)
class Listing:
    """The list of an archive.

    Attributes:
        kind: as people call it.
        total: how many entries there are, as far as the archive says; None where that is not known.
        is_whole: whether the list came to its end.
        is_locked: whether the files need a password.
        has_locked_names: whether even the list needs one.
        reason: why the list is not whole, where something is broken.
        doubtful: the encoding of names that have no letters to tell by.
    """

    kind: str
    entries: list[Entry] = field(default_factory=list)
    total: int | None = None
    is_whole: bool = True
    is_locked: bool = False
    has_locked_names: bool = False
    reason: str | None = None
    doubtful: str = "cp850"

    def add(self, entry: Entry) -> bool:
        """Take an entry, and return whether there is room for more."""
        self.entries.append(entry)
        return len(self.entries) < MAX_ENTRIES

    def cut(self, reason: str | None = None) -> Listing:
        """Return this list as one that ends before the archive does."""
        self.is_whole = False
        self.reason = reason
        return self


def heading(listing: Listing) -> str:
    """Return what the archive is, in one line, such as `zip-Archiv: 12 Einträge, ausgepackt 34 MB`."""
    known = [entry.size for entry in listing.entries if entry.size is not None]
    count = listing.total if listing.total is not None else len(listing.entries)
    is_open = not listing.is_whole and listing.total is None
    words = [f"{'mindestens ' if is_open else ''}{number(count)} {'Eintrag' if count == 1 else 'Einträge'}"]
    if known and listing.is_whole:
        words.append(f"ausgepackt {size(sum(known))}")
    if listing.is_locked:
        words.append("mit Kennwort geschützt")
    return f"{listing.kind}-Archiv: {', '.join(words)}"


def rows(listing: Listing) -> list[tuple[str, str, str]]:
    """Return path, size and date of each entry, as people read them."""
    names = _names(listing)
    return [
        (name, "Ordner" if entry.is_folder else _size(entry.size), _date(entry.written_at))
        for name, entry in zip(names, listing.entries, strict=True)
    ]


def from_unix_time(seconds: float) -> dt.datetime | None:
    """Return a moment, or None for what is none."""
    is_date = FIRST_UNIX_MOMENT < seconds < LAST_UNIX_MOMENT
    return dt.datetime.fromtimestamp(seconds, dt.UTC) if is_date else None


def _names(listing: Listing) -> list[str]:
    """Names without a known encoding are all in the same one: UTF-8, or what the umlauts in them tell."""
    raw = [entry.name for entry in listing.entries if isinstance(entry.name, bytes) and not entry.name.isascii()]
    odd = [name for name in raw if _utf8(name) is None]
    old = old_encoding(b"\n".join(odd)[:SAMPLE_BYTES], doubtful=listing.doubtful)
    return [_shown(_decoded(entry.name, old)) for entry in listing.entries]


def _decoded(name: str | bytes, old: str) -> str:
    if isinstance(name, str):
        return name
    found = _utf8(name)
    return found if found is not None else name.decode(old, "replace")


def _utf8(name: bytes) -> str | None:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _shown(name: str) -> str:
    return one_line(storable(name)[:MAX_NAME_CHARS])


def _size(count: int | None) -> str:
    return size(count) if count is not None else ""


def _date(moment: dt.datetime | None) -> str:
    return minute(moment) if moment else ""
