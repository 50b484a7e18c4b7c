"""A backup is whole, counted in its own snapshot, and appears only when all of it is there."""

from __future__ import annotations

import datetime as dt
import http.client
import http.server
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import psycopg
import pyrage
import pytest
import tables
from backup_office import TAKEN, fill, key_file
from pydantic import SecretStr
from pyrage import x25519

from ibhelm_pipelines.errors import (
    BusyError,
    ConfigurationError,
    DatabaseUnavailableError,
    ObjectStoreUnavailableError,
    TransientError,
)
from ibhelm_pipelines.safety.backup import back_up, databases
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.backup_manifest import manifest_key
from ibhelm_pipelines.safety.postgres_tools import require_not_newer
from ibhelm_pipelines.safety.single_run import BACKUP, single_run
from ibhelm_pipelines.settings import Settings

LATER = TAKEN + dt.timedelta(days=1)
STATES = "select key, state, error from ops.backups order by id"


@pytest.fixture
def owner(settings: Settings, owner_database_url: str) -> Settings:
    """The same settings, with the role that owns the tables."""
    return settings.model_copy(update={"owner_database_url": SecretStr(owner_database_url)})


def objects(client: Any, settings: Settings) -> list[str]:
    """Return the keys of all objects, and the unfinished uploads."""
    found = [entry["Key"] for entry in client.list_objects_v2(Bucket=settings.s3_bucket).get("Contents", [])]
    uploads = client.list_multipart_uploads(Bucket=settings.s3_bucket).get("Uploads", [])
    return [*found, *(f"unfinished {upload['Key']}" for upload in uploads)]


def test_the_pipelines_own_role_may_back_up_and_the_manifest_says_what_was_there(
    settings: Settings, s3_client: Any, s3_bucket: str
) -> None:
    url = settings.require_database_url()
    fill(url, s3_client, s3_bucket)
    [ours] = back_up(settings, now=TAKEN).backups
    [backup] = list_backups(settings)
    assert backup.manifest == ours
    assert backup.key == "backups/database/20260301T051500Z.dump"
    assert (ours.tables["public.contents"].rows, ours.tables["public.projects"].rows) == (60, 40)
    assert ours.migrations[0] == "0001_roles"
    assert ours.grants["ibhelm_pipeline"] > 100
    head = s3_client.head_object(Bucket=s3_bucket, Key=backup.key)
    assert head["ContentLength"] == ours.size_bytes
    assert tables.ask(url, STATES) == [(backup.key, "ok", None)]


def test_the_plain_age_command_and_pg_restore_open_it(settings: Settings, s3_client: Any, tmp_path: Any) -> None:
    identity, another = x25519.Identity.generate(), x25519.Identity.generate()
    settings = settings.model_copy(update={"backup_recipients": (str(another.to_public()), str(identity.to_public()))})
    [ours] = back_up(settings, now=TAKEN).backups
    assert ours.key.endswith(".dump.age")
    assert ours.recipients == settings.backup_recipients
    stored = s3_client.get_object(Bucket=settings.s3_bucket, Key=ours.key)["Body"].read()
    assert stored.startswith(b"age-encryption.org/v1")
    assert pyrage.decrypt(stored, [identity]).startswith(b"PGDMP")
    if age := shutil.which("age"):
        command = [age, "--decrypt", "--identity", str(key_file(tmp_path, identity))]
        assert subprocess.run(command, input=stored, capture_output=True, check=True).stdout.startswith(b"PGDMP")


def test_rows_that_come_meanwhile_are_in_neither_the_dump_nor_its_numbers(owner: Settings) -> None:
    url = owner.require_database_url()
    with _waiting(owner) as (future, release):
        tables.ask(url, "insert into projects (name) select 'später' from generate_series(1, 9)")
        release()
        [ours] = future.result(60).backups
    assert ours.tables["public.projects"].rows == 0
    assert ours.tables["ops.backups"].rows == 1


def test_a_key_that_is_none_stops_it_before_anything_is_done(settings: Settings) -> None:
    typo = settings.model_copy(update={"backup_recipients": ("age1typo",)})
    with pytest.raises(ConfigurationError, match="Entry number 1 of IBHELM_BACKUP_RECIPIENTS"):
        back_up(typo, now=TAKEN)
    assert tables.ask(settings.require_database_url(), STATES) == []


def test_two_at_the_same_time_are_refused(settings: Settings) -> None:
    with single_run(settings, BACKUP), pytest.raises(BusyError, match="Another backup is under way"):
        back_up(settings, now=TAKEN)
    assert tables.ask(settings.require_database_url(), STATES) == []


def test_a_second_whose_name_is_taken_is_left_to_whoever_has_it(settings: Settings, s3_client: Any) -> None:
    encrypted = settings.model_copy(update={"backup_recipients": (str(x25519.Identity.generate().to_public()),)})
    unknown = "backups/database/20260301T051501Z.dump"
    tables.ask(
        settings.require_database_url(),
        "insert into ops.backups (database, key, started_at, encrypted) values ('ibhelm', %s, %s, false)",
        "backups/database/20260301T051500Z.dump",
        TAKEN,
    )
    s3_client.put_object(Bucket=settings.s3_bucket, Key=unknown, Body=b"somebody's last hope")

    [first] = back_up(settings, now=TAKEN).backups  # in the second in which one was killed
    [second] = back_up(encrypted, now=TAKEN).backups  # its manifest would have the name of the first one's

    assert (first.key, second.key) == (
        "backups/database/20260301T051502Z.dump",
        "backups/database/20260301T051503Z.dump.age",
    )
    assert first.taken_at < second.taken_at
    assert [backup.whole() for backup in list_backups(settings)] == [second, first]
    states = [state for _, state, _ in tables.ask(settings.require_database_url(), STATES)]
    assert states == ["failed", "ok", "ok"]
    stored = s3_client.get_object(Bucket=settings.s3_bucket, Key=unknown)["Body"].read()
    assert stored == b"somebody's last hope"


def test_dagsters_database_is_backed_up_where_it_is_and_nocodbs_where_it_is_named(
    owner: Settings, empty_database_url: str
) -> None:
    tables.ask(empty_database_url, "create table runs (id int primary key); insert into runs values (1), (2)")
    both = owner.model_copy(
        update={
            "dagster_database_url": SecretStr(empty_database_url),
            "nocodb_own_database_url": SecretStr(empty_database_url),
        }
    )
    ours, dagsters, nocodbs = back_up(both, now=TAKEN).backups
    assert ours.database == "ibhelm"
    assert (dagsters.database, dagsters.rows, dagsters.migrations) == ("dagster", 2, ())
    assert nocodbs.key == "backups/database/20260301T051500Z.nocodb.dump"
    assert [backup.key for backup in list_backups(both)] == [ours.key]
    with psycopg.connect(owner.require_database_url()) as connection:
        assert list(databases(owner, connection)) == ["ibhelm"]  # no such database on this server


@pytest.mark.parametrize("version", [190000, 200001])
def test_a_server_newer_than_our_programs_is_refused(version: int) -> None:
    require_not_newer(180099)
    with pytest.raises(ConfigurationError, match="too old for it"):
        require_not_newer(version)


@contextmanager
def _waiting(settings: Settings) -> Iterator[tuple[Future[Any], Callable[[], None]]]:
    """Give a backup that has begun and waits for a table that somebody has locked, and what lets it go on."""
    assert settings.owner_database_url is not None
    url = settings.owner_database_url.get_secret_value()
    waiting = (
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        " and application_name in ('pg_dump', 'ibhelm backup')"
    )
    with psycopg.connect(url) as lock, ThreadPoolExecutor(1) as pool:
        lock.execute("lock table ops.bit_rot in access exclusive mode")
        future = pool.submit(back_up, settings, now=TAKEN)
        deadline = time.monotonic() + 60
        while tables.ask(url, waiting) != [(2,)] and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            yield future, lock.rollback
        finally:
            lock.rollback()


def _kill_pg_dump() -> None:
    [pg_dump] = [child for child in psutil.Process().children(recursive=True) if child.name() == "pg_dump"]
    pg_dump.kill()


def _assert_nothing_is_left(settings: Settings, client: Any, reason: str) -> None:
    assert objects(client, settings) == []
    assert list_backups(settings) == []
    [(_, state, error)] = tables.ask(settings.require_database_url(), STATES)
    assert state == "failed"
    assert reason in error


def test_a_killed_pg_dump_leaves_no_object(owner: Settings, s3_client: Any) -> None:
    with _waiting(owner) as (future, _):
        _kill_pg_dump()
        with pytest.raises(TransientError, match="killed"):
            future.result(60)
    _assert_nothing_is_left(owner, s3_client, "killed")


def test_a_postgres_that_goes_away_leaves_no_object_and_the_next_backup_says_so(
    owner: Settings, owner_database_url: str, s3_client: Any
) -> None:
    ends = (
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and application_name in ('pg_dump', 'ibhelm backup')"
    )
    with _waiting(owner) as (future, _):
        tables.ask(owner_database_url, ends)
        with pytest.raises(DatabaseUnavailableError):
            future.result(60)
    assert objects(s3_client, owner) == []
    assert [state for _, state, _ in tables.ask(owner_database_url, STATES)] == ["running"]
    back_up(owner, now=LATER)
    states = tables.ask(owner_database_url, STATES)
    assert [(state, error) for _, state, error in states] == [("failed", "Its process was killed."), ("ok", None)]


def test_a_pg_dump_that_may_not_read_a_table_says_who_may(
    settings: Settings, owner_database_url: str, s3_client: Any
) -> None:
    tables.ask(owner_database_url, "create table geheim (id int); revoke all on geheim from ibhelm_pipeline")
    with pytest.raises(ConfigurationError, match=r"permission denied.*IBHELM_OWNER_DATABASE_URL"):
        back_up(settings, now=TAKEN)
    _assert_nothing_is_left(settings, s3_client, "permission denied")


class _Faulty(http.server.BaseHTTPRequestHandler):
    """Passes everything on to the S3 server, but for parts of uploads."""

    protocol_version = "HTTP/1.1"
    target = ""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "partNumber" in self.path:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = http.client.HTTPConnection(self.target)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(data)
        connection.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 - http.server asks so

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_an_s3_server_that_refuses_a_part_leaves_no_object(
    owner: Settings, s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    _Faulty.target = owner.require_s3_endpoint().removeprefix("http://")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Faulty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        faulty = owner.model_copy(update={"s3_endpoint": f"http://127.0.0.1:{server.server_port}"})
        with pytest.raises(ObjectStoreUnavailableError, match="503"):
            back_up(faulty, now=TAKEN)
        server.shutdown()
    _assert_nothing_is_left(owner, s3_client, "503")


def test_what_a_killed_backup_left_is_cleared_and_what_nobody_knows_stays(settings: Settings, s3_client: Any) -> None:
    url, bucket = settings.require_database_url(), settings.s3_bucket
    dead, alone = "backups/database/20260228T051500Z.dump", "backups/database/20250101T000000Z.dump"
    tables.ask(
        url,
        "insert into ops.backups (database, key, started_at, encrypted) values ('ibhelm', %s, %s, false)",
        dead,
        TAKEN - dt.timedelta(days=1),
    )
    for key in (dead, alone):
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"half a dump")
    s3_client.create_multipart_upload(Bucket=bucket, Key=dead)
    [ours] = back_up(settings, now=TAKEN).backups
    assert sorted(objects(s3_client, settings)) == sorted([alone, ours.key, manifest_key(ours.key)])
    assert [(key, state) for key, state, _ in tables.ask(url, STATES)] == [(dead, "failed"), (ours.key, "ok")]


def test_the_table_learns_from_the_bucket(settings: Settings, s3_client: Any) -> None:
    url = settings.require_database_url()
    [first] = back_up(settings, now=TAKEN).backups
    tables.ask(url, "delete from ops.backups")
    [second] = back_up(settings, now=LATER).backups
    assert {(key, state) for key, state, _ in tables.ask(url, STATES)} == {(first.key, "ok"), (second.key, "ok")}
    s3_client.delete_object(Bucket=settings.s3_bucket, Key=first.key)
    back_up(settings, now=LATER + dt.timedelta(days=1))
    assert tables.ask(url, "select key from ops.backups where gone_at is not null") == [(first.key,)]
