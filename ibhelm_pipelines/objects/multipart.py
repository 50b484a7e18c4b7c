"""Large objects in parts: goes on where a killed upload ended, and completes only what hashes to what it should."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from ibhelm_pipelines.errors import ContentChangedError
from ibhelm_pipelines.objects.client import MissingError, changed_content, translated_errors
from ibhelm_pipelines.objects.window import FileWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# 10,000 parts (the limit of S3) of it are 640 GB. Unfinished uploads of another part size are sent again, not mixed up.
PART_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class MultipartUpload:
    """One upload of one content under one key.

    Args:
        client: the S3 client.
        bucket: where.
        key: under which key.
        sha256: what the whole must hash to, as hex.
        size: its size in bytes.
        media_type: its type.
    """

    client: S3Client
    bucket: str
    key: str
    sha256: str
    size: int
    media_type: str

    def send(self, file: BinaryIO) -> None:
        """Upload the file.

        Raises:
            ContentChangedError: it holds other bytes; the upload is aborted and nothing lies under the key.
            MissingError: the upload was ended by somebody else meanwhile.
            ObjectStoreUnavailableError, ConfigurationError: the upload stays and is gone on with next time.
        """
        upload_id = next(unfinished_uploads(self.client, self.bucket, self.key), None) or self._begin()
        whole = hashlib.sha256()
        try:
            parts = self._send_parts(file, upload_id, whole.update)
            if whole.hexdigest() != self.sha256:
                raise changed_content("The file no longer hashes to what it did.")
        except ContentChangedError:
            abort_upload(self.client, self.bucket, self.key, upload_id)
            raise
        with translated_errors(self.bucket):
            self.client.complete_multipart_upload(
                Bucket=self.bucket, Key=self.key, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )

    def _begin(self) -> str:
        with translated_errors(self.bucket):
            return self.client.create_multipart_upload(
                Bucket=self.bucket,
                Key=self.key,
                ContentType=self.media_type,
                ChecksumAlgorithm="SHA256",
                Metadata={"sha256": self.sha256},
            )["UploadId"]

    def _send_parts(
        self, file: BinaryIO, upload_id: str, update: Callable[[bytes], None]
    ) -> list[CompletedPartTypeDef]:
        stored = self._stored_parts(upload_id)
        parts: list[CompletedPartTypeDef] = []
        for number, start in enumerate(range(0, self.size, PART_BYTES), start=1):
            window = FileWindow(file, start=start, length=min(PART_BYTES, self.size - start))
            checksum = base64_of(window.sha256(update))
            etag = stored.get((number, checksum)) or self._send_part(window, upload_id, number, checksum)
            parts.append({"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum})
        return parts

    def _stored_parts(self, upload_id: str) -> dict[tuple[int, str], str]:
        """Return the ETags of the parts that the server holds, by number and checksum."""
        pages = self.client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=self.key, UploadId=upload_id)
        with translated_errors(self.bucket):
            return {
                (part["PartNumber"], part.get("ChecksumSHA256", "")): part["ETag"]
                for page in pages
                for part in page.get("Parts", [])
            }

    def _send_part(self, window: FileWindow, upload_id: str, number: int, checksum: str) -> str:
        with translated_errors(self.bucket):
            return self.client.upload_part(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=upload_id,
                PartNumber=number,
                Body=cast("IO[bytes]", window),
                ChecksumSHA256=checksum,
            )["ETag"]


def base64_of(digest: bytes) -> str:
    """Return a digest as S3 writes it."""
    return base64.b64encode(digest).decode("ascii")


def abort_upload(client: S3Client, bucket: str, key: str, upload_id: str) -> None:
    """End an unfinished upload; one that is gone already is no error. Errors as of `ObjectStore.check`."""
    try:
        with translated_errors(bucket):
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    except MissingError:
        return


def unfinished_uploads(client: S3Client, bucket: str, key: str) -> Iterator[str]:
    """Yield the ids of the unfinished uploads of exactly this key. Errors as of `ObjectStore.check`."""
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
    with translated_errors(bucket):
        for page in pages:
            for upload in page.get("Uploads", []):
                if upload.get("Key") == key and (upload_id := upload.get("UploadId")):
                    yield upload_id
