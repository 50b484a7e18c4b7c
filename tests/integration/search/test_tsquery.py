"""Whatever is typed, and whatever a text holds, Postgres takes, and finds the one in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibhelm_pipelines.search.analysis import analyse
from ibhelm_pipelines.search.query import parse
from ibhelm_pipelines.search.widening import widen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.search.widening import Asked

PIECES = st.sampled_from(
    ['"', "„", "“", "-", "|", " ODER ", ":", "kg:434", "(", ")", "!", "&", "<->", ":*", "'", "''", "\\", "\\'", "\x00",
     "😀", "\n", "\f", " ", " die ", "Brandschutzklappe", "DN 50", "2,5 kW", "H07V-K", "漢字", "e\u0301",
     "٤٣٤", "1.234,56", "\u00ad"]
)  # fmt: skip
WORDS = "die Klappe DN 50 KGR 434 2,5 kW Trinkwasserleitung CO2-Fühler 3-5 m²"
TYPED = st.lists(PIECES | st.text(max_size=6), max_size=25).map("".join)
LIMITS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as found:
        yield found


def _asked(connection: psycopg.Connection, typed: str) -> Asked:
    """What the search asks, where every word that was typed stands in some document: what nobody wrote is not asked."""
    lexemes = analyse([("C", typed)]).lexemes
    connection.execute(
        "insert into search.lexemes select unnest(%s::text[]), 1 on conflict do nothing", [sorted(lexemes)]
    )
    return widen(connection, parse(typed))


def _found_by(connection: psycopg.Connection, text: str, typed: str) -> list[bool]:
    """By which of the steps a text is found: the first needs all words, each following one less."""
    asked = _asked(connection, typed)
    rows = connection.execute(
        "select words @@ step::tsquery and not coalesce(words @@ %s::tsquery, false)"
        " from (values (%s::tsvector)) d (words), unnest(%s::text[]) step",
        [asked.excluded, analyse([("C", text)]).tsvector, list(asked.steps)],
    )
    return [found for (found,) in rows]


@LIMITS
@given(text=TYPED)
def test_whatever_is_typed_is_asked_as_tsqueries(connection: psycopg.Connection, text: str) -> None:
    asked = _asked(connection, text)
    written = [each for each in (*asked.steps, *asked.terms, asked.excluded) if each is not None]
    rows = connection.execute("select numnode(each::tsquery) > 0 from unnest(%s::text[]) each", [written])
    assert rows.fetchall() == [(True,)] * len(written)
    assert bool(asked.steps) == bool(parse(text).clauses)


@LIMITS
@given(text=TYPED)
def test_any_text_is_a_tsvector_with_all_its_lexemes(connection: psycopg.Connection, text: str) -> None:
    found = analyse([("A", text), ("D", text)])
    row = connection.execute("select tsvector_to_array(%s::tsvector)", [found.tsvector]).fetchone()
    assert row is not None
    assert set(row[0]) == found.lexemes


@LIMITS
@given(words=st.lists(st.sampled_from(WORDS.split()), min_size=1))
def test_a_text_is_found_by_itself_and_as_a_phrase(connection: psycopg.Connection, words: list[str]) -> None:
    text = " ".join(words)
    if parse(text).clauses:
        assert _found_by(connection, text, text)[0]
        assert _found_by(connection, f"vorher {text} nachher", f'"{text}"')[0]


def test_the_largest_text_is_taken(connection: psycopg.Connection) -> None:
    text = " ".join(f"{number}ü漢{'x' * 60}{number}" for number in range(14_000))
    row = connection.execute("select length(%s::tsvector)", [analyse([("C", text)]).tsvector]).fetchone()
    assert row is not None
    assert row[0] > 7_000


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Die Brandschutzklappen im Flur", "Klappe"),
        ("Die Brandschutzklappen im Flur", "brandschutz klappen"),
        ("Brandschutz-Klappe", "Brandschutzklappe"),
        ("Brandschutzklappe", "Brandschutz-Klappe"),
        ("Brandschutz Klappe", "Brandschutz-Klappe"),
        ("Rohr DN50 verzinkt", '"Rohr DN 50 verzinkt"'),
        ("2301_HZ_004.pdf", "2301-HZ-004"),
        ("2301-HZ-004-B.pdf", "2301-HZ-004"),
        ("Kostengruppe 434", "KGR434"),
        ("am 24.12.2025", "2025-12-24"),
        ("Summe 1.234,56 EUR", "1234,56"),
        ("Wartung unserer neuen Pumpe", '"Wartung unserer neuen Pumpen"'),
    ],
)
def test_it_is_found(connection: psycopg.Connection, text: str, typed: str) -> None:
    assert _found_by(connection, text, typed)[0]


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Die Klappen des Brandschutzes", "Brandschutzklappe"),
        ("Wartung der Lüftungsgeräte", "Lüftungsgerätewartung"),
    ],
)
def test_parts_of_a_compound_side_by_side_are_found_after_it(
    connection: psycopg.Connection, text: str, typed: str
) -> None:
    assert _found_by(connection, text, typed)[:2] == [False, True]


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Der Brandschutz ist geprüft, die Klappe im Bad auch", "Brandschutzklappe"),
        ("2434 und 434,50 und 4340", "434"),
        ("DN 500, 50 Stück", "DN 50"),
        ("KG 434", "-434 KG"),
        ("neue Pumpe der Anlage", '"neue Anlage"'),
        ("Zahlung am Montag", "Zähler"),
        ("Bericht", "richt"),
    ],
)
def test_it_is_not_found(connection: psycopg.Connection, text: str, typed: str) -> None:
    assert not any(_found_by(connection, text, typed))


def test_one_word_is_enough_where_too_little_has_all_of_them(connection: psycopg.Connection) -> None:
    assert _found_by(connection, "Heizung Kita", "Heizung Schule") == [False, True]
    assert _found_by(connection, "Heizung Kita Rohr", "Heizung Schule -Rohr") == [False, False]
