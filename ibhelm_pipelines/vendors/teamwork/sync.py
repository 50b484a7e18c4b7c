"""Brings the tables in line with Teamwork: the entry for assets, the command line and the live worker."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.vendors.store import Counts, Store
from ibhelm_pipelines.vendors.teamwork.api import Api, require_access
from ibhelm_pipelines.vendors.teamwork.derived import derive
from ibhelm_pipelines.vendors.teamwork.policy import Gate, Policy
from ibhelm_pipelines.vendors.teamwork.reading import Reader, Report, Window
from ibhelm_pipelines.vendors.teamwork.resources import ASSETS, RESOURCES
from ibhelm_pipelines.vendors.teamwork.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ibhelm_pipelines.settings import Settings

__all__ = ["ASSETS", "AssetReport", "SyncReport", "Window", "is_connected", "sync", "sync_things"]

KINDS = {
    "company": "companies",
    "user": "people",
    "tag": "tags",
    "project": "projects",
    "milestone": "milestones",
    "tasklist": "task_lists",
    "task": "tasks",
    "comment": "comments",
    "time": "time_entries",
}
"""Lists by what a webhook calls their things."""


@dataclass(frozen=True, kw_only=True)
class AssetReport:
    """What a sync did for one asset, in rows.

    Attributes:
        rows: live rows now.
        requests: to Teamwork.
        refused: things that vanished, too many to be believed.
    """

    counts: Counts
    rows: int
    requests: int
    seconds: float
    full: bool
    refused: int


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """What a sync did, by asset and by list."""

    assets: Mapping[str, AssetReport]
    lists: Mapping[str, Report] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        return sum(report.refused for report in self.assets.values())


def is_connected(settings: Settings) -> bool:
    """Return whether there is a token; without one Teamwork is off."""
    return settings.teamwork_token is not None


def switch_off(settings: Settings) -> None:
    """Write down that nothing is read because there is no token: then nothing is late either."""
    with connect(settings.require_database_url(), application="teamwork", autocommit=True) as connection:
        connection.execute(load_queries("teamwork")["switch_off"])


def sync(
    settings: Settings,
    *,
    assets: Sequence[str] = ASSETS,
    full: bool = False,
    window: Window | None = None,
    confirm_deletions: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> SyncReport:
    """Read what changed since the last time, or everything, and store it.

    Args:
        settings: of this process.
        assets: whose lists are read.
        full: read everything, and find what vanished.
        window: a backfill instead: read this part again, without moving any cursor.
        confirm_deletions: whether a person says that all that vanished is meant to be gone.
        progress: is told the name of each list when it begins.

    Raises:
        ConfigurationError: Teamwork is not connected, refuses the token, or it is not said what stays out.
        VendorUnavailableError, DatabaseUnavailableError: what was read before is stored; the next sync goes on.
        BusyError: another sync reads the same list.
    """
    lists: dict[str, Report] = {}
    with _open(settings) as (reader, store):
        for resource in RESOURCES:
            if resource.asset not in assets:
                continue
            progress(resource.name)
            if window is not None:
                lists[resource.name] = reader.backfill(resource, window)
            else:
                lists[resource.name] = reader.read(resource, full=full, confirm_deletions=confirm_deletions)
        if window is not None:
            derive(store)
        rows = {resource.name: store.count_live(resource.table) for resource in RESOURCES if resource.name in lists}
    return SyncReport(assets={asset: _sum(asset, lists, rows) for asset in ASSETS if asset in assets}, lists=lists)


def sync_things(settings: Settings, things: Sequence[tuple[str, int]]) -> None:
    """Read single things again, as webhooks name them, and tell of them in the outbox; those of unknown kinds are none
    of ours.

    Raises: as `sync`; what was read before the error is stored and told.
    """
    wanted: dict[str, list[int]] = {}
    for kind, number in things:
        if kind in KINDS:
            wanted.setdefault(KINDS[kind], []).append(number)
    with _open(settings, tell=True) as (reader, store):
        for resource in RESOURCES:
            reader.read_things(resource, wanted.get(resource.name, ()))
        derive(store)


@contextmanager
def _open(settings: Settings, *, tell: bool = False) -> Iterator[tuple[Reader, Store]]:
    require_access(settings)
    policy = Policy.of(settings)
    url = settings.require_database_url()
    with connect(url, application="teamwork", autocommit=True) as connection, Api(settings) as api:
        store = Store(connection, TABLES, site=api.site, tell=tell)
        yield Reader(settings, api, store, Gate(connection, policy)), store


def _sum(asset: str, lists: Mapping[str, Report], rows: Mapping[str, int]) -> AssetReport:
    mine = {resource.name: lists[resource.name] for resource in RESOURCES if resource.asset == asset}
    return AssetReport(
        counts=sum((report.counts for report in mine.values()), Counts()),
        rows=sum(rows[name] for name in mine),
        requests=sum(report.requests for report in mine.values()),
        seconds=round(sum(report.seconds for report in mine.values()), 3),
        full=all(report.full for report in mine.values()),
        refused=sum(report.refused for report in mine.values()),
    )
