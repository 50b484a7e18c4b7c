"""Sniffing: what a content is, is told by its bytes; its name only decides between kinds of text."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from ibhelm_pipelines.content.encodings import text_encoding
from ibhelm_pipelines.content.families import FAMILIES, load_reader, tool_version
from ibhelm_pipelines.content.sniff import sniff
from ibhelm_pipelines.settings import Settings


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, kind)
    return out.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)


@pytest.mark.parametrize(
    ("head", "extension", "family", "media_type"),
    [
        (b"%PDF-1.7\n", "", "pdf", "application/pdf"),
        (b"\xef\xbb\xbf\r\njunk before the header\r\n%PDF-1.4", "txt", "pdf", "application/pdf"),
        (picture("JPEG"), "", "image", "image/jpeg"),
        (picture("JPEG"), "pdf", "image", "image/jpeg"),  # the name lies
        (picture("PNG"), "", "image", "image/png"),
        (picture("TIFF"), "", "image", "image/tiff"),
        (picture("GIF"), "", "image", "image/gif"),
        (picture("BMP"), "", "image", "image/bmp"),
        (picture("WEBP"), "", "image", "image/webp"),
        (picture("AVIF"), "", "image", "image/avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "", "image", "image/heic"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "", "video", "video/mp4"),
        (b"PK\x03\x04" + bytes(26) + b"word/document.xml", "", "office", None),
        (b"PK\x03\x04" + bytes(26) + b"photos/1.jpg", "docx", "archive", "application/zip"),
        (b"PK\x03\x04" + bytes(26) + b"content.xml<office:document/>", "odt", "office", None),
        (OLE + "WordDocument".encode("utf-16-le"), "", "old_office", "application/msword"),
        (OLE, "msg", "outlook", "application/vnd.ms-outlook"),
        (b"AC1032\0\0\0", "", "dwg", "image/vnd.dwg"),
        (b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "txt", "dxf", "image/vnd.dxf"),
        (b"999\nmade by x\n0\nSECTION\n", "", "dxf", "image/vnd.dxf"),
        (b"Return-Path: <a@b.de>\r\nMIME-Version: 1.0\r\n", "txt", "mail", "message/rfc822"),
        (b'Content-Type: text/plain; charset="utf-8"\nMIME-Version: 1.0\n\nHallo', "", "mail", "message/rfc822"),
        (b"From me@b.de Mon Jun 01 10:00:00 2009\n\nHallo", "mbox", "mail", "application/mbox"),
        (b"From: <Saved by Blink>\r\nMIME-Version: 1.0\r\n", "mhtml", "mail", "message/rfc822"),
        (b"Subject : alt\r\nTo: x\r\n\r\n\x81\x8d\0\1", "msg", "mail", "message/rfc822"),
        (b"Subject: x\nMIME-Version: 1.0\n\n" + bytes(range(256)), "", "mail", "message/rfc822"),
        (b"\xff\xfb\x90\x64" + bytes(413) + b"\xff\xfb\x90\x64", "", "audio", "audio/mpeg"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "", "video", "video/quicktime"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0isomM4A ", "", "audio", "audio/mp4"),
        ((b"\x47" + bytes(187)) * 4, "", "video", "video/mp2t"),
        (b"Betreff: Angebot\nSehr geehrte Damen", "txt", "text", "text/plain"),
        ("Lüftung".encode(), "", "text", "text/plain"),
        ("Lüftung".encode("cp1252"), "", "text", "text/plain"),
        ("Lüftung".encode("utf-16"), "", "text", "text/plain"),
        (b"Pos;Menge\n1;2\n", "csv", "csv", "text/csv"),
        (b"# Titel\n", "md", "text", "text/markdown"),
        (b'{"a": 1}', "json", "text", "application/json"),
        (b"<!DOCTYPE html><html>", "txt", "html", "text/html"),
        (b"<?xml version='1.0'?><html xmlns='x'>", "", "html", "text/html"),
        (b"Angebot <b>fett</b>", "html", "html", "text/html"),
        (b"Angebot <b>fett</b>", "txt", "text", "text/plain"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><gaeb/>", "x83", "xml", "application/xml"),
        (b"<?xml version='1.0'?><svg>", "", "svg", "image/svg+xml"),
        (b"<GAEB xmlns='http://www.gaeb.de/GAEB_DA_XML/DA83/3.3'>", "x83", "gaeb", "application/xml"),
        (b"#begin[GAEB]\r\n #begin[GAEBInfo]", "p83", "gaeb", "application/x-gaeb"),
        (b"00%s000001\r\n01%s000002\r\n" % (b"L\x81ftung".ljust(72), b" " * 72), "d83", "gaeb", "application/x-gaeb"),
        (b"00 Nullnummer\r\n01 Einkauf\r\n", "d83", "text", "text/plain"),
        (b"ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));", "", "ifc", "application/x-step"),
        (b"ISO-10303-21;HEADER;FILE_SCHEMA(('AUTOMOTIVE_DESIGN'));", "", "step", "model/step"),
        (bytes(range(256)) * 4, "txt", "other", "application/octet-stream"),
        (b"MZ\x90\0", "pdf", "other", None),
        (b"", "pdf", "empty", "application/x-empty"),
    ],
)
def test_the_bytes_say_what_it_is(head: bytes, extension: str, family: str, media_type: str | None) -> None:
    kind = sniff(head, extension)
    assert kind.family == family
    assert media_type is None or kind.media_type == media_type


def test_a_character_that_the_head_cuts_does_not_make_it_another_encoding() -> None:
    assert text_encoding("Maß ü".encode()[:-1]) == "utf-8"


def test_every_family_that_sniffing_gives_is_in_the_table() -> None:
    import ibhelm_pipelines.content.sniff as table

    kinds = [value for value in vars(table).values() if isinstance(value, table.Kind)]
    kinds += [kind for *_, kind in (*table._MAGIC, *table._ZIP_MARKS, *table._OLE_MARKS, *table._FTYP_BRANDS)]
    kinds += [*table._TEXT_BY_EXTENSION.values(), *table._OLE_BY_EXTENSION.values()]
    assert {kind.family for kind in kinds} <= set(FAMILIES)


def test_every_reader_in_the_table_exists() -> None:
    for family in FAMILIES.values():
        for tool in (family.thumbnail, family.text):
            assert tool.reader is None or callable(load_reader(tool.reader))
            assert tool.reader is not None or tool.refusal


def test_a_tool_version_names_family_revision_and_library() -> None:
    family, _, library = tool_version("pdf", "text", Settings(_env_file=None)).partition(" ")
    assert family == "pdf/3"
    assert library.startswith("pymupdf-1.26.")
