"""A backup is restored whole, compared, and into nothing that holds anything; a damaged one is refused before that."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import databases
import psycopg
import pytest
import tables
from backup_office import TAKEN, BackedUp, backed_up, fill, flipped, in_bucket, key_file
from conftest import TEMPLATE, fresh_database
from pydantic import SecretStr
from pyrage import x25519

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.migrations import migrate, read_migrations
from ibhelm_pipelines.db.reader import may_beyond_reading
from ibhelm_pipelines.errors import BackupDamagedError, ConfigurationError, PermanentError, TransientError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.safety.backup import back_up
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.database_restore import restore_backup, restore_database
from ibhelm_pipelines.safety.database_swap import make_if_missing, replace_database
from ibhelm_pipelines.safety.restored_copy import compare
from ibhelm_pipelines.safety.scratch_database import in_database
from ibhelm_pipelines.settings import Settings

LATER = TAKEN + dt.timedelta(hours=3)
OURS = x25519.Identity.generate()


@pytest.fixture(scope="module")
def owner_settings(
    postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of an office that all tests of this file share; its database is not to be changed."""
    with fresh_database(postgres, template=TEMPLATE) as url:
        yield Settings(
            _env_file=None,
            state_dir=tmp_path_factory.mktemp("restore") / "state",
            database_url=SecretStr(url),
            s3_endpoint=s3.endpoint,
            s3_bucket="backups-of-an-office",
        )


@pytest.fixture(scope="module")
def plain(owner_settings: Settings, s3_client: Any) -> BackedUp:
    """The office with a backup that is not encrypted."""
    s3_client.create_bucket(Bucket=owner_settings.s3_bucket)
    fill(owner_settings.require_database_url(), s3_client, owner_settings.s3_bucket)
    return backed_up(owner_settings, s3_client)


@pytest.fixture(scope="module")
def encrypted(plain: BackedUp, s3_client: Any) -> BackedUp:
    """The same office with one that is."""
    bucket = "encrypted-backups-of-an-office"
    s3_client.create_bucket(Bucket=bucket)
    update = {"s3_bucket": bucket, "backup_recipients": (str(OURS.to_public()),)}
    return backed_up(plain.settings.model_copy(update=update), s3_client)


@pytest.fixture(scope="module")
def restored_url(plain: BackedUp, postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database that was restored from the backup and is not to be changed for good."""
    with fresh_database(postgres, template="template1") as url:
        restore_backup(plain.settings, plain.manifest, url=url)
        yield url


def test_what_was_dumped_is_there_again_with_rights_sequences_and_the_list_of_backups(
    plain: BackedUp, empty_database_url: str
) -> None:
    told: list[str] = []
    done = restore_database(plain.settings, url=empty_database_url, now=LATER, on_progress=told.append)
    assert done.comparison.problems == ()
    assert (done.comparison.tables, done.comparison.rows) == (len(plain.manifest.tables), plain.manifest.rows)
    assert done.comparison.rows_compared > 100
    assert told[-2:] == ["restoring", "comparing"]
    url = empty_database_url
    assert tables.ask(url, "insert into projects (name) values ('neu') returning id") == [(41,)]
    assert tables.ask(url, "select key, state from ops.backups") == [(plain.manifest.key, "ok")]
    assert migrate(url) == []
    [(may_write,)] = tables.ask(url, "select has_table_privilege('ibhelm_pipeline', 'public.files', 'insert')")
    assert may_write
    tables.ask(url, "create table public.later (id int)")
    rights = "select has_table_privilege(role, 'public.later', 'select') from unnest(%s::text[]) as role"
    assert tables.ask(url, rights, ["ibhelm_pipeline", "ibhelm_nocodb", "ibhelm_reader"]) == [(True,)] * 3


def test_the_role_that_reads_may_no_more_than_before(restored_url: str) -> None:
    with connect(restored_url, application="test", autocommit=True) as connection:
        migrate(restored_url)
        connection.execute("set session authorization ibhelm_reader")
        found = [excess.what for excess in may_beyond_reading(connection)]
    # Settings of a role hold from its own sign-in on.
    of_sign_in = {"has no limit of time", "has no limit of space for temporary files", "begins transactions that write"}
    assert set(found) <= of_sign_in


def test_an_encrypted_one_opens_with_its_key_alone(
    encrypted: BackedUp, empty_database_url: str, tmp_path: Path
) -> None:
    for key, problem in ((None, "no key is known here"), (x25519.Identity.generate(), "made for another one")):
        file = key_file(tmp_path, key) if key else None
        settings = encrypted.settings.model_copy(update={"backup_identity_file": file})
        with pytest.raises(ConfigurationError, match=problem):
            restore_database(settings, url=empty_database_url, now=LATER)
        assert _tables(empty_database_url) == 0
    settings = encrypted.settings.model_copy(update={"backup_identity_file": key_file(tmp_path, OURS)})
    assert restore_database(settings, url=empty_database_url, now=LATER).comparison.problems == ()


@pytest.mark.parametrize("text", ["", "# nothing\n", "AGE-SECRET-KEY-1MISTYPED\n", "\xff"])
def test_a_key_file_that_holds_no_key_is_named(
    encrypted: BackedUp, empty_database_url: str, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "key.txt"
    path.write_text(text, encoding="latin-1")
    settings = encrypted.settings.model_copy(update={"backup_identity_file": path})
    with pytest.raises(ConfigurationError, match="IBHELM_BACKUP_IDENTITY_FILE cannot be used"):
        restore_database(settings, url=empty_database_url, now=LATER)


@pytest.mark.parametrize("fault", ["cut off", "one bit", "longer", "not there", "empty"])
@pytest.mark.parametrize("kind", ["plain", "encrypted"])
def test_a_damaged_dump_is_refused_before_anything_is_restored(
    request: pytest.FixtureRequest, s3_client: Any, s3_bucket: str, empty_database_url: str, kind: str, fault: str
) -> None:
    office: BackedUp = request.getfixturevalue(kind)
    damaged = {
        "cut off": office.dump[:-1],
        "one bit": flipped(office.dump, len(office.dump) // 2),
        "longer": office.dump + b"x",
        "not there": None,
        "empty": b"",
    }[fault]
    settings = in_bucket(office, s3_client, s3_bucket, dump=damaged)
    settings = settings.model_copy(update={"backup_identity_file": key_file(settings.state_dir.parent, OURS)})
    with pytest.raises(BackupDamagedError):
        restore_database(settings, url=empty_database_url, now=LATER)
    assert _tables(empty_database_url) == 0


def test_an_encrypted_dump_that_was_exchanged_with_its_hash_is_refused(
    encrypted: BackedUp, s3_client: Any, s3_bucket: str, empty_database_url: str
) -> None:
    bad = flipped(encrypted.dump, len(encrypted.dump) - 40)
    settings = in_bucket(encrypted, s3_client, s3_bucket, dump=bad)
    settings = settings.model_copy(update={"backup_identity_file": key_file(settings.state_dir.parent, OURS)})
    forged = replace(encrypted.manifest, sha256=hashlib.sha256(bad).hexdigest())
    with pytest.raises(BackupDamagedError, match="changed, or is not all there"):
        restore_backup(settings, forged, url=empty_database_url)
    assert _tables(empty_database_url) == 0


def test_a_manifest_with_another_digit_is_refused(
    plain: BackedUp, s3_client: Any, s3_bucket: str, empty_database_url: str
) -> None:
    original = plain.objects[plain.manifest_key]
    document = json.loads(original)
    document["backup"]["tables"]["public.contents"]["rows"] = 61
    for bad in (json.dumps(document).encode(), original[:-20], b"", b"[]", b'{"backup": 1, "sha256": 2}'):
        settings = in_bucket(plain, s3_client, s3_bucket, manifest=bad)
        with pytest.raises(BackupDamagedError, match="manifest"):
            restore_database(settings, url=empty_database_url, now=LATER)
        [backup] = list_backups(settings)
        assert (backup.key, backup.expires_at) == (plain.manifest.key, None)
        assert "damaged" in backup.problem


def test_where_there_is_no_backup_or_another_one_was_asked_for_it_says_so(
    plain: BackedUp, s3_bucket: str, empty_database_url: str
) -> None:
    for settings, key in ((plain.settings.model_copy(update={"s3_bucket": s3_bucket}), None), (plain.settings, "k")):
        with pytest.raises(PermanentError, match="There is no backup of the database ibhelm"):
            restore_database(settings, url=empty_database_url, now=LATER, key=key)


def test_a_database_with_tables_is_refused_or_kept_under_another_name(
    plain: BackedUp, postgres: EmbeddedPostgres, empty_database_url: str
) -> None:
    name = f"{empty_database_url.rpartition('/')[2]}_target"
    url = in_database(empty_database_url, name)
    make_if_missing(url)
    make_if_missing(url)
    with psycopg.connect(url, autocommit=True) as user:
        user.execute("create table mine (id int)")
        with pytest.raises(ConfigurationError, match="not empty: it has 1 tables, such as mine"):
            restore_database(plain.settings, url=url, now=LATER)
        with pytest.raises(ConfigurationError, match="is in use"):
            replace_database(plain.settings, url=url, now=LATER)
    damaged = plain.settings.model_copy(update={"s3_bucket": "no-such-bucket"})
    with pytest.raises(ConfigurationError):
        replace_database(damaged, url=url, now=LATER)
    assert tables.ask(url, "select count(*) from mine") == [(0,)]
    tables.close()
    replaced = replace_database(plain.settings, url=url, now=LATER)
    assert replaced.restored.comparison.problems == ()
    assert tables.ask(url, "select count(*) from contents") == [(60,)]
    assert tables.ask(in_database(url, replaced.former), "select count(*) from mine") == [(0,)]
    left = "select datname from pg_database where datname like %s"
    assert tables.ask(postgres.url(), left, f"{name[:32]}_restored%") == []
    tables.close()
    for database in (name, replaced.former):
        databases.drop(postgres, database)


CHANGES = [
    ("delete from projects where name = 'Projekt 7'", "The table public.projects has 39 rows instead of 40."),
    ("update projects set name = 'Bad' where name = 'Projekt 7'", "Rows of the table public.projects hold something"),
    ("drop table ops.bit_rot cascade", "The table ops.bit_rot is missing."),
    ("create table neu (id int)", "There is a table public.neu that was not dumped."),
    ("revoke select on projects from ibhelm_reader", "The role ibhelm_reader has"),
    ("select setval(pg_get_serial_sequence('projects', 'id'), 3)", "The sequence public.projects_id_seq would give"),
]

IN_THE_WAY = """
create function in_the_way() returns event_trigger language plpgsql as $$ begin
    if tg_tag = 'CREATE INDEX' then raise 'could not extend file: No space left on device'; end if;
end $$;
create event trigger in_the_way on ddl_command_end execute function in_the_way()
"""


@pytest.mark.parametrize(("change", "problem"), CHANGES)
def test_the_comparison_sees(plain: BackedUp, restored_url: str, change: str, problem: str) -> None:
    with connect(restored_url, application="test") as connection:
        connection.execute(change)  # type: ignore[call-overload]
        problems = compare(connection, plain.manifest).problems
        connection.rollback()
    assert any(found.startswith(problem) for found in problems), problems


def test_a_full_disk_is_a_sentence_and_nothing_is_restored(
    plain: BackedUp, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - closed by whoever uses it
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
    with pytest.raises(TransientError, match=r"cannot be put into .*No space left"):
        restore_database(plain.settings, url=empty_database_url, now=LATER)
    assert _tables(empty_database_url) == 0


def test_a_restore_that_fails_in_the_middle_leaves_an_empty_database(plain: BackedUp, empty_database_url: str) -> None:
    tables.ask(empty_database_url, IN_THE_WAY)
    with pytest.raises(TransientError, match="A disk is full"):
        restore_database(plain.settings, url=empty_database_url, now=LATER)
    assert _tables(empty_database_url) == 0


def test_a_backup_of_an_older_version_is_restored_and_brought_up_to_date(
    postgres: EmbeddedPostgres, s3_client: Any, s3_bucket: str, plain: BackedUp, tmp_path: Path, empty_database_url: str
) -> None:
    for migration in read_migrations():
        if migration.name <= "0026_backups":
            (tmp_path / f"{migration.name}.sql").write_text(migration.sql, encoding="utf-8")
    with fresh_database(postgres, template="template0") as old_url:
        migrate(old_url, folder=tmp_path)
        tables.ask(old_url, "insert into projects (name) values ('alt')")
        old = plain.settings.model_copy(update={"database_url": SecretStr(old_url), "s3_bucket": s3_bucket})
        back_up(old, now=TAKEN)
        tables.close()
    restore_database(old, url=empty_database_url, now=LATER)
    assert migrate(empty_database_url) == [m.name for m in read_migrations() if m.name > "0026_backups"]
    assert tables.ask(empty_database_url, "select name from projects") == [("alt",)]


def _tables(url: str) -> int:
    [(count,)] = tables.ask(url, "select count(*) from pg_tables where schemaname in ('public', 'ops', 'search')")
    return int(count)
