"""Drawings from everywhere, through the sandboxed workers: nearly all show something, and every other one says why."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from ibhelm_pipelines.content import dxf
from ibhelm_pipelines.content.trying import Tried, try_folder
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = {
    # No entity in any layout, looked at one by one: made to test tables and links of layouts.
    "053b8753-layout_broken_links.dxf",
    "41c2b8a1-dxf_unicode.dxf",
    "55169949-r12_blocks_with_no_names.dxf",
    "5bd921cf-layout_missing_block_definition.dxf",
    "6866a507-Minimal_DXF_AC1021.dxf",
    "7286a35c-Minimal_DXF_AC1009.dxf",
}

WORDS = {
    "02a47bc1-recover01.dxf": "London Engineers Limited",
    "14951dbe-multi_insert_with_attribs.dxf": "NAME: Flag",
    "41c2b8a1-dxf_unicode.dxf": "Tschüss mit ü",
    "24c948c7-recover02.dxf": "AutoCAD Standar",
    "3f2351f2-testDWG2004.dwg": "Lorem ipsum dolor sit amet",
    "0e74f0aa-architectural_-_annotation_scaling_and_multileaders.dwg": "CONSULTING ENGINEERS",
}


def try_all(folder: Path) -> dict[str, Tried]:
    settings = Settings(_env_file=None, content_workers=2)
    return {each.name: each for each in try_folder(folder, settings)}


@pytest.fixture(scope="module")
def tried(shared_corpus: Path) -> dict[str, Tried]:
    return try_all(shared_corpus / "cad")


@pytest.mark.timeout(600)
def test_a_sample_of_the_drawings_shows_something_and_says_what_stands_on_it(
    shared_corpus: Path, tmp_path: Path
) -> None:
    for name in WORDS:
        shutil.copy(shared_corpus / "cad" / name, tmp_path)
    for name, each in try_all(tmp_path).items():
        assert WORDS[name] in (each.text.text or ""), name
        assert each.thumbnail.preview or name in EMPTY, (name, each.thumbnail.reason)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_at_least_95_percent_of_the_drawings_that_hold_anything_give_a_preview(tried: dict[str, Tried]) -> None:
    for family, least in (("dxf", 38), ("dwg", 9)):
        drawings = {name: each for name, each in tried.items() if each.kind.family == family and name not in EMPTY}
        assert len(drawings) >= least
        missing = {name: each.thumbnail.reason for name, each in drawings.items() if not each.thumbnail.preview}
        assert len(missing) <= 0.05 * len(drawings), missing


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_previews_are_dark_lines_on_white_paper(tried: dict[str, Tried]) -> None:
    for name, each in tried.items():
        if each.thumbnail.preview and each.kind.family == "dxf":
            picture = np.asarray(Image.open(io.BytesIO(each.thumbnail.preview)).convert("L"))
            assert max(picture.shape) <= 400
            assert np.mean(picture[[0, 0, -1, -1], [0, -1, 0, -1]]) > 240, name
            assert picture.min() < 190, name


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_what_stands_on_drawings_is_found_and_what_is_missing_has_a_reason(tried: dict[str, Tried]) -> None:
    for name, words in WORDS.items():
        assert words in (tried[name].text.text or ""), name
    for name in EMPTY & set(tried):
        assert (tried[name].thumbnail.state, tried[name].thumbnail.reason) == ("empty", dxf.NOTHING_DRAWN)
    for each in tried.values():
        for outcome in (each.thumbnail, each.text):
            assert outcome.state == "ok" or outcome.reason, each.name
            assert "gave up" not in (outcome.reason or ""), each.name
