"""Versions of objects, where the bucket keeps them: an earlier good one is found and put back, and what is deleted is
deleted in all of its versions.

Without the second, nothing would ever be forgotten or purged: a plain deletion only hides the bytes. A bucket that
keeps no versions, or a server that knows none, answers every question here with "none".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.objects.client import translated_errors

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of an object.

    Attributes:
        is_current: whether who asks for the key gets this one.
        is_marker: whether it only says that the object was deleted.
    """

    key: str
    id: str
    size: int
    modified_at: dt.datetime
    is_current: bool
    is_marker: bool


class Versions:
    """The versions in one bucket.

    Args:
        client: the S3 client.
        bucket: where.
        wanted: whether to ask for them at all (IBHELM_S3_VERSIONING).
    """

    def __init__(self, client: S3Client, bucket: str, *, wanted: bool) -> None:
        self._client, self._bucket, self._wanted = client, bucket, wanted

    @cached_property
    def are_kept(self) -> bool:
        """Whether the bucket keeps versions, or did until somebody suspended it. Errors as of `ObjectStore.check`."""
        return self._wanted and self.state() in ("Enabled", "Suspended")

    def state(self) -> str:
        """Return what the server says: Enabled, Suspended, or nothing. Errors as of `ObjectStore.check`."""
        try:
            with translated_errors(self._bucket):
                return str(self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", ""))
        except PermanentError:
            return ""  # a server without versions

    def locks(self) -> str:
        """Return how long the server refuses to delete objects by default; nothing where it does not."""
        try:
            with translated_errors(self._bucket):
                answer = self._client.get_object_lock_configuration(Bucket=self._bucket)
        except PermanentError:
            return ""
        rule = answer.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
        years, days = rule.get("Years"), rule.get("Days")
        return f"{rule.get('Mode', '').lower()} {years or days} {'years' if years else 'days'}" if rule else ""

    def of(self, key: str) -> list[Version]:
        """Return the versions of exactly this key, the newest first. Errors as of `ObjectStore.check`."""
        return [version for version in self.below(key) if version.key == key] if self.are_kept else []

    def below(self, prefix: str) -> Iterator[Version]:
        """Yield every version and marker below a prefix, by page and key. Errors as of `ObjectStore.check`."""
        pages = iter(self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix))
        while True:
            with translated_errors(self._bucket):
                page = next(pages, None)
            if page is None:
                return
            yield from sorted(_versions(page), key=lambda version: version.key)

    def delete(self, version: Version) -> None:
        """Delete one version for good. Errors as of `ObjectStore.check`."""
        with translated_errors(self._bucket):
            self._client.delete_object(Bucket=self._bucket, Key=version.key, VersionId=version.id)

    def put_back(self, version: Version) -> None:
        """Make an earlier version the current one; up to 5 GB, the limit of S3. Errors as of `ObjectStore.check`."""
        source = {"Bucket": self._bucket, "Key": version.key, "VersionId": version.id}
        with translated_errors(self._bucket):
            self._client.copy_object(Bucket=self._bucket, Key=version.key, CopySource=source)  # type: ignore[arg-type]


def _versions(page: ListObjectVersionsOutputTypeDef) -> Iterator[Version]:
    for entry in page.get("Versions", []):
        yield Version(
            key=entry["Key"],
            id=entry["VersionId"],
            size=entry["Size"],
            modified_at=entry["LastModified"],
            is_current=entry["IsLatest"],
            is_marker=False,
        )
    for marker in page.get("DeleteMarkers", []):
        yield Version(
            key=marker["Key"],
            id=marker["VersionId"],
            size=0,
            modified_at=marker["LastModified"],
            is_current=marker["IsLatest"],
            is_marker=True,
        )
