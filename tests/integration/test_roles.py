"""Who may do what: the pipeline works, NocoDB and readers read the office's tables and nothing else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

READING_ROLES = ("ibhelm_nocodb", "ibhelm_reader")


@contextmanager
def _as(role: str, url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        yield connection


def _tables(url: str, schema: str, kind: str = "%") -> list[str]:
    """Tables and views, or one of these kinds (as information_schema names them)."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "select table_name from information_schema.tables"
            " where table_schema = %s and table_type like %s order by 1",
            [schema, kind],
        )
        return [name for (name,) in rows]


def test_the_pipeline_reads_and_writes_every_table(owner_database_url: str) -> None:
    for schema in ("public", "ops"):
        for table in _tables(owner_database_url, schema):
            with _as("ibhelm_pipeline", owner_database_url) as connection:
                rights = connection.execute(
                    "select has_table_privilege(%s, 'select'), has_table_privilege(%s, 'insert, update, delete')",
                    [f"{schema}.{table}"] * 2,
                ).fetchone()
            assert rights == (True, table != "migrations"), table


def test_the_pipeline_can_give_a_new_file_its_number(owner_database_url: str) -> None:
    with _as("ibhelm_pipeline", owner_database_url) as connection:
        row = connection.execute(
            "insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url)"
            " values ('a', 'a', 'a', '', '_loose', 0, now(), 'file:///a') returning id"
        ).fetchone()
    assert row == (1,)


def test_the_pipeline_cannot_change_the_schema(owner_database_url: str) -> None:
    for statement in ("create table public.mine (n int)", "drop table public.files", "create schema mine"):
        with (
            _as("ibhelm_pipeline", owner_database_url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


@pytest.mark.parametrize("role", READING_ROLES)
def test_readers_read_every_table_of_the_office(owner_database_url: str, role: str) -> None:
    for table in _tables(owner_database_url, "public"):
        with _as(role, owner_database_url) as connection:
            connection.execute(sql.SQL("select * from {}").format(sql.Identifier(table)))


@pytest.mark.parametrize("role", READING_ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "insert into contents (hash, size_bytes) values (repeat('a', 64), 1)",
        "update files set name = 'x'",
        "delete from files",
        "truncate files",
        "create table mine (n int)",
        "insert into emails (subject) values ('x')",
        "update emails set subject = 'x'",
        "update email_attachments set skip_reason = 'x'",
        "delete from conversations",
        "select * from ops.scans",
        "select * from ops.migrations",
        "select * from ops.raw_records",
        "select * from ops.forgotten",
        "select * from ops.webhook_deliveries",
        "select * from ops.health",
    ],
)
def test_readers_write_nothing_and_do_not_see_how_the_platform_runs(
    owner_database_url: str, role: str, statement: str
) -> None:
    with _as(role, owner_database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_office_edits_which_attachments_are_skipped_and_readers_do_not(owner_database_url: str) -> None:
    statement = "update attachment_skip_rules set is_enabled = false where name = '*.ics'"
    with _as("ibhelm_nocodb", owner_database_url) as connection:
        assert connection.execute(statement).rowcount == 1
        connection.execute("insert into attachment_skip_rules (reason, name) values ('Werbung', '*.gif')")
        assert connection.execute("delete from attachment_skip_rules where reason = 'Werbung'").rowcount == 1
    with _as("ibhelm_reader", owner_database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_nocodb_finds_the_primary_keys(owner_database_url: str) -> None:
    with _as("ibhelm_nocodb", owner_database_url) as connection:
        rows = connection.execute(
            "select table_name from information_schema.table_constraints"
            " where constraint_type = 'PRIMARY KEY' and table_schema = 'public'"
        ).fetchall()
    assert {name for (name,) in rows} == set(_tables(owner_database_url, "public", "BASE TABLE"))
