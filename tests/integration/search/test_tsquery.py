"""Whatever is typed, and whatever a text holds, Postgres takes, and finds the one in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibhelm_pipelines.search.analysis import analyse
from ibhelm_pipelines.search.query import parse, tsquery

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def _finds(connection: psycopg.Connection, text: str, typed: str, *, all_words: bool = True) -> bool:
    row = connection.execute(
        "select %s::tsvector @@ %s::tsquery",
        [analyse([("C", text)]).tsvector, tsquery(parse(typed), all_words=all_words)],
    ).fetchone()
    return row == (True,)


@LIMITS
@given(text=TYPED)
def test_anything_typed_is_a_tsquery(connection: psycopg.Connection, text: str) -> None:
    query = parse(text)
    for all_words in (True, False):
        written = tsquery(query, all_words=all_words)
        row = connection.execute("select numnode(%s::tsquery) > 0", [written]).fetchone()
        assert row == ((None,) if written is None else (True,))


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
        assert _finds(connection, text, text)
        assert _finds(connection, f"vorher {text} nachher", f'"{text}"')


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
        ("Die Klappen des Brandschutzes", "Brandschutzklappe"),
        ("Brandschutz-Klappe", "Brandschutzklappe"),
        ("Brandschutzklappe", "Brandschutz-Klappe"),
        ("Brandschutz Klappe", "Brandschutz-Klappe"),
        ("Wartung der Lüftungsgeräte", "Lüftungsgerätewartung"),
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
    assert _finds(connection, text, typed)


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
        ("Heizung Kita", "Heizung Schule"),
    ],
)
def test_it_is_not_found(connection: psycopg.Connection, text: str, typed: str) -> None:
    assert not _finds(connection, text, typed)


def test_one_word_is_enough_where_not_all_must_be(connection: psycopg.Connection) -> None:
    assert _finds(connection, "Heizung Kita", "Heizung Schule", all_words=False)
