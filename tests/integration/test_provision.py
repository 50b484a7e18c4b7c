"""`ibhelm provision` on a Postgres and an S3 server that know nothing of us yet; and again; and after a slip."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from left_folders import servers_folder
from pydantic import SecretStr

from ibhelm_pipelines.errors import ConfigurationError, IbhelmError
from ibhelm_pipelines.local import surroundings
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.provision import provision
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ibhelm_pipelines.local.s3 import EmbeddedS3

PASSWORD = "mit Umlaut ä, @ und % / '; drop"
ROLES = {
    "database_url": "ibhelm_pipeline",
    "nocodb_database_url": "ibhelm_nocodb",
    "reader_database_url": "ibhelm_reader",
}
OWN = {"dagster_database_url": "dagster", "nocodb_own_database_url": "nocodb"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with servers_folder("ibhelm-test-") as folder:
        logged = {"shared_buffers": "32MB", "fsync": "off", "log_statement": "all"}
        server = EmbeddedPostgres(folder=folder / "postgres", server_settings=logged)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def foreign(server: EmbeddedPostgres, s3: EmbeddedS3, tmp_path: Path) -> Settings:
    def url(role: str, database: str, password: str = PASSWORD) -> SecretStr:
        return SecretStr(server.url(database, user=role, password=password))

    return Settings(
        _env_file=None,
        state_dir=tmp_path / "state",
        owner_database_url=SecretStr(server.url("ibhelm")),
        **{name: url(role, "ibhelm") for name, role in ROLES.items()},
        **{name: url(role, role) for name, role in OWN.items()},
        s3_endpoint=s3.endpoint,
        s3_bucket=f"provisioned-{uuid.uuid4().hex}",
    )


def _log_in(settings: Settings, name: str) -> str:
    with psycopg.connect(getattr(settings, name).get_secret_value()) as connection:
        return str(connection.execute("select current_user || '@' || current_database()").fetchone()[0])


def test_everything_is_made_once_and_made_again_without_a_change(foreign: Settings, server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists dagster with (force)")  # another test may have come before
    said = list(provision(foreign))
    assert "The database dagster of dagster is made." in said
    assert f"The bucket {foreign.s3_bucket} is made." in said
    assert {_log_in(foreign, name) for name in (*ROLES, *OWN)} == {
        "ibhelm_pipeline@ibhelm", "ibhelm_nocodb@ibhelm", "ibhelm_reader@ibhelm", "dagster@dagster", "nocodb@nocodb"
    }  # fmt: skip
    assert not [sentence for sentence in provision(foreign) if "made" in sentence or "Applied" in sentence]
    assert surroundings.roles(foreign) == "none may more than it needs"
    log = server.log.read_text(encoding="utf-8", errors="replace")
    assert "alter role" in log.lower()
    assert PASSWORD not in log
    assert PASSWORD.replace("'", "''") not in log


def test_the_role_of_drills_may_make_a_database_with_our_extensions_and_nothing_else(
    foreign: Settings, server: EmbeddedPostgres
) -> None:
    url = server.url("postgres", user="ibhelm_drill", password=PASSWORD)
    list(provision(foreign.model_copy(update={"drill_database_url": SecretStr(url)})))
    with psycopg.connect(url, autocommit=True) as connection:
        rights = "rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
        row = connection.execute(f"select {rights} from pg_roles where rolname = current_user").fetchone()
        assert row == (False, True, False, False, False)
        assert connection.execute(
            "select count(*) from pg_auth_members m where m.member = current_user::regrole"
        ).fetchone() == (0,)
        connection.execute("create database ibhelm_drill_x")
    with psycopg.connect(server.url("ibhelm_drill_x", user="ibhelm_drill", password=PASSWORD)) as connection:
        found = {name for (name,) in connection.execute("select extname from pg_extension")}
        assert found >= {"vector", "pg_trgm", "unaccent"}


def test_a_new_password_in_the_settings_is_the_one_that_holds(foreign: Settings, server: EmbeddedPostgres) -> None:
    list(provision(foreign))
    changed = SecretStr(server.url("ibhelm", user="ibhelm_pipeline", password="another one"))
    list(provision(foreign.model_copy(update={"database_url": changed})))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _log_in(foreign, "database_url")
    assert _log_in(foreign.model_copy(update={"database_url": changed}), "database_url") == "ibhelm_pipeline@ibhelm"


@pytest.mark.parametrize(
    ("intruder", "database"), [("ibhelm_pipeline", "nocodb"), ("nocodb", "dagster"), ("dagster", "nocodb")]
)
def test_nobody_enters_the_database_of_another(
    foreign: Settings, server: EmbeddedPostgres, intruder: str, database: str
) -> None:
    list(provision(foreign))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.url(database, user=intruder, password=PASSWORD))


def test_a_url_without_a_password_is_refused_before_anything_is_made(foreign: Settings) -> None:
    nameless = foreign.model_copy(update={"dagster_database_url": SecretStr("postgresql://dagster@db/dagster")})
    with pytest.raises(ConfigurationError, match="names no password"):
        list(provision(nameless))


def test_without_an_owner_it_says_whom_it_needs(foreign: Settings) -> None:
    with pytest.raises(ConfigurationError, match="IBHELM_OWNER_DATABASE_URL is not set"):
        list(provision(foreign.model_copy(update={"owner_database_url": None})))


def test_servers_that_are_away_are_named(foreign: Settings) -> None:
    with pytest.raises(IbhelmError, match="Postgres does not answer"):
        list(provision(foreign.model_copy(update={"owner_database_url": SecretStr("postgresql://a:b@127.0.0.1:1/x")})))
    with pytest.raises(IbhelmError, match="S3"):
        list(provision(foreign.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})))
