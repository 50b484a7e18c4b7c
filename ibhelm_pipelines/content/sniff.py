"""Tells what a content is by its first bytes. A name can lie; it only decides between kinds of text.

The table is our own and short on purpose: it knows the kinds that an engineering office has, each with the name that
a person understands, and everything else is honestly `other`. Only fixed byte patterns are compared, nothing is
parsed, so it is safe outside the sandbox.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ibhelm_pipelines.content.encodings import text_encoding

HEAD_BYTES = 8192


@dataclass(frozen=True)
class Kind:
    """What a content is: the family that handles it, its media type, and its everyday name."""

    family: str
    media_type: str
    name: str


OTHER = Kind("other", "application/octet-stream", "unknown")
PDF = Kind("pdf", "application/pdf", "PDF")
EMPTY = Kind("empty", "application/x-empty", "empty")
_MP3 = Kind("audio", "audio/mpeg", "MP3")

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
    (8, b"AVI ", Kind("video", "video/x-msvideo", "AVI")),
    (8, b"WAVE", Kind("audio", "audio/wav", "WAV")),
    (0, b"ID3", _MP3),
    (0, b"OggS", Kind("audio", "application/ogg", "Ogg")),
    (0, b"fLaC", Kind("audio", "audio/flac", "FLAC")),
    (0, b"\x1aE\xdf\xa3", Kind("video", "video/x-matroska", "Matroska")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("video", "video/x-ms-asf", "Windows Media")),
    (0, b"FLV\x01", Kind("video", "video/x-flv", "Flash")),
    (0, b"\0\0\x01\xba", Kind("video", "video/mpeg", "MPEG")),
    (8, b"AIFF", Kind("audio", "audio/aiff", "AIFF")),
    (0, b"#!AMR", Kind("audio", "audio/amr", "AMR")),
    (0, b"8BPS", Kind("other", "image/vnd.adobe.photoshop", "Photoshop")),
    (0, b"%!PS", Kind("other", "application/postscript", "PostScript")),
    (0, b"{\\rtf", Kind("office", "application/rtf", "rtf")),
    (0, b"AutoCAD Binary DXF", Kind("dxf", "image/vnd.dxf", "DXF")),
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
    (frozenset({b"M4A ", b"M4B "}), Kind("audio", "audio/mp4", "M4A")),
    (frozenset({b"qt  "}), Kind("video", "video/quicktime", "MOV")),
)
_MP4 = Kind("video", "video/mp4", "MP4")
_TRANSPORT = Kind("video", "video/mp2t", "MPEG-TS")
_MP3_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MP3_RATES = (44_100, 48_000, 32_000)

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
_OPEN_DOCUMENT = Kind("office", "application/vnd.oasis.opendocument", "OpenDocument")
_FIRST_NAME = slice(30, 41)
"""Where the name of a zip's first part stands, as long as `content.xml`: programs that pack OpenDocument anew put it
there, and the media type out of sight."""

_ZIP = Kind("archive", "application/zip", "zip")

_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_MARKS: tuple[tuple[bytes, Kind], ...] = (
    (b"__substg1.0", Kind("outlook", "application/vnd.ms-outlook", "msg")),
    (b"WordDocument", Kind("old_office", "application/msword", "doc")),
    (b"Workbook", Kind("old_office", "application/vnd.ms-excel", "xls")),
    (b"PowerPoint Document", Kind("old_office", "application/vnd.ms-powerpoint", "ppt")),
)
_OLE_BY_EXTENSION = {
    "msg": _OLE_MARKS[0][1],
    "doc": _OLE_MARKS[1][1],
    "dot": _OLE_MARKS[1][1],
    "xls": _OLE_MARKS[2][1],
    "ppt": _OLE_MARKS[3][1],
}
_OLE = Kind("old_office", "application/x-ole-storage", "old Office format")

_DWG = re.compile(rb"AC10\d\d")
_STEP = b"ISO-10303-21;"
_IFC_SCHEMA = re.compile(rb"FILE_SCHEMA\s*\(\s*\(\s*'IFC", re.IGNORECASE)
_STEP_KIND = Kind("step", "model/step", "STEP")
_IFC_KIND = Kind("ifc", "application/x-step", "IFC")
_GAEB_90 = re.compile(rb"00[^\r\n]{72}\d{6}\s*[\r\n]+[0-9T][0-9][^\r\n]{72}\d{6}\s*[\r\n]")
"""Lines of eighty columns, the last six their number, the first two their kind."""

_GAEB_2000 = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,8}#begin\[GAEB\]", re.IGNORECASE)
_GAEB_XML = "gaeb.de/GAEB_DA_XML"
_GAEB_KIND = Kind("gaeb", "application/x-gaeb", "GAEB")
_GAEB_XML_KIND = Kind("gaeb", "application/xml", "GAEB DA XML")
_MAIL_HEADER = re.compile(rb"From |[A-Za-z][A-Za-z0-9-]*[ \t]*:")
_MAIL_PROOF = re.compile(
    rb"^(mime-version|message-id|received|content-type|content-transfer-encoding):", re.IGNORECASE | re.MULTILINE
)
_MAIL_EXTENSIONS = frozenset({"eml", "mbox", "mht", "mhtml", "msg"})
_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")
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
_SVG_KIND = Kind("svg", "image/svg+xml", "SVG")
_MAIL_KIND = Kind("mail", "message/rfc822", "eml")
_MBOX_KIND = Kind("mail", "application/mbox", "mbox")
_DXF_KIND = Kind("dxf", "image/vnd.dxf", "DXF")


def sniff(head: bytes, extension: str = "") -> Kind:
    """Tell what a content is.

    Args:
        head: its first `HEAD_BYTES` bytes, or all of it when it is shorter.
        extension: of one of its names, lower case, without the dot; decides between kinds of text only.
    """
    if not head:
        return EMPTY
    kind = _binary(head, extension) or _mail(head, extension) or _text(head, extension)
    return kind or (PDF if b"%PDF-" in head else OTHER)


def _binary(head: bytes, extension: str) -> Kind | None:
    if b"%PDF-" in head[:1024] or head.startswith(b"%PDF"):  # readers accept junk before the header, up to this much
        return PDF
    magic = (kind for offset, pattern, kind in _MAGIC if head.startswith(pattern, offset))
    return _container(head, extension) or _planning(head, extension) or next(magic, None) or _stream(head)


def _container(head: bytes, extension: str) -> Kind | None:
    """Kinds that take more than one fixed pattern to tell."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        otherwise = _OPEN_DOCUMENT if head[_FIRST_NAME] == b"content.xml" else _ZIP
        return next((kind for mark, kind in _ZIP_MARKS if mark in head), otherwise)
    if head.startswith(_OLE_MAGIC):
        return _ole(head, extension)
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return Kind("image", "image/bmp", "BMP")
    return None


def _stream(head: bytes) -> Kind | None:
    """Sound and film in packets that only begin alike."""
    for start, step in ((0, 188), (4, 192)):  # of television, and of cameras, which put a time before each
        if all(head[start + step * number : start + step * number + 1] == b"\x47" for number in range(4)):
            return _TRANSPORT
    return _MP3 if _is_mp3(head) else None


def _is_mp3(head: bytes) -> bool:
    """An MP3 without a title begins with its first frame: where that ends, the next one begins."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xFE != 0xFA or head[2] >> 2 & 3 == 3:
        return False
    bits, rate = _MP3_BITRATES[head[2] >> 4], _MP3_RATES[head[2] >> 2 & 3]
    length = 144_000 * bits // rate + (head[2] >> 1 & 1)
    return bool(bits) and head[length : length + 1] == b"\xff" and head[length + 1] == head[1]


def _planning(head: bytes, extension: str) -> Kind | None:
    """Kinds that planners exchange."""
    if _DWG.match(head):
        return Kind("dwg", "image/vnd.dwg", "DWG")
    if head.startswith(_STEP):
        return _IFC_KIND if _IFC_SCHEMA.search(head) or extension == "ifc" else _STEP_KIND
    return _GAEB_KIND if _GAEB_2000.match(head) or _GAEB_90.match(head) else None


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


def _mail(head: bytes, extension: str) -> Kind | None:
    """Mails are told by their headers, which are ASCII; what follows may be in any encoding, or bytes."""
    header = _BLANK_LINE.split(head.lstrip(b"\xef\xbb\xbf\r\n \t"), maxsplit=1)[0]
    if not _MAIL_HEADER.match(header) or not (extension in _MAIL_EXTENSIONS or _MAIL_PROOF.search(header)):
        return None
    return _MBOX_KIND if header.startswith(b"From ") else _MAIL_KIND


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
    if start.startswith(("<?xml", "<svg", "<GAEB")) or extension in {"xml", "svg", "xsl", "xslt", "gpx", "kml"}:
        return _GAEB_XML_KIND if _GAEB_XML in start else _SVG_KIND if "<svg" in start else _XML_KIND
    return None


def _structured(start: str, extension: str) -> Kind:
    if _DXF.match(start):
        return _DXF_KIND
    return _TEXT_BY_EXTENSION.get(extension, _TEXT)
