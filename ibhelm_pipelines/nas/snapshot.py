"""Takes the picture of the disk: what differs from the tables goes into the temporary table `seen`, what does not
is only counted.

Per directory one digest over names, sizes, times and inodes is compared with the digest that Postgres computes over
what the tables hold. An unchanged directory costs one comparison and no row, which is what makes a scan of 300,000
files cost little more than walking them.
"""

from __future__ import annotations

import hashlib
import pwd
import struct
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.nas.names import directory_key, display, extension, join, url_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import psycopg

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.walk import Directory

_STAT = struct.Struct(">qqq")
_COPY_SEEN = (
    "copy seen (ord, directory_key, raw_directory, raw_name, raw_path, folder, path, name, extension, nas_url, owner,"
    " size_bytes, mtime_ns, inode) from stdin"
)


@dataclass(kw_only=True)
class Snapshot:
    """What was seen: files per folder, and which directories differ from the tables."""

    files_by_folder: Counter[str] = field(default_factory=Counter)
    differing: int = 0


def directory_digest(directory: Directory) -> str:
    """Return the digest that the query `fingerprints` gives for the same directory."""
    entries = sorted(directory.files)
    parts = [directory.folder.encode(), b"/"]
    for name, size, mtime_ns, inode, _ in entries:
        parts += (_STAT.pack(size, mtime_ns, inode), name, b"/")
    return hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()


def take_snapshot(
    connection: Connection,
    directories: Iterable[Directory],
    *,
    folders: Sequence[str] | None,
    nas_url: str,
    on_files: Callable[[int], None],
) -> Snapshot:
    """Fill the temporary tables `seen` and `touched` from a walk.

    Args:
        connection: of the scan; its working tables exist.
        directories: the walk.
        folders: the scope of the walk, None for all.
        nas_url: prefix of the links to files, without a slash at its end.
        on_files: called with the number of files of each directory.
    """
    sql = load_queries("nas")
    known: dict[int, str] = dict(connection.execute(sql["fingerprints"], {"folders": folders}).fetchall())
    snapshot = Snapshot()
    touched: list[int] = []
    with connection.cursor() as cursor:
        with cursor.copy(_COPY_SEEN) as copy:
            for directory in directories:
                if not directory.files:
                    continue
                snapshot.files_by_folder[directory.folder] += len(directory.files)
                on_files(len(directory.files))
                key = directory_key(directory.raw_path)
                if known.pop(key, None) != directory_digest(directory):
                    touched.append(key)
                    snapshot.differing = _copy_directory(copy, directory, key, nas_url, snapshot.differing)
        touched += known  # what the walk did not meet, or met only after its digest was gone
        with cursor.copy("copy touched (directory_key) from stdin") as copy:
            for key in touched:
                copy.write_row((key,))
    connection.execute(sql["index_seen"])
    return snapshot


def _copy_directory(copy: psycopg.Copy, directory: Directory, key: int, nas_url: str, ordinal: int) -> int:
    shown = display(directory.raw_path)
    path_prefix = f"{shown}/" if shown else ""
    url_prefix = f"{nas_url}/{url_path(directory.raw_path)}/" if directory.raw_path else f"{nas_url}/"
    for entry in directory.files:
        ordinal += 1
        name = display(entry.raw_name)
        copy.write_row(
            (
                ordinal,
                key,
                directory.raw_path,
                entry.raw_name,
                join(directory.raw_path, entry.raw_name),
                directory.folder,
                path_prefix + name,
                name,
                extension(name),
                url_prefix + url_path(entry.raw_name),
                _owner(entry.uid),
                entry.size,
                entry.mtime_ns,
                entry.inode,
            )
        )
    return ordinal


@cache
def _owner(uid: int) -> str:
    """Return the user's name on this machine; the bare number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
