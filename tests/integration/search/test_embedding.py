"""Every text gets its vectors, once; whatever happens between, nothing says that it has them when it has not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from tables import ask
from vector_desk import PROSE, CountingModel, add_document, loader, vectors_are_whole

from ibhelm_pipelines.db import question
from ibhelm_pipelines.db.checks import EMBEDDING_QUESTIONS
from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.search import embedding
from ibhelm_pipelines.search.chunking import chunks
from ibhelm_pipelines.search.embedding import embed
from ibhelm_pipelines.search.embedding_ledger import MAX_ATTEMPTS
from ibhelm_pipelines.search.finding import open_finder
from ibhelm_pipelines.settings import Settings

NUMBERS = "12,50 33,10 17,22 4.711 0,00 99 1.250,00\n" * 10


@pytest.fixture
def small(settings: Settings) -> Settings:
    """Settings that name the model of these tests."""
    return settings.model_copy(update={"embedding_model": "small"})


def states(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "select state, chunks, count(*) from search.embedded_texts group by 1, 2 order by 1, 2")


def problems(settings: Settings) -> set[str]:
    """Which questions about vectors are not passed."""
    with psycopg.connect(settings.require_database_url(), autocommit=True) as connection:
        return {one.name for one in EMBEDDING_QUESTIONS if not question.ask(connection, one).passed}


def test_the_light_model_finds_by_meaning_what_shares_no_word_with_the_question(
    settings: Settings, database_url: str
) -> None:
    add_document(database_url, "Angebot", "Wir bieten Ihnen zwei Ventilatoren für die Absaugung der Küche an.")
    add_document(database_url, "Protokoll", "Der Estrich im zweiten Obergeschoss ist trocken und kann belegt werden.")
    add_document(database_url, "Rechnung", "Für die Lieferung der Heizkörper berechnen wir den folgenden Betrag.")
    report = embed(settings)
    assert (report.texts, report.chunks, report.left, report.is_serving) == (3, 3, 0, True)
    assert report.tokens > 30
    with open_finder(settings) as finder:
        [nearest, *_] = finder.search("Abluft beim Kochen", lanes=["vectors"]).hits
    assert nearest.title == "Angebot"


def test_each_chunk_is_written_with_its_place_and_the_vector_of_title_and_passage(
    small: Settings, database_url: str
) -> None:
    body = "\f".join(f"{number} {PROSE} " * 20 for number in range(3))
    key, model = add_document(database_url, "Bericht", body), CountingModel("small")
    embed(small, load=loader(model))
    expected = [(chunk.ordinal, chunk.page, chunk.start, chunk.length) for chunk in chunks(body)]
    assert (
        ask(
            database_url,
            "select ordinal, page, start_at, length from search.chunks where text_key = %s order by ordinal",
            key,
        )
        == expected
    )
    for ordinal, _, start, length in expected:
        vector = model.query(f"Bericht\n{body[start : start + length]}")
        [(distance,)] = ask(
            database_url,
            "select embedding <=> %s::halfvec from search.chunks where ordinal = %s",
            *(str(vector.tolist()), ordinal),
        )
        assert distance < 1e-3


def test_the_newest_are_embedded_first_and_a_run_ends_when_its_time_is_over(
    small: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in (3, 1, 2, 0, 4):
        add_document(database_url, f"Bericht {age}", age_days=age)
    monkeypatch.setattr(embedding, "MOST_TEXTS", 1)
    monkeypatch.setattr(embedding, "FIRST_BATCH", 1)
    model = CountingModel("small")
    report = embed(small, seconds=0, load=loader(model))
    assert (report.left, report.texts_in_all, model.read) == (5, 5, [])
    embed(small, load=loader(model))
    assert [text.partition("\n")[0] for text in model.read] == [f"Bericht {age}" for age in range(5)]


def test_a_second_run_embeds_nothing_again_and_copies_are_embedded_once(small: Settings, database_url: str) -> None:
    for _ in range(3):
        add_document(database_url, "Kopie", PROSE)
    model = CountingModel("small")
    assert embed(small, load=loader(model)).texts == 1
    assert embed(small, load=loader(model)).texts == 0
    assert len(model.read) == 1


def test_what_holds_nothing_worth_a_vector_says_so_but_a_telling_title_has_one(
    small: Settings, database_url: str
) -> None:
    add_document(database_url, "2301-07", NUMBERS)
    drawing = add_document(database_url, "Lüftungszentrale_Dach.dwg", NUMBERS)
    titled = add_document(database_url, "Heizkurve anpassen", "")
    report = embed(small, load=loader(model := CountingModel("small")))
    assert (report.empty, report.texts, report.left) == (1, 2, 0)
    assert sorted(model.read) == ["Heizkurve anpassen", "Lüftungszentrale_Dach.dwg"]
    assert ask(database_url, "select text_key, start_at, length, page from search.chunks order by text_key") == sorted(
        [(drawing, 0, 0, None), (titled, 0, 0, None)]
    )


def test_one_text_that_the_model_cannot_read_costs_no_other_its_vectors(small: Settings, database_url: str) -> None:
    for number in range(10):
        add_document(database_url, f"Bericht {number}", f"{PROSE} {'GIFT' if number == 4 else ''}")
    report = embed(small, load=loader(CountingModel("small", fails_on="GIFT")))
    assert (report.texts, report.failed, report.left) == (9, 1, 0)
    assert ask(database_url, "select reason from search.embedded_texts where state = 'failed'") == [
        ("RuntimeError: no vector for GIFT",)
    ]
    assert problems(small) == {"texts_not_embedded"}


def test_a_failed_text_is_tried_again_once_a_day_and_not_for_ever(small: Settings, database_url: str) -> None:
    add_document(database_url, "Bericht", f"{PROSE} GIFT")
    add_document(database_url, "Brief", PROSE)
    sick = loader(CountingModel("small", fails_on="GIFT"))
    assert embed(small, load=sick).failed == 1
    for attempt in range(2, MAX_ATTEMPTS + 2):
        assert embed(small, load=sick).failed == 0
        ask(database_url, "update search.embedded_texts set finished_at = finished_at - interval '25 hours'")
        assert embed(small, load=sick).failed == (attempt <= MAX_ATTEMPTS)
    assert ask(database_url, "select attempts from search.embedded_texts where state = 'failed'") == [(MAX_ATTEMPTS,)]
    ask(database_url, "update search.embedded_texts set attempts = 1 where state = 'failed'")
    assert embed(small, load=loader(CountingModel("small"))).texts == 1
    assert states(database_url) == [("ok", 1, 2)]
    assert problems(small) == set()


def test_a_model_that_fails_on_everything_stops_the_run_and_is_told(small: Settings, database_url: str) -> None:
    for number in range(30):
        add_document(database_url, f"Bericht {number}")
    with pytest.raises(PermanentError, match="fails on every text: RuntimeError: no vector for Bericht"):
        embed(small, load=loader(CountingModel("small", fails_on="Bericht")))
    assert "embedding_problem" in problems(small)
    [(state, detail)] = ask(database_url, "select state, detail from ops.health where subject = 'vectors'")
    assert (state, "fails on every text" in detail) == ("error", True)
    ask(database_url, "update search.embedded_texts set finished_at = finished_at - interval '25 hours'")
    assert embed(small, load=loader(CountingModel("small"))).left == 0
    assert problems(small) == set()


def test_a_vector_that_is_none_is_refused_for_its_text_alone(small: Settings, database_url: str) -> None:
    class Odd(CountingModel):
        def query(self, text: str) -> Any:
            return super().query(text) * (float("nan") if "GIFT" in text else 1)

    add_document(database_url, "Bericht", f"{PROSE} GIFT")
    add_document(database_url, "Brief", PROSE)
    report = embed(small, load=loader(Odd("small")))
    assert (report.texts, report.failed) == (1, 1)


def test_vectors_go_with_the_last_document_of_their_text(small: Settings, database_url: str) -> None:
    for _ in range(2):
        add_document(database_url, "Kopie", PROSE)
    add_document(database_url, "Brief", PROSE)
    embed(small, load=loader(CountingModel("small")))
    ask(database_url, "delete from search.documents where id = (select min(id) from search.documents)")
    assert states(database_url) == [("ok", 1, 2)]
    ask(database_url, "delete from search.documents where title = 'Kopie'")
    assert states(database_url) == [("ok", 1, 1)]
    changed = add_document(database_url, "Brief", f"{PROSE} Nachtrag folgt.")
    ask(database_url, "delete from search.documents where text_key = %s", changed)
    ask(database_url, "update search.documents set text_key = %s where title = 'Brief'", changed)
    assert ask(database_url, "select count(*) from search.chunks") == [(0,)]


def test_a_text_that_vanishes_while_it_is_embedded_leaves_no_vectors(small: Settings, database_url: str) -> None:
    class Slow(CountingModel):
        def passages(self, texts: Any) -> Any:
            ask(database_url, "delete from search.documents where title = 'Fort'")
            return super().passages(texts)

    add_document(database_url, "Fort")
    add_document(database_url, "Bleibt")
    report = embed(small, load=loader(Slow("small")))
    assert states(database_url) == [("ok", 1, 1)]
    assert report.texts == 1
    assert vectors_are_whole(database_url)


def test_what_two_transactions_orphaned_goes_with_the_next_run(small: Settings, database_url: str) -> None:
    """Each of them deletes a copy and sees that of the other one."""
    for _ in range(2):
        add_document(database_url, "Kopie", PROSE)
    embed(small, load=loader(CountingModel("small")))
    [(first,), (second,)] = ask(database_url, "select id from search.documents order by id")
    with psycopg.connect(database_url) as one, psycopg.connect(database_url) as other:
        one.execute("delete from search.documents where id = %s", [first])
        other.execute("delete from search.documents where id = %s", [second])
    assert ask(database_url, "select count(*) from search.chunks") == [(1,)]
    embed(small, load=loader(CountingModel("small")))
    assert ask(database_url, "select count(*) from search.chunks") == [(0,)]


def test_two_processes_share_the_work_and_do_nothing_twice(
    small: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "MOST_TEXTS", 3)
    for number in range(60):
        add_document(database_url, f"Bericht {number}")
    model = CountingModel("small")
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(lambda _: embed(small, load=loader(model)), range(4)))
    assert sum(report.texts for report in reports) == 60
    assert len(model.read) == len(set(model.read)) == 60
    assert vectors_are_whole(database_url)


def test_buckets_are_worked_on_apart(small: Settings, database_url: str) -> None:
    keys = [add_document(database_url, f"Bericht {number}") for number in range(40)]
    mine = sum(str(key)[0] in "0123" for key in keys)
    report = embed(small, buckets=["0", "1", "2", "3"], load=loader(CountingModel("small")))
    assert 0 < mine < 40
    assert (report.texts, report.left, set(report.buckets) <= set("0123")) == (mine, 0, True)
    assert states(database_url) == [("ok", 1, mine)]


def test_the_status_says_how_much_is_left_and_how_long_it_takes(small: Settings, database_url: str) -> None:
    for number in range(4):
        add_document(database_url, f"Bericht {number}")
    embed(small, load=loader(CountingModel("small")))
    ask(database_url, "update search.embedded_texts set finished_at = now() - interval '30 minutes'")
    for number in range(40):
        add_document(database_url, f"Brief {number}")
    [(state, number, detail)] = ask(
        database_url, "select state, number, detail from ops.health where subject = 'vectors'"
    )
    assert (state, number) == ("ok", 40)
    assert detail == "model small: 4 of 44 texts, 40 left, about 5 hours at this pace; 4 vectors".replace("; 4", ", 4")
    ask(database_url, "update search.documents set indexed_at = now() - interval '2 days' where title = 'Brief 7'")
    assert problems(small) == {"texts_without_vectors"}


def test_the_index_is_used_through_the_parent_table(
    small: Settings, database_url: str, owner_database_url: str
) -> None:
    """Whether the planner knows the model or learns it only when the plan is run."""
    embed(small, load=loader(model := CountingModel("small")))
    ask(
        database_url,
        "insert into search.chunks (model_id, text_key, ordinal, start_at, length, embedding)"
        " select m.id, md5(n::text)::uuid, 0, 0, 1,"
        " (select array_agg(sin(n * (d + 1.3))) from generate_series(1, 8) as d)::real[]::vector::halfvec"
        " from search.models m, generate_series(1, 2000) as n",
    )
    ask(owner_database_url, "analyze search.chunks")
    query = (
        "explain select text_key from search.chunks where model_id = %s order by embedding::halfvec(8) <=> %s::halfvec"
        " limit 10"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        for mode in ("force_custom_plan", "force_generic_plan"):
            connection.execute(f"set plan_cache_mode = {mode}")
            rows = connection.execute(query, [1, str(model.query("Lüftung").tolist())], prepare=True).fetchall()
            assert "Index Scan using chunks_1_vectors" in "\n".join(row[0] for row in rows)
