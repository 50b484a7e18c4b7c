"""Brings the tables in line with Missive: the entry for assets, the command line and the live worker."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.live import tell
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError
from ibhelm_pipelines.vendors.missive.api import Api, require_access
from ibhelm_pipelines.vendors.missive.contents import ContentReader, Tally
from ibhelm_pipelines.vendors.missive.directory import DirectoryReader
from ibhelm_pipelines.vendors.missive.gate import Gate
from ibhelm_pipelines.vendors.missive.policy import Policy
from ibhelm_pipelines.vendors.missive.resources import ASSETS, CONVERSATIONS, CONVERSATIONS_ASSET, DIRECTORY_ASSET
from ibhelm_pipelines.vendors.missive.store import MissiveStore
from ibhelm_pipelines.vendors.missive.sweep import MAILBOXES, Month, Sweep, month_of
from ibhelm_pipelines.vendors.store import Counts
from ibhelm_pipelines.vendors.vanishing import is_beyond_belief

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.missive.api import Page
    from ibhelm_pipelines.vendors.store import Store
    from ibhelm_pipelines.vendors.tables import Row

__all__ = [
    "ASSETS",
    "SyncReport",
    "is_connected",
    "switch_off",
    "sync",
    "sync_conversations",
    "sync_directory",
    "sync_months",
]

YOUNG_DAYS = 14
"""Conversations so young are read again with every sweep of everything: what happens in comments tells nobody."""

LOCK_WAIT = "3s"
"""What a run that has just ended held is free within that, however busy Postgres is."""

NO_MONTH = ""
CONTENTS = "contents"
"""Resource of the cursor that tells when mails and comments were last read without any left."""


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """What a sync did.

    Attributes:
        counts: rows, by asset and by month (its first day); the directory's month is empty.
        requests: to Missive.
        refused: things that vanished, too many to be believed.
        due: conversations that are still to be read: they could not be, and are tried again later.
    """

    counts: Mapping[str, Mapping[str, Counts]]
    requests: int
    refused: int
    due: int

    def of(self, asset: str) -> Counts:
        """Return what was done for an asset in all months."""
        return sum(self.counts.get(asset, {}).values(), Counts())


def is_connected(settings: Settings) -> bool:
    """Return whether there is a token; without one Missive is off."""
    return settings.missive_token is not None


def switch_off(settings: Settings) -> None:
    """Write down that nothing is read because there is no token: then nothing is late either."""
    with connect(settings.require_database_url(), application="missive", autocommit=True) as connection:
        connection.execute(load_queries("missive")["switch_off"])


def sync(
    settings: Settings,
    *,
    full: bool = False,
    confirm_deletions: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> SyncReport:
    """Read what is new, or list everything, and store it.

    Args:
        settings: of this process.
        full: list everything, find what vanished, and read again what is young.
        confirm_deletions: whether a person says that all that vanished is meant to be gone.
        progress: is told what is done now.

    Raises:
        ConfigurationError: Missive is not connected, refuses the token, or it is not said what may be read.
        VendorUnavailableError, DatabaseUnavailableError: what was read before is stored; the next sync goes on.
        BusyError: another sync is going on.
    """
    with _open(settings) as (api, store):
        _require_alone(store)
        return _Sync(settings, api, store, progress).run(full=full, confirm_deletions=confirm_deletions)


def sync_directory(settings: Settings, *, full: bool = False) -> SyncReport:
    """Read the directory alone: organisations, colleagues, teams, labels and contacts.

    Args:
        settings: of this process.
        full: whether long lists are read twice, because rows may move while they are read.

    Raises: as `sync`.
    """
    with _open(settings) as (api, store):
        _require_alone(store)
        return _Sync(settings, api, store, lambda _: None).directory(full=full)


def sync_months(
    settings: Settings, months: Sequence[str], *, progress: Callable[[str], None] = lambda _: None
) -> SyncReport:
    """Read all conversations again whose last activity is in these months (2026-11), bodies included; no cursor moves.

    Raises: as `sync`.
    """
    with _open(settings) as (api, store):
        _require_alone(store)
        return _Sync(settings, api, store, progress).months([Month.of(month) for month in months])


def sync_conversations(settings: Settings, ids: Sequence[str]) -> None:
    """Read single conversations again, as webhooks name them, before all others, and tell of them in the outbox.

    Raises: as `sync`; what was read before the error is stored and told.
    """
    with _open(settings, first=True) as (api, store):
        connection = store.connection

        def told(month: str, counts: Mapping[str, Counts]) -> None:
            for asset, each in counts.items():
                tell(connection, asset, {month: vars(each)})

        reader = ContentReader(api, Gate(store, Policy.of(settings, connection)), told)
        for number in ids:
            reader.look(number)
        reader.read_due([*ids, *reader.survivors])


class _Sync:
    """One reading; over one connection to Missive and one to the database."""

    def __init__(self, settings: Settings, api: Api, store: Store, progress: Callable[[str], None]) -> None:
        self._settings, self._api, self._store, self._progress = settings, api, store, progress
        self._sql = load_queries("missive")
        self._refused = 0
        self._tally = Tally()

    def run(self, *, full: bool, confirm_deletions: bool) -> SyncReport:
        gate = self._gate(full=full, confirm_deletions=confirm_deletions)
        reader = ContentReader(self._api, gate, tally=self._tally)
        for mailbox in MAILBOXES:
            self._progress(f"list of conversations ({mailbox})")
            Sweep(self._api, self._store, mailbox, gate.policy.scope, partial(self._put, gate)).run(full=full)
        if full:
            self._run("try_again")
        since = self._swept_since()
        if since is not None:
            self._find_vanished(reader, since, confirm_deletions=confirm_deletions)
            self._run("recent_due", since=since, young=dt.timedelta(days=YOUNG_DAYS))
            self._run("incomplete_due", since=since)
        reader.read_due(again=since is not None, progress=self._show)
        self._run("finish", resource=CONTENTS, full_at=since, scope=None)
        return self._report()

    def months(self, months: Sequence[Month]) -> SyncReport:
        gate = self._gate(full=False, confirm_deletions=False)
        reader = ContentReader(self._api, gate, tally=self._tally)
        for month in months:
            for mailbox in MAILBOXES:
                self._progress(f"conversations of {month.start:%Y-%m} ({mailbox})")
                self._list(gate, mailbox, month)
            bounds = {"start": month.start, "end": month.end}
            self._run("month_due", **bounds)
            ids = [number for (number,) in self._run("in_month", **bounds)]
            reader.read_due(ids, again=True, progress=self._show)
        return self._report()

    def directory(self, *, full: bool) -> SyncReport:
        self._read_directory(full=full, confirm_deletions=False)
        return self._report()

    def _gate(self, *, full: bool, confirm_deletions: bool) -> Gate:
        """Read the directory first: what the settings name stands there."""
        self._read_directory(full=full, confirm_deletions=confirm_deletions)
        return Gate(self._store, Policy.of(self._settings, self._store.connection))

    def _read_directory(self, *, full: bool, confirm_deletions: bool) -> None:
        self._progress("directory")
        directory = DirectoryReader(
            self._settings, self._api, self._store, full=full, confirm_deletions=confirm_deletions
        )
        directory.read()
        self._refused += directory.refused
        self._tally.add(DIRECTORY_ASSET, NO_MONTH, directory.counts)

    def _list(self, gate: Gate, mailbox: str, month: Month) -> None:
        for page in self._api.conversations(mailbox, int(month.end.timestamp())):
            self._put(gate, page)
            if page.until is not None and page.until < month.start.timestamp():
                return

    def _put(self, gate: Gate, page: Page) -> None:
        by_month: dict[str, list[Row]] = defaultdict(list)
        for row in page.rows:
            by_month[month_of(row)].append(row)
        for month, rows in by_month.items():
            self._tally.add(CONVERSATIONS_ASSET, month, gate.put(rows, page.read_at))

    def _swept_since(self) -> dt.datetime | None:
        """Return when the last sweep of everything began, if what it missed was not looked for yet."""
        [(since,)] = self._run("full_since", lists=len(MAILBOXES)).fetchall()
        done = self._run("cursor", resource=CONTENTS).fetchone()
        is_new = since is not None and (done is None or done[1] is None or done[1] < since)
        return since if is_new else None

    def _find_vanished(self, reader: ContentReader, since: dt.datetime, *, confirm_deletions: bool) -> None:
        """Ask for each conversation that no list had: it may have moved while they were read, or be gone."""
        unlisted = [number for (number,) in self._run("unlisted", since=since)]
        live = self._store.count_live(CONVERSATIONS.table)
        beyond = is_beyond_belief(self._settings, vanished=len(unlisted), live=live) and not confirm_deletions
        reader.look_for([] if beyond else unlisted)
        refused = len(unlisted) if beyond else 0
        self._run("note_refused", resource=f"conversations {MAILBOXES[0]}", refused=refused)
        self._refused += refused

    def _show(self, left: int) -> None:
        self._progress(f"mails and comments: {left} conversations left")

    def _report(self) -> SyncReport:
        [(due,)] = self._run("count_due").fetchall()
        counts = {asset: dict(months) for asset, months in self._tally.counts.items()}
        return SyncReport(counts=counts, requests=self._api.requests, refused=self._refused, due=due)

    def _run(self, name: str, **values: Any) -> Any:
        with translated_errors():
            return self._store.connection.execute(self._sql[name], values)


@contextmanager
def _open(settings: Settings, *, first: bool = False) -> Iterator[tuple[Api, Store]]:
    require_access(settings)
    url = settings.require_database_url()
    with connect(url, application="missive", autocommit=True) as connection, Api(settings, first=first) as api:
        yield api, MissiveStore(connection)


def _require_alone(store: Store) -> None:
    """Hold the lock of the one who sweeps until the connection ends.

    Raises:
        BusyError: somebody else sweeps.
    """
    with translated_errors():
        try:
            with store.connection.transaction():
                store.connection.execute("select set_config('lock_timeout', %s, true)", [LOCK_WAIT])
                store.connection.execute(load_queries("missive")["lock_reading"])
        except psycopg.errors.LockNotAvailable as error:
            raise BusyError("Another run is reading Missive.", next_step="It is tried again in a moment.") from error
