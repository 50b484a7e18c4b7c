"""A small office as the scan would have recorded it: real files on a NAS folder, and the rows that they have."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings

INSERT_CONTENT = "insert into public.contents (hash, size_bytes) values (%s, %s) on conflict do nothing"
INSERT_FILE = """
insert into public.files (name, path, raw_path, extension, folder, size_bytes, modified_at, content_hash, nas_url)
values (%s, %s, %s, %s, %s, %s, to_timestamp(%s), %s, 'file:///x') returning id
"""
INSERT_ENTRY = """
insert into ops.disk_entries (file_id, folder, directory_key, raw_directory, raw_name, size_bytes, mtime_ns, inode)
values (%s, %s, 0, %s, %s, %s, %s, %s)
"""


def signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


@dataclass
class Office:
    """Files with their rows, and a look at what the steps made of them."""

    settings: Settings

    @property
    def root(self) -> Path:
        assert self.settings.nas_root is not None
        return self.settings.nas_root

    def add(self, name: str | bytes, data: bytes, *, folder: str = "2024/100 Schule") -> str:
        """Put a file on the NAS and record it as the scan does; returns the hash of its content."""
        raw_name = os.fsencode(name)
        raw_path = os.fsencode(folder) + b"/" + raw_name
        target = os.path.join(os.fsencode(self.root), raw_path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(data)
        return self.record(raw_path, hashlib.sha256(data).hexdigest(), folder=folder)

    def record(self, raw_path: bytes, content_hash: str, *, folder: str) -> str:
        """Write the rows of a file that lies on the NAS."""
        status = os.stat(os.path.join(os.fsencode(self.root), raw_path))
        shown = unicodedata.normalize("NFC", raw_path.decode("utf-8", "replace"))
        name = shown.rpartition("/")[2]
        extension = name.rpartition(".")[2].lower() if "." in name else ""
        with closing(self.connect()) as connection:
            connection.execute(INSERT_CONTENT, [content_hash, status.st_size])
            row = connection.execute(
                INSERT_FILE,
                [name, shown, raw_path, extension, folder, status.st_size, status.st_mtime, content_hash],
            ).fetchone()
            assert row is not None
            directory, _, base = raw_path.rpartition(b"/")
            connection.execute(
                INSERT_ENTRY,
                [row["id"], folder, directory, base, status.st_size, status.st_mtime_ns, signed(status.st_ino)],
            )
        return content_hash

    def age(self) -> None:
        """Let the last scan have been an hour ago."""
        self.query("update public.files set last_seen_at = now() - interval '1 hour'")

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(self.settings.require_database_url(), autocommit=True, row_factory=dict_row)

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with closing(self.connect()) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def result(self, content_hash: str, step: str) -> dict[str, Any]:
        """The one result of a step on a content."""
        (row,) = self.query("select * from ops.step_results where content_hash = %s and step = %s", content_hash, step)
        return row

    def content(self, content_hash: str) -> dict[str, Any]:
        (row,) = self.query("select * from public.contents where hash = %s", content_hash)
        return row

    def text(self, content_hash: str) -> str:
        (row,) = self.query("select text from public.content_texts where content_hash = %s", content_hash)
        return str(row["text"])


@pytest.fixture
def office(settings: Settings) -> Office:
    """An office without files; two workers, however many processors this machine has."""
    return Office(settings.model_copy(update={"content_workers": 2, "content_seconds": 30}))
