"""The generated office with its mails, tasks and attachments, ready to be exported: rows, originals and previews."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import databases
import filed_office
import missive_office
import tables
from conftest import PIPELINE, PIPELINE_PASSWORD, TEMPLATE

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.live.attachments import save_attachments
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres

SIZE = filed_office.Size(files=60, projects=3, tasks=60, conversations=36)


@dataclass
class Office:
    """The office, and the project with the most of everything."""

    settings: Settings
    url: str
    project: int
    name: str


@contextlib.contextmanager
def opened(
    postgres: EmbeddedPostgres, s3: EmbeddedS3, folder: Path, size: filed_office.Size = SIZE
) -> Iterator[Office]:
    """Make and read an office in a database of its own, for the length of the block."""
    name = f"test_{uuid.uuid4().hex}"
    databases.create(postgres, name, template=TEMPLATE)
    vendors = filed_office.Vendors(size)
    vendors.start()
    try:
        settings = settings_of(folder, postgres, s3, name, size)
        read_office(settings, vendors)
        url = postgres.url(name)
        yield Office(settings, url, *fullest(url))
    finally:
        vendors.stop()
        tables.close()
        databases.drop(postgres, name)


def settings_of(
    folder: Path, postgres: EmbeddedPostgres, s3: EmbeddedS3, name: str, size: filed_office.Size
) -> Settings:
    """Return the settings of an office with its NAS, in the database of this name, with a bucket of its own."""
    bucket = f"test-{uuid.uuid4().hex}"
    EmbeddedS3(folder=s3.folder, bucket=bucket, access_key=s3.access_key, secret_key=s3.secret_key).start()
    nas = filed_office.generate(folder, size)
    (nas / ".ibhelm-share").write_text("test share\n", encoding="utf-8")
    return Settings(
        _env_file=None,
        nas_root=nas,
        state_dir=folder / "state",
        database_url=postgres.url(name, user=PIPELINE, password=PIPELINE_PASSWORD),
        s3_endpoint=s3.endpoint,
        s3_bucket=bucket,
        content_workers=1,
        attachment_inbox="on",
    )


def read_office(settings: Settings, vendors: filed_office.Vendors) -> None:
    """Bring all of it into the tables and the bucket."""
    office = filed_office.FiledOffice(settings, vendors)
    office.read_everything()
    save_attachments(missive_office.connected(settings, vendors.missive))
    scan(settings)
    for step in ("store", "thumbnail"):
        run_step(step, settings)
    office.link()


def fullest(url: str) -> tuple[int, str]:
    """Return the project that has most conversations among those that have files and tasks."""
    [(number, name)] = tables.ask(
        url,
        """select p.id, p.name from projects p
           where exists (select from files f where f.project_id = p.id)
             and exists (select from tasks t where t.project_id = p.id)
           order by (select count(*) from conversation_projects b where b.project_id = p.id) desc, p.id limit 1""",
    )
    return number, name
