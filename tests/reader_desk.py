"""Somebody who has the password of the role that only reads, and means harm."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

READER = "ibhelm_reader"
PASSWORD = "password of the reader"

ATTACKS = (
    # waits, and locks of the pipeline's
    "select pg_sleep(0)",
    "select pg_sleep_for('0 s')",
    "select pg_sleep_until(now())",
    "select pg_advisory_lock(1)",
    "select pg_advisory_lock_shared(727001, 0)",
    "select pg_advisory_xact_lock(1)",
    "select pg_advisory_xact_lock_shared(1)",
    "select pg_try_advisory_lock(1)",
    "select pg_try_advisory_lock_shared(1)",
    "select pg_try_advisory_xact_lock(1)",
    "select pg_try_advisory_xact_lock_shared(1)",
    "begin; lock table public.files in access share mode; lock table public.files in row exclusive mode",
    "select * from public.files for share",
    # rows that are not in tables
    "select lo_create(0)",
    "select lo_creat(-1)",
    "select lo_from_bytea(0, 'x')",
    "select lo_put(1, 0, 'x')",
    "select lo_unlink(1)",
    "select lo_open(1, 131072)",
    "select lowrite(0, 'x')",
    "select lo_import('/etc/passwd')",
    "create temp table mine (n int)",
    "select * into temp mine from public.files",
    "create function pg_temp.mine() returns int language sql return 1",
    "create table public.mine (n int)",
    "create table search.mine (n int)",
    "create view public.mine as select 1",
    "create schema mine",
    # code, and the server
    "do $$ begin end $$",
    "create function public.mine() returns int language sql return 1",
    "create extension dblink",
    "copy public.files to program 'true'",
    "copy (select 1) to '/tmp/mine'",
    "copy public.document_types from stdin",
    "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('.')",
    "select pg_stat_file('.')",
    "select pg_reload_conf()",
    "select pg_switch_wal()",
    "select pg_logical_emit_message(false, 'x', 'x')",
    "select pg_create_physical_replication_slot('mine')",
    "select pg_notify('ibhelm_inbox', 'x')",
    "select pg_cancel_backend(pg_backend_pid())",
    "select pg_terminate_backend(0)",
    "select pg_export_snapshot()",
    "alter system set fsync = off",
    "set temp_file_limit = -1",
    "alter role ibhelm_reader set temp_file_limit = -1",
    # others
    "select * from pg_authid",
    "select * from pg_shadow",
    "select * from pg_user_mappings, pg_hba_file_rules",
    "select * from ops.raw_records",
    "select * from search.documents",
    "select search.matches(null, null, '{}', 0, 1)",
    "select * from pg_statistic",
    "set role ibhelm_pipeline",
    "set role ibhelm_owner",
    "set session authorization ibhelm_pipeline",
    "alter role ibhelm_reader superuser",
    "alter role ibhelm_reader connection limit 200",
    "create role mine",
    "grant ibhelm_pipeline to ibhelm_reader",
    "select query_to_xml('select pg_sleep(0)', true, true, '')",
    "select * from ts_stat('select words from search.documents')",
)


def reader_url(owner_url: str) -> str:
    """Let the reader log in, and return its URL of the same database."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(sql.SQL("alter role {} login password {}").format(sql.Identifier(READER), PASSWORD))
    parts = psycopg.conninfo.conninfo_to_dict(owner_url)
    password = PASSWORD.replace(" ", "%20")
    return f"postgresql://{READER}:{password}@{parts['host']}:{parts['port']}/{parts['dbname']}"


@contextmanager
def unbound_reader(owner_url: str) -> Iterator[psycopg.Connection]:
    """A session that has put off every limit that a session may put off."""
    with psycopg.connect(reader_url(owner_url), autocommit=True) as connection:
        for limit in ("default_transaction_read_only = off", "statement_timeout = 0", "lock_timeout = 0"):
            connection.execute(f"set {limit}".encode())
        yield connection
