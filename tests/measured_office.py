"""An office of the measurement of the search in a database of its own: read, indexed, with vectors."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import databases
import search_quality
import tables

from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from search_quality import Office

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres


@contextmanager
def measured_office(office: Office, postgres: EmbeddedPostgres, s3: EmbeddedS3, folder: Path) -> Iterator[Settings]:
    """Make it below a folder for the length of the block."""
    name = f"test_{uuid.uuid4().hex}"
    databases.create(postgres, name, template="template_ibhelm")
    bucket = EmbeddedS3(folder=s3.folder, bucket="ibhelm-quality", access_key=s3.access_key, secret_key=s3.secret_key)
    bucket.start()
    settings = Settings(
        _env_file=None, nas_root=office.make_nas(folder / "office"), state_dir=folder / "state",
        database_url=postgres.url(name, user="ibhelm_pipeline", password="password of the tests"),
        s3_endpoint=s3.endpoint, s3_bucket=bucket.bucket,
    )  # fmt: skip
    office.read(settings)
    search_quality.index(office, settings)
    yield settings
    tables.close()
    databases.drop(postgres, name)
