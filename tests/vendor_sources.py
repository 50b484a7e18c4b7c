"""What the conformance suite needs of a vendor: a small office of things at the vendor, and our tables of them.

A source is one list of one vendor. Another vendor passes the same tests when it brings a `Source`, and is in `SOURCES`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

import tables
from pydantic import SecretStr
from tampering_proxy import Asked, Given, Proxy, proxy
from teamwork_office import PLENTY, connected

from ibhelm_pipelines.demo.missive import actions as actions_of_missive
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.teamwork import actions
from ibhelm_pipelines.demo.teamwork.server import TeamworkSimulator
from ibhelm_pipelines.demo.teamwork.switches import Switches
from ibhelm_pipelines.vendors.missive.sync import sync_directory
from ibhelm_pipelines.vendors.teamwork.sync import ASSETS, sync

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

BEGINNING = dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC)
Number = Any
"""A vendor's id: Teamwork's are numbers, Missive's texts."""

NOT_WHAT_VENDORS_SAY = ("sync_cursors", "request_budgets")
"""Tables that tell of our reading, and not of what was read."""


@dataclass(frozen=True)
class Stored:
    """A thing in our tables."""

    own_id: int
    name: str
    deleted: bool


class Source(Protocol):
    """One list of a vendor, empty at first. A thing has a name, and the vendor's id.

    Attributes:
        settings: with which it is read, through the proxy.
        proxy: sees, and may answer, all that is asked of the vendor.
        page_rows: the most that the vendor gives at once.
        says_more: whether a page says that there are more; else the first that is not full is the last.
        empties: the ways in which the vendor may say that a list is empty, by name.
        refusals: answers that say nothing of the list, and look as if it were empty, by name.
        bridges: tables of sets that hang on the things.
    """

    settings: Settings
    proxy: Proxy
    page_rows: int
    says_more: bool
    empties: Mapping[str, Callable[[Given], Given]]
    refusals: Mapping[str, Given]
    bridges: tuple[str, ...]

    def requests_for(self, count: int) -> int:
        """Return how many pages have to be asked for to know so many things."""
        ...

    def add(self, *names: str) -> list[Number]:
        """Make things at the vendor, each with members in every bridge; return their ids."""
        ...

    def names(self) -> dict[Number, str]:
        """Return what the vendor has, and did not delete."""
        ...

    def rename(self, number: Number, name: str) -> None: ...

    def delete(self, number: Number) -> None: ...

    def restore(self, number: Number) -> None: ...

    def wait(self) -> None:
        """Let a good while pass at the vendor: what changed before is no news any more."""
        ...

    def sync(self, *, full: bool = False) -> None:
        """Read the vendor; a good while passes there afterwards."""
        ...

    def cursor(self) -> tuple[Any, ...] | None:
        """Return how far this list was read, and when; None where it never was to its end."""
        ...

    def is_listing(self, asked: Asked) -> bool:
        """Return whether a page of this list is asked for."""
        ...

    def unfinished(self, given: Given) -> Given:
        """Return the same page, which says that there are more."""
        ...

    def without_rows(self, given: Given) -> Given:
        """Return the same page without its rows."""
        ...

    def stored(self) -> dict[Number, Stored]:
        """Return our rows by the vendor's ids."""
        ...


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A list of Teamwork.

    Attributes:
        at_teamwork: table of the simulator.
        key: of the list in an answer.
        name: the vendor's key of what is compared.
        ours, column: where it is stored.
    """

    asset: str
    at_teamwork: str
    path: str
    key: str
    ours: str
    name: str = "name"
    column: str = "name"
    page_rows: int = 500
    bridges: tuple[str, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict)


_V3 = "/projects/api/v3"
TASKS = Kind(
    asset="teamwork_tasks",
    at_teamwork="tasks",
    path=f"{_V3}/tasks.json",
    key="tasks",
    ours="tasks",
    bridges=("task_tags", "task_assignees", "task_dependencies", "task_custom_values"),
)
TIME_ENTRIES = Kind(
    asset="teamwork_time",
    at_teamwork="time_entries",
    path=f"{_V3}/time.json",
    key="timelogs",
    ours="time_entries",
    name="description",
    column="description",
    bridges=("time_entry_tags",),
)
TAGS = Kind(
    asset="teamwork_directory",
    at_teamwork="tags",
    path=f"{_V3}/tags.json",
    key="tags",
    ours="tags",
    row={"color": "", "projectId": None},
)
TEAMS = Kind(
    asset="teamwork_directory",
    at_teamwork="teams",
    path="/teams.json",
    key="teams",
    ours="teams",
    page_rows=250,
    row={"handle": "", "description": "", "userIds": []},
)


class Teamwork:
    """A list of a simulated Teamwork.com, of the office as it is seeded but for what would stand in this list."""

    says_more = True

    def __init__(self, settings: Settings, kind: Kind, simulator: TeamworkSimulator, way: Proxy, clock: Clock) -> None:
        self.settings = connected(settings, simulator, teamwork_url=way.url)
        self.proxy, self.page_rows, self.bridges = way, kind.page_rows, kind.bridges
        self.simulator = simulator
        self._kind, self._office, self._clock = kind, simulator.office, clock
        self._rows = self._office.tables[kind.at_teamwork]
        self._by = next(iter(self._office.tables["people"]))
        self._assets: tuple[str, ...] = ASSETS
        self._empty_the_list()
        self.empties: Mapping[str, Callable[[Given], Given]] = _empties(kind)
        self.refusals: Mapping[str, Given] = _refusals(kind)

    def requests_for(self, count: int) -> int:
        return max(1, ceil(count / self.page_rows))

    def _empty_the_list(self) -> None:
        for row in list(self._rows.values()):
            actions.delete(self._office, self._kind.at_teamwork, row, self._by)

    def add(self, *names: str) -> list[int]:
        with self._office.lock:
            self._clock.tick()
            return [int(self._new(name)["id"]) for name in names]

    def _new(self, name: str) -> dict[str, Any]:
        if self._kind is TASKS:
            return self._new_task(name)
        if self._kind is TIME_ENTRIES:
            return self._new_time_entry(name)
        row = {"name": name, "_gone": False, **self._kind.row}
        return actions.create(self._office, self._kind.at_teamwork, row, self._by)

    def _new_task(self, name: str) -> dict[str, Any]:
        tables_, now = self._office.tables, self._office.now()
        earlier = next(reversed(self._rows), None)
        field_ = next(row["id"] for row in tables_["custom_fields"].values() if row["entity"] == "task")
        number = self._office.new_value_id()
        value = {"id": number, "customfieldId": field_, "value": f"{name:.9}", "createdAt": now, "createdBy": self._by}
        values = {
            "tagIds": list(tables_["tags"])[:2],
            "assigneeUserIds": list(tables_["people"])[:2],
            "assigneeTeamIds": list(tables_["teams"])[:1],
            "assigneeCompanyIds": list(tables_["companies"])[:1],
            "predecessorIds": [earlier] if earlier else [],
            "_values": {field_: value},
        }
        return actions.new_task(
            self._office, name=name, tasklist_id=next(iter(tables_["task_lists"])), by=self._by, at=now, values=values
        )

    def _new_time_entry(self, name: str) -> dict[str, Any]:
        tables_, now = self._office.tables, self._office.now()
        row = {"description": name, "minutes": 30, "isBillable": True, "timeLogged": now, "userId": self._by}
        row |= {"taskId": None, "projectId": next(iter(tables_["projects"])), "tagIds": list(tables_["tags"])[:2]}
        row |= {"createdAt": now, "updatedAt": now, "deleted": False, "deletedAt": None, "deletedBy": None}
        return self._office.add("time_entries", row)

    def names(self) -> dict[int, str]:
        with self._office.lock:
            return {row["id"]: row[self._kind.name] for row in self._office.live(self._kind.at_teamwork)}

    def rename(self, number: int, name: str) -> None:
        with self._office.lock:
            self._clock.tick()
            row = self._rows[number]
            actions.edit(self._office, self._kind.at_teamwork, row, self._by, **{self._kind.name: name})

    def delete(self, number: int) -> None:
        with self._office.lock:
            self._clock.tick()
            actions.delete(self._office, self._kind.at_teamwork, self._rows[number], self._by)

    def restore(self, number: int) -> None:
        with self._office.lock:
            self._clock.tick()
            if "_gone" in self._rows[number]:  # no trash can for these: the vendor's people bring them back
                self._office.change(self._kind.at_teamwork, self._rows[number], {"_gone": False})
            else:
                actions.restore(self._office, self._kind.at_teamwork, self._rows[number], self._by)

    def wait(self) -> None:
        self._clock.tick(3600)

    def sync(self, *, full: bool = False) -> None:
        """The first time all lists are read, so that there is something to link to; then those of the asset."""
        assets, self._assets = self._assets, (self._kind.asset,)
        try:
            sync(self.settings, full=full, assets=assets)
        finally:
            self.wait()

    def cursor(self) -> tuple[Any, ...] | None:
        query = "select watermark, full_synced_at, synced_at from ops.sync_cursors where resource = %s"
        return next(iter(self._ask(query, self._kind.at_teamwork)), None)

    def is_listing(self, asked: Asked) -> bool:
        return asked.path == self._kind.path and "deletedAfter" not in asked.query

    def stored(self) -> dict[int, Stored]:
        query = f"select teamwork_id, id, {self._kind.column}, deleted_at is not null from {self._kind.ours}"
        return {number: Stored(*values) for number, *values in self._ask(query)}

    def unfinished(self, given: Given) -> Given:
        body = given.body
        if "meta" in body:
            body["meta"]["page"]["hasMore"] = True
        return replace(given.with_body(body), headers={**given.headers, "x-pages": "7"})

    def without_rows(self, given: Given) -> Given:
        return given.with_body({**given.body, self._kind.key: []})

    def _ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.settings.require_database_url(), query, *values)


def _empties(kind: Kind) -> dict[str, Callable[[Given], Given]]:
    def missing(given: Given) -> Given:
        return given.with_body({key: value for key, value in given.body.items() if key != kind.key})

    return {
        "[]": lambda given: given,
        "null": lambda given: given.with_body({**given.body, kind.key: None}),
        "missing": missing,
    }


def _refusals(kind: Kind) -> dict[str, Given]:
    return _refusals_of(kind.key)


def _refusals_of(key: str) -> dict[str, Given]:
    """All of them with the status of success."""
    bodies: dict[str, object] = {
        "MESSAGE": {"MESSAGE": "Something went wrong", "STATUS": "Error"},
        "errors": {"errors": [{"id": "", "code": "OOPS", "title": "Oops", "detail": "Something went wrong"}]},
        "another key": {
            "files": [],
            "meta": {"page": {"pageOffset": 0, "pageSize": 500, "count": 7, "hasMore": False}},
        },
        "nothing": {},
        "an object": {key: {}},
        "a text": {key: "", "STATUS": "OK"},
        "a list": [],
        "null": None,
    }
    given = {name: Given(200, b"").with_body(body) for name, body in bodies.items()}
    return {**given, "HTML": Given(200, b"<html><body>Please sign in</body></html>", {"Content-Type": "text/html"})}


@dataclass
class Clock:
    """The vendor's, which goes on when somebody does something there."""

    now: dt.datetime = BEGINNING

    def __call__(self) -> dt.datetime:
        return self.now

    def tick(self, seconds: float = 1) -> None:
        self.now += dt.timedelta(seconds=seconds)


@contextmanager
def teamwork(settings: Settings, kind: Kind, **options: Any) -> Iterator[Teamwork]:
    """Run a simulated Teamwork.com without anything in this list."""
    clock = Clock()
    options = {"rate_limit": 1_000_000, "switches": Switches(), **options}
    with (
        TeamworkSimulator(projects=3, tasks=0, clock=clock, **options) as simulator,
        proxy(simulator.url) as way,
    ):
        simulator.office.tables["tasks"].clear()
        yield Teamwork(settings, kind, simulator, way, clock)


def _opener(kind: Kind) -> Callable[[Settings], AbstractContextManager[Source]]:
    return lambda settings: teamwork(settings, kind)


class MissiveTeams:
    """The teams of a simulated Missive, of an office that has none at first: a list of the directory, by offset."""

    page_rows, says_more = 200, False
    bridges = ("missive_team_members",)

    def __init__(self, settings: Settings, simulator: MissiveSimulator, way: Proxy) -> None:
        fields = {"missive_url": f"{way.url}/v1", "missive_token": SecretStr(simulator.token)}
        more = {"missive_allowed": ("team:any",), "missive_requests_per_15_minutes": PLENTY}
        self.settings = settings.model_copy(update=fields | more)
        self.proxy, self.simulator = way, simulator
        self._office = simulator.office
        self._rows = self._office.tables["teams"]
        for row in list(self._office.live("teams")):
            actions_of_missive.delete_row(self._office, "teams", row)
        self.empties: Mapping[str, Callable[[Given], Given]] = {
            "[]": lambda given: given,
            "null": lambda given: given.with_body({"teams": None}),
        }
        self.refusals = _refusals_of("teams")

    def requests_for(self, count: int) -> int:
        """Only a page that is not full is the last one."""
        return count // self.page_rows + 1

    def add(self, *names: str) -> list[Number]:
        users = [row["id"] for row in self._office.live("users")][:2]
        organization = next(iter(self._office.tables["organizations"]))
        row = {"organization": organization, "active_members": users, "observers": users[:1]}
        with self._office.lock:
            return [self._office.add("teams", {**row, "name": name})["id"] for name in names]

    def names(self) -> dict[Number, str]:
        with self._office.lock:
            return {row["id"]: row["name"] for row in self._office.live("teams")}

    def rename(self, number: Number, name: str) -> None:
        actions_of_missive.rename_row(self._office, self._rows[number], "name", name)

    def delete(self, number: Number) -> None:
        self._office.change(self._rows[number], {"_gone": True})

    def restore(self, number: Number) -> None:
        self._office.change(self._rows[number], {"_gone": False})

    def wait(self) -> None:
        """These lists have no time."""

    def sync(self, *, full: bool = False) -> None:
        sync_directory(self.settings, full=full)

    def cursor(self) -> tuple[Any, ...] | None:
        query = "select watermark, full_synced_at, synced_at from ops.sync_cursors where resource = 'missive_teams'"
        return next(iter(self._ask(query)), None)

    def is_listing(self, asked: Asked) -> bool:
        return asked.path == "/v1/teams"

    def stored(self) -> dict[Number, Stored]:
        query = """select missive_id, id, name, deleted_at is not null from missive_teams
                   where missive_id in (select vendor_id from ops.raw_records where kind = 'missive_teams')"""
        return {number: Stored(*values) for number, *values in self._ask(query)}

    def unfinished(self, given: Given) -> Given:
        """A full page: only such a one says that there is more."""
        rows = given.body["teams"]
        return given.with_body({"teams": (rows * self.page_rows)[: self.page_rows]})

    def without_rows(self, given: Given) -> Given:
        return given.with_body({"teams": []})

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        return tables.ask(self.settings.require_database_url(), query)


@contextmanager
def missive_teams(settings: Settings) -> Iterator[MissiveTeams]:
    """Run a simulated Missive without teams."""
    with (
        MissiveSimulator(projects=3, conversations=21, rate_limit=False) as simulator,
        proxy(simulator.url.removesuffix("/v1")) as way,
    ):
        yield MissiveTeams(settings, simulator, way)


SOURCES: dict[str, Callable[[Settings], AbstractContextManager[Source]]] = {
    **{f"teamwork {kind.ours}": _opener(kind) for kind in (TASKS, TIME_ENTRIES, TAGS, TEAMS)},
    "missive teams": missive_teams,
}
