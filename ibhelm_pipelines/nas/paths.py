"""A live scan: brings the tables in line with the disk at single paths, within milliseconds of the change.

It sees little, so it concludes little: what cannot be looked at says nothing, a file is missing only where the disk
itself said so, and the guard against mass deletion counts over all scans of an hour. What it leaves open makes its
report `incomplete`, and a scan of the folder must follow. It says of a project folder that it is there or gone, never
that it was scanned.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import ExitStack
from functools import partial
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.nas.locks import SCANNING, lock_folders
from ibhelm_pipelines.nas.look import Look
from ibhelm_pipelines.nas.lookup import Lookup
from ibhelm_pipelines.nas.names import directory_key, folder_key, split
from ibhelm_pipelines.nas.run import ScanRun, Tools
from ibhelm_pipelines.nas.scope import Scope
from ibhelm_pipelines.nas.snapshot import copy_differing
from ibhelm_pipelines.nas.telling import Teller
from ibhelm_pipelines.nas.walk import Directory, Walker
from ibhelm_pipelines.share import LOOSE, Share

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from psycopg.rows import TupleRow

    from ibhelm_pipelines.nas.report import ScanReport
    from ibhelm_pipelines.settings import Settings

LOCK_WAIT = "2s"
"""A live scan gives way to a scan of the folder soon: its worker has other things to do meanwhile."""


def scan_paths(
    settings: Settings, *, paths: Collection[bytes], directories: Collection[bytes] = (), tell: bool = True
) -> ScanReport:
    """Bring the tables in line with the share at some paths.

    Args:
        settings: of this process; names the share and the database.
        paths: raw paths below the root; what stands there and below, be it a file, a folder or nothing, is compared.
        directories: raw paths of directories of which only the files directly in them are compared; empty bytes are
            the root. One that is gone counts as a path.
        tell: write what was done into the outbox, and ask for previews and text of each content.

    Raises:
        ShareUnavailableError: the share is not there; nothing was concluded.
        ScanBusyError: another scan of these folders is running.
        DatabaseUnavailableError: Postgres does not answer; what was committed stays.
        PermanentError: something in it is no path below the root.
        ConfigurationError: a setting is missing.
    """
    share = Share.open(settings)
    scope = _without_gone_directories(share, Scope.of(paths, directories))
    url = settings.require_database_url()
    with ExitStack() as stack:
        stack.enter_context(translated_errors())
        watcher = stack.enter_context(connect(url, application="live scan progress", autocommit=True))
        watcher.execute("set synchronous_commit to off")  # how far it is may be lost; what it stores may not
        connection = stack.enter_context(connect(url, application="live scan", autocommit=True))
        connection.execute("set max_parallel_workers_per_gather to 0")  # starting helpers takes longer than the work
        folders = _folders_of(connection, settings, share, scope)
        lock_folders(connection, SCANNING, folders, wait=LOCK_WAIT)
        tools = Tools(settings=settings, share=share, connection=connection, watcher=watcher)
        teller = Teller(connection, unit="hash") if tell else None
        run = _PathScan(tools, scope, folders=folders, paths=len({*paths, *directories}), teller=teller)
        with run.recorded():
            run.execute()
            run.finish()
    return run.report


def _without_gone_directories(share: Share, scope: Scope) -> Scope:
    lookup = Lookup(share.root)
    found = {directory: lookup.find(directory) for directory in scope.directories if directory}
    gone = {directory for directory, what in found.items() if not what.is_directory and what.error is None}
    return Scope.of(scope.paths | gone, scope.directories - gone) if gone else scope


def _list_folders(settings: Settings, share: Share) -> Walker:
    walker = Walker(share.root, IgnoreRules.from_settings(settings), folder_depth=settings.folder_depth)
    walker.list_folders()
    return walker


def _folders_of(connection: Connection, settings: Settings, share: Share, scope: Scope) -> list[str]:
    """All project folders in which the scan may find, place or miss something."""
    folders = scope.folders(settings.folder_depth)
    levels = scope.upper_levels(settings.folder_depth)
    if levels:
        query = load_queries("nas")["known_folders_below"]
        folders.update(row[0] for row in connection.execute(query, {"levels": levels}))
        on_disk = _list_folders(settings, share).log.folders
        folders.update(folder for folder in on_disk if folder.startswith(tuple(levels)))
    return sorted(folders)


def _starts_with(prefix: bytes, raw_path: bytes) -> bool:
    return raw_path.startswith(prefix)


class _PathScan(ScanRun):
    """A scan of single paths. Only what was looked at is compared."""

    find_known = "find_known_at"

    def __init__(self, tools: Tools, scope: Scope, *, folders: list[str], paths: int, teller: Teller | None) -> None:
        super().__init__(tools, folders=folders, paths=paths, teller=teller)
        self._locked = folders
        self._scope = scope
        self._at = Look(self._walker, scope)

    def _look(self) -> None:
        seen = ((directory_key(d.raw_path), d) for d in self._counted(self._at.directories()))
        copy_differing(self._connection, seen, nas_url=self._nas_url())
        folders = self._walker.log.folders
        for folder in folders.keys() - set(self._locked):
            self._at.miss(folders[folder], "it appeared when the locks were taken already")
        self._mark_looked_at()

    def _counted(self, directories: Iterable[Directory]) -> Iterator[Directory]:
        for directory in directories:
            self.report.of(directory.folder).seen += len(directory.files)
            self._progress.add(files_seen=len(directory.files))
            yield directory

    def _mark_looked_at(self) -> None:
        """Fill the temporary table `looked_at`: single files by name, and directories with all files in them."""
        rows: list[tuple[bytes, bytes | None]] = [split(raw_path) for raw_path in self._at.found]
        rows += [(raw_directory, None) for raw_directory in {*self._at.read, *self._known_below()}]
        with self._connection.cursor() as cursor, cursor.copy("copy looked_at from stdin") as copy:
            for raw_directory, raw_name in rows:
                copy.write_row((directory_key(raw_directory), raw_directory, raw_name))
        self._connection.execute("analyze looked_at")

    def _known_below(self) -> Iterator[bytes]:
        """Yield the directories in which the tables have files, at and below what was looked at."""
        paths = self._maybe_directories()
        known = sorted(row[0] for row in self._ask("known_directories", folders=self._locked)) if paths else []
        for raw_path in paths:
            at, below = bisect_left(known, raw_path), bisect_left(known, raw_path + b"/")
            yield from takewhile(raw_path.__eq__, islice(known, at, None))
            yield from takewhile(partial(_starts_with, raw_path + b"/"), islice(known, below, None))

    def _maybe_directories(self) -> set[bytes]:
        """Return the paths that the tables may know as directories; the others, known files, cost no search.

        A file is known at a path only after what was known below that path was compared: here, when it first stands
        there. At the level of the project folders that is not sure, because two folders meet in one path.
        """
        level, found = self._tools.settings.folder_depth, self._at.found
        sure = {p for p, what in found.items() if what.is_directory or p.count(b"/") < level}
        files = found.keys() - sure | {file for files in self._at.read.values() for file in files}
        known = {row[0] for row in self._ask("known_files_at", raw_paths=list(files))} if files else set()
        return sure | (files - known)

    def _ask(self, name: str, **values: Any) -> list[TupleRow]:
        return self._connection.execute(self._sql[name], values).fetchall()

    def _seen_whole(self) -> set[str]:
        return set(self._locked) - {u.folder for u in self._walker.log.unreadable}

    def _record(self) -> None:
        raw_paths, directories = list(self._at.found), list(self._at.read)
        deep = [True] * len(raw_paths) + [False] * len(directories)
        self._problems.store("clear_solved_problems_at", {"raw_paths": raw_paths + directories, "deep": deep})
        folders: dict[str, bytes | None] = {LOOSE: None} if LOOSE in self._locked else {}
        folders |= self._walker.log.folders
        values = {"folders": list(folders), "raw_folders": list(folders.values())}
        self._connection.execute(self._sql["record_seen_folders"], values)
        self._connection.execute(self._sql["record_gone_folders"], {"folders": self._gone_folders()})

    def _gone_folders(self) -> list[str]:
        """Project folders at or below a path where there is no directory any more.

        Believed only when every level above the project folders was read: another directory may show the same name.
        """
        missing = tuple(folder_key(p) for p, what in self._at.found.items() if not what.is_directory)
        candidates = {f for f in self._locked if f in missing or f.startswith(tuple(f"{m}/" for m in missing))}
        known = {row[0] for row in self._ask("present_folders", folders=list(candidates))} if candidates else set()
        if not known:
            return []
        walker = _list_folders(self._tools.settings, self._tools.share)
        self._tools.share.check()
        return [] if walker.log.unreadable else sorted(known - walker.log.folders.keys())
