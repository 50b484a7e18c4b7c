"""Copies what differs on the disk into the temporary tables of a scan, with names as people see them."""

from __future__ import annotations

import pwd
from functools import cache
from typing import TYPE_CHECKING

from ibhelm_pipelines.nas.names import display, extension, join, url_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.fingerprint import Differing
    from ibhelm_pipelines.nas.walk import Directory

_COPY_SEEN = (
    "copy seen (ord, directory_key, raw_directory, raw_name, raw_path, folder, path, name, extension, nas_url, owner,"
    " size_bytes, mtime_ns, inode) from stdin"
)


def copy_differing(connection: Connection, differing: Iterable[Differing], *, nas_url: str) -> set[int]:
    """Fill the temporary table `seen`; return the keys of the directories that are in it.

    Args:
        connection: of the scan; its working tables exist.
        differing: directories that are not as the tables have them.
        nas_url: prefix of the links to files, without a slash at its end.
    """
    keys: set[int] = set()
    ordinal = 0
    with connection.cursor() as cursor, cursor.copy(_COPY_SEEN) as copy:
        for key, directory in differing:
            keys.add(key)
            ordinal = _copy_directory(copy, directory, key, nas_url, ordinal)
    return keys


def mark_touched(connection: Connection, keys: Iterable[int]) -> None:
    """Fill the temporary table `touched`: directories of which the tables' rows must be compared."""
    with connection.cursor() as cursor, cursor.copy("copy touched (directory_key) from stdin") as copy:
        for key in keys:
            copy.write_row((key,))
    connection.execute("analyze touched")


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
