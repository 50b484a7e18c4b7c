"""A share of the size that the office has: 300,000 files in 200 projects, and a working week of changes to it."""

from __future__ import annotations

import random

import pytest
from nas_tree import Nas

from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

FILES = 300_000
PROJECTS = 200
SEED = 7


def build(nas: Nas) -> list[str]:
    paths = [f"projekte/{2301 + i % PROJECTS}-Büro/KGR {i // 7 % 40}/{i // 7}/Plan {i:06d}.txt" for i in range(FILES)]
    for i, path in enumerate(paths):
        nas.write(path, f"Inhalt {i}")
    return paths


def disturb(nas: Nas, paths: list[str]) -> None:
    dice = random.Random(SEED)
    chosen = dice.sample(paths, 3_000)
    for number, path in enumerate(chosen):
        match number % 5:
            case 0:
                nas.write(path, f"geändert {number}")
            case 1:
                nas.move(path, path.replace(".txt", " neu.txt"))
            case 2:
                nas.move(path, f"projekte/{2301 + number % PROJECTS}-Büro/{path.rsplit('/', 1)[1]}")
            case 3 if number < 2_000:
                nas.path(path).unlink()
            case _:
                nas.write(f"{path}.kopie.txt", nas.path(path).read_bytes())
    nas.move("projekte/2400-Büro", "projekte/2400-Büro umbenannt")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_share_of_300000_files_and_a_week_of_changes(settings: Settings) -> None:
    nas = Nas(settings)
    paths = build(nas)
    assert scan(settings).total.new == FILES
    before = nas.rows("select xmin, id from files order by id")
    assert scan(settings, deep=True).bytes_hashed == 0
    assert nas.rows("select xmin, id from files order by id") == before, "a scan without changes writes no row"

    disturb(nas, paths)
    report = scan(settings)

    nas.assert_equals_disk()
    assert (report.state, report.deletions_refused, report.total.deleted) == ("complete", 0, 400)
    assert report.total.moved >= 1_200 + FILES // PROJECTS - 100
    kept = nas.one("select count(*) from files where id <= (select min(id) + %s from files)", FILES - 1)
    assert kept == FILES, "no row was lost, whatever happened to its file"
