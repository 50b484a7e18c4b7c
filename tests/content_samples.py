"""One small healthy file of each kind that has a reader, made here: what the fuzzing cuts and changes.

Whoever adds a family adds a sample; test_fuzzed_files.py asks for one of each.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
import wave
import zipfile
from functools import cache
from pathlib import Path

import cad_samples
import media_files
import office_samples
import outlook_files
import pymupdf
from PIL import Image, ImageDraw

from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff


@cache
def samples() -> dict[str, bytes]:
    """The samples by the name that such a file would have."""
    return {
        "plan.pdf": pdf(),
        "photo.jpg": picture("JPEG"),
        "plan.png": picture("PNG"),
        "scan.tif": picture("TIFF", compression="tiff_lzw"),
        "bild.gif": picture("GIF"),
        "bild.webp": picture("WEBP"),
        "notiz.txt": "Prüfung der Lüftung\n".encode("cp1252") * 20,
        "liste.csv": b"Nr;Bezeichnung;Menge\n1;Brandschutzklappe;12\n" * 9,
        "seite.html": b"<html><body><h1>Protokoll</h1><table><tr><td>Heizung</td></tr></table></body></html>",
        "daten.xml": b"<?xml version='1.0'?><a><b c='1'>Text</b><b>mehr</b></a>",
        "brief.docx": office_samples.letter(),
        "brief.rtf": b"{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}L\\'fcftung\\par\\b fett\\b0}",
        "liste.xlsx": office_samples.xlsx(
            {"Räume": "<sheetData><row><c><v>12.5</v></c><c><v>3</v></c></row></sheetData>"}
        ),
        "folien.pptx": office_samples.pptx([office_samples.shape("Lüftung", "title"), office_samples.shape("Heizung")]),
        "brief.odt": office_samples.open_document("text", "<text:p>Lüftung im Gebäude</text:p>"),
        "alt.doc": office_samples.doc("Lüftung im Gebäude"),
        "alt.xls": office_samples.xls({"Räume": [("Küche", 12.5), ("Flur", 3.0)]}),
        "alt.ppt": office_samples.ppt(["Lüftung", "Heizung"], extra="Gebäude"),
        "mail.msg": outlook_files.Message(texts={"0037": "Prüfung", "0C1A": "Anna", "1000": "Grüße"}).saved(),
        "mail.eml": mail(),
        "zeichnung.dxf": cad_samples.dxf(cad_samples.floor_plan),
        "binaer.dxf": cad_samples.dxf(cad_samples.floor_plan, binary=True),
        "plan.dwg": drawing(),
        "modell.ifc": as_bytes(cad_samples.IFC),
        "teil.stp": cad_samples.STEP,
        "lv.x83": as_bytes(cad_samples.GAEB_XML),
        "schema.svg": as_bytes(cad_samples.SVG),
        "paket.zip": zipped(),
        "paket.tar": tarred(),
        "ton.wav": sound(),
        "lied.mp3": media_files.mp3(title="Prüfung", artist="Anna", cover=picture("JPEG")),
        "film.mp4": media_files.mp4(title="Prüfung", seconds=3, made_at=1_700_000_000, cover=picture("JPEG")),
    }


def as_bytes(sample: str | bytes) -> bytes:
    return sample.encode() if isinstance(sample, str) else sample


def family_of(name: str, data: bytes) -> str:
    return sniff(data[:HEAD_BYTES], name.rpartition(".")[2]).family


def pdf() -> bytes:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 72), "Lüftungsplan EG")
    page.draw_rect((100, 100, 300, 300))
    page.insert_image((100, 320, 200, 420), stream=picture("PNG"))
    return bytes(document.tobytes(deflate=True))


def picture(kind: str, **options: str) -> bytes:
    image = Image.new("RGB", (160, 120), "white")
    ImageDraw.Draw(image).ellipse((20, 20, 120, 100), fill="navy", outline="red")
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def mail() -> bytes:
    return (
        b"From: a@example.org\r\nTo: b@example.org\r\nSubject: =?utf-8?q?Pr=C3=BCfung?=\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n--x\r\nContent-Type: text/html\r\n\r\n"
        b"<p>Hallo</p>\r\n--x\r\nContent-Type: application/pdf; name=plan.pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--x--\r\n"
    )


def drawing() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return cad_samples.dwg(Path(folder))


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Pläne/EG.txt", "Erdgeschoss" * 20)
        archive.writestr("../oben.txt", "x")
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("Pläne/EG.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"Plan!"))
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return out.getvalue()
