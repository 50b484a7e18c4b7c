"""Objects of unknown size: sent in parts while they are made, from something that can be read only once.

Invariants: nothing appears under the key before `complete`, and the server has checked the SHA-256 of each part; what
is not completed is aborted. At most two parts are in memory: one is filled while the other is sent.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import structlog

from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.objects.client import translated_errors
from ibhelm_pipelines.objects.multipart import abort_upload, base64_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

STREAM_PART_BYTES = 32 * 1024 * 1024
"""10,000 parts (the limit of S3) of it are 320 GB."""


class StreamedUpload:
    """One upload under one key; a context manager that aborts what was not completed. Written to by one thread.

    Args:
        client: the S3 client.
        bucket: where.
        key: under which key.
        media_type: what the store says it is.

    Raises:
        ObjectStoreUnavailableError, ConfigurationError: the upload cannot be begun.
    """

    def __init__(self, client: S3Client, bucket: str, key: str, *, media_type: str) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._buffer = bytearray()
        self._whole = hashlib.sha256()
        self._sending: Future[CompletedPartTypeDef] | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._completed = False
        self.size = 0
        with translated_errors(bucket):
            self._upload_id = client.create_multipart_upload(
                Bucket=bucket, Key=key, ContentType=media_type, ChecksumAlgorithm="SHA256"
            )["UploadId"]
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="part")

    @property
    def sha256(self) -> str:
        """Of all that was written so far, hex."""
        return self._whole.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.shutdown(wait=True)
        if not self._completed:
            self._abort()

    def write(self, data: bytes) -> int:
        """Take the next bytes; a full part is sent in the background.

        Raises:
            ObjectStoreUnavailableError, ConfigurationError: an earlier part could not be sent.
        """
        self._whole.update(data)
        self.size += len(data)
        self._buffer += data
        while len(self._buffer) >= STREAM_PART_BYTES:
            part = bytes(memoryview(self._buffer)[:STREAM_PART_BYTES])
            del self._buffer[:STREAM_PART_BYTES]
            self._send(part)
        return len(data)

    def flush(self) -> None:
        """Do nothing: a part is sent when it is full. Writers of encrypted streams ask for this."""

    def complete(self) -> None:
        """Send the rest and let the object appear. Errors as of `write`."""
        if self._buffer or not (self._parts or self._sending):
            self._send(bytes(self._buffer))
        self._take_sent()
        with translated_errors(self._bucket):
            self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=self._key, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        self._completed = True

    def _send(self, part: bytes) -> None:
        self._take_sent()
        self._sending = self._sender.submit(self._send_part, len(self._parts) + 1, part)

    def _take_sent(self) -> None:
        if self._sending is not None:
            self._parts.append(self._sending.result())
            self._sending = None

    def _send_part(self, number: int, part: bytes) -> CompletedPartTypeDef:
        checksum = base64_of(hashlib.sha256(part).digest())
        with translated_errors(self._bucket):
            etag = self._client.upload_part(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=part,
                ChecksumSHA256=checksum,
            )["ETag"]
        return {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum}

    def _abort(self) -> None:
        """Abort the upload. Where the server is away, the reason why we came here says more than that."""
        try:
            abort_upload(self._client, self._bucket, self._key, self._upload_id)
        except IbhelmError as error:
            structlog.get_logger().warning("upload_not_aborted", key=self._key, reason=str(error))
