"""The one place where boto3 is set up and where what S3 says becomes our errors."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    ParamValidationError,
)

from ibhelm_pipelines.errors import (
    ConfigurationError,
    ContentChangedError,
    IbhelmError,
    ObjectRottenError,
    ObjectStoreUnavailableError,
    PermanentError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from ibhelm_pipelines.settings import Settings

CONNECT_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long and how often a server is asked.

    Attributes:
        read_seconds: between two signs of life.
        attempts: in all, with the growing pauses of botocore's standard mode.
    """

    read_seconds: int
    attempts: int


PATIENT = Patience(read_seconds=120, attempts=4)
"""Of runs: a server may think long about the end of a large upload."""

_MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload"})
_MISCONFIGURED = frozenset({
    "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "PermanentRedirect",
    "AuthorizationHeaderMalformed", "InvalidBucketName",
})  # fmt: skip
_BUSY = frozenset({"SlowDown", "RequestTimeout", "429", "TooManyRequests"})
_UNKNOWN_TO_IT = frozenset({"NotImplemented", "501"})
"""A server that has no such feature will not have it when it is asked again."""
_WRONG_BYTES = frozenset({"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})


_MAKING = Lock()
"""A session is not for several threads at once; the clients that it makes are."""


class MissingError(PermanentError):
    """There is no such object or upload. Never leaves this room."""


def new_client(settings: Settings, *, connections: int, patience: Patience) -> S3Client:
    """Return a client for the endpoint of the settings; thread-safe.

    Raises:
        ConfigurationError: the endpoint is not set, or is no URL.
    """
    endpoint = settings.require_s3_endpoint()
    config = Config(
        signature_version="s3v4",  # boto3 signs links for us-east-1 with the old SigV2 otherwise
        s3={"addressing_style": "path"},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=patience.read_seconds,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        max_pool_connections=connections,
    )
    try:
        return _make(settings, endpoint, config)
    except ValueError as error:
        raise ConfigurationError(
            f"The S3 endpoint {endpoint!r} is no URL.", next_step="Set IBHELM_S3_ENDPOINT to http(s)://HOST:PORT."
        ) from error


def _make(settings: Settings, endpoint: str, config: Config) -> S3Client:
    with _MAKING:
        return _session().client(
            "s3",
            endpoint_url=endpoint,
            config=config,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
            region_name=settings.s3_region,
        )


@cache
def _session() -> boto3.session.Session:
    """One for the process: each reads the description of S3 anew, a tenth of a second."""
    return boto3.session.Session()


@contextmanager
def translated_errors(bucket: str) -> Iterator[None]:
    """Turn errors of boto3 into ours.

    Raises:
        ObjectStoreUnavailableError: no answer in time, or a server error.
        ConfigurationError: the credentials or the bucket are wrong.
        ContentChangedError: the bytes that arrived are not those that were announced.
        MissingError: no such object or upload.
        ObjectRottenError: the bytes that were read are not those that were put.
        PermanentError: S3 refuses the request for another reason.
    """
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, bucket) from error
    except ParamValidationError as error:
        raise _misconfigured(str(error)) from error
    except FlexibleChecksumError as error:
        raise ObjectRottenError(
            f"The S3 server holds other bytes than those that were put there: {error}.",
            next_step="`ibhelm verify --everything` finds all such objects and heals them from the NAS.",
        ) from error
    except BotoCoreError as error:
        raise _from_connection(error) from error


def _from_answer(error: ClientError, bucket: str) -> IbhelmError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if (status >= 500 and code not in _UNKNOWN_TO_IT) or code in _BUSY:
        return _unavailable(str(error))
    if code in _MISCONFIGURED:
        return _misconfigured(f"bucket {bucket}: {error}")
    if code in _WRONG_BYTES:
        return changed_content("The S3 server received other bytes than those that were hashed.")
    if code in _MISSING:
        return MissingError(str(error))
    return PermanentError(
        f"The S3 server refuses a request: {error}.",
        next_step="See the log of the server at IBHELM_S3_ENDPOINT for the reason; it may lack a feature that is used.",
    )


def _from_connection(error: BotoCoreError) -> IbhelmError:
    # Whatever a body raises while it is sent arrives wrapped.
    cause = error.kwargs.get("error") if isinstance(error, HTTPClientError) else None
    return cause if isinstance(cause, ContentChangedError) else _unavailable(str(error))


def changed_content(problem: str) -> ContentChangedError:
    """Return the error for a file that changed after it was hashed."""
    return ContentChangedError(problem, next_step="The next scan records what the file holds now.")


def _unavailable(problem: str) -> ObjectStoreUnavailableError:
    return ObjectStoreUnavailableError(
        f"The S3 server does not answer as it should: {problem}.",
        next_step="`ibhelm up` starts the embedded one; of another one, check the address in IBHELM_S3_ENDPOINT and its"
        " log.",
    )


def _misconfigured(problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"The S3 server refuses us: {problem}.",
        next_step="Check IBHELM_S3_ENDPOINT, IBHELM_S3_BUCKET, IBHELM_S3_ACCESS_KEY, IBHELM_S3_SECRET_KEY and"
        " IBHELM_S3_REGION.",
    )
