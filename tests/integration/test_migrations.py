"""Migrations: whole or not at all, once, in order, by any number of processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.migrations import migrate, pending, read_migrations
from ibhelm_pipelines.errors import ConfigurationError, PermanentError

if TYPE_CHECKING:
    from pathlib import Path


def _folder(path: Path, **files: str) -> Path:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / f"{name.removeprefix('m')}.sql").write_text(text, encoding="utf-8")
    return path


def _names(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("select name from ops.migrations order by 1")]


def _exists(url: str, table: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("select to_regclass(%s) is not null", [table]).fetchone()
    assert row is not None
    return bool(row[0])


def test_an_empty_database_gets_everything_once(empty_database_url: str) -> None:
    expected = [migration.name for migration in read_migrations()]
    assert migrate(empty_database_url) == expected
    assert migrate(empty_database_url) == []
    assert _names(empty_database_url) == expected
    assert _exists(empty_database_url, "public.files")


def test_pending_tells_what_is_missing(empty_database_url: str, database_url: str) -> None:
    with connect(empty_database_url, application="test") as connection:
        assert pending(connection) == [migration.name for migration in read_migrations()]
    with connect(database_url, application="test") as connection:
        assert pending(connection) == []


def _migrate_at_once(url: str, barrier: object) -> list[str]:
    barrier.wait()  # type: ignore[attr-defined]
    return migrate(url)


def test_two_processes_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(2) as pool:
        barrier = manager.Barrier(2)
        applied = pool.starmap(_migrate_at_once, [(empty_database_url, barrier)] * 2)
    assert sorted(applied, key=len) == [[], [migration.name for migration in read_migrations()]]


def test_two_databases_of_one_server_can_be_migrated_although_they_share_the_roles(
    empty_database_url: str, owner_database_url: str
) -> None:
    assert migrate(empty_database_url)
    assert migrate(owner_database_url) == []


def test_a_failing_migration_leaves_nothing_and_stops(empty_database_url: str, tmp_path: Path) -> None:
    folder = _folder(
        tmp_path / "sql",
        m0001_good="create table good (n int)",
        m0002_bad="create table half (n int); insert into half values (1); select 1/0;",
        m0003_never="create table never (n int)",
    )
    with pytest.raises(PermanentError, match=r"0002_bad failed and left nothing behind: division by zero"):
        migrate(empty_database_url, folder=folder)
    assert _names(empty_database_url) == ["0001_good"]
    assert [_exists(empty_database_url, name) for name in ("good", "half", "never")] == [True, False, False]


def test_a_corrected_migration_goes_on_where_it_stopped(empty_database_url: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "sql", m0001_good="create table good (n int)", m0002_bad="nonsense")
    with pytest.raises(PermanentError):
        migrate(empty_database_url, folder=folder)
    _folder(folder, m0002_bad="create table mended (n int)")
    assert migrate(empty_database_url, folder=folder) == ["0002_bad"]


def test_a_migration_that_was_changed_after_it_ran_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "sql", m0001_good="create table good (n int)")
    migrate(empty_database_url, folder=folder)
    _folder(folder, m0001_good="create table good (n bigint)", m0002_next="create table next (n int)")
    with pytest.raises(PermanentError, match="0001_good was changed after it ran"):
        migrate(empty_database_url, folder=folder)
    assert not _exists(empty_database_url, "next")


@pytest.mark.parametrize("names", [("m1_short",), ("m0001_a", "m0001_b"), ("m0001_Upper",)])
def test_files_that_are_not_numbered_once_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="not numbered"):
        read_migrations(_folder(tmp_path / "sql", **dict.fromkeys(names, "select 1")))


def _ibhelm_migrate(url: str, state_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ibhelm_pipelines.cli", "migrate"],
        env={**os.environ, "IBHELM_DATABASE_URL": url, "IBHELM_STATE_DIR": str(state_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_says_what_it_did_and_fails_with_a_status(empty_database_url: str, tmp_path: Path) -> None:
    first = _ibhelm_migrate(empty_database_url, tmp_path)
    assert (first.returncode, "Applied 0001_roles." in first.stdout) == (0, True)
    assert _ibhelm_migrate(empty_database_url, tmp_path).stdout == "The database is up to date.\n"
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("update ops.migrations set sha256 = 'other' where name = '0001_roles'")
    failed = _ibhelm_migrate(empty_database_url, tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: Migration 0001_roles was changed after it ran. Restore the file")


def test_the_pipelines_role_finds_an_up_to_date_database_up_to_date(database_url: str) -> None:
    assert migrate(database_url) == []


def test_the_pipelines_role_cannot_migrate(owner_database_url: str, database_url: str) -> None:
    with psycopg.connect(owner_database_url) as connection:
        connection.execute("delete from ops.migrations where name = '0003_derived'")
    with pytest.raises(PermanentError, match=r"0003_derived failed .* must be owner"):
        migrate(database_url)
