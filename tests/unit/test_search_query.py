"""Whatever is typed is a query: words, phrases, filters, and what to leave out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibhelm_pipelines.search.query import (
    FIELDS,
    MAX_CHARS,
    Filter,
    Phrase,
    Query,
    Word,
    clause_tsquery,
    operand_tsquery,
    parse,
)

SYNTAX = st.sampled_from(
    ['"', "„", "“", "”", "«", "»", "-", "–", "|", "OR", "oder ", ":", "projekt:", "kg:434", '-typ:"', "(", ")", "!",
     "&",
     "<->", "*", "'", "\\", "\x00", "\ud800", "😀", "\n", " ", "die", "Klappe", "Brandschutzklappe", "DN 50", "http://x",
     "12:30", '1"']
)  # fmt: skip
TYPED = st.lists(SYNTAX | st.text(max_size=6), max_size=30).map("".join)


def _words(query: Query) -> list[list[str]]:
    """The words of each clause: the first alternative, phrases with blanks."""
    return [
        [each.text if isinstance(each, Word) else " ".join(word.text for word in each.words) for each in clause[:1]]
        for clause in query.clauses
    ]


def _typed(text: str) -> list[str]:
    return [" ".join(words) for words in _words(parse(text))]


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Klappe Brandschutz", ["Klappe", "Brandschutz"]),
        ("DN 50 Rohr", ["DN 50", "Rohr"]),
        ("Rohr DN50 KGR 434", ["Rohr", "DN50", "KGR 434"]),
        ("2,5 kW Pumpe", ["2,5 kW", "Pumpe"]),
        ('"neue Anlage" Kita', ["neue Anlage", "Kita"]),
        ("„neue Anlage“ “alte Pumpe” «vier Rohre»", ["neue Anlage", "alte Pumpe", "vier Rohre"]),
        ('"Die neue Anlage der"', ["neue Anlage"]),
        ("welche Ventilatoren wurden in der Kita Lindenhof verbaut?", ["Ventilatoren", "Kita", "Lindenhof", "verbaut"]),
        ("http://x 12:30 foo:bar", ["http x", "12 30", "foo bar"]),
        ("2301-HZ-004", ["2301-HZ-004"]),
        ("anna.mueller@lindenhof.de", ["anna mueller lindenhof de"]),
        ("Heizung/Lüftung", ["Heizung", "Lüftung"]),
        ('Rohr 1" auf 3/4" neu verzinkt', ["Rohr", "1", "3 4", "neu", "verzinkt"]),
        ("kg: 434", ["kg: 434"]),
        ("Klappe - Brandschutz", ["Klappe", "Brandschutz"]),
        ("die der das", []),
        ("😀 !!! &|", []),
        ("", []),
    ],
)
def test_words_and_phrases(text: str, clauses: list[str]) -> None:
    assert _typed(text) == clauses


@pytest.mark.parametrize("either", ["OR", "ODER", "oder", "|", "||"])
def test_or_binds_its_neighbours(either: str) -> None:
    query = parse(f"Heizung {either} Pumpe Kita")
    assert [len(clause) for clause in query.clauses] == [2, 1]
    assert query.problems == ()


@pytest.mark.parametrize("text", ["OR", "OR Klappe", "Klappe |", "ODER ODER"])
def test_an_or_that_stands_alone_is_told(text: str) -> None:
    assert any("ODER" in problem for problem in parse(text).problems)


def test_filters_with_their_places() -> None:
    query = parse('projekt:2301 Pumpe -typ:Plan ordner:"01 Pläne" Kind:mail')
    assert [(each.field, each.value, each.is_excluded) for each in query.filters] == [
        ("projekt", "2301", False),
        ("typ", "Plan", True),
        ("ordner", "01 Pläne", False),
        ("art", "mail", False),
    ]
    assert [query.text[each.start : each.end] for each in query.filters] == [
        "projekt:2301", "-typ:Plan", 'ordner:"01 Pläne"', "Kind:mail"
    ]  # fmt: skip
    assert query.plain == "Pumpe"


@pytest.mark.parametrize("name", FIELDS)
def test_every_name_of_a_field_is_one(name: str) -> None:
    assert parse(f"{name.upper()}:x").filters == (Filter(FIELDS[name], "x", False, 0, len(name) + 2),)


def test_what_is_left_out() -> None:
    query = parse('Pumpe -Angebot -"alte Anlage" –Rohr')
    assert [each.text if isinstance(each, Word) else len(each.words) for each in query.excluded] == [
        "Angebot",
        2,
        "Rohr",
    ]
    assert query.plain == "Pumpe"
    assert [operand_tsquery(each) for each in query.excluded] == ["('angebot')", "(('alt') <1> ('anlag'))", "('rohr')"]


def test_a_compound_is_found_by_its_parts_side_by_side() -> None:
    clause = parse("Rauchmelder").clauses[0]
    pair = Word("rauch", ("rauch",), "rauch"), Word("melder", ("meld",), "melder")
    assert clause == (
        Word("Rauchmelder", ("rauchmeld",), "rauchmelder"),
        Phrase(pair, of_parts=True),
        Phrase(pair[::-1], of_parts=True),
        Phrase((pair[1], Word("", ()), pair[0]), of_parts=True),
    )


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Kita-Lüftung", ["Kita", "Lüftung"]),
        ("Anlagen‑Prüf-Protokoll DN 50", ["Anlagen", "Prüf", "Protokoll", "DN 50"]),
        ("U-Wert", ["U-Wert"]),
        ("2302-TGA-SC-103", ["2302-TGA-SC-103"]),
        ('"Kita-Lüftung"', ["Kita Lüftung"]),
    ],
)
def test_words_with_a_hyphen_are_words_and_codes_are_whole(text: str, clauses: list[str]) -> None:
    assert _typed(text) == clauses


def test_a_hyphenated_word_as_it_is_fulfils_each_of_its_words() -> None:
    for clause in parse("Kita-Lüftung").clauses:
        assert clause[1] == Word("Kita-Lüftung", ("kitaluft",), "kita-lüftung")


def test_what_is_left_out_or_an_alternative_is_not_taken_apart() -> None:
    assert len(parse("-Kita-Lüftung").excluded) == 2, "the word, and its parts side by side; not each part anywhere"
    assert len(parse("Plan oder Kita-Lüftung").clauses) == 1


def test_function_words_keep_their_place_in_a_phrase() -> None:
    [clause] = parse('"Wartung der Pumpe"').clauses
    assert clause_tsquery(clause) == "((('wartung') <2> ('pump')))"


def test_nothing_to_look_for_is_told() -> None:
    query = parse("was ist das?")
    assert query.clauses == ()
    assert any("Füllwörter" in problem for problem in query.problems)


@pytest.mark.parametrize(("text", "said"), [('"Klappe', "Anführungszeichen"), ("Klappe " * 2_000, "lang")])
def test_what_is_wrong_with_it_is_told(text: str, said: str) -> None:
    query = parse(text)
    assert any(said in problem for problem in query.problems)
    assert _typed(text)[0] == "Klappe"


@given(TYPED)
def test_anything_typed_is_a_query(text: str) -> None:
    query = parse(text)
    query.text.encode()
    assert "\x00" not in query.text + query.plain
    assert len(query.text) <= MAX_CHARS
    for each in query.filters:
        assert each.field in FIELDS.values()
        assert each.value in query.text[each.start : each.end]
    for clause in query.clauses:
        assert clause_tsquery(clause)


@given(TYPED)
def test_a_word_always_says_what_it_looks_for(text: str) -> None:
    query = parse(text)
    for each in [alternative for clause in (*query.clauses, query.excluded) for alternative in clause]:
        assert each.lexemes if isinstance(each, Word) else each.words[0].lexemes and each.words[-1].lexemes
