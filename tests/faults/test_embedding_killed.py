"""kill -9 of the embedding between any two of its statements: at most one batch is lost, no text is said to have
vectors that it has not, and the next run ends where an undisturbed one does.
"""

from __future__ import annotations

import random

import psycopg
import pytest
from killed_child import run_in_child
from tables import ask, close
from vector_desk import PROSE, CountingModel, add_document, loader, vectors_are_whole

from ibhelm_pipelines.search import embedding
from ibhelm_pipelines.search.embedding import embed
from ibhelm_pipelines.settings import Settings

TEXTS, BATCH = 10, 2
POINTS_IN_CI = 5
SEED = 20_261_123
COMMITTED_BY = "insert into search.embedded_texts"
"""The last statement of a batch's transaction."""


@pytest.fixture
def office(settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(embedding, "FIRST_BATCH", BATCH)
    monkeypatch.setattr(embedding, "MOST_TEXTS", BATCH)
    for number in range(TEXTS):
        add_document(database_url, f"Bericht {number}", PROSE * 12, age_days=number)
    return settings.model_copy(update={"embedding_model": "new"})


def run(settings: Settings) -> object:
    return embed(settings, load=loader(CountingModel("old"), CountingModel("new")))


def begin_anew(url: str) -> None:
    """Forget all vectors; the old model serves, with none."""
    with psycopg.connect(url) as connection:
        connection.execute("delete from search.embedded_texts")
        connection.execute("delete from search.chunks")
        connection.execute("update search.models set state = 'retired', retired_at = now(), serving_since = null")
        connection.execute("update search.models set state = 'serving', retired_at = null where name = 'old'")
        connection.execute("select search.want_model('new', '1/1', 8)")


def points(number: int, wanted: int) -> list[int]:
    generator = random.Random(SEED)
    return sorted(generator.sample(range(1, number + 1), min(wanted, number)))


def check(settings: Settings, url: str, wanted: int) -> None:
    embed(settings.model_copy(update={"embedding_model": "old"}), seconds=0, load=loader(CountingModel("old")))
    begin_anew(url)
    close()
    sent = run_in_child(lambda: run(settings), die_at=None)
    assert sent is not None
    assert sum(COMMITTED_BY in statement for statement in sent) == TEXTS / BATCH
    for point in points(len(sent), wanted):
        begin_anew(url)
        close()
        assert run_in_child(lambda: run(settings), die_at=point) is None
        done = sum(COMMITTED_BY in statement for statement in sent[: point - 1]) * BATCH
        [(new,)] = ask(url, "select id from search.models where name = 'new'")
        assert ask(url, "select count(*) from search.embedded_texts where model_id = %s", new) == [(done,)]
        assert vectors_are_whole(url)
        run(settings)
        assert ask(url, "select state from search.models where name = 'new'") == [("serving",)]
        assert ask(
            url, "select count(*), sum(chunks) > count(*) from search.embedded_texts where model_id = %s", new
        ) == [(TEXTS, True)]
        assert vectors_are_whole(url)


def test_a_killed_run_loses_one_batch_at_most(office: Settings, database_url: str) -> None:
    check(office, database_url, POINTS_IN_CI)


@pytest.mark.soak
def test_a_killed_run_loses_one_batch_at_most_wherever_it_is_killed(office: Settings, database_url: str) -> None:
    check(office, database_url, 1000)
