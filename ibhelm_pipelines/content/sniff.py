"""Tells what a content is by its first bytes. A name can lie; it only decides between kinds of text.

The table is our own and short on purpose: it knows the kinds that an engineering office has, each with the name that
a person understands, and everything else is honestly `other`. Only fixed byte patterns are compared, nothing is
parsed, so it is safe outside the sandbox.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

HEAD_BYTES = 8192

_UNDEFINED_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")
_TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1a\x1b")
MAX_CONTROL_SHARE = 0.01
"""A log may carry a stray control byte; a binary file carries many."""


@dataclass(frozen=True)
class Kind:
    """What a content is: the family that handles it, its media type, and its everyday name."""

    family: str
    media_type: str
    name: str


OTHER = Kind("other", "application/octet-stream", "unknown")
PDF = Kind("pdf", "application/pdf", "PDF")
EMPTY = Kind("empty", "application/x-empty", "empty")

_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\xff\xd8\xff", Kind("image", "image/jpeg", "JPEG")),
    (0, b"\x89PNG\r\n\x1a\n", Kind("image", "image/png", "PNG")),
    (0, b"II*\0", Kind("image", "image/tiff", "TIFF")),
    (0, b"MM\0*", Kind("image", "image/tiff", "TIFF")),
    (0, b"II+\0", Kind("image", "image/tiff", "TIFF")),
    (0, b"MM\0+", Kind("image", "image/tiff", "TIFF")),
    (0, b"GIF87a", Kind("image", "image/gif", "GIF")),
    (0, b"GIF89a", Kind("image", "image/gif", "GIF")),
    (8, b"WEBP", Kind("image", "image/webp", "WebP")),
    (8, b"AVI ", Kind("media", "video/x-msvideo", "AVI")),
    (8, b"WAVE", Kind("media", "audio/wav", "WAV")),
    (0, b"ID3", Kind("media", "audio/mpeg", "MP3")),
    (0, b"OggS", Kind("media", "application/ogg", "Ogg")),
    (0, b"fLaC", Kind("media", "audio/flac", "FLAC")),
    (0, b"\x1aE\xdf\xa3", Kind("media", "video/x-matroska", "Matroska")),
    (0, b"8BPS", Kind("other", "image/vnd.adobe.photoshop", "Photoshop")),
    (0, b"%!PS", Kind("other", "application/postscript", "PostScript")),
    (0, b"{\\rtf", Kind("office", "application/rtf", "rtf")),
    (0, b"AutoCAD Binary DXF", Kind("cad", "image/vnd.dxf", "DXF")),
    (0, b"ISO-10303-21;", Kind("cad", "model/step", "STEP or IFC")),
    (0, b"\x1f\x8b", Kind("archive", "application/gzip", "gzip")),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("archive", "application/x-7z-compressed", "7z")),
    (0, b"Rar!\x1a\x07", Kind("archive", "application/vnd.rar", "rar")),
    (0, b"BZh", Kind("archive", "application/x-bzip2", "bzip2")),
    (0, b"\xfd7zXZ\0", Kind("archive", "application/x-xz", "xz")),
    (0, b"(\xb5/\xfd", Kind("archive", "application/zstd", "zstd")),
    (257, b"ustar", Kind("archive", "application/x-tar", "tar")),
    (0, b"MZ", Kind("other", "application/vnd.microsoft.portable-executable", "Windows program")),
    (0, b"\x7fELF", Kind("other", "application/x-elf", "Linux program")),
    (0, b"SQLite format 3\0", Kind("other", "application/vnd.sqlite3", "SQLite database")),
    (4, b"Standard Jet DB", Kind("other", "application/vnd.ms-access", "Access database")),
    (4, b"Standard ACE DB", Kind("other", "application/vnd.ms-access", "Access database")),
)

_FTYP_BRANDS: tuple[tuple[frozenset[bytes], Kind], ...] = (
    (frozenset({b"avif", b"avis"}), Kind("image", "image/avif", "AVIF")),
    (
        frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}),
        Kind("image", "image/heic", "HEIC"),
    ),
)
_MP4 = Kind("media", "video/mp4", "MP4")

_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_ZIP_MARKS: tuple[tuple[bytes, Kind], ...] = (
    (b"word/", Kind("office", f"{_OPEN_XML}.wordprocessingml.document", "docx")),
    (b"xl/", Kind("office", f"{_OPEN_XML}.spreadsheetml.sheet", "xlsx")),
    (b"ppt/", Kind("office", f"{_OPEN_XML}.presentationml.presentation", "pptx")),
    (b"visio/", Kind("office", "application/vnd.ms-visio.drawing", "vsdx")),
    (b"opendocument.text", Kind("office", "application/vnd.oasis.opendocument.text", "odt")),
    (b"opendocument.spreadsheet", Kind("office", "application/vnd.oasis.opendocument.spreadsheet", "ods")),
    (b"opendocument.presentation", Kind("office", "application/vnd.oasis.opendocument.presentation", "odp")),
    (b"[Content_Types].xml", Kind("office", f"{_OPEN_XML}", "Office Open XML")),
)
_ZIP = Kind("archive", "application/zip", "zip")

_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_MARKS: tuple[tuple[bytes, Kind], ...] = (
    (b"__substg1.0", Kind("mail", "application/vnd.ms-outlook", "msg")),
    (b"WordDocument", Kind("office", "application/msword", "doc")),
    (b"Workbook", Kind("office", "application/vnd.ms-excel", "xls")),
    (b"PowerPoint Document", Kind("office", "application/vnd.ms-powerpoint", "ppt")),
)
_OLE_BY_EXTENSION = {
    "msg": _OLE_MARKS[0][1],
    "doc": _OLE_MARKS[1][1],
    "dot": _OLE_MARKS[1][1],
    "xls": _OLE_MARKS[2][1],
    "ppt": _OLE_MARKS[3][1],
}
_OLE = Kind("office", "application/x-ole-storage", "old Office format")

_DWG = re.compile(rb"AC10\d\d")
_MAIL_HEADER = re.compile(r"From |[A-Za-z][A-Za-z0-9-]*:")
_MAIL_PROOF = re.compile(
    r"^(mime-version|message-id|received|content-type|content-transfer-encoding):", re.IGNORECASE | re.MULTILINE
)
_BLANK_LINE = re.compile(r"\r?\n\r?\n")
_DXF = re.compile(r"(999\r?\n.*\r?\n)*\s*0\r?\n\s*SECTION\r?\n")
_HTML = re.compile(r"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][\w-]*[^<>]*>", re.IGNORECASE)

_TEXT_BY_EXTENSION = {
    "csv": Kind("csv", "text/csv", "CSV"),
    "tsv": Kind("csv", "text/tab-separated-values", "TSV"),
    "md": Kind("text", "text/markdown", "Markdown"),
    "markdown": Kind("text", "text/markdown", "Markdown"),
    "json": Kind("text", "application/json", "JSON"),
    "ics": Kind("text", "text/calendar", "calendar"),
    "vcf": Kind("text", "text/vcard", "contact"),
}
_TEXT = Kind("text", "text/plain", "text")
_HTML_KIND = Kind("html", "text/html", "HTML")
_XML_KIND = Kind("xml", "application/xml", "XML")
_SVG_KIND = Kind("xml", "image/svg+xml", "SVG")
_MAIL_KIND = Kind("mail", "message/rfc822", "eml")
_DXF_KIND = Kind("cad", "image/vnd.dxf", "DXF")

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def sniff(head: bytes, extension: str = "") -> Kind:
    """Tell what a content is.

    Args:
        head: its first `HEAD_BYTES` bytes, or all of it when it is shorter.
        extension: of one of its names, lower case, without the dot; decides between kinds of text only.
    """
    if not head:
        return EMPTY
    return _binary(head, extension) or _text(head, extension) or (PDF if b"%PDF-" in head else OTHER)


def text_encoding(head: bytes) -> str | None:
    """Return the encoding that text with this beginning is in, or None when it is not text."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    controls = sum(1 for byte in head if byte < 0x20 and byte not in _TEXT_CONTROLS)
    if b"\0" in head or controls > len(head) * MAX_CONTROL_SHARE:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: a character cut at the end is fine
    except UnicodeDecodeError:
        return None if _UNDEFINED_IN_CP1252.intersection(head) else "cp1252"
    return "utf-8"


def _binary(head: bytes, extension: str) -> Kind | None:
    if b"%PDF-" in head[:1024] or head.startswith(b"%PDF"):  # readers accept junk before the header, up to this much
        return PDF
    return _container(head, extension) or next(
        (kind for offset, magic, kind in _MAGIC if head.startswith(magic, offset)), None
    )


def _container(head: bytes, extension: str) -> Kind | None:
    """Kinds that take more than one fixed pattern to tell."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((kind for mark, kind in _ZIP_MARKS if mark in head), _ZIP)
    if head.startswith(_OLE_MAGIC):
        return _ole(head, extension)
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if _DWG.match(head):
        return Kind("cad", "image/vnd.dwg", "DWG")
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return Kind("image", "image/bmp", "BMP")
    return None


def _ole(head: bytes, extension: str) -> Kind:
    """The names inside an OLE file are UTF-16 and often stand at its end, out of sight: then the extension must do."""
    for mark, kind in _OLE_MARKS:
        if mark.decode("ascii").encode("utf-16-le") in head:
            return kind
    return _OLE_BY_EXTENSION.get(extension, _OLE)


def _iso_media(head: bytes) -> Kind:
    length = min(int.from_bytes(head[:4], "big"), 256)
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, length, 4))}
    return next((kind for names, kind in _FTYP_BRANDS if names & brands), _MP4)


def _text(head: bytes, extension: str) -> Kind | None:
    encoding = text_encoding(head)
    if encoding is None:
        return None
    start = head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n")
    return _markup(start, extension) or _structured(start, extension)


def _markup(start: str, extension: str) -> Kind | None:
    if not start.startswith("<"):
        return _HTML_KIND if extension in {"html", "htm"} and _TAG.search(start) else None
    if _HTML.match(start) or (_HTML.search(start) and extension not in {"xml", "xsl", "xslt", "svg"}):
        return _HTML_KIND
    if extension in {"html", "htm", "xhtml"}:
        return _HTML_KIND
    if start.startswith(("<?xml", "<svg")) or extension in {"xml", "svg", "xsl", "xslt", "gpx", "kml"}:
        return _SVG_KIND if "<svg" in start else _XML_KIND
    return None


def _structured(start: str, extension: str) -> Kind:
    header = _BLANK_LINE.split(start, maxsplit=1)[0]
    if _MAIL_HEADER.match(start) and (extension == "eml" or _MAIL_PROOF.search(header)):
        return _MAIL_KIND
    if _DXF.match(start):
        return _DXF_KIND
    return _TEXT_BY_EXTENSION.get(extension, _TEXT)
