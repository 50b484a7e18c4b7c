"""Brings `public.files` in line with what was seen, set by set.

Everything that happens to a file is one idea: an entry on the disk is *placed* as a file, an old one or a new one,
with a content. Each batch of placements is one transaction that writes contents, files, disk entries and versions
together, so that whatever stops the scan leaves a state that was true.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.report import ScanReport


@dataclass(frozen=True, kw_only=True)
class HashedRow:
    """One row of the temporary table `hashed`; without digest and time for a new file that could not be read."""

    ordinal: int
    sha256: str | None
    size: int
    mtime_ns: int | None
    inode: int
    birth_ns: int | None


class Reconciler:
    """The comparisons and placements of one scan, on the scan's own connection and in its temporary tables."""

    def __init__(self, connection: Connection, report: ScanReport, *, folders: Sequence[str] | None) -> None:
        self._connection = connection
        self._report = report
        self._scope = {"folders": None if folders is None else list(folders)}
        self._sql = load_queries("nas")

    def _run(self, name: str, **values: Any) -> int:
        return self._connection.execute(self._sql[name], {**self._scope, **values}).rowcount

    def compare(self, unreadable: Iterable[bytes], *, still_exists: Callable[[bytes], bool]) -> None:
        """Pair what was seen with what is known, and place the files that only moved.

        Args:
            unreadable: raw paths below which nothing was seen.
            still_exists: tells whether a raw path is on the disk; asked for files outside this scan whose inode
                appeared in it.
        """
        with self._connection.transaction():
            with self._connection.cursor() as cursor, cursor.copy("copy unreadable (raw_path) from stdin") as copy:
                for raw_path in unreadable:
                    copy.write_row((raw_path,))
            for step in ("find_known", "index_known", "pair_by_path", "break_crossed_pairs", "index_path_pairs"):
                self._run(step)
            for step in ("find_vanished", "find_appeared", "index_changes"):
                self._run(step)
            self._find_moves_by_inode(still_exists)
            self._place("place_moved", fresh=False)
            self._place("place_refoldered")
            self._run("create_work")
            self._run("index_work")

    def _find_moves_by_inode(self, still_exists: Callable[[bytes], bool]) -> None:
        self._run("candidates_by_inode")
        self._take_moves(fresh=False)
        self._run("clear_candidates")
        self._run("candidates_among_deleted")
        self._take_moves(fresh=False)
        if self._scope["folders"] is not None:
            self._find_moves_from_elsewhere(still_exists)
        while self._connection.execute(self._sql["restore_unexplained_pairs"]).fetchone() != (0,):
            pass

    def _find_moves_from_elsewhere(self, still_exists: Callable[[bytes], bool]) -> None:
        self._run("clear_candidates")
        rows = self._connection.execute(self._sql["possible_candidates_elsewhere"], self._scope).fetchall()
        with self._connection.cursor() as cursor, cursor.copy("copy candidates from stdin") as copy:
            for file_id, ordinal, raw_path in rows:
                if not still_exists(raw_path):
                    copy.write_row((file_id, ordinal, False))
        self._take_moves(fresh=False)

    def _take_moves(self, *, fresh: bool) -> None:
        for same_name in (True, False):
            self._run("take_unambiguous", fresh=fresh, same_name=same_name)

    def place_candidates(self) -> None:
        """Decide, now that all of them are hashed, which candidates are moved files; place them all."""
        with self._connection.transaction():
            self._run("clear_hashed")
            self._run("collect_candidate_hashes")
            for evidence in ("candidates_by_birth", "candidates_by_content"):
                self._run("clear_candidates")
                self._run(evidence)
                self._take_moves(fresh=True)
            self._place("place_moved", fresh=True)
            self._place("place_hashed")
            self._run("forget_candidate_hashes")
            self._run("drop_done_work")

    def place_chunk(self, rows: Iterable[HashedRow]) -> None:
        """Store one chunk of files that were just read, in one transaction."""
        with self._connection.transaction():
            self._run("clear_hashed")
            with self._connection.cursor() as cursor, cursor.copy("copy hashed from stdin") as copy:
                for row in rows:
                    copy.write_row((row.ordinal, row.sha256, row.size, row.mtime_ns, row.inode, row.birth_ns))
            self._place("place_hashed")

    def _place(self, source: str, **values: Any) -> None:
        """Fill `placed` by one of the place_ queries and write what it says, everywhere."""
        self._run("clear_placed")
        if self._run(source, **values) == 0:
            return
        for step in (
            "insert_contents",
            "tell_touched_from_changed",
            "vacate_paths",
            "update_files",
            "insert_files",
            "upsert_disk_entries",
            "insert_first_versions",
            "heal_bit_rot",
        ):
            self._run(step)
        self._align_versions(self._one("placed_known_ids"))
        self._count()

    def _align_versions(self, file_ids: Sequence[int]) -> None:
        if file_ids:
            self._run("close_versions", file_ids=file_ids)
            self._run("open_versions", file_ids=file_ids)

    def _count(self) -> None:
        for folder, kind, files, size in self._connection.execute(self._sql["placed_counts"]):
            counts = self._report.of(folder)
            if kind != "touched":
                setattr(counts, kind, getattr(counts, kind) + files)
            counts.bytes += size
            self._report.bytes_hashed += size

    def _one(self, name: str, **values: Any) -> Any:
        row = self._connection.execute(self._sql[name], values).fetchone()
        assert row is not None
        return row[0]

    def delete(self, files_by_folder: Counter[str], file_ids: Sequence[int]) -> None:
        """Mark files deleted; runs inside the caller's transaction."""
        ids = list(file_ids)
        self._run("mark_deleted", file_ids=ids)
        self._run("mark_entries_gone", file_ids=ids)
        self._align_versions(ids)
        for folder, count in files_by_folder.items():
            self._report.of(folder).deleted += count
