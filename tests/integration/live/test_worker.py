"""`ibhelm work` as real processes: what waits is done once, by however many, through restarts and stops."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import databases
import pytest
from conftest import PIPELINE, PIPELINE_PASSWORD
from live_desk import WORKER, Desk, Workers, becomes, item
from nas_tree import Nas
from psycopg import sql
from pydantic import SecretStr

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.live.inbox import LEASE_SECONDS
from ibhelm_pipelines.live.lanes import LANES
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings


def write_files(nas: Nas, desk: Desk, number: int, folders: int = 6) -> None:
    """New files, and the events that a watcher would have of them."""
    for n in range(number):
        folder = f"projekte/{n % folders}"
        nas.write(f"{folder}/{n}.txt", f"Text Nummer {n}")
        desk.paths(f"{folder}/{n}.txt", folder=folder, weight=len(f"Text Nummer {n}"))


def told_once(number: int) -> dict[str, dict[str, int]]:
    """What the outbox says after so many new files of as many contents."""
    steps = {"stored_originals": number, "thumbnails": number, "extracted_text": number}
    return {"new": {"nas_files": number}, "done": steps}


def assert_done_once(desk: Desk, nas: Nas, number: int) -> None:
    nas.assert_equals_disk()
    assert {name: desk.told(name) for name in ("new", "done")} == told_once(number)
    assert nas.one("select count(*) from content_texts") == number


def test_the_command_takes_a_new_file_to_text_and_original_and_ends_in_good_order(
    environment: dict[str, str], desk: Desk, nas: Nas
) -> None:
    worker = subprocess.Popen([sys.executable, "-m", "ibhelm_pipelines.cli", "work"], env=environment)
    try:
        becomes(lambda: desk.rows("select from ops.heartbeats where kind = 'worker'"))
        write_files(nas, desk, 3)
        becomes(lambda: nas.one("select count(*) from content_texts") == 3 and desk.is_empty())
        assert desk.rows("select from ops.heartbeats where stopped_at is not null") == []
        worker.terminate()
        assert worker.wait(timeout=60) == 0
    finally:
        worker.kill()
        worker.wait()
    assert_done_once(desk, nas, 3)
    assert len(desk.rows("select from ops.heartbeats where stopped_at is not null")) == 1


def test_several_workers_share_what_waits_and_each_thing_is_done_once(desk: Desk, nas: Nas, workers: Workers) -> None:
    workers.start(3)
    done = "select coalesce((state ->> 'done')::int, 0) from ops.heartbeats"
    becomes(lambda: len(desk.rows(done)) == 3, because=workers.log)  # else one may do it all while the others start
    write_files(nas, desk, 150, folders=25)
    becomes(desk.is_empty, because=workers.log)
    becomes(lambda: sum(number for (number,) in desk.rows(done)) == 300, because=lambda: str(desk.rows(done)))
    assert sum(number > 0 for (number,) in desk.rows(done)) >= 2, "shared"
    assert workers.stop() == [0, 0, 0]
    assert_done_once(desk, nas, 150)


def test_what_changes_while_it_is_worked_on_is_done_again(desk: Desk, nas: Nas, workers: Workers) -> None:
    workers.start(2)
    for n in range(40):
        nas.write("projekte/A/brief.txt", f"Fassung {n}")
        desk.paths("projekte/A/brief.txt")
        time.sleep(0.05)
    becomes(desk.is_empty, because=workers.log)
    nas.assert_equals_disk()
    assert nas.rows("select 1 from content_texts where text like %s", "%Fassung 39%") == [(1,)]


def test_a_storm_of_ten_thousand_events_in_a_folder_is_one_scan_of_it(desk: Desk, nas: Nas, workers: Workers) -> None:
    paths = [f"projekte/A/{n % 100}/{n}.txt" for n in range(10_000)]
    for path in paths:
        nas.write(path, "the same in all")
    desk.paths(*paths)
    desk.paths("projekte/B/notiz.txt", folder="projekte/B")
    nas.write("projekte/B/notiz.txt", "Notiz")
    workers.lease_seconds = LEASE_SECONDS
    workers.start(2)
    becomes(desk.is_empty, because=workers.log)
    nas.assert_equals_disk()
    assert desk.told("new") == {"nas_files": 10_001}
    [(scans,)] = desk.rows("select count(*) from ops.scans where 'projekte/A' = any(folders) or paths > 1")
    assert scans == 1


def test_a_lane_blocked_by_something_large_keeps_no_small_thing_waiting(desk: Desk, workers: Workers) -> None:
    script = """
import dataclasses, json, sys, time
from ibhelm_pipelines.live.lanes import LANES
from ibhelm_pipelines.live.worker import work
from ibhelm_pipelines.settings import Settings

def slow(tools, inbox, batch):
    if any(item.label.startswith("large") for item in batch.items):
        time.sleep(600)

settings = Settings(_env_file=None, **json.loads(sys.argv[1]))
work(settings, lanes=tuple(dataclasses.replace(lane, work=slow) for lane in LANES), lease_seconds=float(sys.argv[2]))
"""
    desk.hashes({"large": 1 << 30})
    desk.paths("large.iso", folder="projekte/A", weight=1 << 30)
    workers.start(1, script)
    becomes(lambda: len(desk.labels("lease_owner is not null")) == 2, because=workers.log)
    desk.hashes({"small": 1})
    desk.paths("note.txt", folder="projekte/B", weight=1)
    becomes(lambda: desk.labels() == {"large", "large.iso"}, because=workers.log)
    # Far beyond the term of the lease it is still its own.
    assert desk.rows("select min(lease_until) > now() from ops.inbox") == [(True,)]


STUCK = """
import dataclasses, json, sys, time
from ibhelm_pipelines.live import worker
from ibhelm_pipelines.live.lanes import LANES
from ibhelm_pipelines.settings import Settings

def stuck(tools, inbox, batch):
    time.sleep(SECONDS)

worker.STOP_SECONDS = 2
settings = Settings(_env_file=None, **json.loads(sys.argv[1]))
worker.work(settings, lanes=tuple(dataclasses.replace(lane, work=stuck) for lane in LANES), lease_seconds=600)
"""


def test_a_stop_gives_back_what_cannot_be_finished_in_time(desk: Desk, workers: Workers) -> None:
    desk.paths("projekte/A/1")
    desk.hashes({"a": 1})
    workers.start(1, STUCK.replace("SECONDS)", "600)"))
    becomes(lambda: len(desk.labels("lease_owner is not null")) == 2, because=workers.log)
    assert workers.stop() == [0]
    assert desk.rows("select label, lease_owner, attempts from ops.inbox order by label") == [
        ("a", None, 0), ("projekte/A/1", None, 0),
    ]  # fmt: skip
    assert len(desk.rows("select from ops.heartbeats where stopped_at is not null")) == 1


def test_a_stop_finishes_what_was_begun_and_begins_nothing_new(desk: Desk, workers: Workers) -> None:
    desk.paths("projekte/A/1")
    workers.start(1, STUCK.replace("SECONDS)", "1)"))
    becomes(lambda: desk.labels("lease_owner is not null") == {"projekte/A/1"}, because=workers.log)
    [worker] = workers.processes
    worker.terminate()
    time.sleep(0.5)
    desk.paths("projekte/B/1", folder="projekte/B")
    assert worker.wait(timeout=60) == 0
    assert desk.labels() == {"projekte/B/1"}


def test_a_restart_of_postgres_costs_nothing(
    private_postgres: EmbeddedPostgres, settings: Settings, tmp_path: object, workers: Workers
) -> None:
    migrate(private_postgres.url())
    login = sql.SQL("alter role {} login password {}")
    databases.run(private_postgres, login.format(sql.Identifier(PIPELINE), sql.Literal(PIPELINE_PASSWORD)))
    url = private_postgres.url(user=PIPELINE, password=PIPELINE_PASSWORD)
    settings = settings.model_copy(update={"database_url": SecretStr(url)})
    workers.settings = settings
    desk, nas = Desk(settings), Nas(settings)
    workers.start(2)
    write_files(nas, desk, 60)
    becomes(lambda: nas.one("select count(*) from files") > 0, because=workers.log)
    private_postgres.stop()
    time.sleep(1)
    private_postgres.start()
    becomes(desk.is_empty, because=workers.log)
    assert_done_once(desk, nas, 60)
    write_files(nas, desk, 70)
    becomes(desk.is_empty, because=workers.log)
    nas.assert_equals_disk()
    assert workers.stop() == [0, 0]


def test_a_worker_whose_thread_died_of_a_mistake_in_the_code_ends_and_does_not_say_that_all_is_well(
    desk: Desk, workers: Workers
) -> None:
    script = """
import dataclasses, json, sys
from ibhelm_pipelines.live.lanes import LANES
from ibhelm_pipelines.live.worker import work
from ibhelm_pipelines.settings import Settings

def broken(inbox):
    raise ZeroDivisionError("a mistake")

settings = Settings(_env_file=None, **json.loads(sys.argv[1]))
work(settings, lanes=(dataclasses.replace(LANES[0], claim=broken), *LANES[1:]))
"""
    workers.start(1, script)
    assert workers.processes[0].wait(timeout=60) == 1
    assert "a mistake" in workers.log()
    assert desk.rows("select stopped_at from ops.heartbeats") == [(None,)]


def test_a_worker_looks_for_trouble_when_dagster_is_silent(desk: Desk, workers: Workers) -> None:
    desk.rows("insert into ops.evaluations (what, evaluated_at) values ('sensor', now() - interval '1 hour')")
    workers.start(1, "from ibhelm_pipelines.live import worker\nworker.ALERTS_SECONDS = 0.2\n" + WORKER)
    key = "select key from ops.alerts where closed_at is null and key like 'dagster%%'"
    becomes(lambda: desk.rows(key), because=workers.log)
    assert workers.stop() == [0]


def test_what_no_lane_knows_stays_and_hinders_nobody(desk: Desk, nas: Nas, workers: Workers) -> None:
    desk.put(item("teamwork", "task", "4711"))
    workers.start(1)
    write_files(nas, desk, 2)
    becomes(lambda: desk.labels() == {"4711"}, because=workers.log)
    state = "select state from ops.heartbeats"
    # A report counts what waits before what is done: one item may be in both until the next report.
    all_done = [({"done": 4, "failed": 0, "waiting": 0, "current": {}, "problem": None},)]
    becomes(lambda: desk.rows(state) == all_done, because=lambda: json.dumps(desk.rows(state)))


def test_a_share_that_is_away_is_said_and_all_is_done_when_it_is_back(desk: Desk, nas: Nas, workers: Workers) -> None:
    nas.path(".ibhelm-share").rename(nas.path(".away"))
    workers.start(1)
    write_files(nas, desk, 2)
    problem = "select state ->> 'problem' from ops.heartbeats"
    becomes(lambda: "is not mounted" in str(desk.rows(problem)), because=workers.log)
    nas.path(".away").rename(nas.path(".ibhelm-share"))
    becomes(desk.is_empty, because=workers.log)
    assert_done_once(desk, nas, 2)
    becomes(lambda: desk.rows(problem) == [(None,)])


def test_a_flood_in_one_folder_starves_no_other(desk: Desk, nas: Nas, workers: Workers) -> None:
    over = threading.Event()

    def flood() -> None:
        for n in range(100_000):
            desk.paths(*(f"projekte/A/{n} {m}" for m in range(200)))
            if over.is_set():
                return

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        becomes(lambda: len(desk.labels()) > 1000)
        workers.start(1)
        for n in range(3):
            nas.write(f"projekte/B/{n}.txt", f"{n}")
            desk.paths(f"projekte/B/{n}.txt", folder="projekte/B")
            becomes(lambda n=n: nas.rows("select 1 from files where name = %s", f"{n}.txt"), because=workers.log)
        assert len(desk.labels("folder = 'projekte/A'")) > 0, "the flood is still there"
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    "lane", [lane for lane in LANES if lane.source in ("nas", "content")], ids=lambda lane: lane.name
)
def test_what_may_be_large_has_a_lane_for_everything_and_one_for_what_is_small(lane: object) -> None:
    assert sorted(each.small for each in LANES if each.source == lane.source) == [False, True]  # type: ignore[attr-defined]


def test_things_of_a_vendor_have_no_size_and_one_lane() -> None:
    assert [lane.small for lane in LANES if lane.source == "teamwork"] == [False]
