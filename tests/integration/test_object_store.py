"""The object store against a real S3 server: whole and right, or not there; resumable; errors of our own types."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from contextlib import closing
from typing import TYPE_CHECKING, cast

import pytest

from ibhelm_pipelines.errors import ConfigurationError, ContentChangedError, ObjectStoreUnavailableError
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.objects.multipart import PART_BYTES
from ibhelm_pipelines.objects.store import ObjectStore, original_key, thumbnail_key
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ibhelm_pipelines.objects.store import OpenObject

LARGE = PART_BYTES + 20 * 1024 * 1024  # two parts, the second one short


@pytest.fixture
def s3_settings(s3: EmbeddedS3, s3_bucket: str) -> Settings:
    return Settings(_env_file=None, s3_endpoint=s3.endpoint, s3_bucket=s3_bucket)


@pytest.fixture
def store(s3_settings: Settings) -> Iterator[ObjectStore]:
    with ObjectStore(s3_settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.bin"
    with path.open("wb") as file:
        for number in range(LARGE // 1024):
            file.write(number.to_bytes(4) * 256)
    return path


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put(store: ObjectStore, data: bytes) -> str:
    key = original_key(_sha256(data))
    store.put_bytes(key, data, sha256=_sha256(data), media_type="application/pdf")
    return key


def _download(store: ObjectStore, key: str) -> bytes:
    with closing(cast("OpenObject", store.open(key))) as read:
        return b"".join(iter(lambda: read.read(1 << 20), b""))


def _count_sent_parts(store: ObjectStore) -> list[int]:
    """Return a list that grows by the number of every part that is sent from now on."""
    sent: list[int] = []

    def note(params: dict[str, int], **_: object) -> None:
        sent.append(params["PartNumber"])

    store._client.meta.events.register("before-parameter-build.s3.UploadPart", note)
    return sent


@pytest.mark.parametrize("data", [b"", b"x", b"%PDF-1.7 " + bytes(100_000)], ids=["empty", "one byte", "100 KB"])
def test_what_is_put_is_found_with_its_hash_type_and_bytes(store: ObjectStore, data: bytes) -> None:
    key = _put(store, data)
    stored = store.head(key)
    assert stored is not None
    assert (stored.size, stored.media_type, stored.sha256) == (len(data), "application/pdf", _sha256(data))
    assert _download(store, key) == data


def test_keys_are_hashes_and_never_names() -> None:
    assert original_key("ab" * 32) == "originals/" + "ab" * 32
    assert thumbnail_key("ab" * 32) == "thumbnails/" + "ab" * 32 + ".webp"


def test_a_small_file_with_other_bytes_than_its_hash_is_refused_by_the_server(store: ObjectStore) -> None:
    key = original_key(_sha256(b"right"))
    with pytest.raises(ContentChangedError, match="other bytes"):
        store.put_bytes(key, b"wrong", sha256=_sha256(b"right"), media_type="text/plain")
    assert store.head(key) is None


@pytest.mark.parametrize("found", [b"short", b"longer than it was"])
def test_a_file_of_another_size_than_the_scan_saw_is_refused(store: ObjectStore, found: bytes) -> None:
    with pytest.raises(ContentChangedError, match="bytes now instead of 10"):
        store.put_file("k", io.BytesIO(found), sha256=_sha256(found), size=10, media_type="text/plain")
    assert store.head("k") is None


def test_a_file_that_shrinks_while_it_is_sent_is_a_changed_file_and_not_a_server_failure(store: ObjectStore) -> None:
    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return b"" if self.tell() >= 50_000 else super().read(min(size or 0, 50_000))

    data = bytes(100_000)
    with pytest.raises(ContentChangedError, match="shorter"):
        store.put_file("k", Shrinking(data), sha256=_sha256(data), size=len(data), media_type="text/plain")
    assert store.head("k") is None


def test_a_large_file_arrives_whole_in_parts_without_being_held_in_memory(store: ObjectStore, large_file: Path) -> None:
    sha256 = _sha256_of_file(large_file)
    sent = _count_sent_parts(store)
    tracemalloc.start()
    with large_file.open("rb") as file:
        store.put_file(original_key(sha256), file, sha256=sha256, size=LARGE, media_type="application/zip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    stored = store.head(original_key(sha256))
    assert stored is not None
    assert (stored.size, stored.sha256, stored.media_type) == (LARGE, sha256, "application/zip")
    assert sent == [1, 2]
    assert peak < 16 * 1024 * 1024
    assert hashlib.sha256(_download(store, original_key(sha256))).hexdigest() == sha256


def test_a_large_object_that_is_there_is_not_sent_again(store: ObjectStore, large_file: Path) -> None:
    sha256 = _sha256_of_file(large_file)
    with large_file.open("rb") as file:
        store.put_file("k", file, sha256=sha256, size=LARGE, media_type="application/zip")
        sent = _count_sent_parts(store)
        store.put_file("k", file, sha256=sha256, size=LARGE, media_type="application/zip")
    assert sent == []


def test_a_large_file_with_another_hash_leaves_nothing_behind(store: ObjectStore, large_file: Path) -> None:
    with large_file.open("rb") as file, pytest.raises(ContentChangedError, match="no longer hashes"):
        store.put_file("k", file, sha256=_sha256(b"other"), size=LARGE, media_type="application/zip")
    assert store.head("k") is None
    assert store._client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []) == []


_UPLOADER = """
import io, sys, time
from ibhelm_pipelines.objects.multipart import PART_BYTES
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.settings import Settings

endpoint, bucket, path, sha256, size = sys.argv[1:]

class StopsAfterTheFirstPart(io.FileIO):
    def read(self, length=-1):
        if self.tell() >= PART_BYTES and length:
            print("first part sent", flush=True)
            time.sleep(600)
        return super().read(length)

store = ObjectStore(Settings(_env_file=None, s3_endpoint=endpoint, s3_bucket=bucket))
store.put_file("k", StopsAfterTheFirstPart(path), sha256=sha256, size=int(size), media_type="application/zip")
"""


def test_an_upload_that_was_killed_goes_on_with_the_parts_that_are_missing(
    store: ObjectStore, s3: EmbeddedS3, large_file: Path
) -> None:
    sha256 = _sha256_of_file(large_file)
    command = [sys.executable, "-c", _UPLOADER, s3.endpoint, store.bucket, str(large_file), sha256, str(LARGE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as uploader:
        assert uploader.stdout is not None
        assert uploader.stdout.readline() == b"first part sent\n"
        os.kill(uploader.pid, signal.SIGKILL)
    assert store.head("k") is None
    sent = _count_sent_parts(store)
    with large_file.open("rb") as file:
        store.put_file("k", file, sha256=sha256, size=LARGE, media_type="application/zip")
    assert sent == [2]
    assert hashlib.sha256(_download(store, "k")).hexdigest() == sha256


def test_parts_of_a_former_content_are_sent_again(store: ObjectStore, large_file: Path) -> None:
    upload = store._client.create_multipart_upload(Bucket=store.bucket, Key="k", ChecksumAlgorithm="SHA256")
    store._client.upload_part(
        Bucket=store.bucket, Key="k", UploadId=upload["UploadId"], PartNumber=1, Body=b"old", ChecksumAlgorithm="SHA256"
    )
    sent = _count_sent_parts(store)
    sha256 = _sha256_of_file(large_file)
    with large_file.open("rb") as file:
        store.put_file("k", file, sha256=sha256, size=LARGE, media_type="application/zip")
    assert sent == [1, 2]
    assert hashlib.sha256(_download(store, "k")).hexdigest() == sha256


def test_a_server_that_forgot_the_upload_is_transient_and_the_next_try_succeeds(
    store: ObjectStore, large_file: Path
) -> None:
    class Forgets(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= PART_BYTES:
                for upload in store._client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []):
                    store._client.abort_multipart_upload(Bucket=store.bucket, Key="k", UploadId=upload["UploadId"])
            return super().read(-1 if size is None else size)

    sha256 = _sha256_of_file(large_file)
    with Forgets(large_file) as file, pytest.raises(ObjectStoreUnavailableError, match="forgot"):
        store.put_file("k", file, sha256=sha256, size=LARGE, media_type="application/zip")
    with large_file.open("rb") as file:
        store.put_file("k", file, sha256=sha256, size=LARGE, media_type="application/zip")
    assert store.head("k") is not None


def test_a_stretch_of_an_object_is_read_as_it_was_put(store: ObjectStore) -> None:
    key = _put(store, bytes(range(256)) * 40)
    with closing(cast("OpenObject", store.open(key, start=250, length=8000))) as read:
        assert b"".join(iter(lambda: read.read(1000), b"")) == (bytes(range(256)) * 40)[250:8250]
    assert store.open(original_key("0" * 64)) is None


def test_listing_goes_to_the_last_page(store: ObjectStore) -> None:
    keys = [f"many/{number:04}" for number in range(1003)]  # a page of S3 has 1,000
    for key in keys:
        store.put_bytes(key, b"", sha256=_sha256(b""), media_type="x/y")
    store.put_bytes("other", b"", sha256=_sha256(b""), media_type="x/y")
    assert list(store.list_keys("many/")) == keys


def test_a_deleted_object_is_gone_and_may_be_deleted_twice(store: ObjectStore) -> None:
    key = _put(store, b"x")
    store.delete(key)
    store.delete(key)
    assert store.head(key) is None


@pytest.mark.parametrize("call", ["check", "list", "put"])
def test_a_server_that_is_down_is_unavailable(call: str) -> None:
    calls: dict[str, Callable[[ObjectStore], object]] = {
        "check": lambda store: store.check(),
        "list": lambda store: list(store.list_keys()),
        "put": lambda store: store.put_bytes("k", b"x", sha256=_sha256(b"x"), media_type="x/y"),
    }
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        unavailable = pytest.raises(ObjectStoreUnavailableError, match="IBHELM_S3_ENDPOINT")
        with ObjectStore(Settings(_env_file=None, s3_endpoint=endpoint)) as store, unavailable:
            calls[call](store)


class _Broken(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_server_error_is_unavailable() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        unavailable = pytest.raises(ObjectStoreUnavailableError, match="503")
        with ObjectStore(Settings(_env_file=None, s3_endpoint=endpoint)) as store, unavailable:
            store.head("k")
        server.shutdown()


@pytest.mark.parametrize(
    "wrong",
    [{"s3_bucket": "no-such-bucket"}, {"s3_access_key": "stranger"}, {"s3_bucket": "Not A Bucket"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_credentials_or_a_missing_bucket_need_a_person(s3_settings: Settings, wrong: dict[str, str]) -> None:
    with ObjectStore(s3_settings.model_copy(update=wrong)) as store:
        for call in (
            store.check,
            lambda: store.head("k"),
            lambda: store.put_bytes("k", b"x", sha256=_sha256(b"x"), media_type="x/y"),
        ):
            with pytest.raises(ConfigurationError, match="IBHELM_S3_BUCKET"):
                call()


def test_a_missing_bucket_is_never_a_missing_object_however_often_one_asks(s3_settings: Settings) -> None:
    with ObjectStore(s3_settings.model_copy(update={"s3_bucket": "no-such-bucket"})) as store:
        for _ in range(3):
            with pytest.raises(ConfigurationError, match="IBHELM_S3_BUCKET"):
                store.head("k")


def test_a_new_object_costs_one_question_once_the_bucket_was_seen(store: ObjectStore) -> None:
    asked: list[str] = []
    store._client.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
    assert [store.head(f"k{number}") for number in range(3)] == [None] * 3
    assert asked == ["HeadObject", "HeadBucket", "HeadObject", "HeadObject"]


def test_an_endpoint_that_is_no_url_needs_a_person() -> None:
    with pytest.raises(ConfigurationError, match="IBHELM_S3_ENDPOINT"):
        ObjectStore(Settings(_env_file=None, s3_endpoint="nonsense"))
