"""The smallest Office files that readers open: zip archives of a few XML parts, the same bytes each time."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_CONTENT_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN_TYPE = "application/vnd.openxmlformats-officedocument"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_EXCEL = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_POINT = "http://schemas.openxmlformats.org/presentationml/2006/main"
_DRAW = "http://schemas.openxmlformats.org/drawingml/2006/main"
_ZIP_TIME = (2020, 1, 1, 0, 0, 0)


def _zip(parts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), _HEAD + text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _relationships(targets: dict[str, tuple[str, str]]) -> str:
    items = "".join(
        f'<Relationship Id="{key}" Type="{kind}" Target="{target}"/>' for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}">{items}</Relationships>'


def _package(main: str, overrides: dict[str, str], parts: dict[str, str], *, author: str, day: dt.date) -> bytes:
    """Put the parts of one document together with what every Office file needs: types, relations, author."""
    core_type = "application/vnd.openxmlformats-package.core-properties+xml"
    types = "".join(
        f'<Override PartName="/{name}" ContentType="{kind}"/>'
        for name, kind in {**overrides, "docProps/core.xml": core_type}.items()
    )
    core = "http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
    return _zip(
        {
            "[Content_Types].xml": f'<Types xmlns="{_CONTENT_TYPES}"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{types}</Types>',
            "_rels/.rels": _relationships(
                {
                    "rId1": (f"{_OFFICE}/officeDocument", main),
                    "rId2": (f"{_PACKAGE}/metadata/core-properties", "docProps/core.xml"),
                }
            ),
            "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{core}" xmlns:dc="http://purl.org/dc/elements/1.1/" '
            'xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<dc:creator>{escape(author)}</dc:creator>"
            f'<dcterms:created xsi:type="dcterms:W3CDTF">{day}T08:00:00Z</dcterms:created></cp:coreProperties>',
            **parts,
        }
    )


def docx(paragraphs: Sequence[str], *, author: str, day: dt.date) -> bytes:
    """A Word document of plain paragraphs."""
    body = "".join(f'<w:p><w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>' for text in paragraphs)
    return _package(
        "word/document.xml",
        {"word/document.xml": f"{_MAIN_TYPE}.wordprocessingml.document.main+xml"},
        {"word/document.xml": f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'},
        author=author,
        day=day,
    )


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def xlsx(rows: Sequence[Sequence[str | float]], *, sheet: str, author: str, day: dt.date) -> bytes:
    """An Excel workbook with one sheet."""
    data = "".join(f"<row>{''.join(_cell(value) for value in row)}</row>" for row in rows)
    return _package(
        "xl/workbook.xml",
        {
            "xl/workbook.xml": f"{_MAIN_TYPE}.spreadsheetml.sheet.main+xml",
            "xl/worksheets/sheet1.xml": f"{_MAIN_TYPE}.spreadsheetml.worksheet+xml",
        },
        {
            "xl/workbook.xml": f'<workbook xmlns="{_EXCEL}" xmlns:r="{_OFFICE}"><sheets>'
            f'<sheet name="{escape(sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relationships({"rId1": (f"{_OFFICE}/worksheet", "worksheets/sheet1.xml")}),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_EXCEL}"><sheetData>{data}</sheetData></worksheet>',
        },
        author=author,
        day=day,
    )


def _slide(title: str, lines: Sequence[str]) -> str:
    def box(number: int, top: int, texts: Sequence[str]) -> str:
        paragraphs = "".join(f'<a:p><a:r><a:rPr lang="de-DE"/><a:t>{escape(text)}</a:t></a:r></a:p>' for text in texts)
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="Text {number}"/><p:cNvSpPr txBox="1"/><p:nvPr/></p:nvSpPr>'
            f'<p:spPr><a:xfrm><a:off x="600000" y="{top}"/><a:ext cx="7900000" cy="1200000"/></a:xfrm>'
            '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
            f"</p:spPr><p:txBody><a:bodyPr/>{paragraphs}</p:txBody></p:sp>"
        )

    return (
        f'<p:sld xmlns:p="{_POINT}" xmlns:a="{_DRAW}"><p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id="1" name=""/>'
        f"<p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>{box(2, 400000, [title])}{box(3, 1800000, lines)}"
        "</p:spTree></p:cSld></p:sld>"
    )


def pptx(slides: Sequence[tuple[str, Sequence[str]]], *, author: str, day: dt.date) -> bytes:
    """A presentation: each slide a title and lines.

    The masters that a designer would expect are left out: viewers and text extraction do without them.
    """
    numbers = range(1, len(slides) + 1)
    ids = "".join(f'<p:sldId id="{255 + number}" r:id="rId{number}"/>' for number in numbers)
    parts = {
        "ppt/presentation.xml": f'<p:presentation xmlns:p="{_POINT}" xmlns:r="{_OFFICE}"><p:sldIdLst>{ids}</p:sldIdLst>'
        '<p:sldSz cx="9144000" cy="6858000"/><p:notesSz cx="6858000" cy="9144000"/></p:presentation>',
        "ppt/_rels/presentation.xml.rels": _relationships(
            {f"rId{number}": (f"{_OFFICE}/slide", f"slides/slide{number}.xml") for number in numbers}
        ),
    }
    parts |= {f"ppt/slides/slide{number}.xml": _slide(*slides[number - 1]) for number in numbers}
    overrides = {"ppt/presentation.xml": f"{_MAIN_TYPE}.presentationml.presentation.main+xml"}
    overrides |= {f"ppt/slides/slide{number}.xml": f"{_MAIN_TYPE}.presentationml.slide+xml" for number in numbers}
    return _package("ppt/presentation.xml", overrides, parts, author=author, day=day)
