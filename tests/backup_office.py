"""An office with a few rows, backed up once; and what faults do to the objects of that backup."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

import psycopg
from pyrage import x25519

from ibhelm_pipelines.safety.backup import back_up
from ibhelm_pipelines.safety.backup_list import list_backups
from ibhelm_pipelines.safety.backup_manifest import Manifest
from ibhelm_pipelines.settings import Settings

TAKEN = dt.datetime(2026, 3, 1, 5, 15, tzinfo=dt.UTC)

ROWS = """
insert into contents (hash, size_bytes)
select encode(sha256(('Inhalt ' || n)::bytea), 'hex'), length('Inhalt ' || n) from generate_series(1, 60) as n;
insert into ops.stored_objects (key, kind, content_hash, sha256, size_bytes, media_type)
select 'originals/' || hash, 'original', hash, hash, size_bytes, 'text/plain' from contents;
insert into projects (name) select 'Projekt ' || n from generate_series(1, 40) as n;
"""


@dataclass(frozen=True, kw_only=True)
class BackedUp:
    """An office that was backed up, and its bucket as it was then.

    Attributes:
        settings: of the office; its database is there.
        manifest: of the backup.
        objects: of the bucket, by key.
    """

    settings: Settings
    manifest: Manifest
    objects: dict[str, bytes]

    @property
    def dump(self) -> bytes:
        return self.objects[self.manifest.key]

    @property
    def manifest_key(self) -> str:
        [backup] = [b for b in list_backups(self.settings) if b.key == self.manifest.key]
        return backup.manifest_key


def fill(url: str, client: Any, bucket: str) -> None:
    """Give an office its rows and their objects."""
    with psycopg.connect(url) as connection:
        connection.execute(ROWS)
    for number in range(1, 61):
        data = f"Inhalt {number}".encode()
        put(client, bucket, f"originals/{hashlib.sha256(data).hexdigest()}", data)


def backed_up(settings: Settings, client: Any) -> BackedUp:
    """Back an office up."""
    report = back_up(settings, now=TAKEN)
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=settings.s3_bucket)["Contents"]]
    objects = {key: client.get_object(Bucket=settings.s3_bucket, Key=key)["Body"].read() for key in keys}
    return BackedUp(settings=settings, manifest=report.backups[0], objects=objects)


def in_bucket(office: BackedUp, client: Any, bucket: str, **changed: bytes | None) -> Settings:
    """Put the backup into another bucket, changed; return the settings with it.

    Args:
        office: which.
        client: of the S3 server.
        bucket: an empty one.
        changed: `dump` or `manifest`: other bytes of it; None leaves it out.
    """
    named = {"dump": office.manifest.key, "manifest": office.manifest_key}
    others = {named[name]: data for name, data in changed.items()}
    for key in named.values():
        data = others.get(key, office.objects[key])
        if data is not None:
            put(client, bucket, key, data)
    return office.settings.model_copy(update={"s3_bucket": bucket})


def put(client: Any, bucket: str, key: str, data: bytes) -> None:
    """Put an object."""
    client.put_object(Bucket=bucket, Key=key, Body=data)


def flipped(data: bytes, place: int) -> bytes:
    """Return bytes of which one has one bit that is another."""
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def key_file(folder: Any, identity: x25519.Identity) -> Any:
    """Write a secret key as `age-keygen` does."""
    path = folder / f"key-{identity.to_public()}.txt"
    path.write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    return path
