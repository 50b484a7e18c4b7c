"""Building models, parts, bills of quantities and SVG pictures: words, facts, pictures; hostile ones end harmlessly."""

from __future__ import annotations

import datetime as dt
import io
import tempfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from cad_samples import GAEB_90, GAEB_90_OFFER, GAEB_2000, GAEB_XML, IFC, STEP, SVG, SVG_START
from PIL import Image

from ibhelm_pipelines.content import gaeb, ifc, step, svg
from ibhelm_pipelines.content.families import FAMILIES
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff
from ibhelm_pipelines.errors import SuspectFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.content.outcome import Outcome

LIMITS = Limits(seconds=30, memory_mb=1024, text_chars=100_000)
RED = (255, 0, 0)


def run(reader: Callable[..., Outcome], data: bytes, limits: Limits = LIMITS) -> Outcome:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        file.seek(0)
        return reader(file, limits)


def picture(outcome: Outcome) -> Image.Image:
    assert outcome.state == "ok", outcome.reason
    assert outcome.preview is not None
    return Image.open(io.BytesIO(outcome.preview)).convert("RGB")


def moment(text: str) -> dt.datetime:
    """A time of day without a zone, as these files write it."""
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("data", "family"),
    [
        (IFC, "ifc"),
        (STEP, "step"),
        (GAEB_XML, "gaeb"),
        (GAEB_2000, "gaeb"),
        (GAEB_90, "gaeb"),
        (GAEB_90_OFFER, "gaeb"),
        (SVG, "svg"),
    ],
)
def test_each_is_told_by_its_bytes_and_gets_a_text_and_a_picture(data: bytes, family: str) -> None:
    assert sniff(data[:HEAD_BYTES]).family == family
    assert {FAMILIES[family].text.reader, FAMILIES[family].thumbnail.reader} == {
        f"{family}:text",
        f"{family}:thumbnail",
    }
    module = {"ifc": ifc, "step": step, "gaeb": gaeb, "svg": svg}[family]
    assert run(module.text, data).state == "ok"
    shown = picture(run(module.thumbnail, data))
    assert max(shown.size) == 400
    assert min(shown.convert("L").getextrema()) < 160


def test_a_building_model_tells_its_places_systems_and_counts_with_umlauts() -> None:
    outcome = run(ifc.text, IFC)
    assert outcome.text is not None
    assert (
        """Project: 4711 Grundschule Nürnberg
  Site: Gelände
    Building: Haus A
      Storey: EG Erdgeschoss
        Space: 0.01 Büro; Leitung
        Space: 0.02 Lehrer'zimmer
Zuluft Aula
IFCDUCTSEGMENT 2"""
        in outcome.text
    )
    facts = outcome.facts
    assert (facts.title, facts.author, facts.program) == ("4711 Grundschule Nürnberg", "A. Hüber", "Revit 2024")
    assert (facts.written_at, facts.page_count) == (moment("2024-03-12 14:05"), None)


@pytest.mark.parametrize(("reader", "data"), [(ifc.text, IFC), (step.text, STEP)])
def test_a_model_that_is_cut_off_says_so(reader: Callable[..., Outcome], data: bytes) -> None:
    whole, part = run(reader, data), run(reader, data[:-40])
    assert (whole.truncated, whole.reason) == (False, None)
    assert (part.truncated, part.reason) == (True, "The file is cut off: its end is missing")


def test_places_that_are_part_of_each_other_do_not_make_an_endless_tree() -> None:
    circle = b"#14=IFCRELAGGREGATES('zYvctVUKr0kugbFTf53O9L',$,$,$,#4,(#2,#4));\n#10="
    assert run(ifc.text, IFC.replace(b"#10=", circle)).state == "ok"


def test_a_statement_of_100_megabytes_is_passed_over() -> None:
    long = b"#7=IFCSPACE('xYvctVUKr0kugbFTf53O9L',$,'" + b"x;" * 50_000_000 + b"');\n#10="
    data = IFC.replace(b"#10=", long)
    tracemalloc.start()
    outcome = run(ifc.text, data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "Erdgeschoss" in (outcome.text or "")
    assert most < 20_000_000


@pytest.mark.parametrize("hostile", [b"'" * 1_000_001, b"/*" * 500_000, b"(" * 1_000_000, b"#1=IFCSPACE('x" * 70_000])
def test_what_is_made_to_take_forever_does_not(hostile: bytes) -> None:
    data = IFC.replace(b"#10=", b"#7=IFCSPACE('xYvctVUKr0kugbFTf53O9L',$," + hostile + b");\n#10=")
    assert run(ifc.text, data).text


def test_a_step_file_names_its_products_and_makers() -> None:
    outcome = run(step.text, STEP)
    assert "4711 Heizungspumpe Stratos" in (outcome.text or "").splitlines()
    assert (outcome.facts.author, outcome.facts.program) == ("M. Maier", "SolidWorks 2019")
    with pytest.raises(SuspectFileError):
        run(step.text, b"ISO-10303-21")


def test_items_of_gaeb_xml_have_number_texts_quantity_and_prices() -> None:
    outcome = run(gaeb.text, GAEB_XML)
    assert outcome.text == (
        "4711 Grundschule Nürnberg\nLV 01 Raumlufttechnik\nStadt Nürnberg\nHuber Lüftungsbau GmbH\n"
        "01 Lüftungsgeräte\nAlle Geräte nach VDI 6022.\n"
        "01.0010 RLT-Gerät | 2,000 Stck | EP 12.500,50 | GP 25.001,00\n"
        "RLT-Gerät mit Wärmerückgewinnung,\n5.000 m³/h"
    )
    facts = outcome.facts
    assert (facts.title, facts.author, facts.program) == (
        "LV 01 Raumlufttechnik",
        "Huber Lüftungsbau GmbH",  # an offer is the bidder's
        "Orca AVA",
    )
    assert facts.written_at == moment("2024-03-12 14:05")


def test_items_of_gaeb_2000_are_read_with_their_formatted_long_texts() -> None:
    outcome = run(gaeb.text, GAEB_2000)
    assert outcome.text == (
        "Umbau Rathaus Fürth\nHeizungsanlage\nStadt Fürth\n01 Wärmeerzeuger\n"
        "01.0010 Gas-Brennwertkessel 80 kW | 1,000 Stck\nKessel\nWärmeleistung 80 kW"
    )
    assert (outcome.facts.author, outcome.facts.written_at) == ("Stadt Fürth", moment("2004-03-12 00:00"))


def test_items_of_gaeb_90_are_read_from_their_columns_in_the_letters_of_dos() -> None:
    outcome = run(gaeb.text, GAEB_90)
    assert outcome.text == (
        "Neubau Bürgerhaus Ansbach\nSanitärinstallation\nGemeinde Ansbach\n1 Rohrleitungen\n"
        "1.1.10 Kupferrohr 22 mm | 125,500 m\nKupferrohr nach DIN EN 1057, hartgelötet,\neinschließlich Befestigung"
    )
    assert outcome.facts.written_at == moment("1998-03-12 00:00")
    assert run(gaeb.text, GAEB_90_OFFER).text == "4711\n1.1.10 | EP 12,50 | GP 1.568,75"


def test_entities_of_the_files_own_are_refused() -> None:
    bomb = b'<!DOCTYPE GAEB [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>\n<GAEB'
    with pytest.raises(SuspectFileError, match="entities"):
        run(gaeb.text, GAEB_XML.replace(b"<GAEB", bomb, 1))


@pytest.mark.parametrize(
    "data",
    [
        GAEB_XML[: len(GAEB_XML) * 3 // 4],
        GAEB_XML.replace(b"<Itemlist>", b"<Itemlist>" + b"<p>" * 1_000_000),
        b"#begin[GAEB]" + b"[a]" * 1_000_000 + GAEB_2000,
        GAEB_90 * 2000,
    ],
    ids=["cut off", "a million levels", "a million openings", "2000 bills"],
)
def test_broken_and_huge_bills_end_with_what_could_be_read_or_a_reason(data: bytes) -> None:
    limits = Limits(seconds=30, memory_mb=1024, text_chars=1000)
    try:
        outcome = run(gaeb.text, data, limits)
    except SuspectFileError as error:
        outcome = None
        assert "well-formed" in error.problem  # noqa: PT017 - either end will do
    assert outcome is None or outcome.text


def test_an_svg_is_drawn_upright_on_white_and_its_words_are_found() -> None:
    shown = picture(run(svg.thumbnail, SVG))
    assert shown.size == (400, 200)
    assert shown.getpixel((100, 150)) == pytest.approx(RED, abs=20)
    assert min(shown.getpixel((390, 10))) > 240  # type: ignore[type-var, arg-type]
    outcome = run(svg.text, SVG)
    assert outcome.text == "Schema Lüftung\nZuluft und Abluft\nVentilator V1"
    assert outcome.facts.title == "Schema Lüftung"


def test_an_svg_shows_nothing_that_lies_outside_of_it(tmp_path) -> None:
    Image.new("RGB", (50, 50), "red").save(tmp_path / "red.png")
    for place in (f"file://{tmp_path}/red.png", f"{tmp_path}/red.png", "http://127.0.0.1:9/red.png"):
        image = f'{SVG_START}<image xlink:href="{place}" width="200" height="100"/></svg>'.encode()
        assert picture(run(svg.thumbnail, image)).getextrema() == ((255, 255),) * 3


def uses(levels: int, times: int) -> bytes:
    """Each group shows the next one several times."""
    groups = "".join(
        f'<g id="a{level}">' + f'<use xlink:href="#a{level + 1}"/>' * times + "</g>" for level in range(levels)
    )
    last = f'<rect id="a{levels}" width="9" height="9"/>'
    return f'{SVG_START}<defs>{groups}{last}</defs><use xlink:href="#a0"/></svg>'.encode()


def test_hostile_svg_pictures_end_harmlessly() -> None:
    entities = '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + f"{SVG_START}<text>&b;</text></svg>"
    assert run(svg.text, entities.encode()).state == "empty"
    assert run(svg.thumbnail, entities.encode()).state == "ok"
    circle = f'{SVG_START}<g id="a"><use xlink:href="#a"/></g><use xlink:href="#a"/></svg>'.encode()
    for data in (circle, uses(5, 5)):
        assert run(svg.thumbnail, data).state == "ok"
    with pytest.raises(SuspectFileError):
        run(svg.thumbnail, SVG_START.encode() + b"<g>" * 20_000)
    with pytest.raises(SuspectFileError, match="no size"):
        run(svg.thumbnail, SVG.replace(b'width="200" height="100"', b'width="1e30" height="1e30"', 1))
