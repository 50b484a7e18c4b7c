"""Objects in one S3 bucket: put, verify, find, read, delete.

Invariants: an object appears under its key whole and with the very bytes that its hash names, or not at all (the server
checks the SHA-256 of every request; the hash over the parts of a large one is checked here before it is completed).
Keys are hashes; the real file name travels in the link (objects.links).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from ibhelm_pipelines.errors import ConfigurationError, ObjectStoreUnavailableError
from ibhelm_pipelines.objects.client import (
    PATIENT,
    MissingError,
    Patience,
    changed_content,
    new_client,
    translated_errors,
)
from ibhelm_pipelines.objects.multipart import (
    PART_BYTES,
    MultipartUpload,
    abort_upload,
    base64_of,
    unfinished_uploads,
)
from ibhelm_pipelines.objects.streaming import StreamedUpload
from ibhelm_pipelines.objects.versions import Versions
from ibhelm_pipelines.objects.window import FileWindow

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from typing import Self

    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

    from ibhelm_pipelines.settings import Settings

ORIGINALS = "originals/"
THUMBNAILS = "thumbnails/"


def original_key(content_hash: str) -> str:
    """Return the key of a content's original bytes."""
    return f"{ORIGINALS}{content_hash}"


def thumbnail_key(content_hash: str) -> str:
    """Return the key of a content's preview."""
    return f"{THUMBNAILS}{content_hash}.webp"


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """What the store says of one object."""

    key: str
    size: int
    media_type: str
    sha256: str
    """As recorded at the upload, hex; empty for an object that this platform did not put."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a listing says of one object; its time is the server's."""

    key: str
    size: int
    modified_at: dt.datetime


class OpenObject:
    """An object while it is read; close it. Not for several threads at once.

    Args:
        stored: what it is.
        body: its bytes, or those that were asked for.
        bucket: where it lies, for errors.
    """

    def __init__(self, stored: StoredObject, body: StreamingBody, bucket: str) -> None:
        self.stored, self._body, self._bucket = stored, body, bucket

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most so many; none at the end.

        Raises:
            ObjectStoreUnavailableError: they do not come, or end too early.
            ObjectRottenError: at the end, where the server keeps a checksum: they are not those that were put.
        """
        with translated_errors(self._bucket):
            return self._body.read(size)

    def close(self) -> None:
        """Let go of it, wherever the reading is; the connection ends with it."""
        self._body.close()


class ObjectStore:
    """One bucket. Thread-safe; close it, or use it as a context manager.

    Args:
        settings: endpoint, bucket, region and keys.
        connections: how many requests may run at the same time.
        patience: how long and how often the server is asked.

    Raises:
        ConfigurationError: no endpoint is set.
    """

    def __init__(self, settings: Settings, *, connections: int = 16, patience: Patience = PATIENT) -> None:
        self.bucket = settings.s3_bucket
        self._bucket_seen = False
        self._client = new_client(settings, connections=connections, patience=patience)
        self.versions = Versions(self._client, self.bucket, wanted=settings.s3_versioning == "auto")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self) -> None:
        """Make sure that the bucket is there and lets us in.

        Raises:
            ObjectStoreUnavailableError: the server does not answer.
            ConfigurationError: the credentials or the bucket are wrong.
        """
        try:
            with translated_errors(self.bucket):
                self._client.head_bucket(Bucket=self.bucket)
        except MissingError as error:
            raise ConfigurationError(
                f"There is no bucket {self.bucket} on the S3 server.",
                next_step="Create it, or set IBHELM_S3_BUCKET to one that exists.",
            ) from error
        self._bucket_seen = True

    def put_bytes(self, key: str, data: bytes, *, sha256: str, media_type: str) -> None:
        """Store a small object from memory; arguments and errors as of `put_file`."""
        self.put_file(key, io.BytesIO(data), sha256=sha256, size=len(data), media_type=media_type)

    def put_file(
        self, key: str, file: BinaryIO, *, sha256: str, size: int, media_type: str, replace: bool = False
    ) -> None:
        """Store the bytes of an open, seekable file. A large one goes in parts, from where a killed upload ended.

        Args:
            key: where.
            file: the bytes, read from the file's beginning; stays open.
            sha256: what they must hash to, as hex.
            size: how many there must be.
            media_type: what the store says they are.
            replace: also when a large object is there already that says to hold them: it may be rotten.

        Raises:
            ContentChangedError: the bytes are not those that were named; nothing lies under the key.
            ObjectStoreUnavailableError: the server does not answer; trying again goes on where this ended.
            ConfigurationError: the credentials or the bucket are wrong.
        """
        found = file.seek(0, io.SEEK_END)
        if found != size:
            raise changed_content(f"The file has {found:,} bytes now instead of {size:,}.")
        if size <= PART_BYTES:
            self._put_whole(key, FileWindow(file, start=0, length=size), sha256=sha256, media_type=media_type)
        elif replace or not self._holds(key, sha256, size):
            self._put_in_parts(key, file, sha256=sha256, size=size, media_type=media_type)

    def stream(self, key: str, *, media_type: str) -> StreamedUpload:
        """Begin to store an object whose size and hash nobody knows before its end. Errors as of `check`."""
        return StreamedUpload(self._client, self.bucket, key, media_type=media_type)

    def abort_unfinished(self, key: str) -> int:
        """End the unfinished uploads of a key, which a killed process left; return how many. Errors as of `check`."""
        found = list(unfinished_uploads(self._client, self.bucket, key))
        for upload_id in found:
            abort_upload(self._client, self.bucket, key, upload_id)
        return len(found)

    def head(self, key: str) -> StoredObject | None:
        """Return what is stored under a key, or None. Errors as of `check`.

        A missing bucket answers a HEAD just as a missing object does, so the first None is given only when the bucket
        was seen. One that vanishes while this store is open is noticed by whatever is put, listed or deleted next.
        """
        try:
            with translated_errors(self.bucket):
                answer = self._client.head_object(Bucket=self.bucket, Key=key)
        except MissingError:
            if not self._bucket_seen:
                self.check()
            return None
        return _stored(key, answer)

    def open(
        self, key: str, *, start: int = 0, length: int | None = None, version: str | None = None
    ) -> OpenObject | None:
        """Begin to read an object, or a stretch of it; None where there is none.

        Args:
            key: the object.
            start: the first byte.
            length: how many there are from there on; without it, all of the object is read.
            version: of an earlier version; without it, the current one is read.

        Raises:
            ObjectStoreUnavailableError, ConfigurationError: as of `check`.
            ObjectRottenError: of the reading; see `OpenObject.read`.
        """
        wanted = {} if length is None else {"Range": f"bytes={start}-{start + length - 1}"}
        if version is not None:
            wanted["VersionId"] = version
        try:
            with translated_errors(self.bucket):
                answer = self._client.get_object(Bucket=self.bucket, Key=key, **wanted)  # type: ignore[arg-type]
        except MissingError:
            return None
        return OpenObject(_stored(key, answer), answer["Body"], self.bucket)

    def delete(self, key: str) -> None:
        """Delete an object in all its versions; deleting what is not there is no error. Errors as of `check`."""
        for version in self.versions.of(key):
            self.versions.delete(version)
        if not self.versions.are_kept:
            with translated_errors(self.bucket):
                self._client.delete_object(Bucket=self.bucket, Key=key)

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        """Yield every key below a prefix, page by page to the end. Errors as of `check`."""
        return (listed.key for listed in self.list_objects(prefix))

    def list_objects(self, prefix: str = "") -> Iterator[Listed]:
        """Yield every object below a prefix in the order of the keys' bytes, page by page to the end.

        Errors as of `check`: a listing that breaks off is never taken for one that ended.
        """
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix))
        while True:
            with translated_errors(self.bucket):
                page = next(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", []):
                yield Listed(key=entry["Key"], size=entry["Size"], modified_at=entry["LastModified"])

    def abort_uploads(self, prefix: str, *, before: dt.datetime) -> int:
        """End the unfinished uploads below a prefix that began before some time; return how many.

        Errors as of `check`.
        """
        pages = iter(self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix))
        ended = 0
        while True:
            with translated_errors(self.bucket):
                page = next(pages, None)
            if page is None:
                return ended
            for upload in page.get("Uploads", []):
                if upload["Initiated"] < before:
                    abort_upload(self._client, self.bucket, upload["Key"], upload["UploadId"])
                    ended += 1

    def _holds(self, key: str, sha256: str, size: int) -> bool:
        stored = self.head(key)
        return stored is not None and (stored.sha256, stored.size) == (sha256, size)

    def _put_whole(self, key: str, body: FileWindow, *, sha256: str, media_type: str) -> None:
        with translated_errors(self.bucket):
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=cast("IO[bytes]", body),
                ContentType=media_type,
                ChecksumSHA256=base64_of(bytes.fromhex(sha256)),
                Metadata={"sha256": sha256},
            )

    def _put_in_parts(self, key: str, file: BinaryIO, *, sha256: str, size: int, media_type: str) -> None:
        upload = MultipartUpload(
            client=self._client, bucket=self.bucket, key=key, sha256=sha256, size=size, media_type=media_type
        )
        try:
            upload.send(file)
        except MissingError as error:
            if self._holds(key, sha256, size):
                return  # another process was quicker with the same content
            raise ObjectStoreUnavailableError(
                f"The S3 server forgot the unfinished upload of {key} (a restart, or another process ended it).",
                next_step="Nothing to do: the next run begins it again.",
            ) from error


def _stored(key: str, answer: HeadObjectOutputTypeDef | GetObjectOutputTypeDef) -> StoredObject:
    return StoredObject(
        key=key,
        size=answer["ContentLength"],
        media_type=answer.get("ContentType", ""),
        sha256=answer.get("Metadata", {}).get("sha256", ""),
    )
