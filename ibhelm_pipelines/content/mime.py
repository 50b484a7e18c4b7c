"""The parts of a mail: what was written, which files came with it, which mails were attached.

Not by the standard library's parser: it holds every part decoded in memory, asks at each line each enclosing part
whether it ends here, and goes as deep as a mail nests, so that 10,000 nested parts end it. Here a part is a stretch of
the mail's bytes; only what is text is decoded, an attachment is only measured.

Invariant: time and memory grow with the length of the mail times MAX_DEPTH, at most.
"""

from __future__ import annotations

import binascii
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.charsets import decoded
from ibhelm_pipelines.content.letter import Attachment, Letter, as_written, in_one_line, moment_of
from ibhelm_pipelines.content.mail_headers import Headers, from_base64, read_headers
from ibhelm_pipelines.plain_text import HtmlText, tidy

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 12
MAX_PARTS = 2_000
MAX_TEXT_BYTES = 16 << 20
"""Of one part that is text, before it is decoded."""

PIECE_BYTES = 1 << 20

LOCKED = "The mail is encrypted: only its headers can be read"
SEALED = "The mail is signed as a whole: only its headers can be read"

PLAIN_IS_A_STUB = 4
"""HTML with so many times the words of the plain version: that one only says to turn on HTML."""

_ANNOUNCED = re.compile(r"""cid:([^"'\s>)]{1,200})""", re.IGNORECASE)
_META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_UUENCODED = re.compile(
    rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n(?:[!-`][ -`]{0,90}\r?\n)+(?:`?\r?\n)?end", re.MULTILINE
)
_REST_OF_DELIMITER = re.compile(rb"(--)?[ \t]*(?:\r\n|\r|\n|\Z)")
_REPORTS = frozenset({"message/delivery-status", "message/disposition-notification"})
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
"""Nobody sends these, programs do."""

_FILES_OF_TEXT = frozenset({"text/calendar", "text/vcard", "text/x-vcard", "text/directory"})
_NAMELESS = {"text/calendar": "Termin.ics", "text/html": "Nachricht.html", "message/rfc822": "Nachricht.eml"}


@dataclass
class _Found:
    """What the parts of a mail come to.

    Attributes:
        shown: pictures that the text shows by their id: they are no attachments.
        pictures: attachments that have such an id.
    """

    texts: list[str] = field(default_factory=list)
    attachments: list[tuple[Attachment, str]] = field(default_factory=list)
    inner: list[Letter] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    reason: str | None = None


@dataclass(frozen=True)
class _Part:
    """A stretch of a mail with its own headers."""

    headers: Headers
    start: int
    end: int
    depth: int

    @property
    def kind(self) -> str:
        return self.headers.token("content-type") or "text/plain"

    @property
    def name(self) -> str:
        name = self.headers.parameter("content-disposition", "filename")
        return name or self.headers.parameter("content-type", "name")


class MimeReader:
    """Reads one mail.

    Args:
        data: the mail.
        max_chars: of text; when there is more, no further part is read.
        deadline: of the monotonic clock; then, too.
    """

    def __init__(self, data: bytes, *, max_chars: int, deadline: float) -> None:
        self._data = data
        self._chars_left = max_chars
        self._deadline = deadline
        self._parts = 0
        self._is_whole = True

    def read(self) -> Letter:
        """Return the mail."""
        letter = self._letter(0, len(self._data), 0)
        letter.is_whole = self._is_whole
        return letter

    def _letter(self, start: int, end: int, depth: int) -> Letter:
        headers, body = read_headers(self._data, start, end)
        found = _Found()
        self._read(_Part(headers, body, end, depth), found)
        stray = "\n".join(decoded(line, None) for line in headers.stray)
        return Letter(
            sender=headers.text("from") or headers.text("sender"),
            to=headers.text("to"),
            copy=headers.text("cc"),
            blind_copy=headers.text("bcc"),
            subject=headers.text("subject"),
            date=headers.text("date"),
            written_at=moment_of(headers.moment("date")),
            program=headers.text("x-mailer") or headers.text("user-agent"),
            attachments=[each for each, content_id in found.attachments if content_id not in found.shown],
            body="\n\n".join(text for text in (stray, *found.texts) if text),
            inner=found.inner,
            reason=found.reason,
        )

    def _read(self, part: _Part, found: _Found) -> None:
        """Put what a part is where it belongs."""
        self._parts += 1
        if self._parts > MAX_PARTS or self._chars_left <= 0 or time.monotonic() > self._deadline:
            self._is_whole = False
        elif part.kind.startswith("multipart/") and part.depth < MAX_DEPTH:
            self._read_parts(part, found)
        elif part.kind in ("message/rfc822", "message/global") and part.depth < MAX_DEPTH:
            self._read_inner(part, found)
        elif _is_text(part):
            found.texts.append(self._text(part, found))
        else:
            self._is_whole &= not part.kind.startswith(("multipart/", "message/rfc822"))  # deeper than is read
            self._attach(part, found)

    def _read_parts(self, part: _Part, found: _Found) -> None:
        if part.kind == "multipart/encrypted":
            found.reason = LOCKED
        children = list(self._children(part))
        if not children:
            found.texts.append(self._text(part, found))
        elif part.kind == "multipart/alternative":
            self._choose(children, found)
        else:
            for child in children:
                self._read(child, found)

    def _choose(self, children: list[_Part], found: _Found) -> None:
        """Of several versions of the same text one is read: the plain one, unless it only stands for the other."""
        versions: list[tuple[bool, str]] = []
        for child in children:
            texts, found.texts = found.texts, []
            self._read(child, found)
            versions.append((child.kind == "text/plain", "\n\n".join(filter(None, found.texts))))
            found.texts = texts
        plain = max((text for is_plain, text in versions if is_plain), key=len, default="")
        rich = max((text for is_plain, text in versions if not is_plain), key=len, default="")
        found.texts.append(rich if len(rich.split()) > PLAIN_IS_A_STUB * len(plain.split()) else plain)

    def _read_inner(self, part: _Part, found: _Found) -> None:
        if part.headers.token("content-transfer-encoding") == "base64":
            data = from_base64(self._data[part.start : min(part.end, part.start + MAX_TEXT_BYTES)])
            reader = MimeReader(data, max_chars=self._chars_left, deadline=self._deadline)
            inner = reader._letter(0, len(data), part.depth + 1)
            self._is_whole &= reader._is_whole
        else:
            inner = self._letter(part.start, part.end, part.depth + 1)
        found.inner.append(inner)
        name = part.name or (f"{in_one_line(inner.subject)}.eml" if inner.subject else _NAMELESS["message/rfc822"])
        found.attachments.append((Attachment(name=name, size=self._length(part)), ""))

    def _children(self, part: _Part) -> Iterator[_Part]:
        boundary = part.headers.parameter("content-type", "boundary").encode("utf-8", "replace")
        if not boundary:
            return
        start = None
        for number, (mark, after, is_last) in enumerate(self._delimiters(b"--" + boundary, part)):
            if start is not None:
                yield self._child(start, mark, part)
            start = after
            if is_last:
                return
            if number > MAX_PARTS:
                self._is_whole = False
                return
        if start is not None:
            yield self._child(start, part.end, part)

    def _delimiters(self, delimiter: bytes, part: _Part) -> Iterator[tuple[int, int, bool]]:
        """Yield where each line between parts begins and ends, and whether it is the last one."""
        at = self._data.find(delimiter, part.start, part.end)
        while at >= 0:
            rest = _REST_OF_DELIMITER.match(self._data, at + len(delimiter), part.end)
            if rest and (at == 0 or self._data[at - 1] in b"\r\n"):
                yield at, rest.end(), bool(rest[1])
            at = self._data.find(delimiter, at + len(delimiter), part.end)

    def _child(self, start: int, end: int, parent: _Part) -> _Part:
        # The line end before a delimiter belongs to the delimiter.
        end -= self._data[max(start, end - 1) : end] == b"\n"
        end -= self._data[max(start, end - 1) : end] == b"\r"
        headers, body = read_headers(self._data, start, end)
        if parent.kind == "multipart/digest" and not headers.token("content-type"):
            headers.add(b"content-type", [b"message/rfc822"])
        return _Part(headers, body, end, parent.depth + 1)

    def _text(self, part: _Part, found: _Found) -> str:
        raw = self._bytes(part)
        charset = part.headers.parameter("content-type", "charset")
        if part.kind == "text/html":
            return self._html(raw, charset, found)
        for name in _UUENCODED.findall(raw):
            found.attachments.append((Attachment(name=decoded(name, charset)), ""))
        text = as_written(decoded(_UUENCODED.sub(b"", raw), charset))
        self._chars_left -= len(text)
        return text

    def _html(self, raw: bytes, charset: str, found: _Found) -> str:
        meta = _META_CHARSET.search(raw, 0, 4_096)
        source = decoded(raw, charset or (meta[1].decode("ascii") if meta else None))
        found.shown.update(each.lower() for each in _ANNOUNCED.findall(source))
        page = HtmlText()
        self._is_whole &= page.read(source, lambda: page.chars > self._chars_left or time.monotonic() > self._deadline)
        text = tidy("".join(page.pieces))
        self._chars_left -= len(text)
        return text

    def _bytes(self, part: _Part) -> bytes:
        end = min(part.end, part.start + MAX_TEXT_BYTES)
        self._is_whole &= end == part.end
        raw = self._data[part.start : end]
        encoding = part.headers.token("content-transfer-encoding")
        if encoding == "base64":
            return from_base64(raw)
        return binascii.a2b_qp(raw) if encoding == "quoted-printable" else raw

    def _attach(self, part: _Part, found: _Found) -> None:
        if part.kind in _SIGNATURES:
            return
        if "pkcs7-mime" in part.kind:
            is_signed = "signed" in part.headers.parameter("content-type", "smime-type")
            found.reason = SEALED if is_signed else LOCKED
        name = part.name or _NAMELESS.get(part.kind) or f"({part.kind})"
        is_picture = part.kind.startswith("image/")
        content_id = part.headers.text("content-id").strip("<>").lower() if is_picture else ""
        found.attachments.append((Attachment(name=name, size=self._length(part)), content_id))

    def _length(self, part: _Part) -> int:
        """Return how long the file of a part is, without decoding it."""
        if part.headers.token("content-transfer-encoding") != "base64":
            return part.end - part.start
        starts = range(part.start, part.end, PIECE_BYTES)
        pieces = (self._data[start : min(part.end, start + PIECE_BYTES)] for start in starts)
        return sum(len(piece.translate(None, b"\r\n\t =")) for piece in pieces) * 3 // 4


def _is_text(part: _Part) -> bool:
    """Text is what is shown as such; a text file that came along is an attachment."""
    if part.headers.token("content-disposition") == "attachment":
        return False
    if part.kind in ("text/plain", "text/html", "text"):
        return not part.name or part.depth == 0
    if part.kind in _REPORTS:
        return True
    return part.kind.startswith("text/") and part.kind not in _FILES_OF_TEXT and not part.name
