"""Writes the manifests of all folders into the bucket, so that any day can be restored with nothing but the bucket.

A manifest holds all versions that the database has, so the newest ones answer for every day; older indexes are kept for
the day that a newer one is damaged. The index is written last: what it names is there. What is unchanged is read back
instead of written, so that damage is found and mended within a day.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import psycopg

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError, IbhelmError
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.manifest_format import Entry, Index, ManifestFile, Version
from ibhelm_pipelines.safety.manifest_store import is_whole, put_index, put_manifest, thin_out
from ibhelm_pipelines.safety.past import PastFile

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from typing import Self

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

LOCK_WAIT = "60s"


@dataclass(kw_only=True)
class ManifestReport:
    """What was done.

    Attributes:
        written: manifests that were not in the bucket, or damaged there.
        deleted: manifests that no index names any more.
    """

    index_key: str = ""
    folders: int = 0
    versions: int = 0
    written: int = 0
    written_bytes: int = 0
    deleted: int = 0
    seconds: float = 0


def write_manifests(
    settings: Settings, *, now: dt.datetime, on_progress: Callable[[str], None] | None = None
) -> ManifestReport:
    """Write the manifests of all folders, the index that names them, and thin out those of old days.

    Args:
        settings: of this process.
        now: stands in the key of the index.
        on_progress: told what is done.

    Raises:
        BusyError: another process writes them.
        DatabaseUnavailableError, ObjectStoreUnavailableError: one of them does not answer.
        ConfigurationError: the credentials or the bucket are wrong.
    """
    report, started = ManifestReport(), time.monotonic()
    with only_writer(settings) as connection, _noted(connection, now, report):
        _write(settings, report, now, on_progress or (lambda _: None))
        report.seconds = time.monotonic() - started
    return report


@contextmanager
def only_writer(settings: Settings) -> Iterator[Connection]:
    """Keep other writers of manifests away; gives a connection in autocommit mode.

    Raises:
        BusyError: there is one.
    """
    with translated_errors(), connect(settings.require_database_url(), application="manifests", autocommit=True) as it:
        it.execute("select set_config('lock_timeout', %s, false)", [LOCK_WAIT])
        try:
            it.execute(load_queries("safety_versions")["lock_manifests"])
        except psycopg.errors.LockNotAvailable as error:
            raise BusyError(
                "Another process is writing the manifests.", next_step="It is over in minutes; run it again."
            ) from error
        yield it


@contextmanager
def _noted(connection: Connection, now: dt.datetime, report: ManifestReport) -> Iterator[None]:
    """Note begin and end, or why it failed, where the check looks."""
    sql = load_queries("safety_versions")
    [(number,)] = connection.execute(sql["begin_manifests"], {"now": now}).fetchall()
    error: IbhelmError | None = None
    try:
        yield
    except IbhelmError as caught:
        error = caught
        raise
    finally:
        counts = {name: getattr(report, name) for name in ("index_key", "folders", "versions", "written")}
        values: dict[str, Any] = {**counts, "written_bytes": report.written_bytes, "id": number, "now": now}
        connection.execute(sql["end_manifests"], {**values, "error": None if error is None else str(error)})


def _write(settings: Settings, report: ManifestReport, now: dt.datetime, say: Callable[[str], None]) -> None:
    with ExitStack() as stack, ObjectStore(settings) as store:
        store.check()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ibhelm-manifests-")))
        say("reading the versions")
        as_of, spooled = _spool(settings, folder)
        for number, (entry, file) in enumerate(spooled, 1):
            say(f"{number:,} of {len(spooled):,} folders")
            if not is_whole(store, entry):
                with file.open("rb") as opened:
                    report.written_bytes += put_manifest(store, entry, opened)
                report.written += 1
        index = Index(written_at=now, as_of=as_of, entries=tuple(entry for entry, _ in spooled))
        put_index(store, index)
        report.index_key, report.folders = index.key, len(spooled)
        report.versions = sum(entry.versions for entry, _ in spooled)
        report.deleted = thin_out(store)


def _spool(settings: Settings, folder: Path) -> tuple[dt.datetime, list[tuple[Entry, Path]]]:
    """Write all manifests into local files, so that no transaction waits for the store."""
    with connect(settings.require_database_url(), application="manifests") as connection:
        row = connection.execute(load_queries("safety_versions")["known_as_of"]).fetchone()
        connection.commit()
        assert row is not None
        with _Spool(folder, settings.folder_depth) as spool:
            for version in _all_versions(connection):
                spool.add(version)
    return row[0], spool.done


def _all_versions(connection: Connection) -> Iterator[Version]:
    with connection.cursor(name="all_versions") as cursor:
        cursor.itersize = 5000
        cursor.execute(load_queries("safety_versions")["all_versions"])
        for number, file_id, raw_path, sha256, size, mtime_ns, valid_from, valid_to in cursor:
            past = PastFile(raw_path=raw_path, sha256=sha256, size=size, mtime_ns=mtime_ns)
            yield Version(version_id=number, file_id=file_id, file=past, valid_from=valid_from, valid_to=valid_to)


class _Spool:
    """Deals versions, sorted by raw path, out to the manifests of their folders. All below one project folder come
    together; files above the project folders come in between, so theirs stays open all the time.
    """

    def __init__(self, folder: Path, depth: int) -> None:
        self._folder, self._depth, self._count = folder, depth, 0
        self.done: list[tuple[Entry, Path]] = []
        self._current: _Open | None = None
        self._loose: _Open | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in filter(None, (self._current, self._loose)):
            self._finish(each)

    def add(self, version: Version) -> None:
        """Write a version into the manifest of its folder."""
        parts = version.file.raw_path.split(b"/", self._depth)
        if len(parts) <= self._depth:
            self._loose = self._loose or self._open(b"")
            self._loose.manifest.add(version)
            return
        raw_folder = b"/".join(parts[:-1])
        if self._current is None or self._current.raw_folder != raw_folder:
            if self._current is not None:
                self._finish(self._current)
            self._current = self._open(raw_folder)
        self._current.manifest.add(version)

    def _open(self, raw_folder: bytes) -> _Open:
        self._count += 1
        path = self._folder / str(self._count)
        file = path.open("w+b")
        return _Open(raw_folder=raw_folder, path=path, file=file, manifest=ManifestFile(file))

    def _finish(self, each: _Open) -> None:
        with each.file:
            self.done.append((each.manifest.finish(each.raw_folder), each.path))


@dataclass(frozen=True, kw_only=True)
class _Open:
    """A manifest that is being written."""

    raw_folder: bytes
    path: Path
    file: BinaryIO
    manifest: ManifestFile
