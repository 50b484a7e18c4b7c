"""Makes the bucket, once, where the keys allow it; a bucket that is there is left exactly as it is."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ibhelm_pipelines.objects.client import PATIENT, MissingError, new_client, translated_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from ibhelm_pipelines.settings import Settings

HOME_REGION = "us-east-1"
"""The one region that S3 refuses to be told when a bucket is made."""


def ensure_bucket(settings: Settings) -> bool:
    """Make the bucket of the settings if there is none; return whether it was made now.

    Raises:
        ObjectStoreUnavailableError: the server does not answer.
        ConfigurationError: the credentials are wrong, or may not make a bucket.
    """
    with closing(new_client(settings, connections=1, patience=PATIENT)) as client:
        if _is_there(client, settings.s3_bucket):
            return False
        with translated_errors(settings.s3_bucket):
            _make(client, settings)
    return True


def _is_there(client: S3Client, bucket: str) -> bool:
    try:
        with translated_errors(bucket):
            client.head_bucket(Bucket=bucket)
    except MissingError:
        return False
    return True


def _make(client: S3Client, settings: Settings) -> None:
    if settings.s3_region == HOME_REGION:
        client.create_bucket(Bucket=settings.s3_bucket)
    else:
        place = {"LocationConstraint": settings.s3_region}
        client.create_bucket(Bucket=settings.s3_bucket, CreateBucketConfiguration=place)  # type: ignore[arg-type]
