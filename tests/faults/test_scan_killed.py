"""kill -9 of a scan between any two of its statements: the tables are true right then, and the next scan finishes.

The scan runs in a forked child that kills itself at the N-th statement or COPY it sends. What must come out is what an
undisturbed scan of the same change gives: the same live files, the same ids kept over renames, the same deletions.
The disk is changed once, and the tables are put back to what they held before each attempt.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from database_snapshot import Snapshot, snapshot
from killed_child import run_in_child
from nas_tree import Nas

from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.nas import reading
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

POINTS_IN_CI = 50
SEED = 20_261_122


@pytest.fixture
def nas(settings: Settings) -> Nas:
    return Nas(settings)


def first_state(nas: Nas) -> None:
    for i in range(120):
        nas.write(f"projekte/{i % 6}/{i}.txt", f"text {i}", mtime=1_700_000_000 + i)
    for i in range(3):
        nas.write(f"projekte/0/twin {i}.txt", "twins")


def disturb(nas: Nas) -> None:
    """Every kind of change at once."""
    nas.move("projekte/1", "projekte/umbenannt")
    nas.move("projekte/2/2.txt", "projekte/3/moved.txt")
    nas.write("projekte/3/3.txt", "edited")
    nas.path("projekte/4/4.txt").unlink()
    nas.path("projekte/0/twin 1.txt").unlink()
    nas.write("projekte/5/new.txt", "brand new")
    nas.move("projekte/5/5.txt", "x")
    nas.move("projekte/5/11.txt", "projekte/5/5.txt")
    nas.move("x", "projekte/5/11.txt")
    shutil.copyfile(nas.path("projekte/3/9.txt"), nas.path("projekte/4/by copy.txt"))
    nas.path("projekte/3/9.txt").unlink()
    nas.move("projekte/2/8.txt", "projekte/2/8 edited.txt")
    nas.write("projekte/2/8 edited.txt", "renamed and edited")


def essence(nas: Nas) -> dict[str, Any]:
    """What must be the same however often the scan was killed; ids as the paths that they had first."""
    names = dict(nas.rows("select file_id, (array_agg(path order by id))[1] from file_versions group by file_id"))
    files = nas.rows("select id, path, content_hash, deleted_at is null from files")
    versions = nas.rows("select file_id, path, content_hash, valid_to is null from file_versions")
    return {
        "files": sorted((names[i], *rest) for i, *rest in files),
        "versions": sorted((names[i], *rest) for i, *rest in versions),
        "contents": sorted(nas.rows("select hash from contents")),
        "candidates": nas.one("select count(*) from ops.hashed_candidates"),
        "running": nas.one("select count(*) from ops.scans where state = 'running'"),
    }


@pytest.fixture
def before(
    settings: Settings, nas: Nas, postgres: EmbeddedPostgres, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Snapshot]:
    """The tables before the change; the disk after it."""
    monkeypatch.setattr(reading, "CHUNK_FILES", 20)
    first_state(nas)
    scan(settings)
    with snapshot(postgres, database_url) as before:
        disturb(nas)
        yield before


def undisturbed(nas: Nas, settings: Settings) -> tuple[dict[str, Any], int]:
    statements = run_in_child(lambda: scan(settings), die_at=None)
    assert statements is not None
    return essence(nas), len(statements)


def check_kill_at(nas: Nas, settings: Settings, before: Snapshot, points: list[int], expected: dict[str, Any]) -> None:
    before.restore()
    for point in points:
        run_in_child(lambda: scan(settings), die_at=point)
        nas.assert_sound()
    scan(settings)
    nas.assert_equals_disk()
    assert essence(nas) == expected, f"killed at {points}"


def test_a_scan_killed_at_any_statement_is_finished_by_the_next(settings: Settings, nas: Nas, before: Snapshot) -> None:
    expected, statements = undisturbed(nas, settings)
    points = random.Random(SEED).sample(range(1, statements + 1), min(POINTS_IN_CI, statements))
    for point in points:
        check_kill_at(nas, settings, before, [point], expected)


def test_a_first_scan_killed_again_and_again_still_ends_and_repeats_no_chunk(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "CHUNK_FILES", 20)
    first_state(nas)
    stored = 0
    for point in (50, 85, 60):
        assert run_in_child(lambda: scan(settings), die_at=point) is None
        nas.assert_sound()
        now = nas.one("select count(*) from files")
        assert now >= stored, "what was stored stays stored"
        stored = now
    assert 0 < stored < 123, "the points must lie inside the work"
    report = scan(settings)
    nas.assert_equals_disk()
    assert report.total.new == 123 - stored, "no stored chunk is read again"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_scan_killed_at_every_statement_and_twice_in_a_row(settings: Settings, nas: Nas, before: Snapshot) -> None:
    expected, statements = undisturbed(nas, settings)
    for point in range(1, statements + 1):
        check_kill_at(nas, settings, before, [point], expected)
    dice = random.Random(SEED)
    for _ in range(200):
        check_kill_at(nas, settings, before, [dice.randint(1, statements), dice.randint(1, statements)], expected)
