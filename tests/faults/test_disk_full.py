"""No space left: under Postgres, and where temporary files go. Work stops with a sentence, and goes on later."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tables
from click.testing import CliRunner
from nas_tree import Nas

from ibhelm_pipelines.alerts.evaluate import evaluate
from ibhelm_pipelines.cli_scan import scan_command
from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.errors import DatabaseUnavailableError
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings


@pytest.fixture
def small_disk(private_folder: Path) -> Iterator[Path]:
    """A file system of 300 MB."""
    disk = private_folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300m,mode=0711", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill_up(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError:
            return ballast


def test_a_full_disk_under_postgres_stops_the_scan_and_the_next_one_finishes(
    settings: Settings, small_disk: Path
) -> None:
    server = EmbeddedPostgres(folder=small_disk / "postgres", server_settings={"shared_buffers": "16MB"})
    server.start()
    try:
        migrate(server.url())
        settings = Settings.model_validate({**settings.model_dump(), "database_url": server.url()})
        nas = Nas(settings)
        nas.write("projekte/A/first.txt", "first")
        scan(settings)
        ballast = fill_up(small_disk)
        for i in range(6_000):
            nas.write(f"projekte/{i % 4}/{'x' * 150}{i}.txt", f"text {i}")
        with pytest.raises(DatabaseUnavailableError, match=r"(?i)space|closed|terminat|recovery|shutting"):
            scan(settings)
        ballast.unlink()
        server.stop()
        server.start()
        nas.assert_sound()
        scan(settings)
        nas.assert_equals_disk()
    finally:
        server.stop()


def test_a_full_disk_for_temporary_files_is_a_sentence(
    settings: Settings, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nas = Nas(settings)
    nas.write("projekte/A/first.txt", "first")
    fill_up(small_disk)
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    for name in ("nas_root", "s3_endpoint", "s3_bucket"):
        monkeypatch.setenv(f"IBHELM_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("IBHELM_DATABASE_URL", settings.require_database_url())
    monkeypatch.setenv("IBHELM_STATE_DIR", str(settings.state_dir))

    result = CliRunner().invoke(scan_command, [])

    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert "TMPDIR" in result.stderr
    assert "Traceback" not in result.output
    assert os.listdir(small_disk) == ["ballast"]


def test_a_filling_disk_is_told_before_it_is_full_and_again_when_there_is_room(
    settings: Settings, small_disk: Path
) -> None:
    on_it = settings.model_copy(update={"state_dir": small_disk / "state"})
    assert "machine:disk_filling" in evaluate(on_it, runs=()).opened
    told = "select body from ops.alerts where key = 'machine:disk_filling'"
    [(body,)] = tables.ask(settings.require_database_url(), told)
    assert body.startswith("0.3 of 0.3 GiB are free on the disk of ")
    assert "machine:disk_filling" in evaluate(settings, runs=()).closed
