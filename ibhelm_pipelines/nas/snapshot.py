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
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.nas.names import directory_key, display, extension, join, url_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import psycopg

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.walk import Directory

MOST_HELD_DIRECTORIES = 30_000

_STAT = struct.Struct(">qqq")
_COPY_SEEN = (
    "copy seen (ord, directory_key, raw_directory, raw_name, raw_path, folder, path, name, extension, nas_url, owner,"
    " size_bytes, mtime_ns, inode) from stdin"
)


@dataclass(kw_only=True)
class Snapshot:
    """What was seen: files per folder."""

    files_by_folder: Counter[str] = field(default_factory=Counter)


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
    read_fingerprints: Callable[[], dict[int, str]],
    nas_url: str,
    on_files: Callable[[int], None],
) -> Snapshot:
    """Fill the temporary tables `seen` and `touched` from a walk.

    Args:
        connection: of the scan; its working tables exist.
        directories: the walk.
        read_fingerprints: asks Postgres for its digests; called in a thread, so that Postgres computes them while
            we walk.
        nas_url: prefix of the links to files, without a slash at its end.
        on_files: called with the number of files of each directory.
    """
    snapshot = Snapshot()
    with ThreadPoolExecutor(1, thread_name_prefix="fingerprints") as thread, connection.cursor() as cursor:
        known = thread.submit(read_fingerprints)
        with cursor.copy(_COPY_SEEN) as copy:
            touched = _copy_differing(copy, _counted(directories, snapshot, on_files), known, nas_url)
        touched += known.result()  # what the walk did not meet
        with cursor.copy("copy touched (directory_key) from stdin") as copy:
            for key in touched:
                copy.write_row((key,))
    connection.execute(load_queries("nas")["index_seen"])
    return snapshot


def _counted(
    directories: Iterable[Directory], snapshot: Snapshot, on_files: Callable[[int], None]
) -> Iterator[Directory]:
    for directory in directories:
        if directory.files:
            snapshot.files_by_folder[directory.folder] += len(directory.files)
            on_files(len(directory.files))
            yield directory


def _copy_differing(
    copy: psycopg.Copy, directories: Iterator[Directory], known: Future[dict[int, str]], nas_url: str
) -> list[int]:
    """Copy the directories whose digest is not the known one; return their keys, and leave in `known` what was not
    met."""
    touched: list[int] = []
    ordinal = 0
    for directory in _held_until(known, directories):
        key = directory_key(directory.raw_path)
        if known.result().pop(key, None) != directory_digest(directory):
            touched.append(key)
            ordinal = _copy_directory(copy, directory, key, nas_url, ordinal)
    return touched


def _held_until(known: Future[dict[int, str]], directories: Iterator[Directory]) -> Iterator[Directory]:
    """Go on walking while Postgres computes; what was met meanwhile comes first, at most a second's worth of names."""
    held: list[Directory] = []
    for directory in directories:
        held.append(directory)
        if known.done() or len(held) >= MOST_HELD_DIRECTORIES:
            yield from held
            held.clear()
    yield from held


def _copy_directory(copy: psycopg.Copy, directory: Directory, key: int, nas_url: str, ordinal: int) -> int:
    shown = display(directory.raw_path)
    path_prefix = f"{shown}/" if shown else ""
    url_prefix = f"{nas_url}/{url_path(directory.raw_path)}/" if directory.raw_path else f"{nas_url}/"
    for raw_name, size, mtime_ns, inode, uid in directory.files:
        ordinal += 1
        name = display(raw_name)
        copy.write_row(
            (
                ordinal,
                key,
                directory.raw_path,
                raw_name,
                join(directory.raw_path, raw_name),
                directory.folder,
                path_prefix + name,
                name,
                extension(name),
                url_prefix + url_path(raw_name),
                _owner(uid),
                size,
                mtime_ns,
                inode,
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
