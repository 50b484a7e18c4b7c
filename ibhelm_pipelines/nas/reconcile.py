"""Brings `public.files` in line with what was seen, set by set.

Everything that happens to a file is one idea: an entry on the disk is *placed* as a file, an old one or a new one,
with a content. Each batch of placements is one transaction that writes contents, files, disk entries and versions
together, so that whatever stops the scan leaves a state that was true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.nas.report import FolderCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.nas.report import ScanReport
    from ibhelm_pipelines.nas.telling import Teller


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
    """The comparisons and placements of one scan, on the scan's own connection and in its temporary tables.

    Attributes:
        overtaken: placements that were left out because another scan had moved the file on; the scan is not whole then.
    """

    def __init__(
        self, connection: Connection, report: ScanReport, *, folders: Sequence[str] | None, teller: Teller | None
    ) -> None:
        self._connection = connection
        self._report = report
        self._teller = teller
        self._news: dict[str, FolderCounts] = {}
        self.overtaken = 0
        self._scope = {"folders": None if folders is None else list(folders)}
        self._sql = load_queries("nas")

    def _run(self, name: str, **values: Any) -> int:
        return self._connection.execute(self._sql[name], {**self._scope, **values}).rowcount

    def compare(self, find_known: str, unreadable: Iterable[bytes], *, still_exists: Callable[[bytes], bool]) -> None:
        """Pair what was seen with what is known, and place the files that only moved.

        Args:
            find_known: name of the statement that fills the temporary table `known`.
            unreadable: raw paths below which nothing was seen.
            still_exists: tells whether a raw path is on the disk; asked for files outside this scan whose inode
                appeared in it.
        """
        with self._connection.transaction():
            with self._connection.cursor() as cursor, cursor.copy("copy unreadable (raw_path) from stdin") as copy:
                for raw_path in unreadable:
                    copy.write_row((raw_path,))
            for step in ("index_seen", find_known, "index_known", "pair_by_path", "break_crossed_pairs"):
                self._run(step)
            for step in ("index_path_pairs", "find_vanished", "find_appeared", "index_changes"):
                self._run(step)
            self._find_moves_by_inode(still_exists)
            self._place("place_moved", fresh=False)
            self._place("place_refoldered")
            self._run("create_work")
            self._run("index_work")
            self._tell()

    def _find_moves_by_inode(self, still_exists: Callable[[bytes], bool]) -> None:
        self._take_moves(self._run("candidates_by_inode"), fresh=False)
        # In this order: a file that is marked deleted between the two questions is found by one of them.
        if self._scope["folders"] is not None:
            self._find_moves_from_elsewhere(still_exists)
        self._take_moves(self._run("candidates_among_deleted"), fresh=False)
        while self._connection.execute(self._sql["restore_unexplained_pairs"]).fetchone() != (0,):
            pass

    def _find_moves_from_elsewhere(self, still_exists: Callable[[bytes], bool]) -> None:
        rows = self._connection.execute(self._sql["possible_candidates_elsewhere"], self._scope).fetchall()
        gone = [(file_id, ordinal, False, path, False) for file_id, ordinal, path in rows if not still_exists(path)]
        if gone:
            with self._connection.cursor() as cursor, cursor.copy("copy candidates from stdin") as copy:
                for row in gone:
                    copy.write_row(row)
        self._take_moves(len(gone), fresh=False)

    def _take_moves(self, candidates: int, *, fresh: bool) -> None:
        if not candidates:
            return
        for same_name in (True, False):
            self._run("take_unambiguous", fresh=fresh, same_name=same_name)
        self._run("clear_candidates")

    def place_candidates(self) -> None:
        """Decide, now that all of them are hashed, which candidates are moved files; place them all."""
        with self._connection.transaction():
            self._run("clear_hashed")
            self._run("collect_candidate_hashes")
            for evidence in ("candidates_by_birth", "candidates_by_content"):
                self._take_moves(self._run(evidence), fresh=True)
            self._place("place_moved", fresh=True)
            self._place("place_hashed")
            self._run("forget_candidate_hashes")
            self._run("drop_done_work")
            self._tell()

    def place_chunk(self, rows: Iterable[HashedRow]) -> None:
        """Store one chunk of files that were just read, in one transaction."""
        with self._connection.transaction():
            self._run("clear_hashed")
            with self._connection.cursor() as cursor, cursor.copy("copy hashed from stdin") as copy:
                for row in rows:
                    copy.write_row((row.ordinal, row.sha256, row.size, row.mtime_ns, row.inode, row.birth_ns))
            self._place("place_hashed")
            self._tell()

    def _place(self, source: str, **values: Any) -> None:
        """Fill `placed` by one of the place_ queries and write what it says, everywhere."""
        self._run("clear_placed")
        if self._run(source, **values) == 0:
            return
        if self._scope["folders"] is not None:  # who scans the whole share is alone
            self.overtaken += self._run("drop_overtaken")
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
        if self._teller is not None:
            self._teller.ask_for_contents()

    def _align_versions(self, file_ids: Sequence[int]) -> None:
        if file_ids:
            self._run("close_versions", file_ids=file_ids)
            self._run("open_versions", file_ids=file_ids)

    def _count(self) -> None:
        for folder, kind, files, size in self._connection.execute(self._sql["placed_counts"]):
            counts = FolderCounts(bytes=size)
            if kind != "touched":
                setattr(counts, kind, files)
            self._note(folder, counts)
            self._report.bytes_hashed += size

    def _note(self, folder: str, counts: FolderCounts) -> None:
        self._report.folders[folder] = self._report.of(folder) + counts
        self._news[folder] = self._news.get(folder, FolderCounts()) + counts

    def _tell(self) -> None:
        """The last act of each transaction."""
        if self._teller is not None:
            self._teller.tell(self._news)
        self._news = {}

    def _one(self, name: str, **values: Any) -> Any:
        row = self._connection.execute(self._sql[name], values).fetchone()
        assert row is not None
        return row[0]

    def delete(self, file_ids: Sequence[int]) -> None:
        """Mark vanished files deleted; runs inside the caller's transaction and ends it."""
        deleted = self._connection.execute(self._sql["mark_deleted"], {"file_ids": list(file_ids)}).fetchall()
        ids = [file_id for file_id, _ in deleted]
        self._run("mark_entries_gone", file_ids=ids)
        self._align_versions(ids)
        for _, folder in deleted:
            self._note(folder, FolderCounts(deleted=1))
        self._tell()
