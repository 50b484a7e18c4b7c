"""A browser as the gateway sees it: a real `ibhelm web` process, objects in a real store, links that are signed here.

The signature is written down a second time, as docs/web.md says it, so that a change of it cannot pass unseen.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from webhook_sender import PATIENCE_SECONDS, Receiver

from ibhelm_pipelines.objects.store import ObjectStore, original_key, thumbnail_key
from ibhelm_pipelines.settings import Settings

SECRET = "planted secret that signs the links of these tests"
KEYS = {"original": original_key, "thumbnail": thumbnail_key}


def sign(kind: str, content_hash: str, secret: str = SECRET) -> str:
    digest = hmac.new(secret.encode(), f"{kind}/{content_hash}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_link(content_hash: str, name: str = "plan.pdf") -> str:
    return f"/files/{content_hash}/{sign('original', content_hash)}/{quote(name, safe='')}"


def preview_link(content_hash: str) -> str:
    return f"/thumbnails/{content_hash}/{sign('thumbnail', content_hash)}"


@dataclass
class Page:
    """What a browser got. Names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Gateway(Receiver):
    """A running `ibhelm web`, and the store behind it."""

    objects: ObjectStore

    def put(self, data: bytes, media_type: str = "application/pdf", kind: str = "original", of: str = "") -> str:
        """Store an object as the steps do; returns the hash of its content."""
        content_hash = of or sha256(data)
        self.objects.put_bytes(KEYS[kind](content_hash), data, sha256=sha256(data), media_type=media_type)
        return content_hash

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def get(self, path: str, method: str = "GET", **headers: str) -> Page:
        """Ask; underscores in names of headers stand for hyphens. An answer that ends too early is an error."""
        with contextlib.closing(self.connect()) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, urlsplit(path)._replace(scheme="", netloc="").geturl(), headers=named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, found, answer.read())


def environment(settings: Settings, folder: Path, **changed: str) -> dict[str, str]:
    """Return the environment of a gateway: what it needs, and nothing else of ours."""
    ours = {
        "DATABASE_URL": settings.require_database_url(),
        "STATE_DIR": str(folder / "state"),
        "S3_ENDPOINT": settings.require_s3_endpoint(),
        "S3_BUCKET": settings.s3_bucket,
        "WEB_PORT": "0",
        "WEB_SECRET": SECRET,
    }
    return os.environ | {f"IBHELM_{name}": value for name, value in {**ours, **changed}.items()}


@contextlib.contextmanager
def running(settings: Settings, folder: Path, **changed: str) -> Iterator[Gateway]:
    """Run a gateway for the length of the block; nothing in its log may be a secret or open anything."""
    gateway = Gateway(environment(settings, folder, **changed), command="web")
    with ObjectStore(settings) as gateway.objects:
        gateway.start()
        try:
            yield gateway
        finally:
            if gateway.process.poll() is None:
                gateway.stop(signal.SIGTERM)
    hashes = {line["hash"] for line in gateway.lines("request") if "hash" in line}
    signatures = [sign(kind, each) for each in hashes for kind in KEYS]
    assert not [line for line in gateway.log if SECRET in line or any(each in line for each in signatures)]
    broken = [line for line in gateway.log if "Traceback" in line]
    assert broken == [], broken
