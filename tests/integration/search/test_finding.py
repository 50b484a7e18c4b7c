"""What a search finds, in which order, and what it says when it finds nothing; words and names only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import psycopg
import pytest
from assistant_desk import environment_of
from click.testing import CliRunner, Result
from conftest import PIPELINE, PIPELINE_PASSWORD, TEMPLATE, fresh_database
from pydantic import SecretStr
from register_desk import Desk

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.search.documents import index_documents
from ibhelm_pipelines.search.finding import Finder, open_finder
from ibhelm_pipelines.search.results import Results
from ibhelm_pipelines.settings import Settings

KITA = "projekte/2301-Kita Lindenhof-MK"
RATHAUS = "projekte/2302-Rathaus-HS"
FIRE = f"{KITA}/KGR 431/Prüfprotokoll Brandschutzklappen.pdf"
FAN = f"{KITA}/Ventilator RL-400.txt"
PUMP = f"{RATHAUS}/Pumpe.pdf"


@pytest.fixture(scope="module")
def desk(postgres: EmbeddedPostgres) -> Iterator[Desk]:
    """One office for all that only ask."""
    with fresh_database(postgres, template=TEMPLATE) as owner_url:
        url = postgres.url(owner_url.rpartition("/")[2], user=PIPELINE, password=PIPELINE_PASSWORD)
        yield filled(Desk(Settings(_env_file=None, database_url=SecretStr(url)), owner_url))


@pytest.fixture(scope="module")
def finder(desk: Desk) -> Iterator[Finder]:
    with open_finder(desk.settings) as finder:
        yield finder


@pytest.fixture
def own_desk(settings: Settings, owner_database_url: str) -> Desk:
    return filled(Desk(settings, owner_database_url))


@pytest.fixture
def own_finder(own_desk: Desk) -> Iterator[Finder]:
    with open_finder(own_desk.settings) as finder:
        yield finder


def filled(desk: Desk) -> Desk:
    desk.project("2301 Kita Lindenhof")
    desk.project("2302 Rathaus")
    desk.file(FIRE, text="Seite eins\fDie Klappe im Schacht 3 löst bei 72 °C aus, Anschluss DN 50.")
    desk.file(FAN, text="Ventilator für die Abluft der Küche, RAL 9010")
    desk.file(PUMP, text="Heizungspumpe DN500, Wartung alle zwei Jahre. Die Abluft ist nicht betroffen.")
    desk.conversation("Angebot Ventilator Kita Lindenhof", labels=["2301 Kita Lindenhof"])
    desk.link()
    index_documents(desk.settings)
    return desk


def titles(results: Results) -> list[str]:
    return [hit.title for hit in results.hits]


def names(*paths: str) -> list[str]:
    return [path.rpartition("/")[2] for path in paths]


def test_a_compound_is_found_by_its_parts_and_in_every_spelling(finder: Finder) -> None:
    for text in ("Klappe", "Brandschutz", "brandschutzklappe", "BRANDSCHUTZ-KLAPPE", '"Klappe im Schacht"'):
        assert titles(finder.search(text)) == names(FIRE), text
    assert set(titles(finder.search("Prufprotokoll Brandschutzklappen"))) == set(names(FIRE))


def test_words_with_a_hyphen_are_found_where_they_stand_apart_or_only_one_is_known(finder: Finder) -> None:
    assert titles(finder.search("Küchen-Ventilator"))[0] == names(FAN)[0]
    assert titles(finder.search("Heizungspumpen-Wartung"))[0] == names(PUMP)[0]
    assert titles(finder.search("Xylolith-Ventilator"))[0] == names(FAN)[0]


def test_numbers_are_found_whole(finder: Finder) -> None:
    assert titles(finder.search("DN 50")) == titles(finder.search("dn50")) == names(FIRE)
    assert titles(finder.search("DN500")) == names(PUMP)
    assert titles(finder.search("RAL9010")) == names(FAN)
    assert titles(finder.search("RL-400")) == names(FAN)


def test_the_passage_names_its_page_and_marks_what_was_searched(finder: Finder) -> None:
    [hit] = finder.search("Schacht").hits
    [snippet] = hit.snippets
    assert snippet.page == 2
    assert [text for text, is_found in snippet.parts if is_found] == ["Schacht"]
    assert hit.ranks["words"] == 1
    assert hit.because


def test_phrases_minus_and_or(finder: Finder) -> None:
    assert set(titles(finder.search("Abluft"))) == set(names(FAN, PUMP))
    assert titles(finder.search("Abluft -Küche")) == names(PUMP)
    assert set(titles(finder.search("Küche OR Heizungspumpe"))) == set(names(FAN, PUMP))
    assert titles(finder.search('"Abluft der Küche"')) == names(FAN)
    assert titles(finder.search('Abluft -"der Küche"')) == names(PUMP)
    assert names(FAN)[0] not in titles(finder.search("-Küche"))
    assert titles(finder.search("RL-400 -Küche")) == []


def test_filters_narrow_and_name_what_there_is_not(finder: Finder) -> None:
    assert titles(finder.search("Abluft projekt:2302")) == names(PUMP)
    assert titles(finder.search("Abluft -projekt:2302")) == names(FAN)
    assert set(titles(finder.search("projekt:Lindenhof art:Datei"))) == set(names(FIRE, FAN))
    assert titles(finder.search("kg:430")) == names(FIRE)
    assert finder.search("kg:440").hits == ()
    assert titles(finder.search("art:Mail")) == ["Angebot Ventilator Kita Lindenhof"]
    unknown = finder.search("Abluft projekt:9999")
    assert unknown.hits == ()
    assert unknown.total == 0
    assert unknown.problems == ("Ein Projekt „9999“ gibt es nicht.",)


def test_fewer_words_suffice_where_nothing_has_them_all_and_the_best_comes_first(finder: Finder) -> None:
    found = titles(finder.search("Welcher Ventilator mit RAL 9010 wurde wegen der Fassade getauscht?"))
    assert found[0] == names(FAN)[0]


def test_a_misspelt_word_finds_what_was_meant_and_says_so(finder: Finder) -> None:
    results = finder.search("Brandschuzklape")
    assert titles(results) == names(FIRE)
    assert results.suggestion is not None
    assert "brandschutzklappe" in results.suggestion.lower()


def test_a_word_that_is_still_being_typed_finds_what_begins_with_it(finder: Finder) -> None:
    results = finder.search("Heizungsp")
    assert titles(results) == names(PUMP)
    assert results.suggestion is None
    assert finder.completions("Heizungsp") == ("heizungspumpe",)
    for before in ("Abluft oder ", "Kita -", '"Wartung der ', "Kita/"):
        assert finder.completions(f"{before}Heizungsp") == ("heizungspumpe",), before
    for text in ("projekt:Heizungsp", "Heizungsp ", "H", ""):
        assert finder.completions(text) == (), text


def test_half_a_file_name_is_enough(finder: Finder) -> None:
    assert titles(finder.search("tor RL-4", lanes=["names"])) == names(FAN)


def test_facets_count_and_their_terms_narrow(finder: Finder) -> None:
    facets = finder.search("Abluft").facets
    assert {value.label: value.count for value in facets["project"]} == {"2301 Kita Lindenhof": 1, "2302 Rathaus": 1}
    for value in facets["project"]:
        narrowed = finder.search(f"Abluft {value.term}")
        assert narrowed.total == value.count
        assert [each.is_chosen for each in narrowed.facets["project"]] == [True]
    assert {value.label: value.count for value in facets["kind"]} == {"Datei": 2}


def test_pages_hold_each_document_once_though_new_ones_come(own_desk: Desk, own_finder: Finder) -> None:
    for number in range(7):
        own_desk.file(f"{KITA}/Bericht {number}.txt", text="Sprinkler")
    index_documents(own_desk.settings)
    first = own_finder.search("Sprinkler", limit=3)
    own_desk.file(f"{KITA}/Bericht neu.txt", text="Sprinkler")
    index_documents(own_desk.settings)
    seen, cursor = titles(first), first.cursor
    while cursor:
        page = own_finder.search("Sprinkler", limit=3, cursor=cursor)
        seen, cursor = seen + titles(page), page.cursor
    assert sorted(seen) == [f"Bericht {number}.txt" for number in range(7)]
    assert own_finder.search("Sprinkler").total == 8


def test_what_is_deleted_leaves_at_once(own_desk: Desk, own_finder: Finder) -> None:
    own_desk.run("update files set deleted_at = now() where path = %s", PUMP)
    assert titles(own_finder.search("Abluft")) == names(FAN)


HOSTILE = [
    "",
    " ",
    "'",
    "';drop table files;--",
    "a & b | !c:* <-> (",
    '"',
    "\0",
    "\ud800",
    "%_\\",
    "<script>alert(1)</script>",
    "projekt: kg: -",
    'projekt:"',
    "🚒",
    "x" * 5000,
    "a " * 3000,
    "OR OR OR",
    "-",
    "seit:9999-99",
    "bis:0000",
    "jahr:99999999999999",
    "ordner:%",
    "kg:430 -kg:430",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_typed_gives_an_answer(desk: Desk, finder: Finder, text: str) -> None:
    for cursor in (None, "nonsense", "WzEsIDJd"):
        assert finder.search(text, cursor=cursor).text == text
    finder.completions(text)
    with psycopg.connect(desk.settings.require_database_url()) as connection:
        assert connection.execute("select count(*) from files").fetchall() == [(3,)]


def test_all_there_is_to_say_about_a_document(desk: Desk, finder: Finder) -> None:
    [hit] = finder.search("Ventilator Küche art:Datei").hits
    detail = finder.detail(hit.document_id)
    assert detail is not None
    assert detail.body.startswith("Ventilator für die Abluft")
    assert [(link.target, link.label, link.because) for link in detail.links if link.target == "project"] == [
        ("project", "2301 Kita Lindenhof", "Projektordner")
    ]
    assert finder.detail(hit.document_id + 1_000_000) is None
    assert finder.similar(hit.document_id) == ()


def in_the_terminal(desk: Desk, *arguments: str) -> Result:
    kept = {**{name: None for name in os.environ if name.startswith("IBHELM_")}, **environment_of(desk.settings)}
    return CliRunner(env=kept).invoke(main, ["search", *arguments])


def test_the_terminal_takes_the_words_as_they_are_typed_a_minus_too(desk: Desk) -> None:
    for words, found in ((["Abluft"], [FAN, PUMP]), (["Abluft", "-Wartung"], [FAN]), (["-Wartung", "Abluft"], [FAN])):
        answered = in_the_terminal(desk, *words, "--json")
        assert answered.exit_code == 0, answered.output
        hits = json.loads(answered.stdout)["hits"]
        assert sorted(hit["title"] for hit in hits) == sorted(names(*found)), words


def test_an_option_that_there_is_not_is_no_word_to_search_for(desk: Desk) -> None:
    answered = in_the_terminal(desk, "Abluft", "--limt", "5")
    assert (answered.exit_code, "No such option" in answered.stderr) == (2, True)
