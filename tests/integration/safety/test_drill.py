"""The drill restores the newest backup, compares it with what was dumped, and leaves nothing but evidence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databases
import psycopg
import pytest
import tables
from backup_office import TAKEN, BackedUp, backed_up, fill, flipped, in_bucket, key_file, put
from conftest import TEMPLATE, fresh_database
from pydantic import SecretStr
from pyrage import x25519

from ibhelm_pipelines.errors import BusyError, ConfigurationError, PermanentError, TransientError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.safety.drill import drill
from ibhelm_pipelines.safety.single_run import DRILL, single_run
from ibhelm_pipelines.settings import Settings

LATER = TAKEN + dt.timedelta(hours=1)
OURS = x25519.Identity.generate()
EVIDENCE = "select state, backup_key, problems from ops.restore_drills order by id desc limit 1"


@pytest.fixture(scope="module")
def office(
    postgres: EmbeddedPostgres, s3: EmbeddedS3, s3_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BackedUp]:
    """An office with an encrypted backup."""
    with fresh_database(postgres, template=TEMPLATE) as url:
        settings = Settings(
            _env_file=None,
            state_dir=tmp_path_factory.mktemp("drill") / "state",
            database_url=SecretStr(url),
            s3_endpoint=s3.endpoint,
            s3_bucket="office-of-the-drill",
            backup_recipients=(str(OURS.to_public()),),
            backup_identity_file=key_file(tmp_path_factory.mktemp("key"), OURS),
        )
        s3_client.create_bucket(Bucket=settings.s3_bucket)
        fill(url, s3_client, settings.s3_bucket)
        yield backed_up(settings, s3_client)


@pytest.fixture(autouse=True)
def _no_scratch_database_stays(postgres: EmbeddedPostgres) -> Iterator[None]:
    yield
    with psycopg.connect(postgres.url()) as connection:
        left = connection.execute("select datname from pg_database where datname like 'ibhelm_drill_%'").fetchall()
    assert left == []


def evidence(settings: Settings) -> Any:
    [row] = tables.ask(settings.require_database_url(), EVIDENCE)
    return row


def test_a_good_backup_is_restored_compared_and_written_down(office: BackedUp, postgres: EmbeddedPostgres) -> None:
    databases.create(postgres, "ibhelm_drill_dead", template="template0")  # a killed drill left it
    told: list[str] = []
    report = drill(office.settings, now=LATER, on_progress=told.append)
    assert report.state == "ok"
    assert (report.row_count, report.objects_compared) == (office.manifest.rows, 60)
    assert told[-1] == "reading objects: 60 of 60"
    assert "contents of" in str(report)
    assert evidence(office.settings) == ("ok", office.manifest.key, [])


def test_a_role_that_may_only_make_databases_is_enough(office: BackedUp, postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url("template1"), autocommit=True) as connection:
        for extension in ("vector", "pg_trgm", "unaccent"):
            connection.execute(f"create extension {extension}")  # type: ignore[arg-type]
        connection.execute("create role driller login createdb password 'drills'")
    settings = office.settings.model_copy(
        update={"drill_database_url": SecretStr(postgres.url(user="driller", password="drills"))}
    )
    try:
        assert drill(settings, now=LATER).state == "ok"
    finally:
        with psycopg.connect(postgres.url("template1"), autocommit=True) as connection:
            connection.execute("drop extension vector, pg_trgm, unaccent")
            connection.execute("drop role driller")


def test_a_role_that_may_not_is_named(office: BackedUp, postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("create role idler login password 'idles'")
    url = SecretStr(postgres.url(user="idler", password="idles"))
    with pytest.raises(ConfigurationError, match="idler may not create databases"):
        drill(office.settings.model_copy(update={"drill_database_url": url}), now=LATER)
    assert evidence(office.settings)[0] == "failed"


def test_without_a_key_it_says_that_only_the_hash_is_known(office: BackedUp, s3_client: Any, s3_bucket: str) -> None:
    without = {"backup_identity_file": None}
    report = drill(office.settings.model_copy(update=without), now=LATER)
    assert (report.state, report.tables) == ("hash_only", 0)
    assert "without a key" in str(report)
    bad = in_bucket(office, s3_client, s3_bucket, dump=flipped(office.dump, 5000))
    with pytest.raises(PermanentError, match="rotten"):
        drill(bad.model_copy(update=without), now=LATER)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"dump": lambda data: flipped(data, len(data) // 2)}, "rotten"),
        ({"dump": lambda data: data[:-1]}, "rotten"),
        ({"dump": lambda _: None}, "no longer in the bucket"),
        ({"manifest": lambda data: data[:-9]}, "manifest"),
    ],
    ids=["one bit", "cut off", "not there", "manifest"],
)
def test_a_damaged_backup_fails_it_and_that_is_written_down(
    office: BackedUp, s3_client: Any, s3_bucket: str, changed: Any, problem: str
) -> None:
    [(name, change)] = changed.items()
    original = office.objects[office.manifest.key if name == "dump" else office.manifest_key]
    settings = in_bucket(office, s3_client, s3_bucket, **{name: change(original)})
    with pytest.raises(PermanentError, match=problem):
        drill(settings, now=LATER)
    state, key, problems = evidence(settings)
    assert (state, key) == ("failed", office.manifest.key)
    assert problem in " ".join(problems)


def test_objects_that_the_backup_names_are_read(office: BackedUp, s3_client: Any, s3_bucket: str) -> None:
    settings = in_bucket(office, s3_client, s3_bucket)
    originals = {key: data for key, data in office.objects.items() if key.startswith("originals/")}
    missing, rotten, *rest = sorted(originals)
    for key in rest:
        put(s3_client, s3_bucket, key, originals[key])
    put(s3_client, s3_bucket, rotten, flipped(originals[rotten], 0))
    with pytest.raises(PermanentError, match="The drill failed"):
        drill(settings, now=LATER)
    assert set(evidence(settings)[2]) == {f"The object {missing} is missing.", f"The object {rotten} is rotten."}


def test_one_that_is_too_old_or_not_there_fails_it(office: BackedUp, s3_bucket: str) -> None:
    with pytest.raises(PermanentError, match="The newest backup is 27 hours old"):
        drill(office.settings, now=TAKEN + dt.timedelta(hours=27))
    with pytest.raises(PermanentError, match="There is no backup"):
        drill(office.settings.model_copy(update={"s3_bucket": s3_bucket}), now=LATER)
    assert evidence(office.settings)[0] == "failed"


def test_one_that_died_is_called_failed_and_two_at_a_time_are_refused(
    office: BackedUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = office.settings.require_database_url()
    tables.ask(url, "insert into ops.restore_drills (started_at) values (%s)", TAKEN)
    with (
        single_run(office.settings, DRILL),
        pytest.raises(BusyError, match="Another restore drill is under way"),
    ):
        drill(office.settings, now=LATER)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ibhelm_pipelines.safety.drill.restore_backup", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drill(office.settings, now=LATER)
    assert evidence(office.settings)[2] == ["It was interrupted (KeyboardInterrupt)."]
    assert tables.ask(url, "select count(*) from ops.restore_drills where state = 'running'") == [(0,)]


def test_a_disk_without_room_for_it_is_left_alone(
    office: BackedUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "postgres").mkdir()
    monkeypatch.setattr("ibhelm_pipelines.safety.drill.ROOM", 1e9)
    with pytest.raises(TransientError, match=r"The drill needs .* GB"):
        drill(office.settings.model_copy(update={"state_dir": tmp_path}), now=LATER)
