"""How Postgres goes about a search: each lane asks its index, with and without filters, and reads no table whole.

The plans are those of the statements that the functions run, as auto_explain tells them: an EXPLAIN of the function
says nothing of what is in it. 20,000 documents, so that reading them all is dearer than asking an index.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import databases
import psycopg
import pytest

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from ibhelm_pipelines.local.postgres import EmbeddedPostgres

DOCUMENTS = 20_000
DIMENSIONS = 8
FILL = """
insert into search.documents (kind, item_id, title, body, names, words, text_key, project_ids, cost_groups, person_ids,
                              document_type_id, extension, occurred_at, digest)
select case when n %% 3 = 0 then 'email' else 'file' end, n, 'Protokoll ' || n,
       (select string_agg(md5(n || ' ' || g), '') from generate_series(1, 40) as g),
       'projekt ' || n %% 400 || ' protokoll ' || n || ' ' || md5(n::text),
       format('protokoll:1A w%%s:2A thema%%s:3C immer:4C selten%%s:5C', n, n %% 300, n)::tsvector,
       md5(n::text)::uuid, array[n %% 400], array[410 + n %% 70], array[n %% 90], n %% 20, 'pdf',
       '2020-01-01'::timestamptz + n * interval '1 hour', md5(n::text)::uuid
from generate_series(1, %(documents)s) as n;
"""
VECTORS = """
insert into search.chunks (model_id, text_key, ordinal, start_at, length, embedding)
select %(model)s, d.text_key, 0, 0, 1,
       (select array_agg(sin(d.item_id * (g + 0.7) * 12.9898) order by g)
        from generate_series(1, %(dimensions)s) as g)::vector::halfvec
from search.documents d
"""
VOCABULARY = "insert into search.vocabulary select 'wort' || md5(n::text), 1 from generate_series(1, 20000) as n"
INDEXES = """
select indexname, indexdef from pg_indexes where schemaname = 'search' and indexdef not like '% UNIQUE %'
    and (tablename in ('documents', 'vocabulary') or tablename like 'chunks\\__%')
"""
VECTOR = str([round(0.1 * (number + 1), 1) for number in range(DIMENSIONS)]).replace(" ", "")
HITS = """
select * from search.hits(%(steps)s::text[]::tsquery[], %(excluded)s::text::tsquery, %(terms)s::text[]::tsquery[],
                          %(weights)s::real[], %(parts)s::text[], 'typed', %(vector)s::halfvec, %(model)s::smallint,
                          %(filters)s, %(newest)s, exact_below => %(exact_below)s)
"""
NOTHING: dict[str, Any] = {
    "steps": None, "excluded": None, "terms": [], "weights": [], "parts": None, "vector": None, "filters": "{}",
    "newest": DOCUMENTS, "exact_below": 5_000,
}  # fmt: skip
WORDS = {"steps": ["thema7"], "terms": ["thema7"], "weights": [1.0]}
NAMES = {"parts": ["protokoll 777"]}
MEANING = {"vector": VECTOR}
FEW = json.dumps({"project_ids": [7]})
MANY = json.dumps({"kinds": ["file"]})
FILTERS = {
    "a project": FEW,
    "two projects and a kind": json.dumps({"project_ids": [7, 8], "kinds": ["file"]}),
    "a cost group and a person": json.dumps({"cost_groups": [430], "person_ids": [17]}),
    "a month": json.dumps({"since": "2021-03-01T00:00:00Z", "until": "2021-04-01T00:00:00Z"}),
    "nearly all": MANY,
}


class Planner:
    """A connection that tells the plan of each statement that it runs, also of those within functions."""

    def __init__(self, connection: psycopg.Connection[Any], model: int) -> None:
        self._connection, self._model = connection, model
        self._told: list[str] = []
        connection.add_notice_handler(lambda notice: self._told.append(notice.message_primary or ""))

    def plans(self, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        """Run a statement; return every node of the plans of all that it ran."""
        self._told.clear()
        self._connection.execute(query, {"model": self._model, **values}).fetchall()
        plans = [json.loads(told[told.index("{") :]) for told in self._told if "plan:" in told]
        assert plans, "auto_explain told nothing"
        return [node for plan in plans for node in _nodes(plan["Plan"])]

    def of_hits(self, **values: Any) -> list[dict[str, Any]]:
        """Return the nodes of all plans of a search."""
        return self.plans(HITS, NOTHING | values)


def _nodes(plan: dict[str, Any], *, ends_early: bool = False) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes; those right below a limit end as soon as it has its rows."""
    yield plan | {"Ends Early": ends_early}
    for part in plan.get("Plans", ()):
        yield from _nodes(part, ends_early=plan["Node Type"] == "Limit")


def _indexes(nodes: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in nodes if "Index Name" in node}


def _read_whole(nodes: list[dict[str, Any]]) -> set[str]:
    return {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan" and not node["Ends Early"]}


@contextmanager
def _indexes_made_afterwards(connection: psycopg.Connection[Any]) -> Iterator[None]:
    indexes = connection.execute(INDEXES).fetchall()
    for name, _ in indexes:
        connection.execute(f"drop index search.{name}")
    yield
    for _, definition in indexes:
        connection.execute(definition)


@pytest.fixture(scope="module")
def planner(postgres: EmbeddedPostgres) -> Iterator[Planner]:
    name = "test_search_plans"
    databases.create(postgres, name, template="template_ibhelm")
    with psycopg.connect(postgres.url(name), autocommit=True) as connection:
        values = {"documents": DOCUMENTS, "dimensions": DIMENSIONS}
        [(model,)] = connection.execute("select search.want_model('made up', '1', %s)", [DIMENSIONS]).fetchall()
        cursor = psycopg.ClientCursor(connection)
        with _indexes_made_afterwards(connection):  # twenty times as fast
            for statement in (FILL, VECTORS, VOCABULARY):
                cursor.execute(statement, values | {"model": model})
        connection.execute("vacuum analyze search.documents, search.chunks, search.vocabulary")
        connection.execute("load 'auto_explain'")
        for setting, value in {
            "auto_explain.log_min_duration": "0", "auto_explain.log_nested_statements": "on",
            "auto_explain.log_format": "json", "auto_explain.log_level": "notice", "auto_explain.log_analyze": "on",
        }.items():  # fmt: skip
            connection.execute("select set_config(%s, %s, false)", [setting, value])
        yield Planner(connection, model)
    databases.drop(postgres, name)


def test_words_are_looked_up_in_their_index(planner: Planner) -> None:
    nodes = planner.of_hits(**WORDS)
    assert "documents_matching" in _indexes(nodes)
    assert _read_whole(nodes) == set()


def test_parts_of_names_are_looked_up_by_their_trigrams(planner: Planner) -> None:
    nodes = planner.of_hits(**NAMES)
    assert "documents_names" in _indexes(nodes)
    assert _read_whole(nodes) == set()


def test_meaning_is_looked_up_in_the_index_of_the_vectors(planner: Planner) -> None:
    nodes = planner.of_hits(**MEANING)
    assert any(index.endswith("_vectors") for index in _indexes(nodes))
    assert _read_whole(nodes) == set()


@pytest.mark.parametrize("named", FILTERS)
@pytest.mark.parametrize("lane", [WORDS, NAMES], ids=["words", "names"])
def test_so_it_is_under_filters(planner: Planner, lane: dict[str, Any], named: str) -> None:
    assert _read_whole(planner.of_hits(**lane, filters=FILTERS[named])) == set()


def test_a_word_and_a_project_are_looked_up_in_one_scan(planner: Planner) -> None:
    """Else all documents with a frequent word are read, and then asked for their project: 70 times as long."""
    scans = [node for node in planner.of_hits(**WORDS, filters=FEW) if node.get("Index Name") == "documents_matching"]
    assert scans
    assert all("words" in scan["Index Cond"] and "project_ids" in scan["Index Cond"] for scan in scans)


def test_of_a_word_that_all_documents_have_only_the_newest_are_read(planner: Planner) -> None:
    everywhere = {"steps": ["immer"], "terms": ["immer"], "weights": [1.0]}
    read = [node for node in planner.of_hits(**everywhere) if node["Node Type"] == "Bitmap Heap Scan"]
    assert read
    assert max(node["Actual Rows"] for node in read) < DOCUMENTS / 2


def test_of_few_chunks_that_meet_a_filter_each_is_compared_and_no_other_read(planner: Planner) -> None:
    nodes = planner.of_hits(**MEANING, filters=FEW)
    assert "documents_matching" in _indexes(nodes)
    assert not any(index.endswith("_vectors") for index in _indexes(nodes))
    assert _read_whole(nodes) == set()


def test_where_many_chunks_meet_a_filter_the_index_of_the_vectors_is_asked(planner: Planner) -> None:
    nodes = planner.of_hits(**MEANING, filters=MANY)
    assert any(index.endswith("_vectors") for index in _indexes(nodes))
    assert _read_whole(nodes) == set(), "documents are looked up one by one, until enough meet the filter"


def test_what_is_counted_is_looked_up_by_its_words(planner: Planner) -> None:
    values = {"all_words": "thema7 & protokoll", "excluded": None, "filters": FEW, "newest": DOCUMENTS, "limit": 5_001}
    nodes = planner.plans(load_queries("search")["matches"], values)
    assert "documents_matching" in _indexes(nodes)
    assert _read_whole(nodes) == set()


@pytest.mark.parametrize(
    ("query", "values", "index"),
    [
        ("similar_words", {"word": "wort0cc175b9"}, "vocabulary_similar"),
        ("beginning_words", {"beginning": "wort0cc", "limit": 8}, "vocabulary_beginning"),
    ],
)
def test_words_that_people_write_are_found_by_an_index(
    planner: Planner, query: str, values: dict[str, Any], index: str
) -> None:
    nodes = planner.plans(load_queries("search")[query], values)
    assert index in _indexes(nodes)
    assert _read_whole(nodes) == set()
