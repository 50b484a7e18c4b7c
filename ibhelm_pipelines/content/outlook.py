"""Mails that Outlook saved (.msg): appointments, contacts and tasks, too.

Runs inside the sandbox. An OLE file with a stream for each long property and a table of the short ones in each folder
([MS-OXMSG]); olefile opens it, the dozen properties that a person reads are picked here. Attachments are only measured.
"""

from __future__ import annotations

import datetime as dt
import re
import struct
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

import olefile

from ibhelm_pipelines.content.charsets import decoded
from ibhelm_pipelines.content.letter import Attachment, Letter, as_written, drawn, moment_of, outcome
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.listing import from_unix_time
from ibhelm_pipelines.content.mail_headers import Headers, read_headers
from ibhelm_pipelines.content.mime import LOCKED, MAX_DEPTH, MimeReader
from ibhelm_pipelines.content.ole import BROKEN
from ibhelm_pipelines.content.outcome import Outcome
from ibhelm_pipelines.content.packed_rtf import unpacked_rtf
from ibhelm_pipelines.content.rich_text import rtf_to_text
from ibhelm_pipelines.errors import SuspectFileError
from ibhelm_pipelines.plain_text import HtmlText, tidy
from ibhelm_pipelines.wording import minute

if TYPE_CHECKING:
    from collections.abc import Iterator

DAMAGED = "The Outlook file is damaged or cut off"
NO_MAIL = "The Outlook file has no mail in it"
TIME_SHARE = 0.6
MAX_TEXT_BYTES = 32 << 20
MAX_FOLDERS = 2_000
"""Recipients, or attachments, of one mail."""

PREVIEW_CHARS = 16_384

CLASS, SUBJECT, HEADERS = "001A", "0037", "007D"
SENDER, SENDER_KIND, SENDER_ADDRESS, SENDER_SMTP = "0C1A", "0C1E", "0C1F", "5D01"
AUTHOR, AUTHOR_ADDRESS, AUTHOR_SMTP = "0042", "0065", "5D02"
SHOWN_TO, SHOWN_COPY, SHOWN_BLIND_COPY = "0E04", "0E03", "0E02"
SENT, RECEIVED, CREATED, STARTS, ENDS = "0039", "0E06", "3007", "0060", "0061"
BODY, RTF, HTML, ENCODING, ENCODING_OF_HTML = "1000", "1009", "1013", "3FFD", "3FDE"
NAME, ADDRESS, SMTP, RECIPIENT_KIND = "3001", "3003", "39FE", "0C15"
DATA, SHORT_NAME, LONG_NAME, CONTENT_ID, IS_HIDDEN = "3701", "3704", "3707", "3712", "7FFE"
TO, COPY, BLIND_COPY = 1, 2, 3

_OF_CONTACTS = (("Firma", "3A16"), ("Funktion", "3A17"), ("Telefon", "3A08"), ("Mobil", "3A1C"), ("Privat", "3A09"))
_PROPERTY = struct.Struct("<2HL8s")
_TABLE = "__properties_version1.0"
_HEAD_BYTES = {0: 32, 1: 24}
"""What stands before the table of the mail itself, and of one in it; of recipients and attachments 8."""

_FILETIME_TO_UNIX = 11_644_473_600
_CODE_PAGES = {1200: "utf-16-le", 20127: "ascii", 20866: "koi8-r", 65000: "utf-7", 65001: "utf-8", 50220: "iso-2022-jp"}
_FIRST_ISO = 28590
_ANNOUNCED = re.compile(r"""cid:([^"'\s>)]{1,200})""", re.IGNORECASE)


def thumbnail(file: BinaryIO, limits: Limits) -> Outcome:
    """Draw the head and the first lines."""
    return drawn(_read(file, limits, PREVIEW_CHARS))


def text(file: BinaryIO, limits: Limits) -> Outcome:
    """Read the mail, its head and those that are attached."""
    return outcome([_read(file, limits, limits.text_chars)], limits)


def _read(file: BinaryIO, limits: Limits, max_chars: int) -> Letter:
    store = _Store(file)
    if not store.has(_TABLE):
        raise SuspectFileError(NO_MAIL)
    return _Reader(max_chars, time.monotonic() + limits.seconds * TIME_SHARE).letter(_Folder(store, (), 0))


class _Store:
    """The OLE file; what cannot be read of it is as if it were not there."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._ole: Any = olefile.OleFileIO(file)
            paths = self._ole.listdir(streams=True, storages=True)
        except BROKEN as error:
            raise SuspectFileError(DAMAGED) from error
        self._paths = {"/".join(path) for path in paths}
        self._below: dict[str, list[str]] = {}
        for path in paths:
            self._below.setdefault("/".join(path[:-1]), []).append(path[-1])

    def has(self, path: str) -> bool:
        return path in self._paths

    def folders(self, path: str, kind: str) -> list[str]:
        return sorted(name for name in self._below.get(path, []) if name.startswith(kind))[:MAX_FOLDERS]

    def size(self, path: str) -> int | None:
        return int(self._ole.get_size(path)) if path in self._paths else None

    def read(self, path: str) -> bytes:
        """Return a stream, up to so many bytes of it; nothing where there is none."""
        if path not in self._paths:
            return b""
        try:
            stream = self._ole.openstream(path)
            return bytes(stream.read(MAX_TEXT_BYTES))
        except BROKEN:
            return b""


@dataclass(frozen=True)
class _Folder:
    """The mail, a recipient or an attachment: streams, and a table of numbers and dates."""

    store: _Store
    path: tuple[str, ...]
    depth: int
    head_bytes: int = 32

    def below(self, kind: str) -> Iterator[_Folder]:
        for name in self.store.folders("/".join(self.path), kind):
            yield _Folder(self.store, (*self.path, name), self.depth, 8)

    def place(self, name: str) -> str:
        return "/".join((*self.path, name))

    @cached_property
    def table(self) -> dict[str, bytes]:
        data = self.store.read(self.place(_TABLE))[self.head_bytes :]
        rows = _PROPERTY.iter_unpack(data[: len(data) // _PROPERTY.size * _PROPERTY.size])
        return {f"{tag:04X}": value for _, tag, _, value in rows}

    def number(self, tag: str) -> int | None:
        return int.from_bytes(self.table[tag][:4], "little") if tag in self.table else None

    def moment(self, tag: str) -> dt.datetime | None:
        ticks = int.from_bytes(self.table.get(tag, b""), "little")
        return from_unix_time(ticks / 10_000_000 - _FILETIME_TO_UNIX)

    def binary(self, tag: str) -> bytes:
        return self.store.read(self.place(f"__substg1.0_{tag}0102"))

    def text(self, tag: str, charset: str) -> str:
        wide = self.store.read(self.place(f"__substg1.0_{tag}001F"))
        if wide:
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        return decoded(self.store.read(self.place(f"__substg1.0_{tag}001E")), charset).rstrip("\0")


class _Reader:
    """Reads a mail and those in it.

    Args:
        max_chars: of text; beyond, nothing more is read.
        deadline: of the monotonic clock; then, too.
    """

    def __init__(self, max_chars: int, deadline: float) -> None:
        self._chars_left = max_chars
        self._deadline = deadline

    def letter(self, folder: _Folder) -> Letter:
        """Return the mail in a folder."""
        charset = _charset(folder.number(ENCODING))
        kind = folder.text(CLASS, charset)
        headers, _ = _transported(folder.text(HEADERS, charset))
        letter = Letter(
            sender=_sender(folder, charset) or headers.text("from"),
            subject=folder.text(SUBJECT, charset) or headers.text("subject"),
            written_at=_written_at(folder, headers),
            program=headers.text("x-mailer") or headers.text("user-agent"),
            fields=list(_fields(folder, kind, charset)),
        )
        letter.to, letter.copy, letter.blind_copy = _recipients(folder, charset)
        shown = self._read_body(folder, letter, charset)
        self._read_attachments(folder, letter, charset, shown)
        if "SMIME" in kind.upper() and not letter.body:
            self._open_signed(folder, letter)
        return letter

    def _read_body(self, folder: _Folder, letter: Letter, charset: str) -> set[str]:
        """Read the body in the simplest form that it has, and return the ids of the pictures in it."""
        plain = as_written(folder.text(BODY, charset)[: self._chars_left + 1])
        raw = folder.binary(HTML)
        html = decoded(raw, _charset(folder.number(ENCODING_OF_HTML))) if raw else folder.text(HTML, charset)
        letter.body = plain or self._of_html(html) or self._of_rtf(folder)
        letter.is_whole = len(letter.body) <= self._chars_left
        self._chars_left = max(0, self._chars_left - len(letter.body))
        return {name.lower() for name in _ANNOUNCED.findall(html)}

    def _of_html(self, source: str) -> str:
        page = HtmlText()
        page.read(source, lambda: page.chars > self._chars_left or time.monotonic() > self._deadline)
        return tidy("".join(page.pieces))

    def _of_rtf(self, folder: _Folder) -> str:
        return as_written(rtf_to_text(unpacked_rtf(folder.binary(RTF)), self._chars_left + 1))

    def _read_attachments(self, folder: _Folder, letter: Letter, charset: str, shown: set[str]) -> None:
        for each in folder.below("__attach_version1.0_#"):
            if time.monotonic() > self._deadline:
                letter.is_whole = False
                return
            inner = _Folder(folder.store, (*each.path, f"__substg1.0_{DATA}000D"), folder.depth + 1, 24)
            is_mail = folder.store.has(inner.place(_TABLE))
            if is_mail and inner.depth <= MAX_DEPTH:
                letter.inner.append(self.letter(inner))
            letter.is_whole &= not is_mail or (inner.depth <= MAX_DEPTH and letter.inner[-1].is_whole)
            is_shown = each.text(CONTENT_ID, charset).strip("<>").lower() in shown
            if not is_shown and not each.number(IS_HIDDEN):
                letter.attachments.append(_attachment(each, charset, is_mail=is_mail))

    def _open_signed(self, folder: _Folder, letter: Letter) -> None:
        """A signed mail is kept as it was sent, in an attachment; an encrypted one, too, but nobody can read that."""
        data = next((each.binary(DATA) for each in folder.below("__attach_version1.0_#")), b"")
        if b"multipart/signed" not in data[:4_096].lower():
            letter.reason = LOCKED
            return
        signed = MimeReader(data, max_chars=self._chars_left, deadline=self._deadline).read()
        letter.body, letter.inner = signed.body, signed.inner
        letter.attachments = signed.attachments


def _transported(headers: str) -> tuple[Headers, int]:
    raw = headers.encode("utf-8", "replace")
    return read_headers(raw, 0, len(raw))


def _written_at(folder: _Folder, headers: Headers) -> dt.datetime | None:
    sent = folder.moment(SENT) or moment_of(headers.moment("date"))
    return sent or folder.moment(RECEIVED) or folder.moment(CREATED)


def _fields(folder: _Folder, kind: str, charset: str) -> Iterator[tuple[str, str]]:
    if kind.upper().startswith("IPM.CONTACT"):
        for label, tag in _OF_CONTACTS:
            yield label, folder.text(tag, charset)
    for label, tag in (("Beginn", STARTS), ("Ende", ENDS)):
        moment = folder.moment(tag)
        yield label, minute(moment) if moment else ""


def _sender(folder: _Folder, charset: str) -> str:
    name = folder.text(SENDER, charset) or folder.text(AUTHOR, charset)
    addresses = (folder.text(tag, charset) for tag in (SENDER_SMTP, AUTHOR_SMTP, SENDER_ADDRESS, AUTHOR_ADDRESS))
    return _person(name, next((each for each in addresses if "@" in each), ""))


def _recipients(folder: _Folder, charset: str) -> tuple[str, str, str]:
    people: dict[int, list[str]] = {TO: [], COPY: [], BLIND_COPY: []}
    for each in folder.below("__recip_version1.0_#"):
        addresses = (each.text(tag, charset) for tag in (SMTP, ADDRESS))
        person = _person(each.text(NAME, charset), next((found for found in addresses if "@" in found), ""))
        people.setdefault((each.number(RECIPIENT_KIND) or TO) & 15, []).append(person)
    shown = zip((TO, COPY, BLIND_COPY), (SHOWN_TO, SHOWN_COPY, SHOWN_BLIND_COPY), strict=True)
    to, copy, blind = (", ".join(filter(None, people[kind])) or folder.text(tag, charset) for kind, tag in shown)
    return to, copy, blind


def _person(name: str, address: str) -> str:
    """Outlook writes some addresses as names, and those of its own server in a way that nobody reads."""
    name = name.strip(" '\"")
    if not address or address.lower() == name.lower():
        return name or address
    return f"{name} <{address}>" if name else address


def _attachment(folder: _Folder, charset: str, *, is_mail: bool) -> Attachment:
    names = (folder.text(tag, charset) for tag in (LONG_NAME, NAME, SHORT_NAME))
    name = next((each for each in names if each), "(ohne Namen)")
    size = folder.store.size(folder.place(f"__substg1.0_{DATA}0102"))
    return Attachment(name=f"{name}.msg" if is_mail and not name.endswith(".msg") else name, size=size)


def _charset(code_page: int | None) -> str:
    if code_page is None:
        return "cp1252"
    if _FIRST_ISO < code_page <= _FIRST_ISO + 16:
        return f"iso-8859-{code_page - _FIRST_ISO}"
    return _CODE_PAGES.get(code_page, f"cp{code_page}")
