"""Fixtures that every room shares: a real Postgres, a real S3 server, settings that know nothing of this machine.

One Postgres and one S3 server serve a test session (each xdist worker has its own); every test gets a fresh database,
cloned from a migrated template, and a fresh bucket. Durability is off, for speed, and the servers' files are in memory
where there is room; fault tests take `private_postgres` and `private_s3`, which they may kill.
"""

from __future__ import annotations

import os
import signal
import uuid
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import databases
import pytest
import structlog
import tables
from left_folders import remove_left_folders, servers_folder
from psycopg import sql
from pydantic import SecretStr

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import SUPERUSER, EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]
TEMPLATE = "template_ibhelm"
PIPELINE = "ibhelm_pipeline"
PIPELINE_PASSWORD = "password of the tests"
WEB_SECRET = "the secret that signs links in all tests"
VOLATILE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "scram_iterations": "1",  # else half the cost of a connection
}


def pytest_configure() -> None:
    """No setting of the developer's shell may decide a test; done before any fixture, for the session's servers too.

    Nor may how pytest was started: what a script runs in the background ignores Ctrl-C, and its children inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith(("IBHELM_", "AWS_", "PG", "DAGSTER_"))]:
        if not name.startswith("IBHELM_TEST_"):  # what the tests themselves are told
            del os.environ[name]


@pytest.fixture(autouse=True)
def _outside_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor may a `.env` or `.ibhelm/env`, which are looked for in the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """Nor may how an earlier test had its lines written: runs and sensors set structlog up for their process."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_connection_left() -> Iterator[None]:
    yield
    tables.close()


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker begins one when the other has nothing left to do."""
    items.sort(key=lambda item: item.path.parent.name not in ("acceptance", "faults"))


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A folder for what lives as long as the session."""
    remove_left_folders()
    with servers_folder("ibhelm-tests-") as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres(services_folder: Path) -> Iterator[EmbeddedPostgres]:
    """The session's server, with a migrated template database."""
    server = EmbeddedPostgres(folder=services_folder / "postgres", server_settings=VOLATILE)
    server.start()
    try:
        databases.create(server, TEMPLATE, template="template0")
        migrate(server.url(TEMPLATE))
        login = sql.SQL("alter role {} login password {}")
        for role, password in ((PIPELINE, PIPELINE_PASSWORD), (SUPERUSER, server.password)):
            databases.run(server, login.format(sql.Identifier(role), sql.Literal(password)))
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def s3(services_folder: Path) -> Iterator[EmbeddedS3]:
    """The session's S3 server."""
    server = EmbeddedS3(folder=services_folder / "s3", bucket="ibhelm-tests")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def owner_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh, migrated database; the URL of the superuser, for what the pipeline may not do."""
    with fresh_database(postgres, template=TEMPLATE) as url:
        yield url


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, owner_database_url: str) -> str:
    """The same database as the pipeline's role sees it: a right that it lacks shows in the tests, not in production."""
    return postgres.url(owner_database_url.rpartition("/")[2], user=PIPELINE, password=PIPELINE_PASSWORD)


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh database without any table of ours."""
    with fresh_database(postgres, template="template0") as url:
        yield url


@pytest.fixture(scope="session")
def s3_client(s3: EmbeddedS3) -> Iterator[Any]:
    """One client for all buckets: to make one costs more than a bucket."""
    keys = {"aws_access_key_id": s3.access_key, "aws_secret_access_key": s3.secret_key}
    with closing(boto3.client("s3", endpoint_url=s3.endpoint, region_name="us-east-1", **keys)) as client:
        yield client


@pytest.fixture
def s3_bucket(s3_client: Any) -> str:
    """A fresh bucket on the session's server."""
    bucket = f"test-{uuid.uuid4().hex}"
    s3_client.create_bucket(Bucket=bucket)
    return bucket


@pytest.fixture
def settings(tmp_path: Path, database_url: str, s3: EmbeddedS3, s3_bucket: str) -> Settings:
    """Settings of a small office: an empty NAS with its marker, a fresh database, a fresh bucket."""
    nas_root = tmp_path / "nas"
    nas_root.mkdir()
    (nas_root / ".ibhelm-share").write_text("test share\n", encoding="utf-8")
    return Settings(
        _env_file=None,
        nas_root=nas_root,
        state_dir=tmp_path / "state",
        database_url=database_url,
        s3_endpoint=s3.endpoint,
        s3_bucket=s3_bucket,
        web_secret=SecretStr(WEB_SECRET),
    )


@pytest.fixture
def environment(settings: Settings, empty_database_url: str) -> dict[str, str]:
    """The same settings for a process, and a database of its own for Dagster's storage."""
    return os.environ | {
        "IBHELM_STATE_DIR": str(settings.state_dir),
        "IBHELM_NAS_ROOT": str(settings.nas_root),
        "IBHELM_DATABASE_URL": settings.require_database_url(),
        "IBHELM_DAGSTER_DATABASE_URL": empty_database_url,
        "IBHELM_S3_ENDPOINT": settings.require_s3_endpoint(),
        "IBHELM_S3_BUCKET": settings.s3_bucket,
        "IBHELM_CONTENT_WORKERS": "1",
        "IBHELM_WEB_SECRET": WEB_SECRET,
    }


@pytest.fixture
def private_folder() -> Iterator[Path]:
    """A folder for servers of one test; their user can reach it."""
    with servers_folder("ibhelm-test-") as folder:
        yield folder


@pytest.fixture
def private_postgres(private_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A running, durable, empty server of this test alone, which it may kill and start again."""
    server = EmbeddedPostgres(folder=private_folder / "postgres", server_settings={"shared_buffers": "32MB"})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def private_s3(private_folder: Path) -> Iterator[EmbeddedS3]:
    """A running S3 server of this test alone, which it may kill and start again."""
    server = EmbeddedS3(folder=private_folder / "s3", bucket="ibhelm-private")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_corpus() -> Path:
    """The corpus of real files beside the checkout; absent on most machines."""
    corpus = REPOSITORY.parent / "shared" / "corpus"
    if not corpus.is_dir():
        pytest.skip(f"the shared corpus {corpus} is not on this machine")
    return corpus


@contextmanager
def fresh_database(server: EmbeddedPostgres, *, template: str) -> Iterator[str]:
    """Create a database for the length of the block and drop it afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    databases.create(server, name, template=template)
    yield server.url(name)
    databases.drop(server, name)
