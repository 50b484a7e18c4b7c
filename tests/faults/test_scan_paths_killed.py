"""kill -9 of a scan that tells, between any two of its statements: what was told is what was done, right then and after
the work was done again.

What happened is read from the tables themselves, by comparing them with what they held before; the outbox must say the
same, and every content that was placed must wait for its preview. The disk is changed once, and the tables are put
back to what they held before each attempt.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from database_snapshot import Snapshot, snapshot
from killed_child import run_in_child
from nas_tree import Nas

from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.nas import reading
from ibhelm_pipelines.nas.paths import scan_paths
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

POINTS_IN_CI = 3
SEED = 20_261_122
KINDS = ("new", "changed", "moved", "deleted", "restored")

Action = Callable[[], Any]


@pytest.fixture
def nas(settings: Settings) -> Nas:
    return Nas(settings)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_FILES", 5)


def first_state(nas: Nas, settings: Settings) -> dict[int, tuple[Any, ...]]:
    for i in range(80):
        nas.write(f"projekte/{i % 4}/{i}.txt", f"text {i}", mtime=1_700_000_000 + i)
    nas.write("projekte/0/back.txt", "comes back")
    nas.write("projekte/1/back elsewhere.txt", "comes back elsewhere")
    scan(settings)
    nas.path("projekte/0/back.txt").unlink()
    nas.move("projekte/1/back elsewhere.txt", "aside")
    scan_paths(settings, paths=[b"projekte/0/back.txt", b"projekte/1/back elsewhere.txt"], tell=False)
    return rows(nas)


def disturb(nas: Nas) -> list[bytes]:
    """Every kind of change at once; returns the touched paths."""
    nas.move("projekte/1", "projekte/umbenannt")
    nas.move("projekte/2/2.txt", "projekte/3/moved.txt")
    nas.write("projekte/3/3.txt", "edited")
    nas.write("projekte/0/4.txt", "edited too")
    nas.path("projekte/0/8.txt").unlink()
    for i in range(7):
        nas.write(f"projekte/neu/{i}.txt", f"brand new {i % 6}")
    shutil.copyfile(nas.path("projekte/3/7.txt"), nas.path("projekte/0/by copy.txt"))
    nas.path("projekte/3/7.txt").unlink()
    nas.write("projekte/0/back.txt", "comes back")
    nas.move("aside", "projekte/2/elsewhere.txt")
    touched = """projekte/1 projekte/umbenannt projekte/2/2.txt projekte/3/moved.txt projekte/3/3.txt projekte/0/4.txt
        projekte/0/8.txt projekte/neu projekte/3/7.txt projekte/0/back.txt projekte/2/elsewhere.txt"""
    return [os.fsencode(path) for path in touched.split()] + [b"projekte/0/by copy.txt", b"aside"]


def rows(nas: Nas) -> dict[int, tuple[Any, ...]]:
    return {i: rest for i, *rest in nas.rows("select id, raw_path, content_hash, deleted_at is null from files")}


def kind(before: tuple[Any, ...] | None, now: tuple[Any, ...]) -> str | None:
    """What happened to one file."""
    if before is None:
        return "new"
    (old_path, old_hash, was_live), (path, content, is_live) = before, now
    if was_live != is_live:
        return "restored" if is_live else "deleted"
    if path != old_path:
        return "moved"
    return "changed" if content != old_hash else None


def assert_told_what_was_done(nas: Nas, before: dict[int, tuple[Any, ...]], unit: str) -> None:
    now = rows(nas)
    happened = {i: what for i, row in now.items() if (what := kind(before.get(i), row)) is not None}
    told: Counter[str] = Counter()
    for (counts,) in nas.rows("select counts from ops.outbox"):
        told.update(counts)
    assert {k: told[k] for k in KINDS} == {k: list(happened.values()).count(k) for k in KINDS}
    placed = [i for i, what in happened.items() if what != "deleted"]
    field = {"hash": "content_hash", "folder": "folder"}[unit]
    wanted = {v for (v,) in nas.rows(f"select {field} from files where id = any(%s)", placed)}
    waiting = nas.rows("select convert_from(key, 'UTF8') from ops.inbox where source = 'content' and kind = %s", unit)
    assert sorted(v for (v,) in waiting) == sorted(wanted)


def action_of(settings: Settings, unit: str, touched: list[bytes]) -> Action:
    if unit == "hash":
        return lambda: scan_paths(settings, paths=touched)
    folders = ["_loose", *(f"projekte/{name}" for name in ("0", "1", "2", "3", "neu", "umbenannt"))]
    return lambda: scan(settings, folders=folders, tell=True)


class Attempts:
    """One change of the disk, told to the tables as often as one likes."""

    def __init__(self, settings: Settings, nas: Nas, unit: str, before: Snapshot, known: dict[int, tuple[Any, ...]]):
        self.settings, self.nas, self.unit, self._before, self._known = settings, nas, unit, before, known
        self._action = action_of(settings, unit, disturb(nas))

    def check_kills(self, points: list[int]) -> list[str]:
        """Kill at each point in a row, then do it to its end; returns the statements that took."""
        self._before.restore()
        for point in points:
            run_in_child(self._action, die_at=point)
            self.nas.assert_sound()
            assert_told_what_was_done(self.nas, self._known, self.unit)
        statements = run_in_child(self._action, die_at=None)
        assert statements is not None
        self._assert_finished()
        return statements

    def _assert_finished(self) -> None:
        self.nas.assert_equals_disk()
        assert_told_what_was_done(self.nas, self._known, self.unit)
        assert self.nas.one("select count(*) from ops.scans where state = 'running'") == 0
        assert self.nas.one("select count(*) from ops.hashed_candidates") == 0
        total = scan(self.settings).total
        assert (total.new, total.changed, total.moved, total.deleted, total.restored) == (0,) * 5


@pytest.fixture
def attempts(
    settings: Settings, nas: Nas, unit: str, postgres: EmbeddedPostgres, database_url: str
) -> Iterator[Attempts]:
    settings = settings.model_copy(update={"max_deletion_percent": 20})
    known = first_state(nas, settings)
    with snapshot(postgres, database_url) as before:
        yield Attempts(settings, nas, unit, before, known)


@pytest.mark.parametrize("unit", ["hash", "folder"])
def test_a_scan_that_is_killed_has_told_what_it_did_and_the_next_tells_the_rest(attempts: Attempts) -> None:
    statements = attempts.check_kills([])
    telling = [i for i, statement in enumerate(statements, 1) if "insert into ops.outbox" in statement]
    assert len(telling) >= 3, "moves, chunks of new files, deletions"
    chosen = {telling[0], telling[1], telling[-1]}
    others = random.Random(SEED).sample(range(1, len(statements) + 1), POINTS_IN_CI)
    for point in {*chosen, *(i + 1 for i in chosen), *others}:
        attempts.check_kills([point])


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("unit", ["hash", "folder"])
def test_a_scan_that_is_killed_at_every_statement_and_twice_in_a_row(attempts: Attempts) -> None:
    statements = len(attempts.check_kills([]))
    for point in range(1, statements + 1):
        attempts.check_kills([point])
    dice = random.Random(SEED)
    for _ in range(100):
        attempts.check_kills([dice.randint(1, statements), dice.randint(1, statements)])
