"""Whether the mirror in S3 still is what the tables say: every day by one listing of the bucket, and every 30 days by
reading every object back and hashing it. What is missing or damaged is healed, and reported in either case.

Invariants: nothing is called missing because the store did not answer; nothing is concluded at all when too much is
missing or damaged at once, for then it is rather the wrong bucket or a broken server: an operator decides (`rebuild`).
What cannot be healed stays open as a row of `ops.object_problems` until it can, or is no longer wanted.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.content.steps import open_threads
from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ObjectStoreUnavailableError
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.bucket_listing import compare
from ibhelm_pipelines.safety.healing import Healer, Healing, Stored, Trouble, place_at
from ibhelm_pipelines.safety.single_run import VERIFICATION, single_run

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings

THREADS = 4
CHUNK = 64
"""Objects that are read, and whose results are committed, together: what a killed run repeats at most."""

FEW = 10
"""So many objects may be in trouble in a small office, whatever part of all they are."""

STORM = 3
"""Objects of one chunk on which the server may fail by itself; of more, it is the server and not the objects."""

SUSPECTS = 1000
"""Keys that wait in memory until they are noted."""

AGAIN = "its row was removed; the next scan makes it again"
GOOD = "it was right when it was read again"


@dataclass(kw_only=True)
class VerificationReport:
    """What a run found and did.

    Attributes:
        listed: objects that should be there, and were compared with the listing.
        objects: were read back and are right; what had to be healed is not among them.
        bytes: of these.
        missing: were not there, or of another size.
        damaged: were there, but their bytes were not right, or not to be had.
        healed: of both.
        open: could not be healed; ops.open_object_problems says why.
        busy: were left to somebody who is at them; the next run looks again.
        refused: why nothing was concluded; empty when something was.
        seconds: how long it took.
    """

    listed: int = 0
    objects: int = 0
    bytes: int = 0
    missing: int = 0
    damaged: int = 0
    healed: int = 0
    open: int = 0
    busy: int = 0
    refused: str = ""
    seconds: float = 0.0


def verify_mirror(
    settings: Settings,
    *,
    now: dt.datetime,
    everything: bool = False,
    rebuild: bool = False,
    on_progress: Callable[[str], object] | None = None,
) -> VerificationReport:
    """Compare the bucket with the rows, read back what is due, and heal what is missing or damaged.

    Args:
        settings: of this process.
        now: what time it is.
        everything: read all objects and not only those that are due.
        rebuild: the bucket was lost, or much of it, and an operator wants it filled again from the NAS.
        on_progress: is told what is being done.

    Raises:
        BusyError: another one is running.
        ObjectStoreUnavailableError, DatabaseUnavailableError: what was found so far is stored; the next run goes on.
        ConfigurationError: the credentials or the bucket are wrong.
    """
    started = time.monotonic()
    with translated_errors(), single_run(settings, VERIFICATION) as connection, ObjectStore(settings) as store:
        store.check()
        run = _Run(settings, connection, store, now=now, rebuild=rebuild, tell=on_progress or (lambda _: None))
        run.begin(everything=everything)
        run.find_missing()
        if not run.report.refused:
            run.read_back(everything=everything)
        run.finish()
    run.report.seconds = time.monotonic() - started
    return run.report


class _Run:
    """One verification; its public methods are its table of contents."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        store: ObjectStore,
        *,
        now: dt.datetime,
        rebuild: bool,
        tell: Callable[[str], object],
    ) -> None:
        self._settings, self._connection, self._store = settings, connection, store
        self._now, self._rebuild, self._tell = now, rebuild, tell
        self._healer = Healer(settings, store)
        self._sql = load_queries("mirror")
        self._news = 0
        self.report = VerificationReport()

    def begin(self, *, everything: bool) -> None:
        """Write down that it began."""
        [(self._id,)] = self._fetch("begin_run", now=self._now, everything=everything, rebuild=self._rebuild)
        self._do("create_worklist")
        self._do("create_treated")

    def find_missing(self) -> None:
        """Compare the listing with the rows, and heal what it says is missing or cut off."""
        self._tell("Listing the bucket")
        self._do("empty_worklist")
        found = 0
        keys: list[str] = []
        for row, listed in compare(self._connection, self._store):
            if row is None:
                continue
            self.report.listed += 1
            found += listed is not None and listed.size is not None
            if listed is None or listed.size != row.size:
                keys.append(row.key)
            if len(keys) == SUSPECTS:
                self._do("note_suspects", keys=keys)
                keys.clear()
        self._do("note_suspects", keys=keys)
        if self.report.listed and not found and not self._rebuild:
            self.report.refused = (
                f"The bucket {self._settings.s3_bucket} holds none of the {self.report.listed:,} objects."
            )
        elif self._is_too_much(news := self._fetch("count_news")[0][0]):
            self.report.refused = f"{news:,} of {self.report.listed:,} objects are missing at once."
        if not self.report.refused:
            self._work_through("missing")
        self._record()

    def read_back(self, *, everything: bool) -> None:
        """Read the objects whose turn it is, and those in trouble since an earlier run."""
        self._do("note_treated")
        self._do("empty_worklist")
        self._do("all_due" if everything else "due", **({} if everything else {"now": self._now}))
        self._do("open_due")
        self._work_through("damaged")

    def finish(self) -> None:
        """Write down how it ended."""
        with self._connection.transaction():
            self._do("close_problems_of_gone", now=self._now)
            self._record()
            self._do("finish_run", id=self._id, now=self._now)

    def _is_too_much(self, troubled: int) -> bool:
        """Of so many objects that nobody knew of; those whose trouble is known may be any number."""
        limit = max(FEW, self._settings.max_deletion_percent * self.report.listed / 100)
        return not self._rebuild and troubled > min(limit, max(FEW, self._settings.max_deletions))

    def _work_through(self, what: str) -> None:
        [(total, size)] = self._fetch("count_worklist")
        done = read = after = 0
        with open_threads(THREADS, name="verify") as threads:
            while chunk := self._fetch("take", after=after, limit=CHUNK):
                after = chunk[-1][0]
                stored = [_stored(row) for row in chunk if row[1] is not None]
                self._look_at(threads, stored, what)
                done, read = done + len(stored), read + sum(each.size for each in stored)
                self._tell(f"{done:,} of {total:,} objects, {read / 1e9:,.1f} of {size / 1e9:,.1f} GB")
                self._record()
                if self.report.refused:
                    return

    def _look_at(self, threads: Executor, chunk: Sequence[Stored], what: str) -> None:
        bad = [stored for stored, _ in self._examine(threads, chunk)]
        known = {key for (key,) in self._fetch("in_trouble", keys=[stored.key for stored in bad])}
        self._news += len([stored for stored in bad if stored.key not in known])
        if self._is_too_much(self._news):
            self.report.refused = f"{self._news:,} objects are {what} at once."
        else:
            self._treat(threads, bad)

    def _examine(self, threads: Executor, chunk: Sequence[Stored]) -> list[tuple[Stored, Trouble]]:
        """Read objects back; call the good ones good, and return the others."""
        looked = list(zip(chunk, threads.map(self._healer.examine, chunk), strict=True))
        if sum(trouble == "unreadable" for _, trouble in looked) > STORM:
            raise ObjectStoreUnavailableError(
                f"The S3 server fails on {STORM} objects and more, though the bucket answers.",
                next_step="See its log; what was read until then counts, and the next run goes on.",
            )
        self._call_good([stored for stored, trouble in looked if trouble is None])
        return [(stored, trouble) for stored, trouble in looked if trouble is not None]

    def _call_good(self, good: Sequence[Stored]) -> None:
        keys = [stored.key for stored in good]
        with self._connection.transaction():
            self._do("mark_good", keys=keys, now=self._now)
            self._do("close_problems", keys=keys, now=self._now, how=GOOD)
        self.report.objects += len(good)
        self.report.bytes += sum(stored.size for stored in good)

    def _treat(self, threads: Executor, bad: Sequence[Stored]) -> None:
        """Look again at what seems to be in trouble, now that nobody else is at it, and heal it."""
        with self._locked(bad) as mine:
            self.report.busy += len(bad) - len(mine)
            there = {key for (key,) in self._fetch("still_there", keys=[stored.key for stored in mine])}
            wanted = [stored for stored in mine if stored.key in there]
            troubled = self._examine(threads, wanted)
            for stored, trouble in troubled:
                self._do(
                    "record_problem",
                    key=stored.key,
                    hash=stored.content_hash,
                    object_kind=stored.kind,
                    kind=trouble,
                    now=self._now,
                )
            healings = threads.map(self._heal, *self._cases(troubled))
            for (stored, trouble), healing in zip(troubled, healings, strict=True):
                self._settle(stored, healing)
                self._count(trouble, healing)

    def _cases(self, troubled: Sequence[tuple[Stored, Trouble]]) -> tuple[list[Stored], list[Any]]:
        wanted = [stored for stored, _ in troubled]
        places = [
            [place_at(self._settings, row) for row in self._fetch("places", hash=stored.content_hash)]
            for stored in wanted
        ]
        return wanted, places

    def _heal(self, stored: Stored, places: Sequence[Any]) -> Healing:
        """In a thread: only what needs no row."""
        if stored.kind == "thumbnail":
            return Healing(healed=True, how=AGAIN)
        return self._healer.heal(stored, places)

    def _settle(self, stored: Stored, healing: Healing) -> None:
        with self._connection.transaction():
            if healing.healed and stored.kind == "thumbnail":
                self._do("make_thumbnail_again", hash=stored.content_hash, key=stored.key)
            elif healing.healed:
                self._do("mark_good", keys=[stored.key], now=self._now)
            healed_at = self._now if healing.healed else None
            self._do("settle_problem", key=stored.key, healed_at=healed_at, how=healing.how)

    def _count(self, trouble: Trouble, healing: Healing) -> None:
        is_missing = trouble in ("missing", "wrong_size")
        self.report.missing += is_missing
        self.report.damaged += not is_missing
        self.report.healed += healing.healed
        self.report.open += not healing.healed

    @contextmanager
    def _locked(self, chunk: Sequence[Stored]) -> Iterator[list[Stored]]:
        kinds, hashes = [stored.kind for stored in chunk], [stored.content_hash for stored in chunk]
        got = {
            key for (key,) in self._fetch("lock_objects", keys=[each.key for each in chunk], hashes=hashes, kinds=kinds)
        }
        mine = [stored for stored in chunk if stored.key in got]
        try:
            yield mine
        finally:
            self._do(
                "unlock_objects",
                hashes=[stored.content_hash for stored in mine],
                kinds=[stored.kind for stored in mine],
            )

    def _record(self) -> None:
        counts = {name: value for name, value in asdict(self.report).items() if name in ("listed", "objects", "bytes")}
        self._do(
            "record_run",
            **counts,
            missing=self.report.missing,
            refused=self.report.refused or None,
            id=self._id,
        )

    def _fetch(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(self._sql[name], values or None).fetchall()

    def _do(self, name: str, **values: Any) -> None:
        self._connection.execute(self._sql[name], values or None)


def _stored(row: tuple[Any, ...]) -> Stored:
    _, key, kind, content_hash, sha256, size, media_type = row
    return Stored(key=key, kind=kind, content_hash=content_hash, sha256=sha256, size=size, media_type=media_type)
