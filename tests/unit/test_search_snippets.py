"""Passages show what was searched for, as it stands there, on its page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibhelm_pipelines.search.analysis import places, tokens
from ibhelm_pipelines.search.folds import folded
from ibhelm_pipelines.search.query import parse
from ibhelm_pipelines.search.snippets import highlighted, snippets
from ibhelm_pipelines.search.stems import stem

WORDS = st.sampled_from(
    ["Klappe", "Brandschutzklappe", "Brandschutz-\nklappe", "die", "DN 50", "KGR 434", "Lu\u0308ftung", "2,5 kW", "\f",
     "\n", "x", "Sätze", "und", "-", "😀", "<b>", "Wartung", "\u00ad", "…"]
)  # fmt: skip
BODIES = st.lists(WORDS | st.text(max_size=12), max_size=120).map(" ".join)
QUERIES = st.lists(WORDS | st.sampled_from(['"', "-", "OR"]), min_size=1, max_size=5).map(" ".join)


def _marked(text: str, typed: str) -> list[str]:
    return [part for part, is_marked in highlighted(text, parse(typed)) if is_marked]


def _text(parts: tuple[tuple[str, bool], ...]) -> str:
    return "".join(part for part, _ in parts)


@pytest.mark.parametrize(
    ("text", "typed", "marked"),
    [
        ("Die Brandschutzklappen im Flur", "klappe", ["Brandschutzklappen"]),
        ("Rohr DN 50, DN 500 und DN-50", "DN50", ["DN 50", "DN-50"]),
        ("KGR 434, KG 435, 434,50", "KG 434", ["KGR 434"]),
        ("Brandschutz-Klappe", "Brandschutzklappe", ["Brandschutz-Klappe"]),
        ("Klappen des Brandschutzes. Eine Klappe", "Brandschutzklappe", ["Klappen des Brandschutzes"]),
        ("neue Pumpe, neue Anlage, Anlage", '"neue Anlage"', ["neue Anlage"]),
        ("Anlage neu, neue Pumpe", '"neue Anlage"', ["Anlage neu", "neue"]),
        ("Lu\u0308ftung", "lueftung", ["Lu\u0308ftung"]),
        ("Die Pumpe der Anlage", "die der", []),
        ("2301_HZ_004_Grundriss.pdf", "2301-HZ-004", ["2301_HZ_004"]),
        ("<b>Klappe</b>", "Klappe b", ["b", "Klappe", "b"]),
    ],
)
def test_what_was_searched_for_is_marked(text: str, typed: str, marked: list[str]) -> None:
    assert _marked(text, typed) == marked


@given(BODIES, QUERIES)
def test_marking_neither_loses_nor_adds_a_character(text: str, typed: str) -> None:
    parts = highlighted(text, parse(typed))
    assert _text(parts) == text
    assert all(part for part, _ in parts)


@given(BODIES, QUERIES, st.integers(20, 300))
def test_a_passage_stands_in_the_body_and_cuts_no_word(body: str, typed: str, characters: int) -> None:
    plain = re.sub(r"\s+", " ", body)
    words = {word for word in re.split(r"\s+", body) if len(word) <= 100}
    for snippet in snippets(body, parse(typed), characters=characters):
        text = _text(snippet.parts)
        assert text
        assert text in plain
        assert set(text.split()) <= words


def test_the_best_passage_is_the_one_with_most_words_close_together() -> None:
    filling = "Noch ein Satz. " * 60
    body = f"Die Pumpe. {filling} Das Ventil. {filling} Ventil und Pumpe beim Kessel. {filling} Kessel."
    found = snippets(body, parse("Pumpe Ventil Kessel"))
    assert "Ventil und Pumpe beim Kessel" in _text(found[0].parts).replace("  ", " ")
    assert len(found) == 2


def test_a_phrase_is_shown_where_it_stands() -> None:
    body = "neue Pumpe, alte Anlage. " * 200 + "Die neue Anlage. " + "neue Ventile der Anlage. " * 200
    assert ("neue Anlage", True) in snippets(body, parse('"neue Anlage"'))[0].parts


def test_passages_tell_their_pages_and_stay_on_them() -> None:
    body = "Seite eins.\fSeite zwei mit\nder Klappe.\fSeite drei, Klappe."
    found = snippets(body, parse("Klappe"))
    assert [(each.page, _text(each.parts)) for each in found] == [
        (2, "Seite zwei mit der Klappe."),
        (3, "Seite drei, Klappe."),
    ]
    assert snippets("ohne Seiten: Klappe", parse("Klappe"))[0].page is None


def test_where_only_meaning_matched_the_chunk_begins() -> None:
    body = "Erste Seite.\f" + "Wort " * 100
    found = snippets(body, parse("Lüfter"), start=13, length=40, characters=60)
    assert [(each.page, _text(each.parts)) for each in found] == [(2, "Wort Wort Wort Wort Wort Wort Wort Wort")]
    assert snippets(" \n ", parse("Lüfter")) == ()


@given(st.sampled_from([1, 10]), QUERIES)
def test_words_that_are_dropped_early_hold_nothing(times: int, typed: str) -> None:
    text = (
        "Die Brandschutz-\nklappe DN50, KGR434 2,5kW CO2-Fühler GrundrissEG.dwg Lüftungsgeräten Häuser Zählern " * times
    )
    lexemes = frozenset(lexeme for token in tokens(typed + " " + text) for lexeme in token.lexemes)
    found = {lexeme for _, _, held in places(text, lexemes) for lexeme in held}
    assert found == {lexeme for token in tokens(text) for lexeme in token.lexemes}


@given(st.text(alphabet="abcdefghilmnorstuwyzäöüßéñ", max_size=25))
def test_a_stem_is_a_part_of_its_folded_word(word: str) -> None:
    assert stem(word) in folded(word)


@pytest.mark.parametrize("unit", ["Klappe ", "x", "Klappe-", "a\n", "\f", "1,", "„", "DN ", "DN 5"])
def test_a_hostile_body_is_worked_through(unit: str) -> None:
    body = unit * (200_000 // len(unit))
    for typed in ("Klappe", '"Klappe Klappe" DN 50', "x a 1", "DN 5"):
        for snippet in snippets(body, parse(typed)):
            assert len(_text(snippet.parts)) <= 1_000
