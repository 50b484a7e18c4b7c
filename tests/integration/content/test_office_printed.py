"""Where LibreOffice is installed, Office files show their first page as it is printed."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import office_samples as samples
import pytest
from hostile_readers import place
from PIL import Image

from ibhelm_pipelines.content.families import tool_for
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.content.zip_package import LOCKED
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_libreoffice = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not on this machine")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    settings = Settings(_env_file=None, content_workers=1)
    with Workers(settings) as workers, Sandbox(settings, workers) as made:
        yield made


def drawing() -> bytes:
    """A document with a red box, which a sheet of its text alone would not show."""
    cell = '<w:tc><w:tcPr><w:tcW w:w="9000" w:type="dxa"/><w:shd w:val="clear" w:fill="FF0000"/></w:tcPr><w:p/></w:tc>'
    row = f'<w:tr><w:trPr><w:trHeight w:val="6000" w:hRule="exact"/></w:trPr>{cell}</w:tr>'
    table = f'<w:tbl><w:tblPr/><w:tblGrid><w:gridCol w:w="9000"/></w:tblGrid>{row}</w:tbl>'
    return samples.docx(samples.paragraph("Größe") + table)


@needs_libreoffice
def test_a_document_is_shown_as_it_is_printed(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "Brief.docx"
    path.write_bytes(drawing())
    outcome = sandbox.read(tool_for("office", "thumbnail"), place(path), "docx")
    assert outcome.preview is not None, outcome.reason
    reds = [
        count
        for count, colour in Image.open(io.BytesIO(outcome.preview)).convert("RGB").getcolors(1 << 20) or []
        if isinstance(colour, tuple) and colour[0] > 200 > 100 > colour[1]
    ]
    assert sum(reds) > 1000
    # Those of the PDF would say that LibreOffice wrote the letter just now.
    assert (outcome.facts.program, outcome.facts.written_at, outcome.facts.author) == (None, None, None)


@needs_libreoffice
def test_of_a_long_document_only_the_pages_that_a_preview_may_show_are_printed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "Liste.xlsx"
    rows = "".join(f"<row><c><v>{number}</v></c></row>" for number in range(2000))
    path.write_bytes(samples.xlsx({"Räume": f"<sheetData>{rows}</sheetData>"}))
    tool = replace(tool_for("office", "thumbnail"), reader="pdf:text", otherwise=None)
    outcome = sandbox.read(tool, place(path), "xlsx")
    assert (outcome.pages_read, (outcome.text or "").split()[:2]) == (3, ["0", "1"])


def test_what_cannot_be_printed_says_why(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "geheim.doc"
    path.write_bytes(samples.doc("geheim", flags=0x0300))
    outcome = sandbox.read(tool_for("old_office", "thumbnail"), place(path), "doc")
    assert (outcome.state, outcome.reason) == ("unsupported", LOCKED)
