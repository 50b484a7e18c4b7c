"""The seeds of the register: DIN 276, and the table of rules, which takes exactly the patterns that are understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import ask

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.register.patterns import PLACEHOLDERS, parse_pattern
from ibhelm_pipelines.register.rulebook import read_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

INSERT = "insert into link_rules (name, decides, reads, pattern, project_id, document_type_id, cost_group_id, building)"


@pytest.fixture
def as_nocodb(owner_database_url: str) -> Iterator[psycopg.Connection]:
    """A person's connection, with a project whose number is 1."""
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute("insert into projects (teamwork_id, name, status) values (1, '2301 Kita', 'active')")
        connection.execute("set role ibhelm_nocodb")
        yield connection


def _refusal(connection: psycopg.Connection, decides: str, pattern: str, **target: object) -> str:
    """What the table says to a new rule; nothing when it takes it. The rule is gone afterwards."""
    values = [decides, pattern, *map(target.get, ("project_id", "document_type_id", "cost_group_id", "building"))]
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"{INSERT} values ('Test', %s, 'name', %s, %s, %s, %s, %s)", values)  # type: ignore[arg-type]
    except psycopg.errors.RaiseException as error:
        return error.diag.message_primary or ""
    return ""


def test_din_276_is_whole(database_url: str) -> None:
    """Every group but the eight of the first level lies in the one that its number says, by its own name."""
    lost = ask(
        database_url,
        "select g.number from cost_groups g left join cost_groups p on p.id = g.parent_id where mod(g.number, 100) > 0"
        " and p.number is distinct from"
        " g.number - case when mod(g.number, 10) > 0 then mod(g.number, 10) else mod(g.number, 100) end",
    )
    assert lost == []
    hundreds = ask(database_url, "select array_agg(number order by number) from cost_groups where parent_id is null")
    assert hundreds == [([100, 200, 300, 400, 500, 600, 700, 800],)]
    named = ask(database_url, "select number, name from cost_groups where number in (410, 434, 479, 480, 710, 800)")
    assert dict(named) == {
        410: "Abwasser-, Wasser-, Gasanlagen",
        434: "Kälteanlagen",
        479: "Sonstiges zur KG 470",
        480: "Gebäude- und Anlagenautomation",
        710: "Bauherrenaufgaben",
        800: "Finanzierung",
    }


def test_a_search_for_430_finds_434(database_url: str) -> None:
    within = "select w.number from cost_groups g join cost_groups w on w.number between g.number and g.last_number"
    found = [number for (number,) in ask(database_url, f"{within} where g.number = 430 order by 1")]
    assert found == [430, 431, 432, 433, 434, 439]


def test_every_seeded_rule_is_understood_as_it_stands(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        read_rules(connection)
    rules = ask(database_url, "select pattern from link_rules")
    assert len(rules) > 100
    assert [pattern for (pattern,) in rules if parse_pattern(pattern).text != pattern] == []


PIECES = st.sampled_from(
    [*PLACEHOLDERS, "{", "}", "{KG", "{kg}", "{}", "*", "**", "^", " ", "  ", "\xa0", "-", ":", "&", "_", "O-", "KGR",
     "Prüf", "a\u0308b", "Straße", "ẞ", "1.04", "434", "K90", "Ab", "×", "ж", "\u00ad", "\t", "\n", "é", "ɐ", "€",
     "x" * 199]
)  # fmt: skip


def _is_understood(pattern: str) -> bool:
    try:
        parse_pattern(pattern)
    except ConfigurationError:
        return False
    return True


def test_the_table_takes_exactly_the_patterns_that_are_understood(as_nocodb: psycopg.Connection) -> None:
    @settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(PIECES, min_size=1, max_size=6).map("".join))
    def agree(pattern: str) -> None:
        refusal = _refusal(as_nocodb, "project", pattern, project_id=1)
        assert bool(refusal) != _is_understood(pattern), refusal

    agree()


BAD = {
    "Pr*": "mindestens drei Buchstaben",
    "*": "mindestens drei Buchstaben",
    "KGR {KGR}": "Platzhalter {KGR} gibt es nicht",
    "KGR {KG": "Geschweifte Klammern",
    "{Ort} innen": "{Ort} steht immer am Ende",
    "{KG}": "träfe überall zu",
    "- -": "kein Wort",
    "a\tb": "Zeichen, das nicht vorkommen darf",
    "{Bezeichnung} {KG}": "direkt hinter {KG}",
}


def test_a_bad_pattern_is_refused_with_a_sentence(as_nocodb: psycopg.Connection) -> None:
    """NocoDB shows what stands behind two dashes."""
    for pattern, said in BAD.items():
        before, dashes, sentence = _refusal(as_nocodb, "project", pattern, project_id=1).partition("-- ")
        assert (before, dashes) == ("", "-- ")
        assert said in sentence


RULES: tuple[tuple[str, str, dict[str, object], str], ...] = (
    ("project", "Kita", {}, "das Projekt auswählen"),
    ("project", "Kita", {"project_id": 1}, ""),
    ("document_type", "Angebot", {}, "die Dokumentart auswählen"),
    ("document_type", "Angebot", {"document_type_id": 2}, ""),
    ("document_type", "Angebot", {"document_type_id": 2, "project_id": 1}, "Ein Projekt gehört nur"),
    ("cost_group", "Kälte", {}, "die Kostengruppe auswählen"),
    ("cost_group", "Kälte", {"cost_group_id": 1}, ""),
    ("cost_group", "KGR {KG}", {}, ""),
    ("place", "Turnhalle", {}, "Gebäude, Geschoss oder Raum eintragen"),
    ("place", "Turnhalle", {"building": "Turnhalle"}, ""),
    ("place", "{Gebäude}", {}, ""),
    ("place", "O-{Ort}", {"cost_group_id": 1}, "Eine Kostengruppe gehört nur"),
)


def test_a_rule_names_what_it_decides(as_nocodb: psycopg.Connection) -> None:
    for decides, pattern, target, said in RULES:
        refusal = _refusal(as_nocodb, decides, pattern, **target)
        assert said in refusal
        assert bool(refusal) == bool(said)


def test_a_pattern_is_kept_in_one_form(as_nocodb: psycopg.Connection) -> None:
    rule = "values ('Test', 'project', 'name', %s, 1, null, null, null) returning pattern"
    kept = as_nocodb.execute(f"{INSERT} {rule}", ["  Ka\u0308lte\xa0  2 "]).fetchone()  # type: ignore[arg-type]
    assert kept == ("Kälte 2",)
