"""What an export knows of itself while it is made, in a scratch database on disk that goes with the process.

A project may have 50,000 files and as many other things; pages refer to each other, and each must know where the other
one lies. SQLite's unnamed database is a file that nobody else sees and that nobody has to remove.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.portable_names import folded, free_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TABLES = """
create table written (path text primary key, sha256 text not null, size integer not null) without rowid;
create table names (folded text primary key) without rowid;
create table places (kind text not null, id text not null, path text not null, primary key (kind, id)) without rowid;
create table notes (id integer primary key, kind text not null, subject text not null, detail text not null);
create index notes_kind on notes (kind, id);
create table files (
    id integer primary key, folder text not null, path text not null, original text not null, problem text,
    row text not null
);
create index files_folder on files (folder, id);
create table links (kind text not null, label text not null, what text not null, title text not null,
    path text not null);
create index links_kind on links (kind, label);
"""


class Book:
    """The scratch database of one export; for one thread."""

    def __init__(self) -> None:
        # Nothing outlives the process, so nothing needs to be safe from a power cut.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript("pragma journal_mode = off; pragma synchronous = off;" + _TABLES)

    def close(self) -> None:
        """Forget all of it."""
        self._connection.close()

    def take_name(self, folder: str, name: str) -> str:
        """Return the path for a new name in a folder: with a number behind it where the name is taken, by Windows'
        measure.
        """
        path = f"{folder}/{free_name(name, _Taken(self._connection, folder))}"
        self._connection.execute("insert into names values (?)", [folded(path)])
        return path

    def wrote(self, path: str, sha256: str, size: int) -> None:
        """Note a file of the export."""
        self._connection.execute("insert into written values (?, ?, ?)", [path, sha256, size])

    def written(self) -> Iterator[tuple[str, str, int]]:
        """Yield path, SHA-256 and size of all that was written, by path."""
        yield from self._connection.execute("select path, sha256, size from written order by path")

    def has_written(self, path: str) -> bool:
        """Return whether a file of the export is there."""
        return bool(self._connection.execute("select 1 from written where path = ?", [path]).fetchone())

    def totals(self) -> tuple[int, int]:
        """Return how many files were written, and how many bytes they have."""
        found: tuple[int, int] = self._connection.execute(
            "select count(*), coalesce(sum(size), 0) from written"
        ).fetchone()
        return found

    def put(self, kind: str, item: int | str, path: str) -> None:
        """Note where something is found: a path, perhaps with an anchor."""
        self._connection.execute("insert or replace into places values (?, ?, ?)", [kind, str(item), path])

    def where(self, kind: str, item: int | str) -> str | None:
        """Return where something is found; None where it is not exported."""
        row = self._connection.execute(
            "select path from places where kind = ? and id = ?", [kind, str(item)]
        ).fetchone()
        return row[0] if row else None

    def note(self, kind: str, subject: str, detail: str) -> None:
        """Note something that people must be told: `renamed`, `missing` or `not_kept`."""
        self._connection.execute("insert into notes (kind, subject, detail) values (?, ?, ?)", [kind, subject, detail])

    def notes(self, kind: str) -> Iterator[tuple[str, str]]:
        """Yield what was noted, in that order."""
        yield from self._connection.execute("select subject, detail from notes where kind = ? order by id", [kind])

    def count_notes(self, kind: str) -> int:
        """Return how many of a kind were noted."""
        count: int = self._connection.execute("select count(*) from notes where kind = ?", [kind]).fetchone()[0]
        return count

    def add_file(self, folder: str, path: str, row: Mapping[str, Any]) -> None:
        """Plan a file of the project, under a path of the export."""
        values = [folder, path, str(row["path"]), json.dumps(row, default=str)]
        self._connection.execute("insert into files (folder, path, original, row) values (?, ?, ?, ?)", values)

    def files(self) -> Iterator[tuple[int, str, str, str | None, dict[str, Any]]]:
        """Yield number, folder, path, problem and row of each planned file, folder by folder."""
        query = "select id, folder, path, problem, row from files order by folder, id"
        for number, folder, path, problem, row in self._connection.execute(query):
            yield number, folder, path, problem, json.loads(row)

    def count_files(self) -> tuple[int, int]:
        """Return how many files are planned, and how many bytes they have."""
        query = "select count(*), coalesce(sum(coalesce(row ->> '$.content_bytes', 0)), 0) from files"
        found: tuple[int, int] = self._connection.execute(query).fetchone()
        return found

    def set_problem(self, number: int, problem: str) -> None:
        """Note why a planned file is not in the export."""
        self._connection.execute("update files set problem = ? where id = ?", [problem, number])

    def link(self, kind: str, label: str, what: str, title: str, path: str) -> None:
        """Note that something (a file, task or conversation) belongs to a cost group or a place."""
        self._connection.execute("insert into links values (?, ?, ?, ?, ?)", [kind, label, what, title, path])

    def has_links(self, kind: str) -> bool:
        """Return whether anything belongs to a cost group, or to a place."""
        return bool(self._connection.execute("select 1 from links where kind = ? limit 1", [kind]).fetchone())

    def links(self, kind: str) -> Iterator[tuple[str, str, str, str]]:
        """Yield label, what, title and path of all links of a kind, by label."""
        query = "select label, what, title, path from links where kind = ? order by label, what, title, path"
        yield from self._connection.execute(query, [kind])


class _Taken:
    """The names of one folder that are taken."""

    def __init__(self, connection: sqlite3.Connection, folder: str) -> None:
        self._connection, self._folder = connection, folder

    def __contains__(self, name: object) -> bool:
        query = "select 1 from names where folded = ?"
        return bool(self._connection.execute(query, [folded(f"{self._folder}/{name}")]).fetchone())
