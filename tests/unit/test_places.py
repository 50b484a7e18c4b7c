"""Places have one spelling, however they are written, and nothing is taken for one that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibhelm_pipelines.demo.vocabulary import LEVELS, SITES
from ibhelm_pipelines.register.places import Place, continue_place, parse_place

BUILDINGS = sorted({building for site in SITES for building in site.buildings})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Haus A", ("Haus A", None, None)),
        ("Haus A/EG", ("Haus A", "EG", None)),
        ("Haus A / 1. OG / Raum 1.04", ("Haus A", "1. OG", "1.04")),
        ("Haus A, OG 1, R 1.04", ("Haus A", "1. OG", "1.04")),
        ("Haus A - 1. Obergeschoss 1.04", ("Haus A", "1. OG", "1.04")),
        ("Haus A - EG", ("Haus A", "EG", None)),
        ("Haus_A_1OG", ("Haus A", "1. OG", None)),
        ("Geb. 3, UG", ("Geb. 3", "UG", None)),
        ("Turnhalle EG 0.07", ("Turnhalle", "EG", "0.07")),
        ("EG", (None, "EG", None)),
        ("Haus A 01.OG", ("Haus A", "1. OG", None)),
        ("Haus A 3. Etage", ("Haus A", "3. OG", None)),
        ("Haus A UG2", ("Haus A", "2. UG", None)),
        ("Haus A Kellergeschoss", ("Haus A", "KG", None)),
        ("Haus A KG", ("Haus A", "KG", None)),
        ("Haus A KG 0.12", ("Haus A", "KG", "0.12")),
        ("Haus A KG 434", ("Haus A", None, None)),  # a cost group
        ("KG 434", None),
        ("Haus A Ebene 03", ("Haus A", "Ebene 3", None)),
        ("Haus A / Ebene -1", ("Haus A", "Ebene -1", None)),
        ("Haus A E03", ("Haus A", "Ebene 3", None)),
        ("Haus E3", ("Haus E3", None, None)),
        ("Haus 1 OG", ("Haus 1", "OG", None)),
        ("Haus 1 2. OG", ("Haus 1", "2. OG", None)),
        ("Haus 1/2", ("Haus 1/2", None, None)),
        ("Geb. 15.1", ("Geb. 15.1", None, None)),
        ("Haus A / EG / Flur", ("Haus A", "EG", "Flur")),
        ("Haus A EG Flur", ("Haus A", "EG", None)),
        ("Haus A / Raum Teeküche", ("Haus A", None, "Teeküche")),
        ("Haus A Raum Nr. 1.04a Büro", ("Haus A", None, "1.04a")),
        ("Dachs Bau", ("Dachs Bau", None, None)),
        ("Depot", ("Depot", None, None)),
        (" - ", None),
    ],
)
def test_a_place_is_read(text: str, place: tuple[str | None, ...] | None) -> None:
    wanted = None if place is None else Place(building=place[0], level=place[1], room=place[2])
    assert parse_place(text) == wanted


@pytest.mark.parametrize(
    ("folders", "place"),
    [
        (("EG", "Raum 1.04"), ("EG", "1.04")),
        (("1.OG", "1.04"), ("1. OG", "1.04")),
        (("EG 0.07",), ("EG", "0.07")),
        (("Raum Teeküche",), (None, "Teeküche")),
        (("1.04",), (None, None)),
        (("Fotos", "EG"), ("EG", None)),
        (("EG", "UG"), ("EG", None)),
        (("EG Fotos",), (None, None)),
        (("KGR 434",), (None, None)),
        (("KG 434",), (None, None)),
        (("2024-05-01",), (None, None)),
        (("EG", "2024-05-01"), ("EG", None)),
        (("EG", "Kälte"), ("EG", None)),
        (("",), (None, None)),
    ],
)
def test_folders_below_a_place_complete_it(folders: tuple[str, ...], place: tuple[str | None, str | None]) -> None:
    here = Place(building="Haus A")
    for folder in folders:
        here = continue_place(here, folder)
    assert here == Place(building="Haus A", level=place[0], room=place[1])


ROOMS = st.none() | st.builds("{}.{:02d}".format, st.integers(0, 9), st.integers(1, 99))
SEPARATORS = st.sampled_from([" ", "/", " / ", " - ", ", ", "_"])


@given(st.sampled_from(BUILDINGS), st.sampled_from(LEVELS), ROOMS, SEPARATORS)
def test_whatever_the_office_writes_is_read_back(building: str, level: str, room: str | None, separator: str) -> None:
    text = separator.join(filter(None, (building, level, room and f"Raum {room}")))
    assert parse_place(text) == Place(building=building, level=level, room=room)


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_none(text: str) -> None:
    place = parse_place(text)
    assert place is None or any((place.building, place.level, place.room))
    assert continue_place(Place(building="Haus A"), text).building == "Haus A"


def test_spellings_of_one_place_are_one() -> None:
    keys = {Place(building=each, level="EG").key for each in ("Geb. 3", "geb.3", "Gebäude 3", "GEBAEUDE 3")}
    assert len(keys) == 1
    assert Place(building="Geb. 31").key not in keys
