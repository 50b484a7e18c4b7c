"""Packed, nested and self-repeating files made to hurt whoever opens them; pictures are in hostile_files.py."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from functools import cache, partial
from typing import TYPE_CHECKING

import cad_samples
import office_samples
from hostile_files import pdf_of, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ENTITIES = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 10))
LAUGHS = f'[<!ENTITY e0 "ha">{ENTITIES}]'
"""A thousand million times `ha`, where somebody puts in e9."""

LEVELS = 50_000


def zipped(files: Iterable[tuple[str, bytes | Callable[[zipfile.ZipFile, str], None]]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files:
            if isinstance(content, bytes):
                kind = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
                archive.writestr(name, content, kind)
            else:
                content(archive, name)
    return out.getvalue()


def repeated(piece: bytes, megabytes: int, *, head: bytes = b"", end: bytes = b"") -> Callable[..., None]:
    """A part of an archive that unpacks to so much of the same."""

    def write(archive: zipfile.ZipFile, name: str) -> None:
        block = piece * max(1, (1 << 20) // len(piece))
        with archive.open(name, "w", force_zip64=True) as part:
            part.write(head)
            for _ in range(megabytes):
                part.write(block)
            part.write(end)

    return write


def with_part(package: bytes, name: str, content: bytes | Callable[[zipfile.ZipFile, str], None]) -> bytes:
    """An Office file with one part replaced."""
    with zipfile.ZipFile(io.BytesIO(package)) as source:
        kept = [(each, source.read(each)) for each in source.namelist() if each != name]
    return zipped([*kept, (name, content)])


@cache
def nested_zip(levels: int = 5, times: int = 16) -> bytes:
    """As 42.zip: a few kilobytes that are 100 terabytes when all is unpacked."""
    data = zipped([("0.dll", repeated(bytes(1 << 20), 100))])
    for level in range(levels):
        data = zipped([(f"lib {level} {number}.zip", data) for number in range(times)])
    return data


def zip_in_zip(levels: int = 200) -> bytes:
    data = b"innen"
    for level in range(levels):
        data = zipped([(f"{level}.zip", data)])
    return data


def packed_zeros(pack: Callable[[bytes], bytes]) -> bytes:
    """Packed twice: kilobytes that are a gigabyte."""
    once = pack(bytes(64 << 20)) * 16  # streams may follow each other
    return pack(once)


def tricky_tar() -> bytes:
    """Names and links that lead out of the folder into which somebody unpacks it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("../../../etc/cron.d/x", "/etc/passwd", "C:\\Windows\\x.dll", "a/../../b", "\u202efdp.exe"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("verweis")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(link)
    return out.getvalue()


def word(text: str, *, head: str = "") -> bytes:
    """A document whose text is that, with something before its root."""
    data = office_samples.docx(office_samples.paragraph("TEXT"))
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        document = package.read("word/document.xml").decode()
    start = document.index("<w:document") if "<w:document" in document else 0
    return with_part(
        data, "word/document.xml", (document[:start] + head + document[start:]).replace("TEXT", text).encode()
    )


def open_text(text: str, *, head: str = "") -> bytes:
    data = office_samples.open_document("text", "<text:p>TEXT</text:p>")
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        content = package.read("content.xml").decode()
    start = content.index("<office:document-content")
    return with_part(data, "content.xml", (content[:start] + head + content[start:]).replace("TEXT", text).encode())


def word_bomb(megabytes: int = 150) -> bytes:
    """One paragraph of hundreds of megabytes."""
    whole = word("TEXT")
    with zipfile.ZipFile(io.BytesIO(whole)) as package:
        head, _, end = package.read("word/document.xml").partition(b"TEXT")
    return with_part(whole, "word/document.xml", repeated(b"Pumpe ", megabytes, head=head, end=end))


def workbook_bomb(megabytes: int = 150) -> bytes:
    """Texts of all cells, hundreds of megabytes of them, of which one cell shows one."""
    sheet = '<sheetData><row><c t="s"><v>0</v></c></row></sheetData>'
    whole = office_samples.xlsx({"Räume": sheet}, strings="<si><t>Raum</t></si>")
    namespace = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    head = b'<sst xmlns="' + namespace + b'"><si><t>Raum</t></si>'
    strings = repeated(b"<si><t>Pumpe</t></si>", megabytes, head=head, end=b"</sst>")
    return with_part(whole, "xl/sharedStrings.xml", strings)


def mail_in_mail(levels: int = 1000) -> bytes:
    head = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: WG\r\nMIME-Version: 1.0\r\n"
    return head + b"Content-Type: message/rfc822\r\n\r\n" * levels + b"\r\nText"


def multipart_in_multipart(levels: int = 1000) -> bytes:
    head = "From: a@example.org\r\nTo: b@example.org\r\nSubject: WG\r\nMIME-Version: 1.0\r\n"
    starts = (f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(levels))
    ends = (f"--b{n}--\r\n" for n in reversed(range(levels)))
    return (head + "".join(starts) + "\r\nganz innen\r\n" + "".join(ends)).encode()


def huge_page(side: float) -> bytes:
    """A page so many points wide and high, with a line across it."""
    box = f"/MediaBox[0 0 {side:.0f} {side:.0f}]".encode()
    line = stream(f"{side / 100:.0f} w 0 0 m {side:.0f} {side:.0f} l S".encode())
    return pdf_of(stream(b""), page=line).replace(b"/MediaBox[0 0 400 400]", box)


def deep_objects(levels: int = 200_000) -> bytes:
    return pdf_of(b"[" * levels + b"]" * levels)


def deep_pages(levels: int = 5000) -> bytes:
    """A list of pages that lies in a list that lies in a list, and so on."""
    lists = [b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % (6 + level) for level in range(levels)]
    page = b"<</Type/Page/MediaBox[0 0 99 99]>>"
    return pdf_of(*lists, page).replace(b"/Kids[3 0 R]", b"/Kids[5 0 R]")


def endless_pages() -> bytes:
    return pdf_of(stream(b"")).replace(b"/Kids[3 0 R]/Count 1", b"/Kids[2 0 R]/Count 9")


def svg(text: str, *, head: str = "") -> bytes:
    return f"<?xml version='1.0'?>{head}{cad_samples.SVG_START}<text x='9' y='50'>{text}</text></svg>".encode()


def svg_laughs(levels: int = 12, times: int = 12) -> bytes:
    groups = (f'<g id="a{level}">' + f'<use xlink:href="#a{level + 1}"/>' * times + "</g>" for level in range(levels))
    last = f'<rect id="a{levels}" width="9" height="9"/>'
    return f'{cad_samples.SVG_START}<defs>{"".join(groups)}{last}</defs><use xlink:href="#a0"/></svg>'.encode()


def bill(text: str, *, head: str = "") -> bytes:
    data = cad_samples.GAEB_XML if isinstance(cad_samples.GAEB_XML, str) else cad_samples.GAEB_XML.decode()
    return data.replace("<GAEB ", f"{head}<GAEB ", 1).replace("Raumlufttechnik", text, 1).encode()


def deep_xml(tag: str = "p", levels: int = LEVELS) -> str:
    return f"<{tag}>" * levels + "tief" + f"</{tag}>" * levels


def xml(text: str, *, head: str = "") -> bytes:
    return f"<?xml version='1.0'?>{head}<x>{text}</x>".encode()


def deep_word() -> bytes:
    return with_part(word("Text"), "word/document.xml", deep_xml("w:p").encode())


def deep_page() -> bytes:
    return f"<html><body>{deep_xml('div')}".encode()


def deep_rich_text() -> bytes:
    return b"{\\rtf1 " + b"{" * LEVELS + b"tief" + b"}" * LEVELS + b"}"


def laughing_blocks() -> bytes:
    return cad_samples.dxf(cad_samples.block_bomb(12, 12))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": partial(lzma.compress, preset=0),
}
