"""Cost groups and words are recognised whole or not at all (lessons 15 and 20)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.folding import words
from ibhelm_pipelines.register.cost_groups import CostGroup, CostGroups, drop_ancestors
from ibhelm_pipelines.register.patterns import PatternSet, parse_pattern
from ibhelm_pipelines.register.places import Buildings, Place

GROUPS = CostGroups(
    CostGroup(number=number, name=name, aliases=aliases)
    for number, name, aliases in (
        (120, "Grundstücksnebenkosten", ""),
        (300, "Bauwerk – Baukonstruktionen", ""),
        (400, "Bauwerk – Technische Anlagen", "TGA"),
        (410, "Abwasser-, Wasser-, Gasanlagen", "Sanitär"),
        (420, "Wärmeversorgungsanlagen", "Heizung, HZG"),
        (430, "Raumlufttechnische Anlagen", "Lüftung, RLT"),
        (434, "Kälteanlagen", "Kälte"),
        (440, "Elektrische Anlagen", "Elektro, Starkstrom"),
        (439, "Sonstiges zur KG 430", ""),
        (450, "Kommunikations-, sicherheits- und informationstechnische Anlagen", "IT"),
    )
)
BUILDINGS = Buildings(["Haus A", "Geb. 3", "Haus A Nord", "A"])


def _found(pattern: str, text: str) -> list[object]:
    """The cost groups or places that one pattern finds; True for a find of words alone."""
    found = PatternSet([("rule", parse_pattern(pattern))], GROUPS).find(text, BUILDINGS)
    return [each.number or each.place or True for _, each in found]


def _groups(text: str) -> list[object]:
    patterns = ("KGR {KG}", "KG {KG}", "Kostengruppe* {KG}", "^{KG} {Bezeichnung}")
    found = PatternSet([(each, parse_pattern(each)) for each in patterns], GROUPS).find(text)
    return [each.number for _, each in found]


@pytest.mark.parametrize(
    "text",
    [
        "KGR 434", "KGR434", "KGR_434", "KG-434", "kgr.434", "KGR (434)", "03 KGR 434 Kälte", "Kostengruppe: 434",
        "434_Kälte", "434Kälte",
        "434 Kältetechnik", "434 Kaelteanlagen", "434 KÄLTE", "434 Lüftung", "434 TGA", "434-RLT", "KGR 434.",
        "KGR 434-01", "KGR 434 2024",
        unicodedata.normalize("NFD", "434 Kälte"), "KGR ４３４", "KGR ٤٣٤", "K\u00adGR 434",
    ],
)  # fmt: skip
def test_cost_group_434_is_recognised(text: str) -> None:
    assert _groups(text) == [434]


@pytest.mark.parametrize(
    "text",
    [
        "KGR 4401", "KGR4401", "KGR 2434", "2434 Kälte", "1.434 Kälte", "KGR 1.434", "KGR 434,50", "KGR 434.000",
        "DN 434x", "KGR 434x", "x434 Kälte",
        "KGR ４４０1", "KGR 434٣", "KGR 43", "KGR 999", "KGR 435", "434", "434 Angebote", "434 IT", "434 Kal",
        "12.434 2024", "2024-04-34", "AKGR 434",
        "Kälte 434", "KGR und 434", "Sanitär Groß KG, 434 Hoppegarten", "KGR x 434", "439 Sonstiges",
        "450 Kommentare", "KGR ⁴³⁴", "434²",
    ],
)  # fmt: skip
def test_nothing_else_is_a_cost_group(text: str) -> None:
    assert _groups(text) == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("KGR 410 und KGR 420", [410, 420]),
        ("KGR 410/420", [410, 420]),
        ("KG 300 + 400", [300, 400]),
        ("Kostengruppen 410, 420 und 434", [410, 420, 434]),
        ("KGR 434/120-7", [434]),  # the number of a plan
        ("KGR 410, 120 m Rohr", [410]),
        ("KGR 410 und 4201", [410]),
        ("KGR 410 und 420x", [410]),
        ("KGR 410 420", [410]),
    ],
)
def test_lists_of_cost_groups_count(text: str, numbers: list[int]) -> None:
    assert _groups(text) == numbers


NUMBERS = st.sampled_from(["410", "434", "440"])


@given(
    NUMBERS,
    st.text("0123456789.,x٤４", max_size=4),
    st.text("0123456789.,x٤４", max_size=4),
    st.sampled_from(["KGR ", "KGR", "KG_", ""]),
)
def test_a_number_is_never_cut_out_of_a_longer_one(number: str, before: str, behind: str, prefix: str) -> None:
    assume(before[-1:] not in ("", ".", ",") or behind[:1] not in ("", ".", ","))
    assert _groups(f"{prefix}{before}{number}{behind}") == []


@given(st.text(max_size=12), st.text(max_size=12))
def test_what_is_recognised_stands_there_as_a_word(before: str, behind: str) -> None:
    text = f"{before}HZB{behind}"
    assert bool(_found("HZB", text)) == ("hzb" in words(text))


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        ("HZB", "ausschzbelag.pdf", False),
        ("HZB", "HZB_Kälte", True),
        ("H_B", "HZB", False),  # _ is no wildcard
        ("H_B", "H-B", True),
        ("Prüf*", "Prüfprotokoll", True),
        ("Prüf*", "Druckprüfung", False),
        ("*plan", "Lageplan 2", True),
        ("*plan", "Planung", False),
        ("*prüf*", "Druckprüfung", True),
        ("Straße", "STRASSE", True),
        ("Prüfung", unicodedata.normalize("NFD", "PRÜFUNG"), True),
        ("Prüfung", "Pruefung", True),
        ("Jour fixe", "Jour-fixe", True),
        ("Jour fixe", "fixe Jour", False),
        ("Jour fixe", "Jour der fixe", False),
        ("Jour fixe", "Jour, fixe", False),
        ("^Jour", "Der Jour", False),
        ("^Jour", "  (Jour)", True),
        ("LP 5", "LP5", True),
        ("LP 5", "LP 50", False),
        ("LP 5", "LP 5a", False),
        ("5 LP", "B5 LP", False),
        ("5 LP", "B 5 LP", True),
        ("Raum 1.04", "Raum 1.04", True),
        ("Raum 1.04", "Raum 1.041", False),
        ("Scan", "Scan001", True),
        ("A & B", "a/b", True),
        ("x83", "X83", True),
        (".*", "", None),
        ("(a+)+$", "a" * 200, False),  # never run as a regular expression
    ],
)
def test_words_are_compared_whole_and_folded(pattern: str, text: str, is_found: bool | None) -> None:
    if is_found is None:
        with pytest.raises(ConfigurationError):
            parse_pattern(pattern)
    else:
        assert bool(_found(pattern, text)) is is_found


@pytest.mark.parametrize(
    ("pattern", "text", "place"),
    [
        ("^O-{Ort}", "O-Haus A", Place(building="Haus A")),
        ("^O-{Ort}", "o–Haus A/1.OG", Place(building="Haus A", level="1. OG")),
        ("^O-{Ort}", "O. Müller", None),
        ("^O-{Ort}", "O Haus A", None),
        ("^O-{Ort}", "KO-Haus A", None),
        ("^O-{Ort}", "O-", None),
        ("^Gebäude: {Ort}", "Gebäude: Haus A", Place(building="Haus A")),
        ("^Gebäude: {Ort}", "Gebäude 3", None),
        ("O-{Ort}", "für O-Haus A O-Haus B", Place(building="Haus A O-Haus B")),  # one place: all that follows
        ("{Gebäude}", "2301-434-GR-123 Grundriss Haus A 1. OG Index a", Place(building="Haus A", level="1. OG")),
        ("{Gebäude}", "Heizlastberechnung Gebäude 3 2024-05-01", Place(building="Geb. 3")),
        ("{Gebäude}", "Haus A Nord EG 0.07 Raumbuch", Place(building="Haus A Nord", level="EG", room="0.07")),
        ("{Gebäude}", "Haus A KG 434", Place(building="Haus A")),  # no basement
        ("{Gebäude}", "Haus A EG 05.24", Place(building="Haus A", level="EG")),  # May 2024
        ("{Gebäude}", "Haus A EG E30 Kabel", Place(building="Haus A", level="EG")),
        ("{Gebäude}", "Haus A EG R1", Place(building="Haus A", level="EG")),  # a revision
        ("{Gebäude}", "Haus A EG R 1.04", Place(building="Haus A", level="EG", room="1.04")),
        ("{Gebäude}", "Haus AB", None),
        ("{Gebäude}", "Haus A1", None),
        ("{Gebäude}", "Geb. 3a", None),
        ("{Gebäude}", "Geb. 3.1", None),
        ("{Gebäude}", "Geb. 31", None),
        ("{Gebäude}", "Index A", None),  # the building A stands everywhere
    ],
)
def test_places_are_found_in_texts(pattern: str, text: str, place: Place | None) -> None:
    assert _found(pattern, text) == ([place] if place else [])


def test_a_set_says_which_of_its_patterns_found_what() -> None:
    rules = PatternSet(
        [(7, parse_pattern("KGR {KG}")), (8, parse_pattern("Angebot*")), (9, parse_pattern("{KG} Kälte"))], GROUPS
    )
    assert [(key, found.number) for key, found in rules.find("Angebote, Angebot KGR 434 Kälte")] == [
        (8, None),
        (7, 434),
        (9, 434),
    ]


@pytest.mark.parametrize(
    "bad",
    ["", " ", "^", "*", "*a*", "Ab*", "Pr*f", "K90*", "{Kg}", "{", "{{KG}}", "a^", "^^a", "{KG}", "{Ort}", "^O-{Ort} x",
     "{Ort} {Gebäude}", "{Gebäude} {Ort}", "{KG} {KG} a", "{Bezeichnung}",
     "{KG} x {Bezeichnung}", "a\nb", "a\0b", "a\u200bb", "*{KG}",
     "ж", "a" * 201],
)  # fmt: skip
def test_a_pattern_that_says_nothing_clear_is_refused(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="The pattern"):
        parse_pattern(bad)


def test_of_a_group_and_one_within_it_the_narrower_stays() -> None:
    assert drop_ancestors([400, 430, 434, 440]) == (434, 440)
