"""Office files as programs write them, made of raw zips and records: umlauts, notes, hidden sheets, text boxes."""

from __future__ import annotations

import io
import struct
import zipfile
from xml.sax.saxutils import escape

import ole_files

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
_PACKAGE = "xmlns='http://schemas.openxmlformats.org/package/2006"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_CORE = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"><dc:creator>Jörg Müller'
    "</dc:creator><dc:title>Lüftungskonzept</dc:title><dcterms:created>2024-03-05T08:30:00Z</dcterms:created>"
    "</cp:coreProperties>"
)
_APP = (
    '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    "<Application>Microsoft Office Word</Application><AppVersion>16.0000</AppVersion><Pages>2</Pages></Properties>"
)


def packed(parts: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, part in parts.items():
            package.writestr(name, part)
    return out.getvalue()


def relations(*targets: tuple[str, str]) -> str:
    """Relations r1, r2, ... of these kinds to these parts."""
    each = (
        f'<Relationship Id="r{number}" Type="{_RELATION}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f"<Relationships {_PACKAGE}/relationships'>{''.join(each)}</Relationships>"


def _open_xml(main: str, media_type: str, parts: dict[str, str | bytes]) -> bytes:
    types = (
        f"<Types {_PACKAGE}/content-types'>"
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="application/{media_type}.main+xml"/></Types>'
    )
    root = relations(("officeDocument", main), ("core-properties", "docProps/core.xml"))
    facts: dict[str, str | bytes] = {"docProps/core.xml": _CORE, "docProps/app.xml": _APP}
    return packed({"[Content_Types].xml": types, "_rels/.rels": root, **parts, **facts})


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>"


def docx(body: str, **parts: str) -> bytes:
    """A Word document with this body; other parts by kind: header, footer, footnotes, comments."""
    document = f"<w:document {W} {A} {MC}><w:body>{body}</w:body></w:document>"
    made: dict[str, str | bytes] = {"word/document.xml": document}
    made["word/_rels/document.xml.rels"] = relations(*((kind, f"{kind}.xml") for kind in parts))
    made |= {f"word/{kind}.xml": f"<w:x {W}>{part}</w:x>" for kind, part in parts.items()}
    return _open_xml("word/document.xml", "vnd.openxmlformats-officedocument.wordprocessingml.document", made)


def letter() -> bytes:
    """A document with all that a reader must not lose."""
    box = f"<w:txbxContent>{paragraph('Im Textfeld')}</w:txbxContent>"
    inner = f"<w:tbl><w:tr><w:tc>{paragraph('innen')}</w:tc></w:tr></w:tbl>"
    body = (
        paragraph("Sehr geehrte Frau Größe,")
        + f"<w:p><w:r><w:t>vor</w:t><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
        "</mc:AlternateContent><w:t>her</w:t></w:r></w:p>"
        f"<w:tbl><w:tr><w:tc>{paragraph('Raum')}</w:tc><w:tc>{paragraph('m³/h')}</w:tc></w:tr>"
        f"<w:tr><w:tc>{paragraph('Küche')}{inner}</w:tc><w:tc>{paragraph('1.200')}</w:tc></w:tr></w:tbl>"
        '<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t>Seite eins</w:t>'
        '<w:br w:type="page"/></w:r>'
        "<w:r><w:lastRenderedPageBreak/><w:t>Seite zwei</w:t></w:r><w:del><w:r><w:delText>gestrichen</w:delText></w:r>"
        "</w:del></w:p>"
    )
    return docx(
        body,
        header=paragraph("Kopfzeile IBHelm"),
        footer=paragraph("Fußzeile"),
        footnotes=f"<w:footnote>{paragraph('Eine Fußnote')}</w:footnote>",
        comments=f'<w:comment w:author="Özil">{paragraph("bitte prüfen")}</w:comment>',
    )


STYLES = (
    f'<styleSheet {S}><numFmts><numFmt numFmtId="164" formatCode="#,##0.00&quot; €&quot;"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/>'
    '<xf numFmtId="164"/><xf numFmtId="10"/></cellXfs></styleSheet>'
)


def xlsx(sheets: dict[str, str], *, hidden: str = "", strings: str = "", beside: dict[str, str] | None = None) -> bytes:
    """A workbook; the text of each sheet is its rows; one may be hidden, the first may have parts beside it."""
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="r{number}" state="{_state(name, hidden)}"/>'
        for number, name in enumerate(sheets, 1)
    )
    targets = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(sheets) + 1)]
    parts: dict[str, str | bytes] = {
        "xl/workbook.xml": f"<workbook {S} {R}><sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(*targets, ("sharedStrings", "strings.xml"), ("styles", "styles.xml")),
        "xl/strings.xml": f"<sst {S}>{strings}</sst>",
        "xl/styles.xml": STYLES,
    }
    for number, rows in enumerate(sheets.values(), 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = f"<worksheet {S}>{rows}</worksheet>"
    if beside:
        parts["xl/worksheets/_rels/sheet1.xml.rels"] = relations(*((kind, f"../{kind}.xml") for kind in beside))
        parts |= {f"xl/{kind}.xml": part for kind, part in beside.items()}
    return _open_xml("xl/workbook.xml", "vnd.openxmlformats-officedocument.spreadsheetml.sheet", parts)


def _state(name: str, hidden: str) -> str:
    return "veryHidden" if name == hidden else "visible"


def shape(text: str, placeholder: str = "") -> str:
    kind = f'<p:nvSpPr><p:nvPr><p:ph type="{placeholder}"/></p:nvPr></p:nvSpPr>' if placeholder else ""
    return f"<p:sp>{kind}<p:txBody><a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></p:txBody></p:sp>"


def pptx(slides: list[str], *, notes: str = "", master: str = "") -> bytes:
    """A show of these slides, listed backwards in the relations; the first has notes and a layout."""
    order = list(range(len(slides), 0, -1))
    ids = "".join(f'<p:sldId r:id="r{order.index(number) + 1}" id="{255 + number}"/>' for number in sorted(order))
    parts: dict[str, str | bytes] = {
        "ppt/presentation.xml": f"<p:presentation {P} {R}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(*(("slide", f"slides/slide{number}.xml") for number in order)),
        "ppt/slides/_rels/slide1.xml.rels": relations(("notesSlide", "../notes.xml"), ("slideLayout", "../layout.xml")),
        "ppt/notes.xml": f"<p:notes {P} {A}>{notes}</p:notes>",
        "ppt/layout.xml": f"<p:sldLayout {P} {A}>{master}</p:sldLayout>",
    }
    parts |= {
        f"ppt/slides/slide{number}.xml": f"<p:sld {P} {A}>{each}</p:sld>" for number, each in enumerate(slides, 1)
    }
    return _open_xml("ppt/presentation.xml", "vnd.openxmlformats-officedocument.presentationml.presentation", parts)


_ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "text", "table", "draw", "presentation", "style", "meta")
)
_META = (
    f'<office:document-meta {_ODF} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta><meta:initial-creator>Jörg'
    " Müller</meta:initial-creator><dc:title>Lüftungskonzept</dc:title><meta:creation-date>2024-03-05T08:30:00"
    "</meta:creation-date><meta:generator>LibreOffice/7.4$Linux x</meta:generator><meta:document-statistic"
    ' meta:page-count="3"/></office:meta></office:document-meta>'
)


def open_document(kind: str, body: str, *, styles: str = "", manifest: str = "") -> bytes:
    """An OpenDocument file of a kind: text, spreadsheet, presentation."""
    dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    content = f"<office:document-content {_ODF} {dc}><office:body><office:{kind}>{body}</office:{kind}></office:body>"
    return packed(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"{content}</office:document-content>",
            "styles.xml": f"<office:document-styles {_ODF}>{styles}</office:document-styles>",
            "meta.xml": _META,
            "META-INF/manifest.xml": f"<manifest>{manifest}</manifest>",
        }
    )


def doc(body: str, *, wide: bool = False, flags: int = 0x0200) -> bytes:
    """A document of Word 97 whose text lies in two pieces, the second one in the first's place."""
    halves = [body[: len(body) // 2], body[len(body) // 2 :]]
    encoded = [half.encode("utf-16-le" if wide else "cp1252") for half in halves]
    start = 2048
    offsets = [start + len(encoded[1]), start]
    marks = [offset if wide else offset * 2 | 1 << 30 for offset in offsets]
    places = struct.pack("<3I", 0, len(halves[0]), len(body)) + b"".join(
        struct.pack("<HIH", 0, mark, 0) for mark in marks
    )
    clx = b"\x01\x02\0??" + b"\x02" + struct.pack("<I", len(places)) + places
    head = bytearray(start)
    struct.pack_into("<H", head, 0, 0xA5EC)
    struct.pack_into("<H", head, 0x0A, flags)
    struct.pack_into("<II", head, 0x01A2, 0, len(clx))
    return ole_files.ole({"1Table": clx, "WordDocument": bytes(head) + encoded[1] + encoded[0]})


def _record(kind: int, data: bytes, *, version: int = 0, instance: int = 0) -> bytes:
    return struct.pack("<HHI", version | instance << 4, kind, len(data)) + data


def _container(kind: int, *records: bytes, instance: int = 0) -> bytes:
    return _record(kind, b"".join(records), version=15, instance=instance)


def ppt(titles: list[str], *, extra: str, locked: bool = False) -> bytes:
    """A presentation of PowerPoint 97 whose titles lie in the outline; each slide shows them and the extra text."""

    def slide() -> bytes:
        reference = _record(0x0F9E, struct.pack("<I", 0))
        box = _container(0xF00D, _record(0x0FA0, extra.encode("utf-16-le")))
        return _container(0x03EE, _record(0x03EF, bytes(24)), _container(0x040C, _container(0xF00D, reference), box))

    listed = b"".join(
        _record(0x03F3, struct.pack("<IIIII", 2 + number, 0, 0, 256 + number, 0))
        + _record(0x0FA8, title.encode("cp1252"))
        for number, title in enumerate(titles)
    )
    listed_document = _container(0x03E8, _container(0x0FF0, listed))
    yesterday = [listed_document, _container(0x03EE, _record(0x0FA8, b"Fassung von gestern"))]
    data, edit = b"", 0
    for saved in (yesterday, [listed_document, *(slide() for _ in titles)]):
        data, edit = _save(data, edit, saved)
    token = 0xF3D1C4DF if locked else 0xE391C05F
    user = _record(0x0FF6, struct.pack("<III", 20, token, edit))
    return ole_files.ole({"PowerPoint Document": data, "Current User": user})


def _save(data: bytes, last_edit: int, records: list[bytes]) -> tuple[bytes, int]:
    """Append a version of the document and its slides, and where they lie; returns where that is said, too."""
    offsets = []
    for record in records:
        offsets.append(len(data))
        data += record
    directory = len(data)
    data += _record(0x1772, struct.pack("<I", 1 | len(offsets) << 20) + struct.pack(f"<{len(offsets)}I", *offsets))
    return data + _record(0x0FF5, struct.pack("<IIIIIII", 0, 0, last_edit, directory, 1, 0, 0)), len(data)


def _biff(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _biff_text(text: str, length: str = "<H") -> bytes:
    return struct.pack(length, len(text)) + b"\1" + text.encode("utf-16-le")


def xls(sheets: dict[str, list[tuple[str, float]]]) -> bytes:
    """A workbook of Excel 97: rows of a word and an amount of money; the last sheet is hidden."""
    return ole_files.ole({"Workbook": workbook(sheets)})


def workbook(sheets: dict[str, list[tuple[str, float]]]) -> bytes:
    """The stream of such a workbook."""

    def begin(kind: int) -> bytes:
        return _biff(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))

    font = _biff(0x0031, struct.pack("<HHHHHBBBB", 200, 0, 8, 400, 0, 0, 0, 0, 0) + _biff_text("Arial", "<B"))
    money = _biff(0x041E, struct.pack("<H", 164) + _biff_text('#,##0.00" €"'))
    formats = b"".join(_biff(0x00E0, struct.pack("<HHH14x", 0, number, 1)) for number in (0, 164))
    bodies = []
    for rows in sheets.values():
        cells = b"".join(
            _biff(0x0204, struct.pack("<HHH", row, 0, 0) + _biff_text(word))
            + _biff(0x0203, struct.pack("<HHHd", row, 1, 1, amount))
            for row, (word, amount) in enumerate(rows)
        )
        bodies.append(begin(0x10) + cells + _biff(0x000A, b""))
    head = begin(0x05) + _biff(0x0042, struct.pack("<H", 1200)) + font * 5 + money + formats
    listed = [_biff(0x0085, struct.pack("<IBB", 0, 0, 0) + _biff_text(name, "<B")) for name in sheets]
    start = len(head) + sum(map(len, listed)) + 4
    for number, name in enumerate(sheets):
        hidden = number == len(sheets) - 1 and number > 0
        listed[number] = _biff(0x0085, struct.pack("<IBB", start, hidden, 0) + _biff_text(name, "<B"))
        start += len(bodies[number])
    return head + b"".join(listed) + _biff(0x000A, b"") + b"".join(bodies)


def locked_workbook() -> bytes:
    """The stream of a workbook behind a password: a record says so, before all others but the first."""
    stream, first = workbook({"Räume": [("geheim", 1.0)]}), 20
    return stream[:first] + _biff(0x002F, bytes(6)) + stream[first:]


RTF = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}}{\info{\title L\'fcftung}"
    rb"{\author J\'f6rg M\'fcller}{\creatim\yr2024\mo3\dy5\hr8\min30}{\nofpages2}}{\*\generator Word 16;}"
    rb"{\header Kopfzeile\par}{\pict\pngblip 89504e47}\f0 Gr\'f6\'dfe \u8364? und \f1\'cf\'f0\f0  "
    rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt Verweis}}{\footnote Eine Fu\'dfnote}\par Raum\cell K\'fcche\cell\row "
    rb"\u55357?\u56832?\page Seite zwei{\*\unbekannt weg}{\*\annotation bitte pr\'fcfen}\par}"
)
