"""What a PDF holds beside its pages: comments, values of form fields, attachments, and what it says of itself.

Runs inside the sandbox only.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pymupdf

from ibhelm_pipelines.content.limits import fact, mended
from ibhelm_pipelines.content.outcome import Facts
from ibhelm_pipelines.wording import one_line, size

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ATTACHMENTS = 200
MAX_NOTES = 1000
"""On one page."""

_SHOWN_FIELDS = frozenset(
    {pymupdf.PDF_WIDGET_TYPE_TEXT, pymupdf.PDF_WIDGET_TYPE_COMBOBOX, pymupdf.PDF_WIDGET_TYPE_LISTBOX}
)
_DATE = re.compile(r"D?:?\s*(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?\s*(?:([+-])(\d{2})'?(\d{2})?|(Z))?")


def facts_of(document: Any) -> Facts:
    """Return what a document says of itself."""
    metadata = document.metadata or {}
    return Facts(
        page_count=document.page_count,
        author=fact(metadata.get("author")),
        title=fact(metadata.get("title")),
        program=fact(metadata.get("creator")) or fact(metadata.get("producer")),
        written_at=moment(metadata.get("creationDate") or ""),
    )


def moment(text: str) -> dt.datetime | None:
    """Return the time that a PDF date such as `D:20240115093000+01'00'` tells; None when it tells none."""
    match = _DATE.match(text)
    if match is None:
        return None
    *parts, sign, hours, minutes, utc = match.groups()
    defaults = (1, 1, 1, 0, 0, 0)
    year, month, day, hour, minute, second = (int(part or usual) for part, usual in zip(parts, defaults, strict=True))
    offset = dt.timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    try:
        zone = dt.timezone(offset) if sign or utc else None
        return dt.datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None


def notes_on(page: Any, text: str) -> list[str]:
    """Return what stands in comments and form fields of a page and is not in its text already."""
    found = (note.strip() for _, note in zip(range(MAX_NOTES), _notes(page), strict=False))
    return list(dict.fromkeys(note for note in found if note and note not in text))


def attachments_of(document: Any) -> str:
    """Return one line that names what is attached to a document; nothing where nothing is."""
    names = document.embfile_names()
    infos = [document.embfile_info(name) for name in names[:MAX_ATTACHMENTS]]
    listed = [f"{_name_of(info)} ({_size_of(info)})" for info in infos]
    more = [f"… ({len(names)})"] if len(names) > MAX_ATTACHMENTS else []
    return f"Anhänge: {', '.join(listed + more)}" if listed else ""


def has_xfa(document: Any) -> bool:
    """Whether the document is a form of the kind whose fields only Adobe's programs show."""
    catalogue = document.pdf_catalog()
    kind, _ = document.xref_get_key(catalogue, "AcroForm/XFA")
    return bool(kind != "null")


def _notes(page: Any) -> Iterator[str]:
    for annotation in page.annots() if page.first_annot else ():
        if annotation.type[0] == pymupdf.PDF_ANNOT_FILE_ATTACHMENT:
            info = annotation.file_info
            yield f"Anhang: {_name_of(info)} ({_size_of(info)})"
        else:
            yield annotation.info.get("content") or ""
    for field in page.widgets() if page.first_widget else ():
        if field.field_type in _SHOWN_FIELDS and isinstance(field.field_value, str):
            yield field.field_value


def _name_of(info: dict[str, Any]) -> str:
    return one_line(mended(info.get("ufilename") or info.get("filename") or info.get("name") or "?"))


def _size_of(info: dict[str, Any]) -> str:
    return size(max(0, info.get("size") or info.get("length") or 0))
