"""Archives: a list of what is in them, as text and as a picture. Nothing is unpacked.

    zip, 7z, rar            their directory of names is read, and nothing else (zip_list, seven_zip_list, here)
    tar                     from header to header (stream_list)
    gz, bz2, xz, zst        unpacked as a stream that is thrown away, up to a limit; a tar in them is listed

Runs inside the sandbox. Invariants: no name in an archive is ever opened or joined to a path; an archive in an archive
is a name; time and memory do not grow with what an archive claims.
"""

from __future__ import annotations

import datetime as dt
import os
import struct
import time
from typing import TYPE_CHECKING, BinaryIO

import rarfile

from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.listing import CUT_OFF, LOCKED_FILES, Entry, Listing, heading, rows
from ibhelm_pipelines.content.outcome import Outcome, empty, unsupported
from ibhelm_pipelines.content.page import MAX_LINES, draw_table
from ibhelm_pipelines.content.seven_zip_list import list_seven_zip
from ibhelm_pipelines.content.stream_list import list_packed, list_tar
from ibhelm_pipelines.content.zip_list import list_zip
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING_INSIDE = "The archive has no files in it"
LOCKED_NAMES = "The archive is protected by a password, and even the names in it"
DAMAGED = "The archive is damaged or cut off"

TIME_SHARE = 0.5
"""Part of the time limit after which the list ends."""

NO_BREAK = "\xa0"
MAX_SHOWN_NAME = 40
"""Characters of a path on the picture: the end of it, which is the name of the file."""

_KINDS: tuple[tuple[int, bytes, str, Callable[[BinaryIO, str, float], Listing]], ...] = (
    (0, b"PK", "zip", list_zip),
    (0, b"7z\xbc\xaf\x27\x1c", "7z", list_seven_zip),
    (0, b"\x1f\x8b", "gz", list_packed),
    (0, b"BZh", "bz2", list_packed),
    (0, b"\xfd7zXZ\0", "xz", list_packed),
    (0, b"(\xb5/\xfd", "zst", list_packed),
    (257, b"ustar", "tar", list_tar),
)


class _EnoughError(Exception):
    """The list is long enough."""


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the beginning of the list."""
    listing = _listed(file, limits)
    if isinstance(listing, Outcome):
        return listing
    shown = rows(listing)[:MAX_LINES]
    lines = [[_tail(name), size.replace(" ", NO_BREAK), date[:10]] for name, size, date in shown]
    return Outcome(state="ok", preview=draw_table(lines, title=heading(listing)))


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """List path, size and date of each entry."""
    listing = _listed(file, limits)
    if isinstance(listing, Outcome):
        return listing
    lines = [heading(listing), *("\t".join(row).rstrip() for row in rows(listing))]
    if not listing.is_whole:
        lines.append("… (die Liste geht weiter)")
    whole = "\n".join(lines)
    truncated = not listing.is_whole or len(whole) > limits.text_chars
    reason = listing.reason or (LOCKED_FILES if listing.is_locked else None)
    return Outcome(state="ok", reason=reason, text=whole[: limits.text_chars], truncated=truncated)


def _listed(file: BinaryIO, limits: Limits) -> Listing | Outcome:
    listing = _list(file, time.monotonic() + limits.seconds * TIME_SHARE)
    if listing.has_locked_names:
        return unsupported(LOCKED_NAMES)
    if listing.entries:
        return listing
    if not listing.is_whole:
        raise SuspectFileError(DAMAGED)
    return empty(NOTHING_INSIDE)


def _list(file: BinaryIO, deadline: float) -> Listing:
    head = file.read(512)
    file.seek(0)
    for offset, magic, kind, reader in _KINDS:
        if head.startswith(magic, offset):
            return reader(file, kind, deadline)
    return _list_rar(file, "rar", deadline)


def _list_rar(file: BinaryIO, kind: str, deadline: float) -> Listing:
    listing = Listing(kind=kind)
    blocks: list[rarfile.RarInfo] = []

    def take(info: rarfile.RarInfo) -> None:
        blocks[:] = [info]
        if info.type == rarfile.RAR_BLOCK_FILE:
            listing.is_locked |= info.needs_password()
            if not listing.add(_of_rar(info)) or time.monotonic() > deadline:
                raise _EnoughError

    try:
        # A part of a set is listed as far as it goes: its neighbours are other files.
        archive = rarfile.RarFile(file, info_callback=take, part_only=True)
    except _EnoughError:
        return listing.cut()
    except (rarfile.Error, struct.error, ValueError):
        return listing.cut(CUT_OFF)
    listing.has_locked_names = archive.needs_password() and not listing.entries
    return listing if blocks and _is_last(blocks[0], file) else listing.cut(CUT_OFF)


def _is_last(block: rarfile.RarInfo, file: BinaryIO) -> bool:
    """Return whether nothing comes after a block: RAR 2 writes no end of its own."""
    if block.type == rarfile.RAR_BLOCK_ENDARC:
        return True
    return bool(block.data_offset + block.add_size == file.seek(0, os.SEEK_END))


def _of_rar(info: rarfile.RarInfo) -> Entry:
    return Entry(name=info.filename, size=info.file_size, written_at=_rar_date(info), is_folder=info.is_dir())


def _rar_date(info: rarfile.RarInfo) -> dt.datetime | None:
    try:
        return dt.datetime(*info.date_time)  # noqa: DTZ001 - the clock on the wall where it was packed
    except (TypeError, ValueError):
        return None


def _tail(name: str) -> str:
    return name if len(name) <= MAX_SHOWN_NAME else "…" + name[1 - MAX_SHOWN_NAME :]
