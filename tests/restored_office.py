"""A small office whose files are stored, what restores make of it, and a bucket in which one can break things."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from nas_tree import Nas

from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.store import original_key
from ibhelm_pipelines.safety.restore import restore
from ibhelm_pipelines.safety.restore_report import RestoreReport
from ibhelm_pipelines.settings import Settings

OWN = {b"ibhelm-restore.jsonl", b"ibhelm-restore-summary.json"}

Tree = dict[bytes, tuple[bytes, int]]


class Stored:
    """The NAS of some settings, brought into tables and bucket."""

    def __init__(self, settings: Settings, client: Any) -> None:
        self.settings, self.nas, self.client = settings, Nas(settings), client

    def keep(self) -> dt.datetime:
        """Scan and store; return a moment at which the tables say what the disk says."""
        scan(self.settings)
        return self.keep_objects()

    def keep_objects(self) -> dt.datetime:
        """Store what was scanned; return likewise."""
        run_step("store", self.settings)
        return self.now()

    def now(self) -> dt.datetime:
        """The moment, by the clock of the database."""
        moment: dt.datetime = self.nas.one("select clock_timestamp()")
        return moment

    def restore(self, path: str, target: Path, *, at: dt.datetime | None = None, **how: Any) -> RestoreReport:
        return restore(self.settings, path, at=at or self.now(), target=target, pauses=(), **how)

    def break_object(self, content: bytes, broken: bytes | None) -> str:
        """Put other bytes in the place of an original, or delete it; return its hash."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.change(original_key(sha256), broken, sha256)
        return sha256

    def change(self, key: str, data: bytes | None, sha256: str = "") -> None:
        """Put other bytes under a key, or delete it."""
        if data is None:
            self.client.delete_object(Bucket=self.settings.s3_bucket, Key=key)
        else:
            self.client.put_object(Bucket=self.settings.s3_bucket, Key=key, Body=data, Metadata={"sha256": sha256})

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.settings.s3_bucket, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.settings.s3_bucket, Prefix=prefix)
        return sorted(each["Key"] for page in pages for each in page.get("Contents", []))


def tree(root: Path, *below: str) -> Tree:
    """Return bytes and time of every file below a folder, by its path; links are not followed."""
    found: Tree = {}
    top = os.fsencode(root.joinpath(*below))
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            raw = os.path.relpath(path, os.fsencode(root))
            if raw not in OWN and name != b".ibhelm-share":
                found[raw] = (Path(os.fsdecode(path)).read_bytes(), os.stat(path).st_mtime_ns)
    return found


def states(report: RestoreReport) -> dict[str, str]:
    """Return what the manifest says became of each path."""
    lines = report.manifest.read_text(encoding="utf-8").splitlines()
    return {row["path"]: row["state"] for row in map(json.loads, lines)}


def reasons(report: RestoreReport) -> dict[str, str]:
    """Return what the manifest says is amiss with each path, where something is."""
    lines = report.manifest.read_text(encoding="utf-8").splitlines()
    return {row["path"]: row["reason"] for row in map(json.loads, lines) if row["reason"]}
