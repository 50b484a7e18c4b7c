"""Times the gateway against bare reads of the same objects from S3.

    python -m benchmarks.web [--requests 1000] [--browsers 8] [--megabytes 256]

Subject and reference take turns, over the same embedded S3 server: signed links through `ibhelm web`, and presigned
URLs straight from S3, both read by the same client over connections that stay open. Prints previews a second and
megabytes a second of one large file, each with its ratio; below 1 the gateway is the slower one.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.objects.links import Signer
from ibhelm_pipelines.objects.store import ObjectStore, original_key, thumbnail_key
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 3
PREVIEWS = 50
PREVIEW_BYTES = 12_000  # of a photo, 400 px
CHUNK_BYTES = 1 << 20
SECRET = secrets.token_urlsafe(24)
NOBODY = "postgresql://ibhelm@127.0.0.1:1/nothing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--browsers", type=int, default=8)
    parser.add_argument("--megabytes", type=int, default=256)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        server = EmbeddedS3(folder=Path(name) / "s3", bucket="ibhelm-bench")
        server.start()
        try:
            with gateway(server, Path(name)) as url:
                measure(server, url, args.requests, args.browsers, args.megabytes)
        finally:
            server.stop()


@contextmanager
def gateway(server: EmbeddedS3, folder: Path) -> Iterator[str]:
    """Run the gateway for the length of the block."""
    environment = os.environ | {
        "IBHELM_DATABASE_URL": NOBODY,
        "IBHELM_STATE_DIR": str(folder / "state"),
        "IBHELM_S3_ENDPOINT": server.endpoint,
        "IBHELM_S3_BUCKET": server.bucket,
        "IBHELM_WEB_PORT": "0",
        "IBHELM_WEB_SECRET": SECRET,
    }
    log = folder / "web.log"
    command = [sys.executable, "-m", "ibhelm_pipelines.cli", "web"]
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stderr=file)
    try:
        while not (lines := [line for line in log.read_text().splitlines() if "web_listening" in line]):
            time.sleep(0.1)
        yield str(json.loads(lines[0])["url"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def measure(server: EmbeddedS3, url: str, requests: int, browsers: int, megabytes: int) -> None:
    settings = load_settings({"s3_endpoint": server.endpoint, "s3_bucket": server.bucket}, embedded=False)
    with ObjectStore(settings) as store:
        previews = [put(store, secrets.token_bytes(PREVIEW_BYTES)) for _ in range(PREVIEWS)]
        large = put_large(store, megabytes)
    signer = Signer(SECRET)
    ours = [f"{url}/thumbnails/{each}/{signer.sign('thumbnail', each)}" for each in previews]
    bare = [presigned(server, thumbnail_key(each)) for each in previews]
    big = {"gateway": f"{url}/files/{large}/{signer.sign('original', large)}/x.bin"}
    big["bare S3"] = presigned(server, original_key(large))
    compare("previews/s", lambda: rate(ours, requests, browsers), lambda: rate(bare, requests, browsers))
    compare("MB/s of one large file", lambda: speed(big["gateway"]), lambda: speed(big["bare S3"]))


def put(store: ObjectStore, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    store.put_bytes(thumbnail_key(digest), data, sha256=digest, media_type="image/webp")
    return digest


def put_large(store: ObjectStore, megabytes: int) -> str:
    with tempfile.TemporaryFile() as file:
        for _ in range(megabytes):
            file.write(secrets.token_bytes(1_000_000))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = megabytes * 1_000_000
        store.put_file(original_key(digest), file, sha256=digest, size=size, media_type="application/octet-stream")
    return digest


def presigned(server: EmbeddedS3, key: str) -> str:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    with closing(client):
        return str(client.generate_presigned_url("get_object", Params={"Bucket": server.bucket, "Key": key}))


def rate(urls: list[str], requests: int, browsers: int) -> float:
    """Return answers a second to so many browsers, each with one connection."""
    share = requests // browsers

    def browse(first: int) -> None:
        with closing(http.client.HTTPConnection(urlsplit(urls[0]).netloc)) as connection:
            for number in range(first, first + share):
                read(connection, urls[number % len(urls)])

    started = time.perf_counter()
    with ThreadPoolExecutor(browsers) as pool:
        list(pool.map(browse, range(browsers)))
    return share * browsers / (time.perf_counter() - started)


def speed(url: str) -> float:
    started = time.perf_counter()
    with closing(http.client.HTTPConnection(urlsplit(url).netloc)) as connection:
        size = read(connection, url)
    return size / 1e6 / (time.perf_counter() - started)


def read(connection: http.client.HTTPConnection, url: str) -> int:
    parts = urlsplit(url)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    size = 0
    while chunk := answer.read(CHUNK_BYTES):
        size += len(chunk)
    if answer.status != 200:
        raise SystemExit(f"{parts.path} was answered {answer.status}")
    return size


def compare(what: str, subject: Callable[[], float], reference: Callable[[], float]) -> None:
    pairs = [(subject(), reference()) for _ in range(ROUNDS)]
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{what:24} gateway {ours:8,.0f}   bare S3 {bare:8,.0f}   ratio {ours / bare:.2f}", flush=True)


if __name__ == "__main__":
    main()
