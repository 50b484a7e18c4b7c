"""A mail as a file that every mail program opens (RFC 5322 and MIME), rebuilt from what is kept of it.

Missive hands on no original mails: headers, HTML and attachments come one by one, and are put together here. The header
X-IBHelm-Rebuilt says so in each of them. Attachments are streamed: memory does not grow with them.

Invariants: a header is one line of ASCII per RFC 2047 and RFC 2231, whatever a stranger wrote into a subject or a file
name; all bodies are Base64, so that nothing within can end a part.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

REBUILT = "X-IBHelm-Rebuilt: yes; from Missive's data, the original headers and source are not kept"

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_MESSAGE_ID = re.compile(r"[!-;=?-~]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 ._()-]{1,60}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_LINE = re.compile(rb".{1,76}")
_PICTURE = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_MISSIVE_ID = re.compile(r"""\bdata-missive-attachment-id\s*=\s*["']?([A-Za-z0-9-]+)""", re.IGNORECASE)
_CHUNK = 57 * 1024
"""A multiple of 57 bytes, which make a line."""

_PARAMETER = 54
"""Characters of one piece of a long file name."""


@dataclass(frozen=True, kw_only=True)
class Attached:
    """A part of a mail that is a file.

    Attributes:
        name: as the mail has it.
        media_type: as the mail says, or nothing.
        content_id: by which the HTML shows it; empty for what is only attached.
        file: its bytes, from the beginning.
    """

    name: str
    media_type: str
    content_id: str
    file: BinaryIO


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What a mail says of itself. Parties are (name, address)."""

    number: int
    subject: str
    sender: tuple[str, str]
    recipients: dict[str, list[tuple[str, str]]]
    at: dt.datetime | None
    message_id: str
    in_reply_to: Sequence[str]
    references: Sequence[str]
    text: str
    html: str | None
    notes: Sequence[tuple[str, str]]
    """More headers: name (ASCII) and text."""


def write_letter(letter: Letter, attached: Sequence[Attached], write: Callable[[bytes], object]) -> None:
    """Write a mail with its attachments, piece by piece."""
    for line in _headers(letter):
        write(line.encode("ascii") + b"\r\n")
    shown = [each for each in attached if each.content_id and letter.html]
    hung = [each for each in attached if each not in shown]
    for piece in _mixed(letter, shown, hung):
        write(piece)


def with_content_ids(html: str) -> str:
    """Return Missive's HTML with the addresses of its pictures, which it leaves out, as mail programs know them."""
    return _PICTURE.sub(_address_picture, html)


def _address_picture(match: re.Match[str]) -> str:
    found = _MISSIVE_ID.search(match[0])
    if found is None or re.search(r"\ssrc\s*=", match[0], re.IGNORECASE):
        return match[0]
    return f'{match[0][:4]} src="cid:{found[1]}"{match[0][4:]}'


def _headers(letter: Letter) -> Iterator[str]:
    yield f"From: {_party(*letter.sender)}"
    for kind, name in (("to", "To"), ("cc", "Cc"), ("bcc", "Bcc"), ("reply_to", "Reply-To")):
        if parties := letter.recipients.get(kind):
            yield f"{name}: " + ",\r\n ".join(_party(*each) for each in parties)
    yield f"Subject: {_text(letter.subject, 'Subject')}"
    if letter.at is not None:
        yield f"Date: {format_datetime(letter.at)}"
    if ids := _ids([letter.message_id]):
        yield f"Message-ID: {ids}"
    if ids := _ids(letter.in_reply_to):
        yield f"In-Reply-To: {ids}"
    if ids := _ids(letter.references):
        yield f"References: {ids}"
    yield REBUILT
    for name, said in letter.notes:
        yield f"{name}: {_text(said, name)}"
    yield "MIME-Version: 1.0"


def _party(name: str, address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        name, address = f"{name} ({address})" if name and address else name or address, ""
    shown = f"<{address}>" if address else "<>"
    return f"{_text(name, 'To')} {shown}" if name else shown


def _text(text: str, header: str) -> str:
    """Return a text as the rest of a header, in lines of 76 characters at most; always encoded, so that no sign of it
    means anything to a parser.
    """
    return Header(_UNSEEN.sub(" ", text), "utf-8", header_name=header).encode(linesep="\r\n") if text else ""


def _ids(ids: Sequence[str]) -> str:
    return "\r\n ".join(f"<{each}>" for each in ids if _MESSAGE_ID.fullmatch(each))


def _mixed(letter: Letter, shown: Sequence[Attached], hung: Sequence[Attached]) -> Iterator[bytes]:
    if not hung:
        yield from _related(letter, shown)
        return
    parts = [_related(letter, shown), *(_file(each, "attachment") for each in hung)]
    yield from _multipart("mixed", f"{letter.number}-1", parts)


def _related(letter: Letter, shown: Sequence[Attached]) -> Iterator[bytes]:
    if not shown:
        yield from _words(letter)
        return
    parts = [_words(letter), *(_file(each, "inline") for each in shown)]
    yield from _multipart("related", f"{letter.number}-2", parts)


def _words(letter: Letter) -> Iterator[bytes]:
    if letter.html is None:
        yield from _body("plain", letter.text)
        return
    parts = [_body("plain", letter.text), _body("html", letter.html)]
    yield from _multipart("alternative", f"{letter.number}-3", parts)


def _multipart(kind: str, mark: str, parts: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    boundary = f"=_ibhelm-{mark}"  # no Base64 has "=_" in it
    yield f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    for part in parts:
        yield f"--{boundary}\r\n".encode()
        yield from part
    yield f"--{boundary}--\r\n".encode()


def _body(kind: str, text: str) -> Iterator[bytes]:
    yield f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
    yield _lines(text.encode("utf-8", "replace"))


def _file(attached: Attached, disposition: str) -> Iterator[bytes]:
    media_type = attached.media_type if _MEDIA_TYPE.fullmatch(attached.media_type) else "application/octet-stream"
    if media_type.startswith(("message/", "multipart/")):
        media_type = "application/octet-stream"  # these may not be Base64
    head = [f"Content-Type: {media_type}", "Content-Transfer-Encoding: base64"]
    head.append(f"Content-Disposition: {disposition};\r\n {_file_name(attached.name)}")
    if attached.content_id:
        head.append(f"Content-ID: <{quote(attached.content_id, safe='')}>")
    yield "\r\n".join([*head, "", ""]).encode("ascii")
    attached.file.seek(0)
    while piece := attached.file.read(_CHUNK):
        yield _lines(piece)


def _file_name(name: str) -> str:
    """Return a file name as a parameter: in pieces, because no header line may have more than 998 characters."""
    plain = _UNSEEN.sub(" ", name)
    if _PLAIN_NAME.fullmatch(plain):
        return f'filename="{plain}"'
    pieces = [""]
    for sign in plain:
        encoded = quote(sign, safe="")
        if len(pieces[-1]) + len(encoded) > _PARAMETER:
            pieces.append("")
        pieces[-1] += encoded
    first, *others = pieces
    numbered = [f"filename*0*=utf-8''{first}", *(f"filename*{at}*={each}" for at, each in enumerate(others, start=1))]
    return ";\r\n ".join(numbered)


def _lines(data: bytes) -> bytes:
    return _LINE.sub(rb"\g<0>\r\n", base64.b64encode(data))
