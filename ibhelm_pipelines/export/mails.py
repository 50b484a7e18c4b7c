"""The mails of the project: each as .eml, with its attachments, and each conversation as pages with its comments.

An attachment that is also a file of the project is not written twice: the page leads to the file. The .eml holds it in
any case, so that it stands by itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO

from ibhelm_pipelines.export.eml import Attached, Letter, with_content_ids, write_letter
from ibhelm_pipelines.export.showing import shown
from ibhelm_pipelines.mail_body.cleaning import is_html
from ibhelm_pipelines.objects.store import original_key
from ibhelm_pipelines.portable_names import safe_name
from ibhelm_pipelines.wording import OFFICE_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ibhelm_pipelines.export.originals import Originals
    from ibhelm_pipelines.export.output import Output
    from ibhelm_pipelines.export.reading import Reader, Row

MAILS, ATTACHMENTS = "nachrichten", "anhaenge"
NEVER_KEPT = "Der Anhang wurde nie aus Missive geladen."
_MISSING = "X-IBHelm-Missing-Attachment"


@dataclass(kw_only=True)
class Parcel:
    """An attachment on its way into a mail.

    Attributes:
        row: what is known of it.
        copy_to: where it also goes as a file of its own; empty where that is there, or on its way.
        problem: why it is not in the export.
        file: its bytes, once they are fetched.
    """

    row: Row
    copy_to: str = ""
    problem: str | None = None
    file: BinaryIO | None = None


@dataclass(kw_only=True)
class Message:
    """A mail or a comment on its way into the export."""

    kind: str
    row: Row
    parcels: list[Parcel] = field(default_factory=list)
    eml: BinaryIO | None = None
    sha256: str = ""
    size: int = 0


class Mails:
    """Writes mails.

    Args:
        reader: of the project.
        output: where things go.
        originals: where attachments come from.
    """

    def __init__(self, reader: Reader, output: Output, originals: Originals) -> None:
        self._reader, self._output, self._originals = reader, output, originals
        self.mails, self.comments = 0, 0

    def messages(self) -> Iterator[dict[str, Any]]:
        """Write each mail; yield it, and each comment, as a page shows it: conversation by conversation, by time."""
        for message in self._originals.in_order(self._build, map(self._prepare, self._rows())):
            yield self._place(message)

    def _rows(self) -> Iterator[tuple[str, Row]]:
        ids = ((row["kind"], row["id"]) for row in self._reader.stream("messages"))
        for kind, some in groupby(ids, key=lambda pair: pair[0]):
            for row in self._reader.details(f"{kind}s", (number for _, number in some)):
                yield kind, row

    def _prepare(self, found: tuple[str, Row]) -> Message:
        """Decide where attachments go; the book is asked by one thread."""
        kind, row = found
        message = Message(kind=kind, row=row)
        for each in row["attachments"]:
            parcel = Parcel(row=each)
            if each["hash"] is None:
                parcel.problem = f"Nicht geladen: {each['skip_reason']}" if each["skip_reason"] else NEVER_KEPT
            elif self._output.book.where("content", each["hash"]) is None:
                parcel.copy_to = self._claim(each)
            message.parcels.append(parcel)
        return message

    def _claim(self, attachment: Row) -> str:
        name = safe_name(attachment["name"], otherwise="Anhang", max_bytes=100)
        path = self._output.book.take_name(
            f"{ATTACHMENTS}/{attachment['hash'][:2]}", f"{attachment['hash'][:8]}-{name}"
        )
        self._output.book.put("content", attachment["hash"], path)
        return path

    def _build(self, message: Message) -> Message:
        """Fetch what hangs on a message, and make the mail; in any thread."""
        for parcel in message.parcels:
            if parcel.problem is None and (message.kind == "email" or parcel.copy_to):
                key, content = original_key(parcel.row["hash"]), parcel.row["hash"]
                found = self._originals.fetch(key, sha256=content, size=parcel.row["size"])
                if isinstance(found, str):
                    parcel.problem = found
                else:
                    parcel.file = found
        if message.kind == "email":
            self._write_eml(message)
        return message

    def _write_eml(self, message: Message) -> None:
        message.eml, digest = self._output.target.spool(), hashlib.sha256()

        def write(piece: bytes) -> None:
            assert message.eml is not None, "spooled above"
            message.eml.write(piece)
            digest.update(piece)
            message.size += len(piece)

        write_letter(letter_of(message), list(_attached(message)), write)
        message.sha256 = digest.hexdigest()

    def _place(self, message: Message) -> dict[str, Any]:
        path = None
        for parcel in message.parcels:
            self._place_parcel(message, parcel)
        if message.eml is not None:
            self.mails += 1
            path = self._output.book.take_name(*_eml_name(message.row))
            self._output.place(message.eml, path, sha256=message.sha256, size=message.size, modified=message.row["at"])
        else:
            self.comments += 1
        self._output.tell("mails", self.mails, 0)
        return self._view(message, path)

    def _place_parcel(self, message: Message, parcel: Parcel) -> None:
        row = parcel.row
        if parcel.problem is not None:
            kind = "missing" if row["hash"] else "not_kept"
            subject = message.row.get("subject") or "Kommentar"
            self._output.book.note(kind, f"{row['name']} – {subject}", parcel.problem)
        elif parcel.file is not None and parcel.copy_to:
            self._output.place(parcel.file, parcel.copy_to, sha256=row["hash"], size=row["size"])
        elif parcel.file is not None:
            self._output.target.drop(parcel.file)

    def _view(self, message: Message, path: str | None) -> dict[str, Any]:
        row, book = message.row, self._output.book
        hung = [
            {
                "name": each.row["name"], "problem": each.problem, "size": each.row["size"],
                "path": book.where("content", each.row["hash"]) if each.problem is None else None,
                "id": each.row["id"], "missive_id": each.row["missive_id"], "is_inline": each.row["is_inline"],
            }
            for each in message.parcels
        ]  # fmt: skip
        return {
            **row,
            "kind": message.kind,
            "path": path,
            "attachments": hung,
            "anchor": f"{message.kind[0]}{row['id']}",
        }


def letter_of(message: Message) -> Letter:
    """Return what a mail says of itself, as it goes into its file."""
    row = message.row
    source = row["source"] or ""
    recipients: dict[str, list[tuple[str, str]]] = {}
    for kind, name, address in row["recipients"]:
        recipients.setdefault(kind, []).append((name or "", address or ""))
    notes = [("X-IBHelm-Message-Kind", row["type"])] if row["type"] != "email" else []
    notes += [(_MISSING, f"{each.row['name']}: {each.problem}") for each in message.parcels if each.problem]
    return Letter(
        number=row["id"],
        subject=row["subject"] or "",
        sender=(row["from_name"] or "", row["from_address"] or ""),
        recipients=recipients,
        at=row["at"],
        message_id=row["message_id"] or "",
        in_reply_to=row["in_reply_to"],
        references=row["reference_ids"],
        text=_plain(row) if is_html(source) or not source else source,
        html=with_content_ids(source) if is_html(source) else None if source else row["html"],
        notes=notes,
    )


def _plain(row: Row) -> str:
    """Return the words of a mail: what was written, the signature, what was quoted."""
    return "\n\n".join(part for part in (row["body_text"], row["signature"], row["quoted_text"]) if part)


def _attached(message: Message) -> Iterator[Attached]:
    for each in message.parcels:
        if each.file is not None:
            yield Attached(
                name=each.row["name"],
                media_type=(each.row["media_type"] or "").lower(),
                content_id=each.row["missive_id"] or "" if each.row["is_inline"] else "",
                file=each.file,
            )


def _eml_name(row: Row) -> tuple[str, str]:
    """Return folder and name of a mail: by month, by minute, with sender and subject."""
    sender = safe_name(row["from_name"] or row["from_address"] or "", otherwise="unbekannt", max_bytes=48)
    subject = safe_name(row["subject"] or "", otherwise="ohne Betreff", max_bytes=64)
    if row["at"] is None:
        return f"{MAILS}/ohne-Datum", f"{sender} - {subject}.eml"
    local = row["at"].astimezone(OFFICE_TIME)
    return f"{MAILS}/{local:%Y-%m}", f"{local:%Y-%m-%d %H.%M} {sender} - {subject}.eml"


def body_of(row: Row, pictures: dict[str, str]) -> str | None:
    """Return the HTML of a mail for a page; None where it has none, and its text is shown.

    Args:
        row: the mail.
        pictures: addresses of the pictures that are there, as the page names them, by their id at Missive.
    """
    return shown(row["html"], pictures.get) if row["html"] else None


def by_conversation(messages: Iterable[dict[str, Any]]) -> Iterator[tuple[int, Iterator[dict[str, Any]]]]:
    """Yield the messages of each conversation."""
    yield from groupby(messages, key=lambda message: int(message["conversation_id"]))
