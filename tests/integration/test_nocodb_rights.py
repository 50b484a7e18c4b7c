"""What somebody can do who sits in NocoDB, in its formulas or with its password: everything is tried.

For every table, column, sequence and function of the catalogue, whatever migration made it. What is allowed is written
down here, by what a person edits; whoever lets the office edit something more adds it to `EDITABLE`.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from register_desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

OFFICE, READER = "ibhelm_nocodb", "ibhelm_reader"

ALL = "all columns but those that Postgres makes"


@dataclass(frozen=True, kw_only=True)
class Edits:
    """What a person may do with a table; columns by name, or ALL."""

    insert: set[str] | str = field(default_factory=set)
    update: set[str] | str = field(default_factory=set)
    delete: bool = False


_OWN_TABLE = Edits(insert=ALL, update=ALL, delete=True)
_PERSON = {"name", "kind", "company_id", "merged_into_id", "note"}
EDITABLE = {
    "attachment_skip_rules": _OWN_TABLE,
    "conversation_cost_groups": Edits(insert={"conversation_id", "cost_group_id"}, delete=True),
    "conversation_locations": Edits(insert={"conversation_id", "location_id"}, delete=True),
    "conversation_projects": Edits(insert={"conversation_id", "project_id"}, delete=True),
    "cost_groups": Edits(update={"aliases"}),
    "document_types": _OWN_TABLE,
    "file_cost_groups": Edits(insert={"file_id", "cost_group_id"}, delete=True),
    "file_locations": Edits(insert={"file_id", "location_id"}, delete=True),
    "files": Edits(update={"project_id", "document_type_id", "note"}),
    "folder_mappings": _OWN_TABLE,
    "link_decisions": _OWN_TABLE,
    "link_rules": _OWN_TABLE,
    "locations": Edits(insert={"project_id", "building", "level", "room"}, delete=True),
    "person_identities": Edits(update={"person_id"}),
    "persons": Edits(insert=_PERSON, update=_PERSON, delete=True),
    "project_participants": Edits(
        insert={"project_id", "person_id", "role", "note"}, update={"role", "note"}, delete=True
    ),
    "projects": Edits(update={"note"}),
    "task_cost_groups": Edits(insert={"task_id", "cost_group_id"}, delete=True),
    "task_locations": Edits(insert={"task_id", "location_id"}, delete=True),
    "task_type_rules": _OWN_TABLE,
    "task_types": _OWN_TABLE,
    "tasks": Edits(update={"task_type"}),
}

WITH_OWNERS_RIGHTS = {
    *("activity", "problems", "projects_without_folder", "unmatched_folders"),
    *("content_problems", "content_coverage"),
}
"""Views of public that read tables of ops (migrations 0011 and 0023); all others have the rights of who asks."""

NOT_FOR_ANYBODY = (
    "create table public.mine (n int)",
    "create schema mine",
    "create function public.mine() returns int language sql return 1",
    "create extension dblink",
    "create role mine",
    "alter role ibhelm_nocodb superuser",
    "alter role ibhelm_nocodb set session_replication_role = replica",
    "alter system set fsync = off",
    "set role ibhelm_pipeline",
    "set role ibhelm_owner",
    "set session authorization ibhelm_pipeline",
    "set session_replication_role = replica",
    "copy public.files to program 'true'",
    "copy public.files to '/tmp/files'",
    "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
    "select pg_reload_conf()",
    "grant select on ops.scans to ibhelm_nocodb",
    "alter default privileges for role ibhelm_pipeline grant select on tables to ibhelm_nocodb",
    "begin; lock table public.files in access exclusive mode",
    "alter table public.files disable trigger all",
    "drop trigger files_project_by_person on public.files",
    "create trigger mine before update on public.tasks for each row execute function tsvector_update_trigger()",
    "create rule mine as on update to public.files do instead nothing",
    "create policy mine on public.files",
    "alter function ops.mark_person() rename to mine",
    "vacuum full ops.scans",
)


@pytest.fixture
def outsider(owner_database_url: str) -> Iterator[str]:
    """A role with no grants at all."""
    name = f"outsider_{uuid.uuid4().hex}"
    with psycopg.connect(owner_database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {}").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@contextmanager
def _as(role: str, url: str) -> Iterator[psycopg.Connection]:
    """A connection that logged in as this role, as NocoDB does: a superuser who only plays it may more."""
    password = "password of the tests"
    login = sql.SQL("alter role {} login password {}").format(sql.Identifier(role), sql.Literal(password))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(login)
    with psycopg.connect(url, user=role, password=password, autocommit=True) as connection:
        # A reader begins transactions that only read, and may put that off: what counts are its rights.
        connection.execute("set default_transaction_read_only = off")
        yield connection


def _ask(url: str, query: str) -> list[tuple[str, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


_RELATIONS = """
    select n.nspname, c.relname, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'ops') and c.relkind = any({}) order by 1, 2"""


def _relations(url: str, kinds: str = "{r,p,v,m,f}") -> list[tuple[str, str]]:
    """Schema and quoted name of all that rows can be asked of; or of other kinds (pg_class.relkind)."""
    return [(schema, f'{schema}."{name}"') for schema, name, _ in _ask(url, _RELATIONS.format(f"'{kinds}'"))]


def _columns(url: str) -> list[tuple[str, str, str]]:
    """Quoted table, column and type of all that can be written."""
    query = """select format('%I."%s"', n.nspname, c.relname), a.attname, format_type(a.atttypid, a.atttypmod)
               from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
               where n.nspname in ('public', 'ops') and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0
                 and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
               order by 1, a.attnum"""
    return _ask(url, query)  # type: ignore[return-value]


def _may(connection: psycopg.Connection, statement: str) -> bool:
    """Whether somebody may; whatever else Postgres says against it. What is no table cannot be written at all."""
    try:
        connection.execute(statement.encode())
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.ObjectNotInPrerequisiteState,
        psycopg.errors.WrongObjectType,
    ):
        return False
    except psycopg.Error:
        return True
    return True


def _edits(role: str, url: str) -> set[str]:
    """Everything that this role may write, found by trying; the statements meet no row."""
    found = set()
    with _as(role, url) as connection:
        for _, name in _relations(url):
            for verb, statement in (("delete", f"delete from {name} where false"), ("truncate", f"truncate {name}")):
                if _may(connection, statement):
                    found.add(f"{name}: {verb}")
        for name, column, kind in _columns(url):
            insert = f'insert into {name} ("{column}") select null::{kind} where false'
            update = f'update {name} set "{column}" = null where false'
            found |= {
                f"{name}.{column}: {verb}"
                for verb, statement in (("insert", insert), ("update", update))
                if _may(connection, statement)
            }
    return found


def _wanted(url: str) -> set[str]:
    columns: dict[str, set[str]] = {}
    for name, column, _ in _columns(url):
        columns.setdefault(name, set()).add(column)
    wanted = set()
    for table, edits in EDITABLE.items():
        name = f'public."{table}"'
        for verb, told in (("insert", edits.insert), ("update", edits.update)):
            wanted |= {f"{name}.{column}: {verb}" for column in (columns[name] if isinstance(told, str) else told)}
        wanted |= {f"{name}: delete"} if edits.delete else set()
    return wanted


def test_the_office_writes_what_people_edit_and_nothing_else(owner_database_url: str) -> None:
    found, wanted = _edits(OFFICE, owner_database_url), _wanted(owner_database_url)
    assert found == wanted, (
        f"NocoDB may, and EDITABLE does not say so: {sorted(found - wanted)}; "
        f"EDITABLE says so, and NocoDB may not: {sorted(wanted - found)}"
    )


def test_a_reader_writes_nothing(owner_database_url: str) -> None:
    assert _edits(READER, owner_database_url) == set()


@pytest.mark.parametrize("role", [OFFICE, READER])
def test_all_of_public_is_readable_and_nothing_of_ops_is(owner_database_url: str, role: str) -> None:
    with _as(role, owner_database_url) as connection:
        for schema, name in _relations(owner_database_url):
            assert _may(connection, f"select * from {name} limit 0") == (schema == "public"), name
        for _, name in _relations(owner_database_url, "{S}"):
            for statement in (f"select nextval('{name}')", f"select setval('{name}', 1)", f"table {name}"):
                assert not _may(connection, statement), statement


def test_an_outsider_reads_nothing(owner_database_url: str, outsider: str) -> None:
    with _as(outsider, owner_database_url) as connection:
        for _, name in _relations(owner_database_url):
            assert not _may(connection, f"select * from {name} limit 0"), name
    assert _edits(outsider, owner_database_url) == set()


@pytest.mark.parametrize("role", [OFFICE, READER])
def test_neither_the_schema_nor_the_server_nor_a_role_is_theirs(owner_database_url: str, role: str) -> None:
    done = []
    for statement in NOT_FOR_ANYBODY:
        with _as(role, owner_database_url) as connection:
            done += [statement] if _may(connection, statement) else []
    assert done == []


def test_no_table_can_be_changed_or_dropped(owner_database_url: str) -> None:
    changes = (
        "drop table {}",
        "alter table {} add column mine int",
        "comment on table {} is 'mine'",
        "create index on {} ((1))",
        "create trigger mine before update on {} for each row execute function suppress_redundant_updates_trigger()",
    )
    with _as(OFFICE, owner_database_url) as connection:
        for _, name in _relations(owner_database_url, "{r,p}"):
            for change in changes:
                assert not _may(connection, change.format(name)), (change, name)


def test_no_trigger_can_be_dropped_or_switched_off(owner_database_url: str) -> None:
    query = """select t.tgname, c.oid::regclass::text from pg_trigger t join pg_class c on c.oid = t.tgrelid
               where not t.tgisinternal and c.relnamespace in ('public'::regnamespace, 'ops'::regnamespace)"""
    triggers = _ask(owner_database_url, query)
    assert len(triggers) > 10
    with _as(OFFICE, owner_database_url) as connection:
        for trigger, table in triggers:
            assert not _may(connection, f'drop trigger "{trigger}" on {table}')
            assert not _may(connection, f'alter table {table} disable trigger "{trigger}"')


def test_no_function_of_ours_lends_anybody_more_rights_and_none_can_be_called(owner_database_url: str) -> None:
    """Those of ops run as part of what a person writes or reads, with that person's rights."""
    query = """
        select p.oid::regprocedure::text, p.prosecdef::text from pg_proc p
        where p.pronamespace in ('public'::regnamespace, 'ops'::regnamespace)
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"""
    functions = _ask(owner_database_url, query)
    assert [name for name, lends in functions if lends == "true"] == []
    assert [name for name, _ in functions if not name.startswith("ops.")] == []
    with _as(OFFICE, owner_database_url) as connection:
        for name, _ in functions:
            arguments = ", ".join("null" for _ in name.partition("(")[2].strip(")").split(",") if _)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {name.partition('(')[0]}({arguments})".encode())


def test_every_view_of_the_office_has_the_rights_of_who_asks_or_is_meant_not_to(owner_database_url: str) -> None:
    query = """select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'
               and not coalesce('security_invoker=true' = any(reloptions), false)"""
    assert {name for (name,) in _ask(owner_database_url, query)} == WITH_OWNERS_RIGHTS


def test_what_permits_rewriting_permits_nothing_to_the_office(settings: Settings, owner_database_url: str) -> None:
    Desk(settings, owner_database_url).run(_A_VERSION)
    with _as(OFFICE, owner_database_url) as connection:
        for value in ("set ibhelm.rewriting = 'on'", "select set_config('ibhelm.rewriting', 'on', false)"):
            connection.execute(value.encode())
            for statement in ("delete from file_versions", "update file_versions set path = 'x'"):
                assert not _may(connection, statement)


_A_VERSION = """
    with new as (
        insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url)
        values ('a', 'a', 'a', '', '_loose', 0, now(), '') returning id
    )
    insert into file_versions (file_id, path, raw_path, size_bytes, valid_from)
    select id, 'a', 'a', 0, now() from new"""


def test_a_person_cannot_say_that_a_rule_did_it(settings: Settings, owner_database_url: str) -> None:
    desk = Desk(settings, owner_database_url)
    task = desk.task(desk.project("2301 Kita"))
    desk.run("update tasks set task_type = 'Aufgabe' where id = %s", task)
    with _as(OFFICE, owner_database_url) as connection:
        connection.execute("set application_name = 'ibhelm_pipeline'")
        for columns in ("task_type = 'Mangel', task_type_source = 'rule'", "task_type = 'Mangel', name = 'x'"):
            assert not _may(connection, f"update tasks set {columns}")
        connection.execute("update tasks set task_type = 'Mangel'")
    assert desk.run("select task_type, task_type_source from tasks") == [("Mangel", "person")]
