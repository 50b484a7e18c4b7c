"""The embedded S3 server: durable over kills, honest about what stops it, closed to the outside."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ibhelm_pipelines.errors import ConfigurationError, ObjectStoreUnavailableError
from ibhelm_pipelines.local.process import wait_until
from ibhelm_pipelines.local.s3 import EmbeddedS3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client


@contextmanager
def _client(server: EmbeddedS3, *, access_key: str | None = None) -> Iterator[S3Client]:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=access_key or server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    try:
        yield client
    finally:
        client.close()


FORMER_POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
 "Action": "s3:GetObject", "Resource": "arn:aws:s3:::BUCKET/thumbnails/*"}]}"""


def _kill(server: EmbeddedS3) -> None:
    process = server.process()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


def _get(url: str) -> int:
    """Return the status of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_objects_outlive_a_kill(private_s3: EmbeddedS3) -> None:
    for number in range(3):
        with _client(private_s3) as client:
            client.put_object(Bucket=private_s3.bucket, Key=f"a/{number}", Body=b"x" * number, ContentType="image/webp")
        _kill(private_s3)
        private_s3.start()
    with _client(private_s3) as client:
        listed = client.list_objects_v2(Bucket=private_s3.bucket)["Contents"]
        head = client.head_object(Bucket=private_s3.bucket, Key="a/2")
    assert {entry["Key"]: entry["Size"] for entry in listed} == {"a/0": 0, "a/1": 1, "a/2": 2}
    assert head["ContentType"] == "image/webp"


def test_objects_and_port_outlive_a_stop(private_s3: EmbeddedS3) -> None:
    with _client(private_s3) as client:
        client.put_object(Bucket=private_s3.bucket, Key="k", Body=b"kept")
    port = private_s3.port
    private_s3.stop()
    assert not private_s3.running()
    private_s3.start()
    with _client(private_s3) as client:
        assert client.get_object(Bucket=private_s3.bucket, Key="k")["Body"].read() == b"kept"
    assert private_s3.port == port


def test_a_second_start_attaches_to_the_running_server(private_s3: EmbeddedS3) -> None:
    before = private_s3.process()
    EmbeddedS3(folder=private_s3.folder, bucket=private_s3.bucket).start()
    assert private_s3.process() == before


def test_a_taken_port_is_a_clear_sentence(private_folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} .* is taken .*IBHELM_S3_PORT"):
            EmbeddedS3(folder=private_folder / "s3", bucket="b-1", configured_port=port).start()


def test_a_bucket_name_that_s3_refuses_is_a_clear_sentence(private_folder: Path) -> None:
    server = EmbeddedS3(folder=private_folder / "s3", bucket="Büro")
    try:
        with pytest.raises(ConfigurationError, match="IBHELM_S3_BUCKET"):
            server.start()
    finally:
        server.stop()


def test_the_port_of_a_stopped_server_is_an_error_with_advice(private_folder: Path) -> None:
    with pytest.raises(ObjectStoreUnavailableError, match=r"not running.*ibhelm up"):
        _ = EmbeddedS3(folder=private_folder / "s3", bucket="b-1").port


def test_it_listens_on_the_loopback_address_only(private_s3: EmbeddedS3) -> None:
    process = private_s3.process()
    assert process is not None
    ready = f"{private_s3.endpoint}/_ministack/ready"
    assert wait_until(lambda: _get(ready) == 200, seconds=60)  # all listeners are there that will be
    connections = psutil.Process(process.pid).net_connections()
    assert {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_nothing_is_read_without_a_key_nor_what_a_former_version_showed_to_everybody(private_s3: EmbeddedS3) -> None:
    with _client(private_s3) as client:
        client.put_object(Bucket=private_s3.bucket, Key="originals/k", Body=b"secret")
        link = client.generate_presigned_url("get_object", Params={"Bucket": private_s3.bucket, "Key": "originals/k"})
    assert _get(link) == 200
    assert _get(link[:-4] + "0000") == 403
    assert _get(f"{private_s3.endpoint}/{private_s3.bucket}/originals/k") == 403
    preview = f"{private_s3.endpoint}/{private_s3.bucket}/thumbnails/k.webp"
    with _client(private_s3) as client:
        client.put_object(Bucket=private_s3.bucket, Key="thumbnails/k.webp", Body=b"preview")
        assert _get(preview) == 403
        client.delete_public_access_block(Bucket=private_s3.bucket)
        client.put_bucket_policy(Bucket=private_s3.bucket, Policy=FORMER_POLICY.replace("BUCKET", private_s3.bucket))
        assert _get(preview) == 200
    private_s3.start()
    assert _get(preview) == 403
    assert _get(f"{private_s3.endpoint}/{private_s3.bucket}?list-type=2") == 403
    with _client(private_s3, access_key="stranger") as client, pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.get_object(Bucket=private_s3.bucket, Key="originals/k")
