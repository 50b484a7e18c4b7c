"""Where an export may go, and what is left when it ends early: no half of one under its name, nothing overwritten."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from export_office import KITA, Office

from ibhelm_pipelines.cli_export import INCOMPLETE, export_command
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.errors import BusyError, ConfigurationError, ObjectStoreUnavailableError
from ibhelm_pipelines.export.folder import FolderTarget
from ibhelm_pipelines.export.project import find_project
from ibhelm_pipelines.export.run import ExportReport, export
from ibhelm_pipelines.objects.store import ObjectStore, original_key
from ibhelm_pipelines.settings import Settings

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=1)


class Stopped(Exception):  # noqa: N818 - it stands for a kill
    """The export ends here."""


def run(office: Office, to: Path, *, now: dt.datetime = NOW, stop_at: int = 0) -> ExportReport:
    def stop(what: str, done: int, _total: int) -> None:
        if what == "files" and done == stop_at:
            raise Stopped

    return export(office.settings, "2301", to, now=now, on_progress=stop)


def tree(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_broken_off_folder_is_gone_on_with_and_becomes_what_it_would_have_been(
    office: Office, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(office, whole)
    with pytest.raises(Stopped):
        run(office, broken, stop_at=8)
    assert not broken.exists()
    partial = tmp_path / "broken.partial"
    placed = sorted(each for each in (partial / "dateien").rglob("*") if each.is_file())
    assert len(placed) >= 6
    damaged, kept = placed[0], placed[1:]
    times = damaged.stat()
    damaged.write_bytes(b"x" * times.st_size)
    os.utime(damaged, (times.st_atime, times.st_mtime))
    (partial / "dateien" / "von gestern.txt").write_text("since deleted")
    inodes = {each.relative_to(partial): each.stat().st_ino for each in kept}
    run(office, broken)
    assert tree(broken) == tree(whole)
    assert not partial.exists()
    assert inodes == {path: (broken / path).stat().st_ino for path in inodes}


def test_a_broken_off_zip_leaves_nothing(office: Office, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(office, tmp_path / "Kita.zip", stop_at=8)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken_and_anything_else_is_left_alone(office: Office, tmp_path: Path) -> None:
    empty, full, file = tmp_path / "leer", tmp_path / "voll", tmp_path / "da.zip"
    empty.mkdir()
    full.mkdir()
    (full / "mein.txt").write_text("mein")
    file.write_text("mein")
    link = tmp_path / "zeiger"
    link.symlink_to(tmp_path / "nirgends")
    run(office, empty)
    assert (empty / "index.html").is_file()
    for target in (full, file, link, empty):
        with pytest.raises(ConfigurationError, match="already"):
            run(office, target)
    assert (full / "mein.txt").read_text() == file.read_text() == "mein"


def test_a_folder_in_the_way_of_the_unfinished_one_is_left_alone(office: Office, tmp_path: Path) -> None:
    partial = tmp_path / "Kita.partial"
    partial.mkdir()
    (partial / "mein.txt").write_text("mein")
    with pytest.raises(ConfigurationError, match="in the way"):
        run(office, tmp_path / "Kita")
    with pytest.raises(Stopped):
        run(office, tmp_path / "Rathaus", stop_at=2)
    with pytest.raises(ConfigurationError, match="not of this export"):
        export(office.settings, "2302", tmp_path / "Rathaus", now=NOW)
    assert (partial / "mein.txt").read_text() == "mein"


def test_nothing_is_written_below_the_share_however_it_is_reached(office: Office, tmp_path: Path) -> None:
    root = office.settings.nas_root
    assert root is not None
    before = tree(root)
    link = tmp_path / "link"
    link.symlink_to(root / KITA)
    for target in (
        root / "neu",
        root / "neu" / "tiefer.zip",
        root,
        link / "neu",
        tmp_path / "x" / ".." / "link" / "neu",
    ):
        with pytest.raises(ConfigurationError, match=r"NAS share|already"):
            run(office, target)
    assert tree(root) == before


def test_two_exports_to_one_place_do_not_mix(office: Office, tmp_path: Path) -> None:
    target = FolderTarget(tmp_path / "Kita")
    target.begin(f"project {office.project}, with deleted files: False")
    with pytest.raises(BusyError, match="Another export"):
        run(office, tmp_path / "Kita")
    target.close()
    run(office, tmp_path / "Kita")


def test_what_is_missing_or_rotten_is_named_and_the_status_says_so(office: Office, tmp_path: Path) -> None:
    settings = office.settings.model_copy(update={"state_dir": tmp_path / "state"})
    lost, rotten = (_content(office, name) for name in ("Grundriss.pdf", "Flur.jpg"))
    with ObjectStore(settings) as store:
        originals = {content: _bytes(store, content) for content in (lost, rotten)}
        store.delete(original_key(lost))
        other = originals[rotten][:-1] + b"!"
        store.put_bytes(original_key(rotten), other, sha256=_sha256(other), media_type="image/jpeg")
        try:
            result = CliRunner().invoke(
                export_command, ["2301", "--to", str(tmp_path / "Kita")], env=_environment(settings)
            )
        finally:
            for content, data in originals.items():
                store.put_bytes(original_key(content), data, sha256=content, media_type="application/octet-stream")
    assert result.exit_code == INCOMPLETE, result.output
    assert "2 things are missing: seiten/fehlt.html" in result.output
    said = (tmp_path / "Kita" / "seiten" / "fehlt.html").read_text(encoding="utf-8")
    assert 'Grundriss.pdf</span> <span class="detail">Das Original fehlt im Objektspeicher.' in said
    assert 'Flur.jpg</span> <span class="detail">Das Original im Objektspeicher ist beschädigt' in said
    held = tree(tmp_path / "Kita")
    assert not any(path.endswith(("Flur.jpg", "1. OG/Grundriss.pdf")) for path in held)
    assert any(path.endswith("BSK-Liste.pdf") for path in held)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "Kita", check=True)


def test_a_whole_export_ends_with_zero(office: Office, tmp_path: Path) -> None:
    to = tmp_path / "Kita.zip"
    result = CliRunner().invoke(export_command, ["Lindenhof", "--to", str(to)], env=_environment(office.settings))
    assert result.exit_code == 0, result.output
    assert "2301 Kita Lindenhof" in result.output
    assert "seiten/umbenannt.html" in result.output


def test_a_store_that_is_away_leaves_no_export_and_is_said(office: Office, tmp_path: Path) -> None:
    settings = office.settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(ObjectStoreUnavailableError):
        export(settings, "2301", tmp_path / "Kita.zip", now=NOW)
    gone = office.settings.model_copy(update={"s3_bucket": "no-such-bucket"})
    with pytest.raises(ConfigurationError, match="no bucket"):
        export(gone, "2301", tmp_path / "Kita", now=NOW)
    assert not (tmp_path / "Kita").exists()
    assert not (tmp_path / "Kita.zip").exists()


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
from ibhelm_pipelines.cli import main
main(["export", "2301", "--to", sys.argv[1]])
"""


def test_a_disk_that_takes_no_more_is_said_and_no_half_export_stands_there(office: Office, tmp_path: Path) -> None:
    to = tmp_path / "Kita.zip"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(to)], capture_output=True, text=True, check=False,
        env=os.environ | _environment(office.settings),
    )  # fmt: skip
    assert done.returncode == 1
    assert f"The export to {to} ended: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_disk_has_room_for_is_refused_at_once(office: Office, tmp_path: Path) -> None:
    [(content, size)] = office.ask(
        "select hash, size_bytes from contents where hash = %s", _content(office, "Flur.jpg")
    )
    office.ask("update contents set size_bytes = 1::bigint << 60 where hash = %s returning 1", content)
    try:
        with pytest.raises(ConfigurationError, match=r"needs about .* GB more"):
            run(office, tmp_path / "Kita")
    finally:
        office.ask("update contents set size_bytes = %s where hash = %s returning 1", size, content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", ["2301", "2301 Kita Lindenhof", "kita lindenhof", "LINDENHOF", "id:{project}"])
def test_a_project_is_found_by_number_name_words_and_id(office: Office, asked: str) -> None:
    with connect(office.url, application="test") as connection:
        assert find_project(connection, asked.format(project=office.project))["name"] == "2301 Kita Lindenhof"


def test_several_projects_are_listed_and_none_is_taken(office: Office) -> None:
    second = office.desk.project("2303 Kita Ahornweg")
    try:
        with connect(office.url, application="test") as connection:
            with pytest.raises(ConfigurationError, match=rf"(?s)2 projects may be meant.*id:{second}  2303 Kita Ahorn"):
                find_project(connection, "Kita")
            for nothing in ("Kitt", "9999", "", "*", "id:x"):
                with pytest.raises(ConfigurationError, match="There is no project"):
                    find_project(connection, nothing)
    finally:
        office.ask("delete from projects where id = %s returning 1", second)


def _content(office: Office, name: str) -> str:
    [(content,)] = office.ask("select content_hash from files where name = %s and size_bytes > 100", name)
    return str(content)


def _bytes(store: ObjectStore, content: str) -> bytes:
    opened = store.open(original_key(content))
    assert opened is not None
    data = opened.read(10_000_000)
    opened.close()
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "IBHELM_STATE_DIR": str(settings.state_dir),
        "IBHELM_NAS_ROOT": str(settings.nas_root),
        "IBHELM_DATABASE_URL": settings.require_database_url(),
        "IBHELM_S3_ENDPOINT": settings.require_s3_endpoint(),
        "IBHELM_S3_BUCKET": settings.s3_bucket,
    }
