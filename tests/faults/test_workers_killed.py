"""kill -9 of workers at random moments: every event is done, none twice, and no lease lasts longer than its term.

Files are written, edited, renamed and deleted while three workers are at it; one after the other is killed at a random
moment and another one started. In the end the tables equal the disk, and what was told adds up to what is there.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_desk import Desk, Workers, becomes
from nas_tree import Nas

from ibhelm_pipelines.content.ledger import ASSETS
from ibhelm_pipelines.settings import Settings

LEASE_SECONDS = 3.0
WORKERS = 3
SEED = 20_261_122


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(settings, tmp_path / "workers.log", lease_seconds=LEASE_SECONDS)
    yield workers
    for process in list(workers.processes):
        workers.kill(process)


class Office:
    """People at work on the share, and the events that a watcher has of it."""

    def __init__(self, nas: Nas, desk: Desk, dice: random.Random) -> None:
        self.nas, self.desk, self.dice = nas, desk, dice
        self.number = 0

    def act(self) -> None:
        files = sorted(path for path in self.nas.root.glob("projekte/*/*") if path.is_file())
        action = self.dice.choice(["write"] * 4 + ["edit", "rename", "delete"])
        if action == "write" or not files:
            self.number += 1
            name = f"projekte/{self.dice.randrange(6)}/{self.number}.txt"
            self.nas.write(name, f"Text {self.number}")
            return self._saw(name)
        name = str(self.dice.choice(files).relative_to(self.nas.root))
        if action == "edit":
            self.number += 1
            self.nas.write(name, f"Text {self.number}")
            return self._saw(name)
        if action == "delete":
            self.nas.path(name).unlink()
            return self._saw(name)
        new = f"{name.rpartition('/')[0]}/umbenannt {self.number} {self.dice.randrange(10**6)}.txt"
        shutil.move(self.nas.path(name), self.nas.path(new))
        return self._saw(name, new)

    def _saw(self, *names: str) -> None:
        for name in names:
            self.desk.paths(name, folder="/".join(name.split("/")[:2]), weight=10)


def kill_at_random(settings: Settings, workers: Workers, *, seconds: float) -> None:
    nas, desk, dice = Nas(settings), Desk(settings), random.Random(SEED)
    office = Office(nas, desk, dice)
    workers.start(WORKERS)
    over = time.monotonic() + seconds
    kill_at = time.monotonic() + 3
    while time.monotonic() < over:
        office.act()
        time.sleep(dice.uniform(0, 0.1))
        if time.monotonic() > kill_at:
            workers.kill(dice.choice(workers.processes))
            workers.start()
            kill_at = time.monotonic() + dice.uniform(0.2, 4)
        assert stuck(desk) == []
        nas.assert_sound()
    becomes(desk.is_empty, because=lambda: f"{desk.rows('select * from ops.inbox')} {workers.log()}")
    assert workers.stop() == [0] * WORKERS
    nas.assert_equals_disk()
    assert_told_what_is(nas, desk)


def stuck(desk: Desk) -> list[tuple[object, ...]]:
    """Items that nobody renewed for two terms, though others are there who could take them; and those given up."""
    return desk.rows(
        """select label, kind, lease_owner, error from ops.inbox
           where lease_until < now() - 2 * %s * interval '1 second' or poisoned_at is not null
              or lease_until > now() + (%s + 1) * interval '1 second'""",
        LEASE_SECONDS,
        LEASE_SECONDS,
    )


def assert_told_what_is(nas: Nas, desk: Desk) -> None:
    """Each transaction told what it did, so killed or not, the sums are the tables."""
    sums = {name: desk.told(name).get("nas_files", 0) for name in ("new", "changed", "moved", "deleted", "restored")}
    assert sums["new"] == nas.one("select count(*) from files")
    gone = nas.one("select count(*) from files where deleted_at is not null")
    assert sums["deleted"] - sums["restored"] == gone
    live = set(nas.rows("select distinct content_hash from files where deleted_at is null"))
    for step in ("store", "thumbnail", "text"):
        results = (
            "select content_hash from ops.step_results where step = %s and state in ('ok', 'unsupported', 'empty')"
        )
        left = sorted(each for (each,) in live - set(nas.rows(results, step)))
        why = nas.rows("select * from ops.step_results where content_hash = any(%s) and step = %s", left, step)
        assert left == [], f"every content that is there went through every step, but {why}"
    results = "select step, count(*)::int from ops.step_results where state <> 'failed' group by step"
    good = [desk.told(state) for state in ("ok", "empty", "unsupported")]
    for step, number in nas.rows(results):
        told = sum(each.get(ASSETS[step], 0) for each in good)
        assert told == number, f"{step}: each content came to its end once, and that was told once"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seconds", [8, pytest.param(300, marks=pytest.mark.soak)])
def test_workers_killed_at_random_lose_nothing_and_do_nothing_twice(
    settings: Settings, workers: Workers, seconds: float
) -> None:
    settings = settings.model_copy(update={"max_deletions": 1_000_000, "max_deletion_percent": 100.0})
    workers.settings = settings
    kill_at_random(settings, workers, seconds=seconds)
