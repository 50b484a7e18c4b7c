"""What somebody can do who has the password of `ibhelm_reader`, outside of all code of ours: everything is tried.

That it reads all of public and writes no table, test_nocodb_rights.py tries; here is what Postgres lets everybody do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import databases
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from reader_desk import ATTACKS, READER, reader_url, unbound_reader

from ibhelm_pipelines.db.migrations import migrate, read_migrations
from ibhelm_pipelines.db.reader import connect_as_reader, may_beyond_reading
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres


EXCESSES = (
    ("grant insert on public.document_types to ibhelm_reader", "may write"),
    ("grant update (note) on public.files to ibhelm_reader", "may write"),
    ("grant usage on schema ops to ibhelm_reader", "sees how the platform runs (schema ops)"),
    ("grant usage on schema search to ibhelm_reader", "sees what the search keeps (schema search)"),
    ("grant create on schema public to ibhelm_reader", "may make tables"),
    ("grant execute on function pg_sleep(double precision) to public", "may sleep"),
    ("grant execute on function pg_advisory_lock(bigint) to public", "may take the locks of the pipeline"),
    ("grant execute on function lo_create(oid) to public", "may make large objects"),
    ("grant execute on function pg_logical_emit_message(boolean, text, text, boolean) to public",
     "may fill the write-ahead log"),
    ("grant usage on language plpgsql to public", "may run blocks of code"),
)  # fmt: skip


@pytest.fixture(scope="module")
def migrated_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database as an installation has it: copies lack the rights to the database itself."""
    databases.create(postgres, "test_reader_rights", template="template0")
    migrate(postgres.url("test_reader_rights"))
    yield postgres.url("test_reader_rights")
    databases.drop(postgres, "test_reader_rights")


def _reader_settings(owner_url: str) -> Settings:
    return Settings(_env_file=None, reader_database_url=SecretStr(reader_url(owner_url)))


def _excess(owner_url: str) -> list[str]:
    with connect_as_reader(_reader_settings(owner_url), application="test") as connection:
        return [each.what for each in may_beyond_reading(connection)]


def test_what_postgres_lets_everybody_do_a_reader_may_not(migrated_url: str) -> None:
    done = []
    for attack in ATTACKS:
        with unbound_reader(migrated_url) as connection:
            try:
                connection.execute(attack.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as error:
                done.append((attack, str(error)))
            else:
                done.append((attack, "no error"))
    assert done == []


def test_no_overload_of_what_is_refused_was_forgotten(migrated_url: str) -> None:
    query = """select oid::regprocedure::text from pg_proc where has_function_privilege(oid, 'execute')
               and proname ~ '^(pg_sleep|pg_.*advisory|lo_|lowrite|loread|pg_notify|pg_logical_emit)'"""
    with unbound_reader(migrated_url) as connection:
        assert connection.execute(query).fetchall() == []


def test_a_reader_is_limited_before_it_says_anything(migrated_url: str) -> None:
    with psycopg.connect(reader_url(migrated_url)) as connection:
        for name, value in {
            "default_transaction_read_only": "on",
            "statement_timeout": "30s",
            "lock_timeout": "2s",
            "idle_in_transaction_session_timeout": "30s",
            "temp_file_limit": "512MB",
            "max_parallel_workers_per_gather": "0",
        }.items():
            assert connection.execute(f"show {name}".encode()).fetchone() == (value,)
        limit = connection.execute("select rolconnlimit from pg_roles where rolname = %s", [READER]).fetchone()
    assert limit == (20,)


def test_a_reader_sees_no_query_of_others(migrated_url: str) -> None:
    secret = "select 'a secret of another session'"
    with psycopg.connect(migrated_url) as other, unbound_reader(migrated_url) as connection:
        other.execute(secret.encode())
        query = "select query from pg_stat_activity where pid = %s"
        assert connection.execute(query, [other.info.backend_pid]).fetchone() == ("<insufficient privilege>",)


def test_the_pipeline_may_what_a_reader_may_not(migrated_url: str) -> None:
    with psycopg.connect(migrated_url) as connection:
        connection.execute("set role ibhelm_pipeline")
        connection.execute("create temp table mine (n int)")
        connection.execute("select pg_advisory_lock(1), pg_try_advisory_xact_lock(2), pg_notify('ibhelm_inbox', '')")
        for never in (
            "select lo_import('/etc/passwd')",
            "select lo_export(1, '/tmp/mine')",
            "select pg_read_file('x')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(never.encode())


def test_every_right_too_many_is_found(migrated_url: str) -> None:
    for statement, what in EXCESSES:
        with psycopg.connect(migrated_url) as connection:
            connection.execute(statement.encode())
            connection.execute("set local role ibhelm_reader")
            assert what in {each.what for each in may_beyond_reading(connection)}, statement
            connection.rollback()
    assert _excess(migrated_url) == []


def test_the_pipelines_role_is_no_reader(settings: Settings) -> None:
    with psycopg.connect(settings.require_database_url()) as connection:
        assert {"may write", "sees how the platform runs (schema ops)"} <= {
            each.what for each in may_beyond_reading(connection) if each.is_grave
        }


def test_a_copy_of_a_database_is_not_what_it_was_until_the_migration_runs_again(owner_database_url: str) -> None:
    assert _excess(owner_database_url) == ["may make temporary tables"]
    [migration] = [each for each in read_migrations() if each.name == "0020_reader"]
    with psycopg.connect(owner_database_url) as connection:
        connection.execute(sql.SQL(migration.sql))  # type: ignore[arg-type]
    assert _excess(owner_database_url) == []
