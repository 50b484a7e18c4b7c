"""A small office that is mirrored in S3, and ways of doing harm to the mirror behind the platform's back."""

from __future__ import annotations

import hashlib
from typing import Any

from click.testing import CliRunner, Result
from nas_tree import Nas

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.store import original_key
from ibhelm_pipelines.settings import Settings


def digest(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


class Mirror:
    """The office of some settings, and its bucket.

    Args:
        settings: of the test.
        client: of boto3, at the same server.
    """

    def __init__(self, settings: Settings, client: Any) -> None:
        self.settings, self.client, self.bucket = settings, client, settings.s3_bucket
        self.nas = Nas(settings)

    def fill(self, files: int) -> None:
        """Write so many files with contents of their own, scan and store them."""
        for number in range(files):
            self.nas.write(f"projekte/A/{number}.txt", self.text(number))
        self.store()

    def text(self, number: int) -> str:
        return f"text {number}\n" * (number + 1)

    def key(self, number: int) -> str:
        return original_key(digest(self.text(number)))

    def store(self) -> None:
        scan(other(self.settings, max_deletion_percent=100))
        run_step("store", self.settings)

    def objects(self) -> dict[str, bytes]:
        """What whoever asks for them gets."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {each["Key"]: self.read(each["Key"]) for page in pages for each in page.get("Contents", [])}

    def read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def spoil(self, key: str, data: bytes | None = None) -> None:
        """Flip a bit of an object, or put other bytes there; its metadata still says that it is right."""
        whole = self.read(key)
        metadata = self.client.head_object(Bucket=self.bucket, Key=key)["Metadata"]
        flipped = bytes([whole[0] ^ 1]) + whole[1:]
        self.put(key, flipped if data is None else data, metadata)

    def put(self, key: str, data: bytes, metadata: dict[str, str] | None = None) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data, Metadata=metadata or {})

    def remove(self, *keys: str) -> None:
        for key in keys:
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def keep_versions(self) -> None:
        status = {"Status": "Enabled"}
        self.client.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration=status)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.nas.rows(query, *values)

    def problems(self) -> list[tuple[Any, ...]]:
        """Key, kind and whether it is healed, of each that was ever found."""
        return self.rows("select key, kind, healed_at is not null from ops.object_problems order by id")

    def assert_whole(self) -> None:
        """Every row has its object, and that holds what it should."""
        held = self.objects()
        wrong = [
            key
            for key, sha256 in self.rows("select key, sha256 from ops.stored_objects")
            if key not in held or digest(held[key]) != sha256
        ]
        assert wrong == []


def other(settings: Settings, **values: Any) -> Settings:
    """The same settings but for these."""
    return Settings.model_validate({**settings.model_dump(), **values})


def call(settings: Settings, *arguments: str) -> Result:
    """Run a command of `ibhelm`, with the defaults of all that is not said here."""
    environment = {
        "IBHELM_STATE_DIR": str(settings.state_dir),
        "IBHELM_NAS_ROOT": str(settings.nas_root),
        "IBHELM_DATABASE_URL": settings.require_database_url(),
        "IBHELM_S3_ENDPOINT": settings.require_s3_endpoint(),
        "IBHELM_S3_BUCKET": settings.s3_bucket,
    }
    return CliRunner().invoke(main, list(arguments), env=environment)
