"""What happened to a file and in a folder, and when; and the commands that show and restore it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from restored_office import Stored, tree

from ibhelm_pipelines.cli import main
from ibhelm_pipelines.safety.history import PastVersion, history
from ibhelm_pipelines.safety.manifests import write_manifests
from ibhelm_pipelines.safety.purge import purge
from ibhelm_pipelines.settings import Settings

FOLDER = "projekte/2301-Kita"
OTHER = "projekte/2302-Rathaus"


@pytest.fixture
def stored(settings: Settings, s3_client: Any) -> Stored:
    return Stored(settings.model_copy(update={"max_deletion_percent": 100.0}), s3_client)


def told(stored: Stored, path: str) -> list[PastVersion]:
    with psycopg.connect(stored.settings.require_database_url()) as connection:
        return history(connection, path)


def events(found: list[PastVersion]) -> list[tuple[str, str, str | None]]:
    return [(each.event, each.path.rpartition("/")[2], each.path_before and each.path_before) for each in found]


def live_through(stored: Stored) -> None:
    nas = stored.nas
    nas.write(f"{FOLDER}/a.txt", "one", mtime=1_700_000_000)
    nas.write(f"{FOLDER}/b.txt", "b")
    stored.keep()
    nas.write(f"{FOLDER}/a.txt", "second", mtime=1_700_000_100)
    stored.keep()
    os.utime(nas.path(f"{FOLDER}/a.txt"), (1_700_000_200, 1_700_000_200))
    stored.keep()
    nas.move(f"{FOLDER}/a.txt", f"{OTHER}/neu.txt")
    stored.keep()
    nas.path(f"{OTHER}/neu.txt").unlink()
    stored.keep()
    nas.write(f"{OTHER}/neu.txt", "second", mtime=1_700_000_200)
    stored.keep()


def run(stored: Stored, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    settings = stored.settings
    for name, value in (
        ("IBHELM_STATE_DIR", settings.state_dir), ("IBHELM_NAS_ROOT", settings.nas_root),
        ("IBHELM_DATABASE_URL", settings.require_database_url()), ("IBHELM_S3_ENDPOINT", settings.s3_endpoint),
        ("IBHELM_S3_BUCKET", settings.s3_bucket), ("COLUMNS", "250"),
    ):  # fmt: skip
        monkeypatch.setenv(name, str(value))
    return CliRunner().invoke(main, list(arguments))


def test_a_life_is_told_by_every_path_that_a_file_ever_had(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    live_through(stored)
    life = [
        ("first seen", "a.txt", None), ("changed", "a.txt", None), ("touched", "a.txt", None),
        ("moved", "neu.txt", f"{FOLDER}/a.txt"), ("deleted", "neu.txt", None), ("came back", "neu.txt", None),
    ]  # fmt: skip

    assert events(told(stored, f"{FOLDER}/a.txt")) == events(told(stored, f"{OTHER}/neu.txt")) == life
    assert events(told(stored, OTHER)) == life
    assert sorted(events(told(stored, FOLDER))) == sorted([*life, ("first seen", "b.txt", None)])
    first, changed, *_, deleted, back = told(stored, OTHER)
    assert (first.size_bytes, first.mtime_ns, changed.at) == (3, 1_700_000_000_000_000_000, first.until)
    assert (deleted.until, back.until) == (back.at, None)

    shown = run(stored, monkeypatch, "history", f"{FOLDER}/a.txt")
    assert shown.exit_code == 0
    assert f"{FOLDER}/a.txt -> {OTHER}/neu.txt" in shown.output
    assert "2023-11-14 23:13:20 CET" in shown.output  # the clock at the wall, not UTC
    unknown = run(stored, monkeypatch, "history", f"{FOLDER}/b.tx")
    assert unknown.exit_code == 1
    assert f"Similar: {FOLDER}/b.txt" in unknown.output
    assert run(stored, monkeypatch, "history", "/").exit_code == 1


def test_many_of_a_kind_are_one_line(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(13):
        stored.nas.write(f"{FOLDER}/{number}.txt", "x" * number)
    stored.keep()
    assert "13 files, such as " in run(stored, monkeypatch, "history", FOLDER).output


def test_it_says_that_the_retention_took_files(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.nas.write(f"{FOLDER}/stays.txt", "a")
    gone = stored.nas.write(f"{FOLDER}/goes.txt", "b")
    stored.keep()
    gone.unlink()
    stored.keep()
    assert "Retention" not in run(stored, monkeypatch, "history", FOLDER).output
    stored.nas.rows("update files set deleted_at = deleted_at - interval '2 days' where deleted_at is not null")
    settings = stored.settings.model_copy(update={"retention_days": 1})
    assert purge(settings, now=stored.now(), dry_run=False, confirmed=True).files == 1

    folder, file = (run(stored, monkeypatch, "history", path) for path in (FOLDER, f"{FOLDER}/goes.txt"))

    assert (folder.exit_code, "stays.txt" in folder.output, "goes.txt" in folder.output) == (0, True, False)
    assert "Note: Retention has removed files for good that were deleted before" in folder.output
    assert file.exit_code == 1
    assert "Nothing is known of" in file.output
    assert "Retention has removed files for good" in file.output


def test_the_command_restores_and_its_exit_status_tells(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.nas.write(f"{FOLDER}/a.txt", "one")
    stored.nas.write(f"{FOLDER}/b.txt", "b")
    moment = stored.keep().isoformat()
    truth = tree(stored.nas.root)
    write_manifests(stored.settings, now=dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    stored.nas.write(f"{FOLDER}/a.txt", "second")
    stored.keep()
    for number, how in enumerate((["--at", moment], ["--at", moment, "--from-bucket"])):
        target = tmp_path / str(number)
        done = run(stored, monkeypatch, "restore", FOLDER, "--to", str(target), *how)
        assert (done.exit_code, tree(target)) == (0, truth)
        assert "2  written, bytes verified" in done.output
    (target / FOLDER / "a.txt").write_text("two")
    differs = run(stored, monkeypatch, "restore", FOLDER, "--to", str(target), "--at", moment)
    assert differs.exit_code == 3
    assert "1  another file stands there; left alone" in differs.output
    stored.change(stored.keys("originals/")[0], None)
    assert run(stored, monkeypatch, "restore", "--to", str(tmp_path / "now")).exit_code == 3
    for wrong in (["nirgends"], ["--at", "2026-10-25T02:30"], ["--at", "morgen"], [str(tmp_path)]):
        refused = run(stored, monkeypatch, "restore", *wrong, "--to", str(tmp_path / "none"))
        assert (refused.exit_code, "Error:" in refused.output) == (1, True)
    assert run(stored, monkeypatch, "restore", FOLDER).exit_code == 2
