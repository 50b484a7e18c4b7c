"""Objects in one S3 bucket: put, verify, find, delete, sign a link.

Invariants: an object appears under its key whole and with the very bytes that its hash names, or not at all (the server
checks the SHA-256 of every request; the hash over the parts of a large one is checked here before it is completed).
Keys are hashes; the real file name travels in the signed link.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote

from ibhelm_pipelines.errors import ConfigurationError, ObjectStoreUnavailableError
from ibhelm_pipelines.objects.client import MissingError, changed_content, new_client, translated_errors
from ibhelm_pipelines.objects.multipart import PART_BYTES, MultipartUpload, base64_of
from ibhelm_pipelines.objects.window import FileWindow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from mypy_boto3_s3 import S3Client

    from ibhelm_pipelines.settings import Settings

ORIGINALS = "originals/"
THUMBNAILS = "thumbnails/"
MAX_LINK_SECONDS = 7 * 24 * 3600  # the limit of a SigV4 signature


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


class ObjectStore:
    """One bucket. Thread-safe; close it, or use it as a context manager.

    Args:
        settings: endpoint, bucket, region and keys.
        connections: how many requests may run at the same time.

    Raises:
        ConfigurationError: no endpoint is set.
    """

    def __init__(self, settings: Settings, *, connections: int = 16) -> None:
        self.bucket = settings.s3_bucket
        self._bucket_seen = False
        self._settings = settings
        self._client = new_client(settings, settings.require_s3_endpoint(), connections=connections)

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

    def put_file(self, key: str, file: BinaryIO, *, sha256: str, size: int, media_type: str) -> None:
        """Store the bytes of an open, seekable file. A large one goes in parts, from where a killed upload ended.

        Args:
            key: where.
            file: the bytes, read from the file's beginning; stays open.
            sha256: what they must hash to, as hex.
            size: how many there must be.
            media_type: what the store says they are.

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
        elif not self._holds(key, sha256, size):
            self._put_in_parts(key, file, sha256=sha256, size=size, media_type=media_type)

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
        return StoredObject(
            key=key,
            size=answer["ContentLength"],
            media_type=answer.get("ContentType", ""),
            sha256=answer.get("Metadata", {}).get("sha256", ""),
        )

    def delete(self, key: str) -> None:
        """Delete an object; deleting what is not there is no error. Errors as of `check`."""
        with translated_errors(self.bucket):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def list_keys(self, prefix: str = "") -> Iterator[str]:
        """Yield every key below a prefix, page by page to the end. Errors as of `check`."""
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix))
        while True:
            with translated_errors(self.bucket):
                page = next(pages, None)
            if page is None:
                return
            yield from (entry["Key"] for entry in page.get("Contents", []))

    def presign(self, key: str, *, file_name: str, media_type: str, seconds: int) -> str:
        """Return a link that downloads an object under its real file name, without credentials, for a while.

        Args:
            key: the object.
            file_name: the name that a browser saves it under, any Unicode.
            media_type: the type that the browser is told.
            seconds: how long the link works, at most 7 days.

        Raises:
            ConfigurationError: IBHELM_S3_PUBLIC_URL does not end with the bucket, so no link can be signed for it.
        """
        if not 0 < seconds <= MAX_LINK_SECONDS:
            raise ValueError(f"a link works for 1 to {MAX_LINK_SECONDS} seconds, not {seconds}")
        return self._links.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "ResponseContentDisposition": content_disposition(file_name),
                "ResponseContentType": media_type,
            },
            ExpiresIn=seconds,
        )

    @cached_property
    def _links(self) -> S3Client:
        """A client that signs for the host that browsers use (it is part of the signature); opens no connection."""
        public = (self._settings.s3_public_url or "").rstrip("/")
        if not public:
            return self._client
        endpoint = public.removesuffix(f"/{self.bucket}")
        if endpoint == public:
            raise ConfigurationError(
                f"No link can be signed for IBHELM_S3_PUBLIC_URL={public}: it does not end with /{self.bucket}.",
                next_step="Set it to the URL at which browsers reach the S3 server, followed by the bucket's name.",
            )
        return new_client(self._settings, endpoint, connections=1)

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


def content_disposition(file_name: str) -> str:
    """Return the header that makes browsers save a download under this name (RFC 6266, RFC 5987)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='', errors='replace')}"
