"""A NAS tree for tests, and the comparison of the tables with the disk that every scan test ends with.

The comparison walks the disk in its own plain way, so that a mistake in the product's walk cannot hide itself.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tables

from ibhelm_pipelines.settings import Settings

NOBODY = 65534

JUNK_FOLDERS = {"@eaDir", "#recycle", "@tmp", "#snapshot", ".SynologyWorkingDirectory"}

CONTRADICTIONS = {
    "a file is live exactly when its disk entry is": """
        select f.path from files f left join ops.disk_entries d on d.file_id = f.id
        where (f.deleted_at is null) is distinct from d.live""",
    "a live file has an open version that says the same": """
        select path from files f where deleted_at is null and not exists (
            select from file_versions v join ops.disk_entries d using (file_id)
            where v.file_id = f.id and v.valid_to is null and v.raw_path = f.raw_path
                and v.content_hash is not distinct from f.content_hash
                and v.mtime_ns is not distinct from d.mtime_ns)""",
    "a deleted file has no open version": """
        select f.path from file_versions v join files f on f.id = v.file_id
        where v.valid_to is null and f.deleted_at is not null""",
    "the disk entry stands at the path of its file": """
        select f.path from ops.disk_entries d join files f on f.id = d.file_id
        where d.live and f.raw_path <> case when length(d.raw_directory) = 0 then d.raw_name
                                            else d.raw_directory || '/'::bytea || d.raw_name end""",
}


class Nas:
    """Files under the NAS root of some settings."""

    def __init__(self, settings: Settings) -> None:
        assert settings.nas_root is not None
        self.root = settings.nas_root
        self.url = settings.require_database_url()

    def path(self, name: str | bytes) -> Path:
        return self.root / (os.fsdecode(name) if isinstance(name, bytes) else name)

    def write(self, name: str | bytes, content: str | bytes = b"content", *, mtime: int | None = None) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path

    def move(self, old: str, new: str) -> None:
        self.path(new).parent.mkdir(parents=True, exist_ok=True)
        self.path(old).rename(self.path(new))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.url, query, *values)

    def one(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value

    def file_id(self, path: str) -> int:
        return int(self.one("select id from files where path = %s and deleted_at is null", path))

    def live(self) -> dict[bytes, tuple[int, int, str | None]]:
        """Raw path -> size, mtime in microseconds, content, as the tables have it."""
        query = """select raw_path, size_bytes, (extract(epoch from modified_at) * 1000000)::bigint, content_hash
                   from files where deleted_at is null"""
        rows = self.rows(query)
        assert len(rows) == len({row[0] for row in rows}), "one live file per path"
        return {raw: (size, mtime, content) for raw, size, mtime, content in rows}

    def on_disk(self) -> dict[bytes, tuple[int, int, str]]:
        """The same, as the disk has it."""
        found = {}
        for folder, subfolders, names in os.walk(os.fsencode(self.root)):
            subfolders[:] = [n for n in subfolders if n[:1] != b"." and os.fsdecode(n) not in JUNK_FOLDERS]
            for name in names:
                path = os.path.join(folder, name)
                if not is_junk(os.fsdecode(name)) and os.path.isfile(path) and not os.path.islink(path):
                    stat = os.stat(path)
                    digest = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()
                    raw = os.path.relpath(path, os.fsencode(self.root))
                    found[raw] = (stat.st_size, stat.st_mtime_ns // 1000, digest)
        return found

    def assert_equals_disk(self) -> None:
        """Every live file is a row, no row is anything else, and the tables agree among themselves."""
        assert self.live() == self.on_disk()
        self.assert_sound()

    def assert_sound(self) -> None:
        """The invariants that hold at every moment, also right after a kill."""
        for rule, query in CONTRADICTIONS.items():
            assert self.rows(query) == [], rule
        for raw, path in self.rows("select raw_path, path from files"):
            assert path == unicodedata.normalize("NFC", raw.decode("utf-8", "backslashreplace"))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Rights do not bind root; the files of these tests are read as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def is_junk(name: str) -> bool:
    """Tell whether no row may ever be made of a file of this name."""
    lower = name.lower()
    return name.startswith((".", "~$")) or lower == "thumbs.db" or lower.endswith((".tmp", ".partial", ".dwl", ".dwl2"))
