"""What the live lane did is told once, in whatever order it was committed, and in ticks that stay short."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import psycopg
import pytest
import tables
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from nas_tree import Nas

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.live import NO_FOLDER, tell
from ibhelm_pipelines.live.outbox import MAX_EVENTS, MAX_PAIRS, MAX_ROWS, Cursor
from ibhelm_pipelines.settings import Settings
from resources.partitions import FOLDERS_NAME
from resources.platform import Platform
from sensors.live_events import live_events


class Daemon:
    """Evaluates the sensor and does with its result what Dagster's daemon does: events first, then the cursor."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, platform: Platform) -> None:
        self.url = settings.require_database_url()
        self.instance, self.platform = instance, platform
        self.cursor: str | None = None
        self.told: list[dg.AssetMaterialization] = []
        self.skipped: str | None = None

    def evaluate(self) -> dg.SensorResult:
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"platform": self.platform}
        ) as context:
            result = live_events(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def tick(self, *, dies_before_cursor: bool = False) -> int:
        """Return how many events were told."""
        result = self.evaluate()
        events = list(result.asset_events or [])
        self.told.extend(event for event in events if isinstance(event, dg.AssetMaterialization))
        for request in result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions(FOLDERS_NAME, request.partition_keys)
        self.skipped = str(result.skip_reason.skip_message) if result.skip_reason else None
        if not dies_before_cursor:
            self.cursor = result.cursor
        return len(events)

    def tick_until(self, numbers: Counter[tuple[str, str]]) -> None:
        """Tick until these numbers were told: a transaction of some other database may hold a tick back."""
        deadline = time.monotonic() + 60
        while self.sums() != numbers:
            assert time.monotonic() < deadline, f"told {self.sums()} instead of {numbers}"
            if not self.tick():
                time.sleep(0.01)

    def sums(self) -> Counter[tuple[str, str]]:
        """The sum of `new` by asset and folder, over all that was told."""
        sums: Counter[tuple[str, str]] = Counter()
        for event in self.told:
            sums[event.asset_key.to_user_string(), str(event.partition)] += int(_number(event, "new"))
        return sums

    def tell(self, folder: str = "projekte/A", *, new: int = 1, asset: str = "nas_files") -> None:
        with connect(self.url, application="test") as connection:
            tell(connection, asset, {folder: {"new": new}})

    def execute(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return tables.ask(self.url, query, *values)


def _number(event: dg.AssetMaterialization, name: str) -> float:
    value = event.metadata[name].value
    assert isinstance(value, int | float)
    return value


@pytest.fixture
def daemon(settings: Settings, instance: dg.DagsterInstance, platform: Platform) -> Daemon:
    return Daemon(settings, instance, platform)


A = ("nas_files", "projekte/A")


def test_a_tick_tells_one_materialisation_for_each_asset_and_folder_with_the_sums(daemon: Daemon) -> None:
    with connect(daemon.url, application="test") as connection:
        tell(connection, "nas_files", {"projekte/A": {"new": 2, "bytes": 10}, "projekte/B": {"new": 1}})
        tell(connection, "nas_files", {"projekte/A": {"new": 3, "deleted": 1}})
        tell(connection, "thumbnails", {"projekte/A": {"done": 5, "ok": 4, "new": 0}})
    daemon.tick_until(Counter({A: 5, ("nas_files", "projekte/B"): 1, ("thumbnails", "projekte/A"): 0}))
    [first, second, third] = daemon.told
    assert {name: value.value for name, value in first.metadata.items()} == {
        "new": 5, "bytes": 10, "deleted": 1, "dagster/row_count": 0, "via": "live",
    }  # fmt: skip
    assert (second.partition, third.asset_key) == ("projekte/B", dg.AssetKey("thumbnails"))
    assert _number(third, "done") == 5


def test_the_row_count_is_that_of_now_and_new_folders_with_files_become_partitions(
    daemon: Daemon, settings: Settings
) -> None:
    nas = Nas(settings)
    nas.rows(
        """insert into contents (hash, size_bytes) values (repeat('a', 64), 1), (repeat('b', 64), 1) returning hash"""
    )
    nas.rows(
        """insert into files (name, path, raw_path, folder, size_bytes, modified_at, content_hash, extension, nas_url)
           select n, n, n::bytea, 'projekte/A', 1, now(), repeat(left(n, 1), 64), '', ''
           from unnest(array['a', 'b', 'a2']) n
           returning id"""
    )
    nas.rows(
        """insert into ops.step_results (content_hash, step, tool_version, state, took_ms)
           values (repeat('a', 64), 'text', '1', 'ok', 1) returning 1"""
    )
    daemon.tell("projekte/A")
    daemon.tell("projekte/A", asset="extracted_text")
    daemon.tell("projekte/gone")
    daemon.tick_until(Counter({A: 1, ("extracted_text", "projekte/A"): 1, ("nas_files", "projekte/gone"): 1}))
    counts = {(e.asset_key.to_user_string(), e.partition): _number(e, "dagster/row_count") for e in daemon.told}
    assert counts == {A: 3, ("extracted_text", "projekte/A"): 1, ("nas_files", "projekte/gone"): 0}
    assert daemon.instance.get_dynamic_partitions(FOLDERS_NAME) == ["projekte/A"]


def test_nothing_new_is_a_sentence(daemon: Daemon) -> None:
    assert daemon.tick() == 0
    assert daemon.skipped == "The live lane did nothing since the last tick."


@contextmanager
def transactions(daemon: Daemon, number: int) -> Iterator[list[psycopg.Connection]]:
    connections = [psycopg.connect(daemon.url) for _ in range(number)]
    yield connections
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("commits", list(itertools.permutations(range(3))), ids=str)
def test_what_was_written_first_and_committed_last_is_told_too_in_any_order_of_commits(
    daemon: Daemon, commits: tuple[int, ...]
) -> None:
    for writes in itertools.permutations(range(3)):
        daemon.told.clear()
        with transactions(daemon, 3) as open_ones:
            for number in writes:
                tell(open_ones[number], "nas_files", {f"projekte/{number}": {"new": 1}})
            for number in commits:
                open_ones[number].commit()
                daemon.tick()
        daemon.tick_until(Counter({("nas_files", f"projekte/{number}"): 1 for number in range(3)}))


def test_what_waits_for_an_older_transaction_is_said(daemon: Daemon) -> None:
    with transactions(daemon, 1) as [older]:
        tell(older, "nas_files", {"projekte/A": {"new": 1}})
        daemon.tell("projekte/B")
        assert daemon.tick() == 0
        assert daemon.skipped == "1 rows of the outbox wait until an older transaction is over."
        older.rollback()
    daemon.tick_until(Counter({("nas_files", "projekte/B"): 1}))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["commit", "rollback"]), st.integers(0, 3)),
        st.tuples(st.sampled_from(["tick", "tick that dies", "evaluation that dies"]), st.just(0)),
    ),
    max_size=30,
)


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(steps=STEPS)
def test_nothing_is_lost_or_told_twice_however_writes_commits_ticks_and_deaths_of_the_daemon_mix(
    daemon: Daemon, steps: list[tuple[str, int]]
) -> None:
    daemon.told.clear()
    committed, twice_allowed = 0, False
    with transactions(daemon, 4) as open_ones:
        pending = Counter[int]()
        for step, number in steps:
            if step == "write":
                tell(open_ones[number], "nas_files", {"projekte/A": {"new": 1}})
                pending[number] += 1
            elif step == "commit":
                open_ones[number].commit()
                committed += pending.pop(number, 0)
            elif step == "rollback":
                open_ones[number].rollback()
                pending.pop(number, 0)
            elif step == "evaluation that dies":  # before anything was told
                daemon.evaluate()
            else:
                twice_allowed |= bool(daemon.tick(dies_before_cursor=step == "tick that dies")) and step != "tick"
    if not twice_allowed:
        daemon.tick_until(Counter({A: committed} if committed else {}))
    else:
        daemon.tick()
        deadline = time.monotonic() + 60
        while daemon.execute("select 1 from ops.outbox where (xid, id) > (%s::text::xid8, %s)", *_place(daemon)):
            assert time.monotonic() < deadline
            daemon.tick()
        assert daemon.sums()[A] >= committed
    daemon.tick()


def _place(daemon: Daemon) -> tuple[int, int]:
    cursor = Cursor.parse(daemon.cursor)
    return cursor.xid, cursor.id


def test_ten_thousand_rows_are_told_over_several_ticks_none_of_which_is_large(daemon: Daemon) -> None:
    assets = ["nas_files", "stored_originals", "thumbnails", "extracted_text"]
    daemon.execute(
        """insert into ops.outbox (asset, folder, counts)
           select (%s::text[])[1 + n %% 4], 'projekte/' || (n * 7919 %% 60), '{"new": 1}'
           from generate_series(1, 10000) n""",
        assets,
    )
    expected = Counter(
        {(a, f): n for a, f, n in daemon.execute("select asset, folder, count(*) from ops.outbox group by 1, 2")}
    )
    ticks = 0
    while sum(daemon.sums().values()) < 10_000:
        assert daemon.tick() <= MAX_EVENTS
        assert len(daemon.cursor or "") < 60_000
        ticks += 1
        assert ticks < 50, "a storm over folders by turns is not told row by row"
    assert daemon.sums() == expected


def test_a_storm_over_more_folders_than_can_be_summed_up_is_cut_and_nothing_is_skipped(daemon: Daemon) -> None:
    daemon.execute(
        """insert into ops.outbox (asset, folder, counts)
           select 'nas_files', 'projekte/' || n %% %s, '{"new": 1}' from generate_series(1, %s) n""",
        3 * MAX_PAIRS,
        6 * MAX_PAIRS,
    )
    daemon.tick_until(Counter({("nas_files", f"projekte/{n}"): 2 for n in range(3 * MAX_PAIRS)}))
    assert len(daemon.told) >= 3 * MAX_PAIRS


def test_few_folders_are_told_of_in_ticks_of_many_rows(daemon: Daemon) -> None:
    daemon.execute(
        """insert into ops.outbox (asset, folder, counts)
           select 'nas_files', 'projekte/A', '{"new": 1}' from generate_series(1, 4500) n"""
    )
    daemon.tick_until(Counter({A: 4500}))
    assert [_number(event, "new") for event in daemon.told] == [MAX_ROWS, MAX_ROWS, 500]


def test_what_was_told_a_week_ago_is_deleted_and_what_was_not_told_never(daemon: Daemon) -> None:
    daemon.tell("projekte/old")
    daemon.tell("projekte/young")
    daemon.tick_until(Counter({("nas_files", "projekte/old"): 1, ("nas_files", "projekte/young"): 1}))
    daemon.tell("projekte/untold")
    daemon.execute("update ops.outbox set happened_at = now() - interval '8 days' where folder <> %s", "projekte/young")
    with transactions(daemon, 1) as [older]:
        older.execute("select pg_current_xact_id()")
        daemon.execute("update ops.outbox set xid = pg_current_xact_id() where folder = 'projekte/untold'")
        daemon.tick()
        assert {f for (f,) in daemon.execute("select folder from ops.outbox")} == {"projekte/young", "projekte/untold"}
    daemon.tick()


class TestRestore:
    """The tables of another server, with its transaction numbers, and the cursor that Dagster kept of it."""

    FAR = 5_000_000_000

    def _former_life(self, daemon: Daemon) -> None:
        """Rows 1-4 of the other server, of which the third and fourth were not told yet."""
        for n in range(1, 5):
            daemon.tell(f"projekte/former {n}")
        daemon.execute("update ops.outbox set xid = (%s + id)::text::xid8", self.FAR)
        [(second,)] = daemon.execute("select id from ops.outbox where folder = 'projekte/former 2'")
        daemon.cursor = json.dumps({"xid": self.FAR + second, "id": second, "server": "another one"})

    def _expected(self) -> Counter[tuple[str, str]]:
        return Counter({("nas_files", f"projekte/{name}"): 1 for name in ("former 3", "former 4", "new 1", "new 2")})

    def test_what_was_not_told_before_and_what_happens_now_is_told_and_nothing_else(self, daemon: Daemon) -> None:
        self._former_life(daemon)
        daemon.tell("projekte/new 1")
        daemon.tick()
        daemon.tell("projekte/new 2")
        daemon.tick_until(self._expected())
        daemon.tick()
        assert daemon.sums() == self._expected()

    def test_so_it_is_when_the_daemon_dies_on_the_way(self, daemon: Daemon) -> None:
        self._former_life(daemon)
        daemon.tell("projekte/new 1")
        for _ in range(3):
            daemon.evaluate()
        daemon.tell("projekte/new 2")
        daemon.tick_until(self._expected())

    def test_so_it_is_when_the_new_server_has_passed_the_old_numbers_before_the_first_tick(
        self, daemon: Daemon
    ) -> None:
        daemon.tell("projekte/former 1")
        [(row,)] = daemon.execute("select id from ops.outbox")
        daemon.tell("projekte/new 1")
        [(xid,)] = daemon.execute("select max(xid::text::bigint) from ops.outbox")
        daemon.execute("update ops.outbox set xid = (%s + 1)::text::xid8 where folder = 'projekte/former 1'", xid)
        daemon.tell("projekte/new 2")
        daemon.cursor = json.dumps({"xid": xid + 1, "id": row, "server": "another one"})
        daemon.tick_until(Counter({("nas_files", "projekte/new 1"): 1, ("nas_files", "projekte/new 2"): 1}))

    def test_rows_of_another_server_are_told_though_dagster_knows_no_cursor(self, daemon: Daemon) -> None:
        self._former_life(daemon)
        daemon.cursor = None
        daemon.tick_until(Counter({("nas_files", f"projekte/former {n}"): 1 for n in range(1, 5)}))

    def test_a_cursor_of_the_future_of_this_very_server_is_no_end(self, daemon: Daemon) -> None:
        daemon.tell("projekte/A")
        daemon.tick_until(Counter({A: 1}))
        cursor = json.loads(daemon.cursor or "")
        daemon.cursor = json.dumps({**cursor, "xid": self.FAR})
        daemon.tell("projekte/B")
        daemon.tick_until(Counter({A: 1, ("nas_files", "projekte/B"): 1}))

    def test_old_rows_that_were_not_told_before_a_restore_are_not_deleted(self, daemon: Daemon) -> None:
        self._former_life(daemon)
        daemon.execute("update ops.outbox set happened_at = now() - interval '30 days'")
        daemon.evaluate()
        daemon.tick_until(Counter({("nas_files", f"projekte/former {n}"): 1 for n in (3, 4)}))


def test_what_webhooks_changed_in_missive_is_told_of_its_month_with_the_rows_of_now_and_adds_no_folder(
    daemon: Daemon,
) -> None:
    daemon.execute(
        "with c as (insert into conversations (missive_id, last_activity_at) values ('c', '2026-05-31 23:59Z')"
        " returning id) insert into emails (missive_id, conversation_id)"
        " select m, id from c, (values ('a'), ('b')) as them (m) returning 1"
    )
    with connect(daemon.url, application="test") as connection:
        for month in ("2026-05-01", "1970-01-01", "2222-01-01"):
            tell(connection, "missive_emails", {month: {"seen": 2, "new": 1}})
    while not daemon.told:
        daemon.tick()
    [event] = daemon.told
    assert (event.asset_key, event.partition) == (dg.AssetKey("missive_emails"), "2026-05-01"), (
        "no month that cannot be"
    )
    assert {name: value.value for name, value in event.metadata.items()} == {
        "seen": 2, "new": 1, "dagster/row_count": 2, "via": "live",
    }  # fmt: skip
    assert daemon.instance.get_dynamic_partitions(FOLDERS_NAME) == []


def test_an_asset_without_folders_is_told_as_a_whole_with_its_row_count_and_adds_no_partition(daemon: Daemon) -> None:
    values = "(1, 'a', null), (2, 'b', now()), (3, 'c', null)"
    daemon.execute(f"insert into tasks (teamwork_id, name, deleted_at) values {values} returning 1")
    with connect(daemon.url, application="test") as connection:
        tell(connection, "teamwork_tasks", {NO_FOLDER: {"seen": 1, "changed": 1}})
        tell(connection, "teamwork_tasks", {NO_FOLDER: {"seen": 2, "changed": 1}})
    while not daemon.told:
        daemon.tick()
    [event] = daemon.told
    assert (event.asset_key, event.partition) == (dg.AssetKey("teamwork_tasks"), None)
    assert {name: value.value for name, value in event.metadata.items()} == {
        "seen": 3, "changed": 2, "dagster/row_count": 2, "via": "live",
    }  # fmt: skip
    assert daemon.instance.get_dynamic_partitions(FOLDERS_NAME) == []
