"""Drawings: previews are upright, dark on white and cropped to the plan; words are found; hostile ones end."""

from __future__ import annotations

import datetime as dt
import io
import math
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cad_samples import (
    block_bomb,
    dwg,
    dxf,
    floor_plan,
    insert_grid,
    self_holding,
    titled_plan,
)
from PIL import Image, ImageFilter

from ibhelm_pipelines.content import dwg as dwg_reader
from ibhelm_pipelines.content import dxf as dxf_reader
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.patience import TooSlowError, patience
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=60, memory_mb=1024, text_chars=100_000)
DARK = 140
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def run(reader: Callable[..., Outcome], data: bytes, limits: Limits = LIMITS) -> Outcome:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        file.seek(0)
        return reader(file, limits)


def drawn(outcome: Outcome) -> Any:
    """The preview as an array of how bright each point is."""
    assert outcome.state == "ok", outcome.reason
    assert outcome.preview is not None
    return np.asarray(Image.open(io.BytesIO(outcome.preview)).convert("L"))


def blurred(picture: Any) -> Any:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(4)), dtype=float)


def hook(document: Any, model: Any) -> None:
    """A line up on the left, a line to the right at its foot: the letter L."""
    model.add_line((0, 0), (0, 100))
    model.add_line((0, 0), (60, 0))


@pytest.mark.parametrize("version", ["R12", "R2000", "R2007", "R2018"])
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_a_drawing_stands_upright_and_dark_on_white(version: str, *, binary: bool) -> None:
    picture = drawn(run(dxf_reader.thumbnail, dxf(hook, version, binary=binary)))
    height, width = picture.shape
    assert max(height, width) == 400
    assert picture[2:, width // 2 :].max() > 250
    assert picture[: height // 2, : width // 4].min() < DARK  # its upright on the left
    assert picture[: height // 2, width // 2 :].min() > 240  # nothing at the upper right
    assert picture[-height // 8 :, width // 2 :].min() < DARK  # its foot below


def test_the_plan_fills_the_picture_though_a_stray_line_lies_5000_kilometres_away() -> None:
    picture = drawn(run(dxf_reader.thumbnail, dxf(floor_plan)))
    columns = np.flatnonzero((picture < DARK).any(axis=0))
    assert columns[0] < 20
    assert columns[-1] > 380
    assert picture.shape[1] > 2 * picture.shape[0]  # rooms of 40 by 12 metres


def test_a_sheet_with_a_view_of_the_model_is_shown_rather_than_the_model() -> None:
    picture = drawn(run(dxf_reader.thumbnail, dxf(titled_plan)))
    assert picture.shape[0] == pytest.approx(400 * 297 / 420, abs=12)
    title = picture[int(picture.shape[0] * 0.8) : -12, 230:380]
    rooms = picture[int(picture.shape[0] * 0.25) : int(picture.shape[0] * 0.6), 40:360]
    assert (title < DARK).sum() > 20
    assert (rooms < DARK).sum() > 200


@pytest.mark.parametrize("colour", [2, 4, 7, 255, 254, 3])
def test_bright_colours_of_a_black_screen_can_be_seen_on_white(colour: int) -> None:
    def draw(document: Any, model: Any) -> None:
        model.add_circle((0, 0), 10, dxfattribs={"color": colour, "lineweight": 70})

    assert drawn(run(dxf_reader.thumbnail, dxf(draw))).min() < 170


def test_texts_title_blocks_layers_and_facts_are_found() -> None:
    outcome = run(dxf_reader.text, dxf(titled_plan))
    assert outcome.text is not None
    model, sheet = outcome.text.split("\f")
    assert "Büro 0.03" in model
    assert "Grundriss EG\nZuluft Ø200, 50 °C" in model
    assert sheet.startswith("PROJEKT: Grundschule Nürnberg\nPLANNR: L-100-EG")
    assert {"Wände", "Lüftung", "Plankopf_A3"} <= set(sheet.splitlines())
    facts = outcome.facts
    assert (facts.page_count, facts.author, facts.program) == (2, "ahuber", "AutoCAD 2018 DXF")
    assert isinstance(facts.written_at, dt.datetime)


@pytest.mark.parametrize(("version", "binary"), [("R12", False), ("R2000", False), ("R12", True), ("R2010", True)])
def test_umlauts_are_read_from_old_and_binary_drawings(version: str, *, binary: bool) -> None:
    data = dxf(lambda document, model: model.add_text("Rückkühler Süd"), version, binary=binary)
    assert run(dxf_reader.text, data).text == "Rückkühler Süd"


def test_a_drawing_that_is_cut_off_still_gives_what_came_before() -> None:
    whole = dxf(floor_plan)
    part = whole[: whole.index(b"0.05")]
    text, shown = run(dxf_reader.text, part), run(dxf_reader.thumbnail, part)
    assert "Büro 0.02" in (text.text or "")
    assert (text.truncated, text.reason) == (True, dxf_reader.TEXT_INCOMPLETE)
    assert (drawn(shown) < DARK).any()
    assert shown.reason == dxf_reader.INCOMPLETE


def test_of_a_damaged_drawing_the_rest_is_shown_and_read() -> None:
    damaged = dxf(floor_plan).replace(b"\nLINE\n", b"\nLINE\nrubbish\xff\n", 1)
    text, shown = run(dxf_reader.text, damaged), run(dxf_reader.thumbnail, damaged)
    assert (drawn(shown) < DARK).any()
    assert shown.reason == dxf_reader.INCOMPLETE
    assert {"Büro 0.00", "Büro 0.07"} <= set((text.text or "").splitlines())
    assert text.reason == dxf_reader.TEXT_INCOMPLETE


def test_the_same_block_in_other_colours_and_places_is_drawn_in_each_of_them() -> None:
    def draw(document: Any, model: Any) -> None:
        block = document.blocks.new("ROOM", base_point=(10, 10))
        block.add_solid([(10, 10), (20, 10), (10, 20), (20, 20)], dxfattribs={"color": 0})
        outer = document.blocks.new("FLOOR")
        outer.add_blockref("ROOM", (0, 0), dxfattribs={"color": 1})
        outer.add_blockref("ROOM", (20, 0), dxfattribs={"color": 5, "rotation": 90})
        model.add_blockref("FLOOR", (0, 0))
        model.add_blockref("FLOOR", (0, -40), dxfattribs={"xscale": -1})

    outcome = run(dxf_reader.thumbnail, dxf(draw))
    assert outcome.preview is not None
    picture = Image.open(io.BytesIO(outcome.preview)).convert("RGB")
    scale = (picture.width - 12) / 40  # from -20 to 20 across, from -40 to 10 up
    places = {(5, 5): RED, (15, 5): BLUE, (-5, -35): RED, (-15, -35): BLUE, (5, -20): WHITE, (-5, 5): WHITE}
    for (x, y), colour in places.items():
        found = picture.getpixel((round(6 + (x + 20) * scale), round(6 + (10 - y) * scale)))
        assert found == pytest.approx(colour, abs=40), (x, y)


def test_rubbish_is_damaged_and_says_so() -> None:
    with pytest.raises(SuspectFileError, match="The drawing is damaged beyond repair"):
        run(dxf_reader.thumbnail, b"  0\nSECTION\n2\nHEADER\nrubbish\n" * 50)


def test_a_drawing_without_anything_on_it_is_empty() -> None:
    outcome = run(dxf_reader.thumbnail, dxf(lambda document, model: None))
    assert (outcome.state, outcome.reason) == ("empty", "The drawing is empty: it has no lines and no text")
    assert run(dxf_reader.text, dxf(lambda document, model: None)).state == "empty"


def impossible(document: Any, model: Any) -> None:
    for number in (1e308, -1e308, math.nan, math.inf):
        model.add_line((0, 0), (number, number))
        model.add_circle((0, number), 5)
        model.add_circle((0, 0), number)
        model.add_text("A", height=number if number > 0 else 1).set_placement((number, 0))
        model.add_spline([(0, 0), (number, 1), (2, number), (5, 5)])
    hook(document, model)


def flat(document: Any, model: Any) -> None:
    model.add_point((5, 5))


@pytest.mark.parametrize(
    "draw",
    [impossible, flat, self_holding, insert_grid(30_000, 30_000)],
    ids=["impossible numbers", "no extent", "blocks in each other", "900 million copies"],
)
def test_what_cannot_be_drawn_is_left_out_and_the_rest_is_shown(draw: Callable[[Any, Any], None]) -> None:
    assert drawn(run(dxf_reader.thumbnail, dxf(draw))).min() < 200


def test_a_bomb_of_blocks_is_drawn_in_part_when_its_time_is_over() -> None:
    limits = Limits(seconds=3, memory_mb=1024, text_chars=1000)
    outcome = run(dxf_reader.thumbnail, dxf(block_bomb(9, 12)), limits)
    assert (outcome.state, outcome.reason) == ("ok", dxf_reader.PARTIAL)


def test_a_drawing_that_would_not_fit_into_memory_is_sketched_from_its_lines() -> None:
    def draw(document: Any, model: Any) -> None:
        room = document.blocks.new("ROOM", base_point=(1, 1))
        room.add_lwpolyline([(1, 1), (11, 1), (11, 21), (1, 21)], close=True)
        model.add_blockref("ROOM", (0, 0))
        model.add_blockref("ROOM", (20, 0), dxfattribs={"rotation": 90})
        model.add_circle((30, 30), 5, dxfattribs={"color": 1})
        model.add_text("Küche", height=3).set_placement((0, 30))

    data, limits = dxf(draw), Limits(seconds=60, memory_mb=0, text_chars=60)
    outcome = run(dxf_reader.thumbnail, data, limits)
    assert outcome.reason == dxf_reader.SKETCHED
    true, sketched = (drawn(each) for each in (run(dxf_reader.thumbnail, data), outcome))
    assert true.shape == pytest.approx(sketched.shape, abs=3)
    height, width = (min(sides) for sides in zip(true.shape, sketched.shape, strict=True))
    apart = np.abs(blurred(true[:height, :width]) - blurred(sketched[:height, :width]))
    assert apart.mean() < 4
    assert run(dxf_reader.thumbnail, b"0\nSECTION\n" * 9, limits).state == "unsupported"
    text = run(dxf_reader.text, dxf(floor_plan), limits)
    assert (text.truncated, len(text.text or "")) == (True, 60)


def test_patience_ends_what_swallows_its_first_call() -> None:
    def stubborn() -> None:
        with suppress(TooSlowError):
            while True:
                pass
        while True:
            pass

    with pytest.raises(TooSlowError), patience(0.1):
        stubborn()


def test_a_line_of_100_megabytes_costs_no_memory_and_hides_no_text() -> None:
    head, _, tail = dxf(floor_plan).partition(b"Grundriss")
    long = run(dxf_reader.text, head + b"x" * 100_000_000 + b"\nGrundriss" + tail)
    assert "Büro 0.07" in (long.text or "")


def test_a_dwg_gives_a_preview_and_its_words(tmp_path: Path) -> None:
    data = dwg(tmp_path)
    limits = Limits(seconds=60, memory_mb=1024, text_chars=100_000, scratch=str(tmp_path))
    shown = run(dwg_reader.thumbnail, data, limits)
    assert shown.reason == dwg_reader.CONVERTED
    assert (drawn(shown) < DARK).sum() > 200
    text = run(dwg_reader.text, data, limits)
    assert "Büro 0.03" in (text.text or "")
    assert text.facts.program == "AutoCAD 2000 DWG"


def test_a_broken_dwg_shows_the_picture_stored_in_it(tmp_path: Path) -> None:
    picture = io.BytesIO()
    stored = Image.new("RGB", (180, 90), "black")
    stored.paste((255, 255, 255), (10, 10, 170, 20))
    stored.save(picture, "PNG")
    place, table = 32, 32 + 16 + 5 + 9
    header = b"AC1015" + bytes(7) + place.to_bytes(4, "little") + bytes(15)
    mark = bytes.fromhex("1f256d07d43628289d57ca3f9d44102b")
    entry = b"\x06" + table.to_bytes(4, "little") + len(picture.getvalue()).to_bytes(4, "little")
    limits = Limits(seconds=60, memory_mb=1024, text_chars=1000, scratch=str(tmp_path))
    data = header + mark + bytes(4) + b"\x01" + entry + picture.getvalue()
    outcome = run(dwg_reader.thumbnail, data, limits)
    assert outcome.reason == dwg_reader.STORED
    assert np.median(drawn(outcome)) > 250  # black screen, turned into paper
    outcome = run(dwg_reader.thumbnail, data[:200], limits)
    assert (outcome.state, outcome.reason) == ("unsupported", dwg_reader.UNREADABLE)
    with pytest.raises(SuspectFileError, match="damaged"):
        run(dwg_reader.text, b"AC1015" + bytes(100), limits)
