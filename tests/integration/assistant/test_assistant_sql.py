"""SQL that an assistant is talked into: everything is tried, through the tool itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from assistant_desk import Assistant, assistant_in_process, environment_of
from click.testing import CliRunner
from pydantic import SecretStr
from reader_desk import ATTACKS, reader_url

from ibhelm_pipelines.access_log.storing import open_access_log
from ibhelm_pipelines.cli import main
from ibhelm_pipelines.mcp_server.archive import open_archive
from ibhelm_pipelines.mcp_server.projects import Projects
from ibhelm_pipelines.mcp_server.questions import Reader
from ibhelm_pipelines.mcp_server.readings import Readings
from ibhelm_pipelines.mcp_server.server import new_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

MORE_THAN_A_QUERY = (
    "select 1; select 2",
    "select 1) as answer; drop table files; --",
    "select 1) as answer limit 1) as lines; commit; delete from files; --",
    "with gone as (delete from document_types returning *) select * from gone",
    "delete from document_types",
    "insert into document_types (name) values ('mine')",
    "commit",
    "rollback; begin read write; delete from document_types",
    "set transaction read write",
    "reset all",
    "listen ibhelm_inbox",
    "notify ibhelm_inbox",
    "prepare mine as select 1",
    "declare mine cursor with hold for select 1",
    "explain analyze select 1",
    "vacuum",
    "checkpoint",
    "discard all",
    "load 'auto_explain'",
    "select 1 into mine",
    "select set_config('transaction_read_only', 'off', false)",
    "select set_config('role', 'ibhelm_pipeline', false)",
    "select set_config('session_authorization', 'ibhelm_pipeline', false)",
    "select query_to_xml('delete from document_types', true, true, '')",
    "select nextval('document_types_id_seq')",
    "select /* ",
    "select 'x",
    "select $$x",
    "",
    ";",
    "select 1\0",
)


@pytest.fixture
def reading(settings: Settings, owner_database_url: str) -> Settings:
    return settings.model_copy(update={"reader_database_url": SecretStr(reader_url(owner_database_url))})


@contextmanager
def _asking(settings: Settings) -> Iterator[Assistant]:
    reader = Reader(settings)
    with open_archive(settings) as archive, open_access_log(settings) as accesses:
        readings = Readings(accesses, "assistant@test", reader)
        server = new_server(archive, Projects(archive), reader, readings)
        with assistant_in_process(server) as assistant:
            yield assistant


@pytest.fixture
def assistant(reading: Settings) -> Iterator[Assistant]:
    with _asking(reading) as assistant:
        yield assistant


def _everything(url: str) -> list[Any]:
    """What an attack could have left behind."""
    with psycopg.connect(url) as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "select oid, relname from pg_class order by 1",
                "select oid from pg_largeobject_metadata",
                "select * from document_types order by 1",
                "select last_value, is_called from document_types_id_seq",
                "select rolname, rolsuper, rolconfig from pg_roles order by 1",
                "select * from pg_locks where locktype = 'advisory'",
                "select slot_name from pg_replication_slots",
            )
        ]


def test_nothing_but_a_query_is_taken_and_nothing_is_left_behind(assistant: Assistant, owner_database_url: str) -> None:
    before = _everything(owner_database_url)
    for attack in (*ATTACKS, *MORE_THAN_A_QUERY):
        assert assistant.refused("sql", query=attack).startswith("PermanentError: "), attack
    assert _everything(owner_database_url) == before


def test_one_question_leaves_nothing_to_the_next(assistant: Assistant) -> None:
    assistant.call("sql", query="select set_config('search_path', 'pg_catalog', false), set_config('a.b', 'c', false)")
    shown = "select current_setting('search_path'), current_setting('a.b', true), current_user"
    assert assistant.call("sql", query=shown)["rows"] == [["public", None, "ibhelm_reader"]]


def test_rows_come_as_they_are(assistant: Assistant) -> None:
    query = """select 1 as a, 'x' as a, null as "größe {most} %s", '{"x": [{"y": 1}]}'::jsonb, array[1, 2],
                      12.5::numeric, '2025-01-01'::date, true, 'NaN'::float8 -- the end"""
    answer = assistant.call("sql", query=query)
    assert answer["columns"][:4] == ["a", "a", "größe {most} %s", "jsonb"]
    assert answer["rows"] == [[1, "x", None, {"x": [{"y": 1}]}, [1, 2], 12.5, "2025-01-01", True, "NaN"]]
    assert answer["is_complete"]
    assert assistant.call("sql", query="select 1 where false;")["rows"] == []
    assert assistant.call("sql", query="values (1), (2);")["rows"] == [[1], [2]]
    assert assistant.call("sql", query="select n from generate_series(1, 9) n order by n desc", limit=1)["rows"] == [
        [9]
    ]


def test_an_answer_has_limits_and_says_which(assistant: Assistant) -> None:
    rows = assistant.call("sql", query="select generate_series(1, 201)")
    assert (len(rows["rows"]), rows["cut_because"], rows["is_complete"]) == (200, "More than 200 rows.", False)
    exact = assistant.call("sql", query="select generate_series(1, 200)")
    assert (len(exact["rows"]), exact["is_complete"]) == (200, True)
    wide = assistant.call("sql", query="select repeat('x', 30000) from generate_series(1, 100)")
    assert (len(wide["rows"]), wide["is_complete"]) == (3, False)
    assert "A row has" in assistant.refused("sql", query="select repeat('x', 100000)")
    assert "validation error" in assistant.refused("sql", query="select 1", limit=201)
    for bomb in (
        "select array_agg(repeat('x', 1000000)) from generate_series(1, 1000000)",
        "select set_config('work_mem', '2GB', false), array_agg(repeat('x', 100000)) from generate_series(1, 1000000)",
    ):
        assert "more than 256 MB of memory" in assistant.refused("sql", query=bomb)


def test_a_query_that_puts_its_limit_of_time_off_is_stopped_all_the_same(assistant: Assistant) -> None:
    numbers = ", ".join(f"generate_series(1, 3000) as n{each}" for each in range(4))  # small tables, endless work
    query = f"select set_config('statement_timeout', '0', false), count(*) from {numbers}"
    assert "more than 5 seconds" in assistant.refused("sql", query=query)


def test_a_role_that_may_more_than_read_is_not_asked_with(settings: Settings) -> None:
    wrong = settings.model_copy(update={"reader_database_url": settings.database_url})
    with _asking(wrong) as assistant:
        refusal = assistant.refused("sql", query="select 1")
    assert refusal.startswith(
        "ConfigurationError: The role of IBHELM_READER_DATABASE_URL is no mere reader: it may write"
    )


def test_what_is_missing_is_said_in_a_sentence(settings: Settings) -> None:
    away = "postgresql://ibhelm_pipeline:secret@127.0.0.1:1/ibhelm"
    lost = settings.model_copy(update={"database_url": SecretStr(away), "reader_database_url": SecretStr(away)})
    with _asking(lost) as assistant:
        for tool, arguments in (
            ("search", {"query": "x"}),
            ("sql", {"query": "select 1"}),
        ):
            refusal = assistant.refused(tool, **arguments)
            assert refusal.startswith("DatabaseUnavailableError: Postgres does not answer"), refusal
            assert "secret" not in refusal
    with _asking(settings) as assistant:
        assert "IBHELM_READER_DATABASE_URL is not set" in assistant.refused("sql", query="select 1")
        assert assistant.call("search", query="x")["items"] == []


def test_it_does_not_start_without_what_it_needs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IBHELM_DATABASE_URL", "IBHELM_STATE_DIR"):
        monkeypatch.setenv(name, environment_of(settings)[name])
    no_token = CliRunner().invoke(main, ["mcp", "--http", "0"])
    assert (no_token.exit_code, "IBHELM_API_TOKEN is not set" in no_token.output) == (1, True)
    monkeypatch.delenv("IBHELM_DATABASE_URL")
    no_database = CliRunner().invoke(main, ["mcp"])
    assert (no_database.exit_code, "IBHELM_DATABASE_URL is not set" in no_database.output) == (1, True)
