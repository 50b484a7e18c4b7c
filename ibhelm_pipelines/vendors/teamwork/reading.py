"""Reads one list of Teamwork to its end and stores it: what changed since the last time, or all of it.

The cursor is the vendor's own time, so that no clock of ours matters, and moves in the transaction that ends a complete
reading: a reading that fails anywhere leaves it where it was, and concludes nothing from what it did not see. Rows move
from page to page while a list is read; a reading that shows signs of it is done again. Only a complete reading of
everything says what vanished, and each such thing is asked for by its id before it counts as deleted.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError, VendorForbiddenError, VendorMissingError, VendorUnavailableError
from ibhelm_pipelines.vendors import statements
from ibhelm_pipelines.vendors.store import Counts
from ibhelm_pipelines.vendors.teamwork.derived import derive
from ibhelm_pipelines.vendors.teamwork.fields import Row, first, identifier, moment
from ibhelm_pipelines.vendors.teamwork.records import CREATED, CUSTOM_VALUES, UPDATED, is_deleted
from ibhelm_pipelines.vendors.teamwork.resources import PROJECTS, TASK_LISTS, TASKS_RESOURCE
from ibhelm_pipelines.vendors.vanishing import is_beyond_belief

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.store import Store
    from ibhelm_pipelines.vendors.teamwork.api import Api, Page
    from ibhelm_pipelines.vendors.teamwork.policy import Gate
    from ibhelm_pipelines.vendors.teamwork.resources import Resource

OVERLAP = dt.timedelta(minutes=10)
"""How far before the cursor a reading begins: rows may become visible later than their time says, and it is unknown
whether `updatedAfter` includes its own second."""

MAX_PASSES = 3
"""How often a list is read again because rows moved while it was."""

MAX_QUERY_ROWS = 50_000
"""Teamwork gives no more to one query; the next one goes on at the time of the last row."""

PARENTS = {"tasks": (("unknown_task_lists", TASK_LISTS), ("unknown_projects", PROJECTS))}
"""What tasks cannot do without, and how to find what is missing of it."""

MAKE_TASKS = ("projects", "task_lists", "tags", "tasks")
"""Lists from which the derived columns of tasks are made."""

FEW = 10
"""So many things that are only named may be asked for one by one."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A backfill: what is read again, without moving the cursor.

    Attributes:
        projects: ids of Teamwork; all when empty.
        since, until: days of the last change.
    """

    projects: tuple[int, ...] = ()
    since: dt.date | None = None
    until: dt.date | None = None

    def parameters(self) -> dict[str, str]:
        asked = {
            "projectIds": ",".join(map(str, self.projects)),
            "updatedAfter": _instant(dt.datetime.combine(self.since, dt.time(), dt.UTC)) if self.since else "",
            "updatedBefore": _instant(dt.datetime.combine(self.until, dt.time.max, dt.UTC)) if self.until else "",
        }
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What reading one list brought.

    Attributes:
        full: whether all of it was read.
        requests: to Teamwork.
        refused: things that vanished, too many to be believed; none of them was marked deleted.
    """

    counts: Counts
    full: bool
    requests: int
    seconds: float
    refused: int = 0


@dataclass(kw_only=True)
class _Progress:
    """What one reading saw so far."""

    counts: Counts = field(default_factory=Counts)
    seen: set[int] = field(default_factory=set)
    newest: dt.datetime | None = None
    began: dt.datetime | None = None
    disturbed: bool = False


class Reader:
    """Reads lists; one session with Teamwork and with the database, not for several threads at once."""

    def __init__(self, settings: Settings, api: Api, store: Store, gate: Gate) -> None:
        self._settings, self._api, self._store, self._gate = settings, api, store, gate
        self._sql = load_queries("teamwork")

    def read(self, resource: Resource, *, full: bool, confirm_deletions: bool) -> Report:
        """Read what changed, or everything, to the end, and move the cursor.

        Raises:
            BusyError: another process reads this list.
            VendorUnavailableError, VendorRefusedError, DatabaseUnavailableError: pages that were read are stored, the
                cursor stays, nothing is concluded from what was not seen.
        """
        with self._alone(resource):
            started, before = time.monotonic(), self._api.requests
            watermark = self._watermark(resource)
            full = full or watermark is None or not resource.is_incremental
            progress = self._read_all(resource, self._since(resource, None if full else watermark))
            if resource.deletions_apart and not full and watermark is not None:
                self._read_deletions(resource, watermark, progress)
            self._find_parents(resource)
            gone: list[int] = []
            read_at, refused = None, 0
            if full:
                gone, read_at, refused = self._find_gone(resource, progress, confirm_deletions=confirm_deletions)
            with self._store.writing():
                if read_at is not None:
                    progress.counts += self._store.bury(resource, gone, read_at)
                self._move_cursor(resource, progress, full=full, refused=refused if full else None)
                if resource.name in MAKE_TASKS:
                    derive(self._store)
            return Report(
                counts=progress.counts,
                full=full,
                requests=self._api.requests - before,
                seconds=round(time.monotonic() - started, 3),
                refused=refused,
            )

    def backfill(self, resource: Resource, window: Window) -> Report:
        """Read a part again; the cursor stays, and nothing counts as vanished."""
        with self._alone(resource):
            started, before = time.monotonic(), self._api.requests
            progress = self._read_all(resource, window.parameters())
            seconds = round(time.monotonic() - started, 3)
            return Report(counts=progress.counts, full=False, requests=self._api.requests - before, seconds=seconds)

    def read_things(self, resource: Resource, numbers: Sequence[int]) -> None:
        """Read single things again; what Teamwork does not know is deleted, what we may not see stays as it is.

        Raises:
            VendorUnavailableError, VendorRefusedError, DatabaseUnavailableError: nothing was concluded from it.
        """
        left = set(numbers)
        if resource.deletions_apart and len(left) > 1:
            left -= self._read_together(resource, left)
        for number in sorted(left):
            self._read_one(resource, number)
        if numbers:
            self._find_parents(resource)

    def _read_one(self, resource: Resource, number: int) -> None:
        read_at = self._store.now()
        try:
            page = self._api.one(resource, number)
        except VendorMissingError:
            self._store.bury(resource, [number], read_at)
        except VendorForbiddenError:
            structlog.get_logger().warning("hidden_from_us", resource=resource.name, id=number)
        else:
            self._put(resource, page)

    def _find_parents(self, resource: Resource) -> None:
        """Ask for lists and projects that only tasks name: they may be new, or gone with them."""
        for name, parent in PARENTS.get(resource.name, ()):
            with translated_errors():
                unknown = [number for (number,) in self._store.connection.execute(self._sql[name])]
            for number in unknown[:FEW]:  # of more, the directory was not read yet
                self._read_one(parent, number)

    def _read_together(self, resource: Resource, numbers: set[int]) -> set[int]:
        """Read several with one request; return which of them came."""
        page = next(self._api.pages(resource, {"ids": ",".join(map(str, sorted(numbers)))}))
        rows = [row for row in page.rows if identifier(row["id"]) in numbers]  # all there are, were `ids` ignored
        self._put(resource, replace(page, rows=rows))
        return {identifier(row["id"]) or 0 for row in rows}

    def _read_all(self, resource: Resource, parameters: Mapping[str, str]) -> _Progress:
        progress = _Progress()
        for _ in range(MAX_PASSES):
            progress.disturbed = False
            for page in self._gate.inspect(resource, self._pass(resource, parameters, progress)):
                progress.counts += self._put(resource, page)
            if not progress.disturbed:
                return progress
            structlog.get_logger().info("list_moved_while_it_was_read", resource=resource.name)
        return progress

    def _pass(self, resource: Resource, parameters: Mapping[str, str], progress: _Progress) -> Iterator[Page]:
        """Yield all pages, of several queries where one has more rows than Teamwork gives."""
        asked: Mapping[str, str] | None = parameters
        while asked is not None:
            query = _Query(resource, asked)
            for page in self._api.pages(resource, asked):
                query.note(page)
                _note(progress, page)
                yield page
            progress.disturbed = progress.disturbed or query.disturbed
            asked = query.continued()

    def _read_deletions(self, resource: Resource, watermark: dt.datetime, progress: _Progress) -> None:
        """Whether a deletion moves `updatedAt` is unknown, so they are asked for by their own time too."""
        asked = {"deletedAfter": _instant(watermark - OVERLAP)}
        for page in self._api.pages(resource, asked):
            progress.counts += self._put(resource, page)
            if not all(is_deleted(row) for row in page.rows):
                return  # the parameter was ignored: these are all tasks, and the daily reading finds what was deleted

    def _find_gone(
        self, resource: Resource, progress: _Progress, *, confirm_deletions: bool
    ) -> tuple[list[int], dt.datetime | None, int]:
        """Return what Teamwork does not know any more, as of when, and how much vanished beyond belief."""
        if progress.disturbed:
            return [], None, 0
        values = {"seen": list(progress.seen)}
        with translated_errors():
            unseen = [number for (number,) in self._store.connection.execute(statements.unseen(resource.table), values)]
            [(live,)] = self._store.connection.execute(statements.count_live(resource.table)).fetchall()
        if not confirm_deletions and is_beyond_belief(self._settings, vanished=len(unseen), live=live):
            return [], None, len(unseen)
        read_at = self._store.now()
        gone = [number for number in unseen if self._is_gone(resource, number, progress)]
        return gone, read_at, 0

    def _is_gone(self, resource: Resource, number: int, progress: _Progress) -> bool:
        """Ask for one thing by its id; what answers is stored, and what we may not see stays as it is."""
        try:
            page = self._api.one(resource, number)
        except VendorMissingError:
            return True
        except VendorForbiddenError:
            structlog.get_logger().warning("hidden_from_us", resource=resource.name, id=number)
            return False
        progress.counts += self._put(resource, page)
        return False

    def _put(self, resource: Resource, page: Page) -> Counts:
        rows = self._gate.pass_rows(resource, page)
        left_out = Counts(left_out=len(page.rows) - len(rows))
        if resource is TASKS_RESOURCE:
            rows = self._with_custom_values(rows)
        return left_out + (self._store.put(resource, rows, page.read_at) if rows else Counts())

    def _with_custom_values(self, rows: Sequence[Row]) -> list[Row]:
        """Included rows are sometimes missing: a task that had values and came without is asked for them."""
        bare = [identifier(row["id"]) for row in rows if CUSTOM_VALUES not in row]
        with translated_errors():
            found = self._store.connection.execute(self._sql["with_custom_values"], {"ids": bare})
            doubtful = {number for (number,) in found}
        values = {number: self._values_of(number) for number in doubtful}
        return [{CUSTOM_VALUES: values.get(identifier(row["id"]) or 0, []), **row} for row in rows]

    def _values_of(self, task: int) -> list[Row]:
        try:
            return self._api.custom_values(task)
        except VendorMissingError:
            return []

    def _alone(self, resource: Resource) -> _Alone:
        return _Alone(self._store, resource)

    def _since(self, resource: Resource, watermark: dt.datetime | None) -> dict[str, str]:
        order = {"orderBy": resource.order, "orderMode": "asc"} if resource.order else {}
        return order if watermark is None else {**order, "updatedAfter": _instant(watermark - OVERLAP)}

    def _watermark(self, resource: Resource) -> dt.datetime | None:
        with translated_errors():
            row = self._store.connection.execute(self._sql["cursor"], {"resource": resource.name}).fetchone()
        return row[0] if row is not None else None

    def _move_cursor(self, resource: Resource, progress: _Progress, *, full: bool, refused: int | None) -> None:
        times = [each for each in (progress.newest, progress.began) if each is not None]
        values = {
            "resource": resource.name,
            "watermark": min(times) if progress.newest is not None and not progress.disturbed else None,
            "full": full and not progress.disturbed,
            "refused": refused,
        }
        self._gate.remember(resource)
        self._store.connection.execute(self._sql["move_cursor"], values)


class _Query:
    """One query of a list, over all its pages: whether rows moved, and where the next query goes on."""

    def __init__(self, resource: Resource, parameters: Mapping[str, str]) -> None:
        self._resource, self._parameters = resource, parameters
        self._seen: set[int] = set()
        self._count: int | None = None
        self._rows = 0
        self._last: dt.datetime | None = None
        self._ascending = True
        self.disturbed = False

    def note(self, page: Page) -> None:
        ids = {identifier(row["id"]) or 0 for row in page.rows}
        shrank = self._count is not None and page.count is not None and page.count < self._count
        self.disturbed = self.disturbed or shrank or not self._seen.isdisjoint(ids)
        self._count = page.count
        self._seen |= ids
        self._rows += len(page.rows)
        for row in page.rows:
            when = _updated(row)
            self._ascending = self._ascending and when is not None and (self._last is None or when >= self._last)
            self._last = when or self._last

    def continued(self) -> Mapping[str, str] | None:
        """Return what the next query asks, None when this one gave everything.

        Raises:
            VendorUnavailableError: there is more, and no way to ask for it.
        """
        if self._rows < MAX_QUERY_ROWS:
            return None
        is_ordered = self._resource.is_incremental and self._ascending
        after = _instant(self._last - dt.timedelta(seconds=1)) if self._last and is_ordered else ""
        if not after or after == self._parameters.get("updatedAfter"):
            raise VendorUnavailableError(
                f"Teamwork gives no more than {MAX_QUERY_ROWS} rows of {self._resource.path}, in an order in which the"
                " rest cannot be asked for.",
                next_step="Read the projects one by one: give the asset a list of projects.",
            )
        return {**self._parameters, "updatedAfter": after}


class _Alone:
    """Holds the lock of a list, which dies with its connection."""

    def __init__(self, store: Store, resource: Resource) -> None:
        self._store, self._resource = store, resource
        self._sql = load_queries("teamwork")

    def __enter__(self) -> None:
        with translated_errors():
            values = {"resource": self._resource.name}
            [(mine,)] = self._store.connection.execute(self._sql["try_lock_resource"], values).fetchall()
        if not mine:
            raise BusyError(
                f"Another run is reading {self._resource.name} of Teamwork.", next_step="It is tried again in a moment."
            )

    def __exit__(self, *_: object) -> None:
        if not self._store.connection.broken:
            self._store.connection.execute(self._sql["unlock_resource"], {"resource": self._resource.name})


def _note(progress: _Progress, page: Page) -> None:
    progress.seen.update(identifier(row["id"]) or 0 for row in page.rows)
    progress.began = progress.began or page.vendor_time or page.read_at
    times = [when for row in page.rows if (when := _updated(row)) is not None]
    progress.newest = max(filter(None, [progress.newest, *times]), default=None)


def _updated(row: Row) -> dt.datetime | None:
    """When it last changed; a row whose time cannot be read does not move the cursor."""
    try:
        return moment(first(row, *UPDATED, *CREATED))
    except ValueError:
        return None


def _instant(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
